//! The connections of a server, and how they end when the server does.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown as How, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use ws_http::{Admission, Budget, Counters, Metrics, Quota, Refusal};
use ws_proto::{Close, CloseCode};

use crate::shared::Shared;
use crate::stream::Stream;
use crate::sync::lock;

/// Shuts a [`Server`](crate::Server) down, and reads its metrics, from any thread.
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

    /// Shuts the server down cleanly: it accepts no more connections, every connection gets a Close
    /// 1001, those that are still opening get 503, and after the grace period (10 s by default) the
    /// server drops the rest. Then [`Server::run`](crate::Server::run) returns. A second call ends
    /// it at once.
    pub fn shutdown(&self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.stop();
        }
    }

    /// Returns counts of what the server has done since it began, and what it holds now; all zero
    /// once it has ended.
    ///
    /// ```no_run
    /// use ws_std::Server;
    ///
    /// let server = Server::bind("127.0.0.1:9001")?
    ///     .websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)));
    /// let handle = server.handle();
    /// std::thread::spawn(move || server.run());
    /// let metrics = handle.metrics();
    /// println!("{} open, {} refused with 429", metrics.open, metrics.crowd);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// As a page for Prometheus:
    ///
    /// ```no_run
    /// # let server = ws_std::Server::bind("127.0.0.1:9001")?;
    /// let handle = server.handle();
    /// let server = server.get("/metrics", move |_| handle.metrics().page());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let registry = self.registry.upgrade();
        registry.map_or_else(Metrics::default, |registry| registry.metrics())
    }
}

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Registry {
    addresses: Vec<SocketAddr>,
    inner: Mutex<Inner>,
    changed: Condvar,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    admission: Admission,
    /// To say what is held.
    budget: Option<Budget>,
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
    /// Being read from.
    Opening(Arc<Stream>),
    /// Being answered, with a 101 or a page.
    Answering(Arc<Stream>),
    Open(Arc<Shared>),
}

/// A connection's entry; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    id: u64,
    registry: Arc<Registry>,
}

impl Registry {
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            inner: Mutex::new(Inner {
                phase: Phase::Running,
                admission: Admission::new(Quota::DEFAULT),
                budget: None,
                live: HashMap::new(),
            }),
            changed: Condvar::new(),
            counters: Arc::default(),
        }
    }

    /// Changes how many connections are let in.
    pub(crate) fn limit(&self, change: impl FnOnce(&mut Quota)) {
        change(self.inner().admission.quota_mut());
    }

    /// Notes what all connections may hold.
    pub(crate) fn bound(&self, budget: &Budget) {
        self.inner().budget = Some(budget.clone());
    }

    pub(crate) const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn metrics(&self) -> Metrics {
        let inner = self.inner();
        let mut metrics = self.counters.metrics();
        metrics.open = inner.admission.open_len();
        metrics.opening = inner.admission.opening_len();
        metrics.memory = inner.budget.as_ref().map_or(0, Budget::used);
        metrics
    }

    /// Where the server listens.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of the listener that a connection came to, whose own address on our side `local`
    /// finds out.
    pub(crate) fn listener(&self, local: impl FnOnce() -> Option<IpAddr>) -> IpAddr {
        let first = match *self.addresses {
            [] => return Ipv4Addr::UNSPECIFIED.into(),
            [only] => return only.ip(),
            [first, ..] => first.ip(),
        };
        let Some(local) = local() else {
            return first;
        };
        let is_any = |ip: &IpAddr| ip.is_unspecified() && ip.is_ipv4() == local.is_ipv4();
        let mut ips = self.addresses.iter().map(SocketAddr::ip);
        let same = ips.find(|ip| *ip == local || is_any(ip));
        same.unwrap_or(first)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.inner().phase != Phase::Running
    }

    /// Enters a connection from an address, if there is one to count. Another may give way to it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        stream: &Arc<Stream>,
        peer: Option<IpAddr>,
    ) -> Result<Entry, Refusal> {
        let mut inner = self.inner();
        let entered = inner.admission.enter(peer)?;
        if let Some(other) = entered.gives_way.and_then(|id| inner.live.remove(&id)) {
            other.give_way();
        }
        let id = entered.id;
        inner.live.insert(id, Live::Opening(stream.clone()));
        let registry = Arc::clone(self);
        Ok(Entry { id, registry })
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

    /// Shuts the server down cleanly; called again, at once.
    pub(crate) fn stop(&self) {
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

    /// Wakes the listeners with a connection each, so that they look and stop accepting.
    fn wake_accept(&self) {
        for address in &self.addresses {
            let ip = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            };
            let address = SocketAddr::new(ip, address.port());
            let _ = TcpStream::connect_timeout(&address, LAST_MOMENT);
        }
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
            Self::Opening(stream) | Self::Answering(stream) => drop(stream.shutdown(How::Read)),
            Self::Open(shared) => drop(shared.close(going_away())),
        }
    }

    fn give_way(&self) {
        match self {
            // Its thread reads the end of the stream, sees why, and says 503.
            Self::Opening(stream) => drop(stream.shutdown(How::Read)),
            Self::Answering(_) | Self::Open(_) => self.abort(),
        }
    }

    fn abort(&self) {
        match self {
            Self::Opening(stream) | Self::Answering(stream) => drop(stream.shutdown(How::Both)),
            Self::Open(shared) => shared.abort(),
        }
    }
}

fn going_away() -> Close<'static> {
    CloseCode::GOING_AWAY.into()
}

impl Entry {
    /// A proxy said for whom the connection is.
    pub(crate) fn name(&self, client: IpAddr) -> Result<(), Refusal> {
        self.registry.inner().admission.name(self.id, client)
    }

    /// Notes that the connection is about to be answered, with something other than 101.
    pub(crate) fn answering(&self) {
        let mut inner = self.registry.inner();
        if let Some(live) = inner.live.get_mut(&self.id)
            && let Live::Opening(stream) = live
        {
            *live = Live::Answering(stream.clone());
        }
    }

    /// Notes that the opening handshake is about to be answered with 101: from here on it gives way
    /// to nobody.
    ///
    /// # Errors
    ///
    /// It cannot be opened any more.
    pub(crate) fn accept(&self) -> Result<(), Refusal> {
        self.check()?;
        let mut inner = self.registry.inner();
        match inner.admission.open(self.id) {
            true => Ok(()),
            false => Err(Refusal::Displaced),
        }
    }

    /// Notes that the connection is open.
    pub(crate) fn open(&self, shared: &Arc<Shared>) {
        let mut inner = self.registry.inner();
        if inner.phase != Phase::Running {
            let _ = shared.close(going_away());
        }
        inner.live.insert(self.id, Live::Open(shared.clone()));
        drop(inner);
        self.registry.counters.opened();
    }

    /// Checks that the connection may still be opened: the server is running, and the connection has
    /// not given way.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let inner = self.registry.inner();
        match inner.phase {
            Phase::Running if inner.live.contains_key(&self.id) => Ok(()),
            Phase::Running => Err(Refusal::Displaced),
            Phase::Stopping | Phase::Dropping => Err(Refusal::Full),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut inner = self.registry.inner();
        inner.live.remove(&self.id);
        inner.admission.leave(self.id);
        // While the server runs, no thread waits for connections to end.
        if inner.phase != Phase::Running {
            self.registry.changed.notify_all();
        }
    }
}
