//! A loop before it runs: where it listens, and its rules.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::{self, Duration};

use ws_http::http::Method;
use ws_http::{Hosts, Origins, Refusal, Request, Response, RouteError, Site, Trusted};
#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::{Config, Instant, Limits, Timeouts};

use crate::handle::{Handle, Mailbox};
use crate::handler::Handler;
use crate::poller::Poller;
use crate::rules::Rules;
use crate::running::Running;
use crate::stream::{Listener, Port};

/// A server for WebSockets, and pages beside them, on one thread, for tens of thousands of
/// connections.
///
/// ```no_run
/// use ws_loop::{Conn, EventLoop, Handler, Message, Refusal, Reply, Request, SendError};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Data = ();
///
///     fn open(&mut self, _request: &Request, _reply: &mut Reply) -> Result<(), Refusal> {
///         Ok(())
///     }
///
///     fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) -> Result<(), SendError> {
///         conn.send(message)
///     }
/// }
///
/// EventLoop::bind("127.0.0.1:9001")?.websocket("/echo").run(Echo)
/// # ; Ok::<(), std::io::Error>(())
/// ```
///
/// For more than one processor, run a loop on each: see [`bind_shared`](Self::bind_shared).
#[must_use = "call `run`"]
pub struct EventLoop {
    listener: Listener,
    poller: Poller,
    mailbox: Arc<Mailbox>,
    rules: Rules,
}

