//! The connections of a server, and how they end when the server does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use ws_proto::CloseCode;

use crate::home::Ask;

/// Shuts a [`Server`](crate::Server) down, from any task or thread.
#[derive(Clone, Debug)]
pub struct Handle {
    registry: Weak<Registry>,
}

impl Handle {
    pub(super) fn new(registry: &Arc<Registry>) -> Self {
        let registry = Arc::downgrade(registry);
        Self { registry }
    }

    /// Shuts the server down cleanly: it accepts no more connections, every connection gets a Close
    /// 1001, those that are still opening get 503, and after the grace period (10 s by default) the
    /// server drops the rest. Then [`Server::run`](crate::Server::run) returns. A second call ends
    /// it at once.
    pub fn shutdown(&self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.stop();
        }
    }
}

/// The connections of a server.
#[derive(Debug, Default)]
pub(super) struct Registry {
    inner: Mutex<Inner>,
    /// Wakes the tasks that wait for a change of the phase, or for the last connection to end.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    phase: Phase,
    next: u64,
    live: HashMap<u64, Live>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Running,
    Stopping,
    /// A shutdown was asked for twice.
    Dropping,
}

/// A connection: its task, and its home once it is open.
#[derive(Default)]
struct Live {
    task: Option<AbortHandle>,
    home: Option<Weak<dyn Ask>>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_open = self.home.is_some();
        f.debug_struct("Live").field("is_open", &is_open).finish()
    }
}

/// A connection's entry; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    id: u64,
    registry: Arc<Registry>,
}

impl Registry {
    pub(super) fn phase(&self) -> Phase {
        self.inner().phase
    }

    /// Enters a connection, unless there are `max` already.
    pub(super) fn enter(self: &Arc<Self>, max: usize) -> Option<Entry> {
        let mut inner = self.inner();
        if inner.live.len() >= max {
            return None;
        }
        let id = inner.next;
        inner.next += 1;
        inner.live.insert(id, Live::default());
        let registry = Arc::clone(self);
        Some(Entry { id, registry })
    }

    /// Notes the task that an entry was given to, if it has not ended yet.
    pub(super) fn runs(&self, id: u64, task: AbortHandle) {
        if let Some(live) = self.inner().live.get_mut(&id) {
            live.task = Some(task);
        }
    }

    fn stop(&self) {
        let mut inner = self.inner();
        inner.phase = match inner.phase {
            Phase::Running => Phase::Stopping,
            Phase::Stopping | Phase::Dropping => Phase::Dropping,
        };
        let homes: Vec<_> = (inner.live.values())
            .filter_map(|live| live.home.as_ref()?.upgrade())
            .collect();
        drop(inner);
        for home in homes {
            home.ask(CloseCode::GOING_AWAY);
        }
        self.changed.notify_waiters();
    }

    /// Waits until the server is to end.
    pub(super) async fn stopping(&self) {
        self.until(|inner| inner.phase != Phase::Running).await;
    }

    /// Waits until every connection has ended, or has had its grace, or a second shutdown ends the
    /// waiting.
    pub(super) async fn wind_down(&self, grace: Duration) {
        let ended = self.until(|inner| inner.live.is_empty() || inner.phase == Phase::Dropping);
        let _ = timeout(grace, ended).await;
        for live in self.inner().live.values() {
            if let Some(task) = &live.task {
                task.abort();
            }
        }
        // Their tasks are dropped by the runtime, which takes a moment.
        let _ = timeout(LAST_MOMENT, self.until(|inner| inner.live.is_empty())).await;
    }

    async fn until(&self, done: impl Fn(&Inner) -> bool) {
        loop {
            // Before the look, so that no change is missed.
            let changed = self.changed.notified();
            if done(&self.inner()) {
                return;
            }
            changed.await;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time that the tasks of dropped connections have to end.
const LAST_MOMENT: Duration = Duration::from_millis(500);

impl Entry {
    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// Notes where the connection has its home, now that it is open.
    pub(super) fn open(&self, home: &Arc<impl Ask + 'static>) {
        let mut inner = self.registry.inner();
        if let Some(live) = inner.live.get_mut(&self.id) {
            let home: Weak<dyn Ask> = Arc::downgrade(home) as _;
            live.home = Some(home);
        }
        if inner.phase != Phase::Running {
            home.ask(CloseCode::GOING_AWAY);
        }
    }

    /// Whether the server ends, so that nothing may be opened any more.
    pub(super) fn is_stopping(&self) -> bool {
        self.registry.phase() != Phase::Running
    }

    /// Waits until the server is to end.
    pub(super) async fn stopping(&self) {
        self.registry.stopping().await;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut inner = self.registry.inner();
        inner.live.remove(&self.id);
        let is_running = inner.phase == Phase::Running;
        drop(inner);
        // While the server runs, nobody waits for connections to end.
        if !is_running {
            self.registry.changed.notify_waiters();
        }
    }
}
