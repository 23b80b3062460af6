//! The namespaces of a server, and the rules by which clients make more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use tokio::sync::watch;

use super::config::Config;
use super::hooks::Hooks;
use super::hub::Hub;
use super::namespace::{Hall, Namespace};
use super::socket::Socket;

/// The namespaces, and the rules by which clients make more.
pub(super) struct Halls {
    named: RwLock<Named>,
    /// Whether the server stops.
    stopping: watch::Sender<bool>,
    /// Those who serve these namespaces: one, if the server runs.
    hubs: Mutex<Vec<Weak<Hub>>>,
}

#[derive(Default)]
struct Named {
    fixed: HashMap<Box<str>, Arc<Hall>>,
    rules: Vec<(Box<Rule>, Arc<Hooks>)>,
    /// Those that a rule has made, as long as somebody is there.
    made: HashMap<Box<str>, Arc<Hall>>,
}

type Rule = dyn Fn(&str) -> bool + Send + Sync;

impl Halls {
    /// The namespace of that name, which is made if it does not exist.
    pub(super) fn of(&self, name: &str) -> Namespace {
        let name = if name.is_empty() { "/" } else { name };
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        let hall = named.fixed.entry(name.into());
        let hall = hall.or_insert_with(|| Hall::new(name, Arc::default()));
        Namespace {
            hall: Arc::clone(hall),
        }
    }

    /// The handlers of all namespaces whose names a rule takes.
    pub(super) fn of_those(
        &self,
        rule: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Namespace {
        let hooks = Arc::<Hooks>::default();
        let hall = Hall::new("", Arc::clone(&hooks));
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        named.rules.push((Box::new(rule), hooks));
        Namespace { hall }
    }

    /// Has somebody enter a namespace. `None`: there is no such one.
    pub(super) fn enter(
        &self,
        name: &str,
        enter: impl FnOnce(Arc<Hall>) -> Socket,
    ) -> Option<Socket> {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(hall) = named.fixed.get(name) {
            return Some(enter(Arc::clone(hall)));
        }
        if named.rules.is_empty() {
            return None;
        }
        drop(named);
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(hall) = named.made.get(name) {
            return Some(enter(Arc::clone(hall)));
        }
        let (_, hooks) = named.rules.iter().find(|(rule, _)| rule(name))?;
        if named.made.len() >= Config::MAX_DYNAMIC {
            return None;
        }
        let hall = Hall::new(name, Arc::clone(hooks));
        named.made.insert(name.into(), Arc::clone(&hall));
        // While the lock is held: nobody tidies it up before somebody is there.
        Some(enter(hall))
    }

    /// Forgets a namespace that a client made and the last has left.
    pub(super) fn tidy(&self, hall: &Hall) {
        if self.is_empty_of_made() {
            return;
        }
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        let is_it = |made: &Arc<Hall>| std::ptr::eq(Arc::as_ptr(made), hall);
        if named.made.get(&*hall.name).is_some_and(is_it) && hall.members().len() == 0 {
            named.made.remove(&*hall.name);
        }
    }

    fn is_empty_of_made(&self) -> bool {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        named.made.is_empty()
    }

    /// The server runs.
    pub(super) fn has(&self, hub: &Arc<Hub>) {
        let mut hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.push(Arc::downgrade(hub));
    }

    fn hubs(&self) -> Vec<Arc<Hub>> {
        let hubs = self.hubs.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.iter().filter_map(Weak::upgrade).collect()
    }

    /// Ends all sessions, and lets nobody in any longer.
    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
        for hub in self.hubs() {
            hub.end_all();
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the server has to stop.
    pub(super) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender is ours: it is not dropped.
        drop(stopping.wait_for(|stopping| *stopping).await);
    }

    /// Waits until no session is left.
    pub(super) async fn ended(&self) {
        for hub in self.hubs() {
            hub.emptied().await;
        }
    }
}

impl Default for Halls {
    fn default() -> Self {
        Self {
            named: RwLock::default(),
            stopping: watch::Sender::new(false),
            hubs: Mutex::default(),
        }
    }
}