impl EventLoop {
    /// Listens at an address. Port 0 picks a free one, which [`local_addr`](Self::local_addr)
    /// returns.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::on(Listener::bind(address, Port::Alone)?)
    }

    /// Listens at an address together with other loops, each on a thread of its own: the system
    /// gives each connection to one of them (`SO_REUSEPORT`).
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    #[cfg(unix)]
    pub fn bind_shared(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::on(Listener::bind(address, Port::Shared)?)
    }

    /// Listens at the socket of a path (`AF_UNIX`): for a proxy on the same machine. It replaces a
    /// socket that a server has left there, and removes the path at the end.
    ///
    /// Its connections have the address 127.0.0.1 and the port 0: pass that address to
    /// [`trust`](Self::trust) if you trust the proxy. It answers for all [hosts](Self::hosts),
    /// because no browser connects to a path.
    ///
    /// # Errors
    ///
    /// The path cannot be bound: something else is there, for example.
    #[cfg(unix)]
    pub fn bind_unix(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::on(Listener::bind_unix(path.as_ref())?)
    }

    fn on(listener: Listener) -> io::Result<Self> {
        let poller = Poller::new()?;
        let mailbox = Arc::new(Mailbox::new(poller.waker()?));
        let epoch = time::Instant::now();
        let mut config = Config::DEFAULT;
        // One buffer for all may be large.
        config.limits.read_buffer = 64 << 10;
        Ok(Self {
            listener,
            poller,
            mailbox,
            rules: Rules {
                site: Site::new(),
                misspelt: None,
                hook: None,
                log: None,
                exhausted: None,
                clock: Box::new(move || Instant::from_epoch(epoch.elapsed())),
                config,
                max_connections: 16 << 10,
                max_openings: 4 << 10,
                grace: Duration::from_secs(10),
            },
        })
    }

    /// Answers GET and HEAD requests for a path, in which `{name}` stands for a parameter, see
    /// [`Request::path_param`], and `{*name}` for the rest.
    pub fn get<P>(self, path: impl AsRef<str>, page: P) -> Self
    where
        P: Fn(&Request) -> Response + Send + 'static,
    {
        self.page(Method::GET, path, page)
    }

    /// Answers requests of a method for a path. Their bodies are not read.
    pub fn page<P>(mut self, method: Method, path: impl AsRef<str>, page: P) -> Self
    where
        P: Fn(&Request) -> Response + Send + 'static,
    {
        let added = (self.rules.site).page(method, path.as_ref(), Box::new(page));
        self.note(added)
    }

    /// Opens WebSockets at a path: the handler decides about each. A page may have the same path.
    pub fn websocket(mut self, path: impl AsRef<str>) -> Self {
        let added = self.rules.site.websocket(path.as_ref(), ());
        self.note(added)
    }

    fn note(mut self, added: Result<(), RouteError>) -> Self {
        self.rules.misspelt = self.rules.misspelt.or_else(|| added.err());
        self
    }

    /// Calls `hook` with every request for one of the [hosts](Self::hosts), before anything else;
    /// if it returns a response, that is the answer. For authentication and redirects. The hook
    /// passes what it finds out to [`Handler::open`] in the request's
    /// [`extensions`](Request::extensions).
    pub fn hook<F>(mut self, hook: F) -> Self
    where
        F: FnMut(&mut Request) -> Option<Response> + Send + 'static,
    {
        self.rules.hook = Some(Box::new(hook));
        self
    }

    /// Sets the hosts that it answers for, against DNS rebinding. Default: IP addresses and
    /// `localhost`, and every name unless it listens on a loopback or a private address; others
    /// get 421. See [`Hosts`].
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.rules.site.hosts = hosts;
        self
    }

    /// Sets which proxies are trusted to say the client's address, the requested host, and whether
    /// the client used TLS. Default: none. See [`Trusted`].
    pub fn trust(mut self, proxies: Trusted) -> Self {
        self.rules.site.trusted = proxies;
        self
    }

    /// Sets whose pages may connect. Default: those of the same host, and programs other than
    /// browsers; others get 403.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.rules.site.origins = origins;
        self
    }

    /// Calls `log` with every refused request and its client's address. It does not see the answers
    /// of hooks.
    pub fn on_refusal<F>(mut self, log: F) -> Self
    where
        F: FnMut(SocketAddr, &Refusal) + Send + 'static,
    {
        self.rules.log = Some(Box::new(log));
        self
    }

    /// Calls `report` when the system has no descriptor or no memory for another connection, once
    /// each time it runs out. New clients wait meanwhile.
    pub fn on_exhausted<F>(mut self, report: F) -> Self
    where
        F: FnMut(&io::Error) + Send + 'static,
    {
        self.rules.exhausted = Some(Box::new(report));
        self
    }

    /// Sets the limits of each connection: see [`Limits`]. A [`read_buffer`](Limits::read_buffer)
    /// of 64 KiB suits a loop, which has one for all connections, and is its default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.rules.config.limits = limits;
        self
    }

    /// Sets the longest message that is accepted, in bytes. Default: 1 MiB.
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.rules.config.limits.max_message = bytes;
        self
    }

    /// Sets keepalive and the closing handshake: see [`Timeouts`]. Their precision is a tenth of a
    /// second.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.rules.config.timeouts = timeouts;
        self
    }

    /// Agrees to compress messages with clients that offer it (RFC 7692): `Deflate::default()` is
    /// sensible. Default: no compression.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.rules.config.deflate = Some(deflate);
        self
    }

    /// Sets how long a client may take from being accepted to having its 101, however slowly.
    /// Default: 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.rules.config.handshake_timeout = timeout;
        self
    }

    /// Sets the most connections at a time; the next gets 503. Up to a quarter of them may be in
    /// their opening handshake; when one more comes, the oldest of those gives way. Default:
    /// 16,384, and 4,096.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.rules.max_connections = connections;
        self.rules.max_openings = (connections / 4).max(1);
        self
    }

    /// Sets how many bytes other threads may have posted that the loop has not taken yet. One
    /// message of any length always fits. Default: 64 MiB.
    pub fn max_posted(self, bytes: usize) -> Self {
        self.mailbox.set_max(bytes);
        self
    }

    /// Sets how long a [shutdown](Handle::shutdown) waits for the peers. Default: 10 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.rules.grace = grace;
        self
    }

    /// Sets the clock, which the loop reads once in a turn: for tests that move the time by hand,
    /// and then [wake](Handle::wake) the loop. Default: the system's monotonic clock.
    pub fn clock<F>(mut self, now: F) -> Self
    where
        F: FnMut() -> Instant + Send + 'static,
    {
        self.rules.clock = Box::new(now);
        self
    }

    /// The address at which it listens; `None` if that is a path.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.local_addr()
    }

    /// Makes a handle for other threads: to send to connections, and to shut the loop down.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.mailbox.handle()
    }

    /// Serves, on this thread, until it is [shut down](Handle::shutdown). By then every connection
    /// has ended, or its grace period is over.
    ///
    /// # Errors
    ///
    /// A path that you added is misspelt or taken: the error holds the [`RouteError`]. Later, only
    /// if the system no longer reports which sockets are ready. Failed connections and a shortage
    /// of descriptors are not errors: the loop continues as soon as it can.
    pub fn run<H: Handler>(self, handler: H) -> io::Result<()> {
        let Self {
            listener,
            mut poller,
            mailbox,
            mut rules,
        } = self;
        if let Some(misspelt) = rules.misspelt.take() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, misspelt));
        }
        let watch = poller.watch()?;
        Running::new(handler, rules, listener, mailbox, watch).run(&mut poller)
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("listener", &self.listener)
            .field("config", &self.rules.config)
            .finish_non_exhaustive()
    }
}
