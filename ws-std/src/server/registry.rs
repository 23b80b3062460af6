//! The connections of a server, and how they end when the server does.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown as How, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use ws_proto::{Close, CloseCode};

use crate::shared::Shared;
use crate::stream::Stream;
use crate::sync::lock;

/// Shuts a [`Server`](crate::Server) down, from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    registry: Weak<Registry>,
}

impl Handle {
    pub(crate) fn new(registry: &Arc<Registry>) -> Self {
        Self {
            registry: Arc::downgrade(registry),
        }
    }

    /// Ends the server in good order: it accepts no more connections, every connection gets a Close
    /// 1001, those that are still opening get 503, and after the grace (10 s) what is left is
    /// dropped. Then [`Server::run`](crate::Server::run) returns. A second call ends it at once.
    pub fn shutdown(&self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.stop();
        }
    }
}

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Registry {
    address: SocketAddr,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    next: u64,
    live: HashMap<u64, Live>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    /// A shutdown was asked for twice.
    Dropping,
}

#[derive(Debug)]
enum Live {
    /// In the opening handshake, or being answered with a page.
    Opening(Arc<Stream>),
    Open(Arc<Shared>),
}

/// A connection's entry; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    id: u64,
    registry: Arc<Registry>,
}

/// The server is shutting down: this connection cannot be opened any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopping;

impl Registry {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            inner: Mutex::new(Inner {
                phase: Phase::Running,
                next: 0,
                live: HashMap::new(),
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.inner().phase != Phase::Running
    }

    /// Enters a connection, unless there are `max` already.
    pub(crate) fn enter(self: &Arc<Self>, stream: &Arc<Stream>, max: usize) -> Option<Entry> {
        let mut inner = self.inner();
        if inner.live.len() >= max {
            return None;
        }
        let id = inner.next;
        inner.next += 1;
        inner.live.insert(id, Live::Opening(stream.clone()));
        let registry = Arc::clone(self);
        Some(Entry { id, registry })
    }

    /// Waits until every connection has ended, or has had its grace, or a second shutdown ends the
    /// waiting.
    pub(crate) fn wind_down(&self, grace: Duration) {
        self.wait_until(grace, |inner| {
            inner.live.is_empty() || inner.phase == Phase::Dropping
        });
        for live in self.inner().live.values() {
            live.abort();
        }
        // Their threads wake with an error, and get the time to see it.
        self.wait_until(LAST_MOMENT, |inner| inner.live.is_empty());
    }

    fn stop(&self) {
        let mut inner = self.inner();
        inner.phase = match inner.phase {
            Phase::Running => Phase::Stopping,
            Phase::Stopping | Phase::Dropping => Phase::Dropping,
        };
        for live in inner.live.values() {
            live.stop();
        }
        drop(inner);
        self.changed.notify_all();
        self.wake_accept();
    }

    /// Wakes the listener with a connection, so that it looks and stops accepting.
    fn wake_accept(&self) {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let address = SocketAddr::new(ip, self.address.port());
        let _ = TcpStream::connect_timeout(&address, LAST_MOMENT);
    }

    /// Waits for at most `patience`; one that is too long for the clock has no end.
    fn wait_until(&self, patience: Duration, done: impl Fn(&Inner) -> bool) {
        let deadline = Instant::now().checked_add(patience);
        let mut inner = self.inner();
        while !done(&inner) {
            let left = deadline.map_or(patience, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(inner, left);
            (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

/// The time that the threads of dropped connections have, and a connection to ourselves.
const LAST_MOMENT: Duration = Duration::from_millis(500);

impl Live {
    fn stop(&self) {
        match self {
            // Its thread reads the end of the stream, sees that the server stops, and says 503.
            Self::Opening(stream) => drop(stream.shutdown(How::Read)),
            Self::Open(shared) => drop(shared.close(going_away())),
        }
    }

    fn abort(&self) {
        match self {
            Self::Opening(stream) => drop(stream.shutdown(How::Both)),
            Self::Open(shared) => shared.abort(),
        }
    }
}

fn going_away() -> Close<'static> {
    CloseCode::GOING_AWAY.into()
}

impl Entry {
    /// Notes that the opening handshake is about to be answered with 101.
    pub(crate) fn open(&self, shared: &Arc<Shared>) {
        let mut inner = self.registry.inner();
        if inner.phase != Phase::Running {
            let _ = shared.close(going_away());
        }
        inner.live.insert(self.id, Live::Open(shared.clone()));
    }

    /// Whether the connection may still be opened.
    pub(crate) fn check(&self) -> Result<(), Stopping> {
        if self.registry.is_stopping() {
            return Err(Stopping);
        }
        Ok(())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut inner = self.registry.inner();
        inner.live.remove(&self.id);
        // While the server runs, no thread waits for connections to end.
        if inner.phase != Phase::Running {
            self.registry.changed.notify_all();
        }
    }
}
