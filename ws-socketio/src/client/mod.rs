//! The client: several namespaces over one session. When the session is lost, the client opens
//! another.
//!
//! ```no_run
//! use std::time::Duration;
//! use ws_socketio::client::{Client, Socket, Transports};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let io = Client::new("http://127.0.0.1:5000")
//!     .namespaces(["/", "/imchat"])
//!     .transports(Transports::WebSocket)
//!     .reconnect_after(Duration::ZERO)
//!     .on("/imchat", "message", async |_: Socket, text: String| println!("{text}"))
//!     .connect()
//!     .await?;
//! io.of("/imchat").emit("chat", "hello")?; // kept while it reconnects
//! let sum: i64 = io.of("/").call("add", (1, 2)).await?;
//! io.wait().await?;
//! # Ok(())
//! # }
//! ```

mod auth;
mod driver;
mod entry;
mod error;
mod handlers;
mod link;
mod namespace;
mod polling;
mod shared;
mod socket;
mod state;
mod target;
mod way;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sio_proto::Limits;
use sio_proto::engine::{ClientConfig, Transport, Upgrade};
use tokio::sync::{mpsc, oneshot};
#[cfg(feature = "tls")]
use ws_http::Tls;
use ws_http::{Backoff, Proxy, Retry};

use self::auth::Auth;
use self::driver::{Driver, First, Plan};
use self::handlers::Handlers;
use self::namespace::Namespace;
use self::shared::Shared;
use self::state::State;
use self::target::{Route, Target};
use self::worker::{Failed, Worker};
use crate::arguments::Arguments;
use crate::error::HandlerError;
use crate::handler::Handler;
use crate::reason::Reason;
use crate::reply::Reply;

pub use error::{ConnectError, PollingError};
pub use socket::{Connected, Socket};

/// The transports of a client's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// Polling first, and a WebSocket as soon as one works. Gets through everywhere.
    #[default]
    PollingThenWebSocket,
    /// A WebSocket alone: fewer round trips, and no need for a load balancer that sends all
    /// requests of a client to one node.
    WebSocket,
    /// Polling alone.
    Polling,
}

/// Configures a client, and connects it.
///
/// | what | default | set with |
/// |---|---|---|
/// | namespaces | those with handlers; `/` if there are none | [`namespaces`](Self::namespaces) |
/// | transports | polling, then WebSocket | [`transports`](Self::transports) |
/// | the path of the server | `/socket.io/` | [`path`](Self::path) |
/// | opening a session; the upgrade | 20 s; 10 s | [`config`](Self::config) |
/// | being let in, in all namespaces | 45 s | [`limits`](Self::limits) |
/// | the wait before it connects again | within 1 s, doubling to 5 s, half as long again or as short | [`reconnect`](Self::reconnect), [`reconnect_after`](Self::reconnect_after) |
/// | attempts to connect again | without end | [`attempts`](Self::attempts) |
/// | what waits to be sent | 1 MiB in the session, and 1 MiB while there is none | [`max_unsent`](Self::max_unsent) |
/// | a packet with its attachments; attachments | 10,000,000 bytes; 64 | [`limits`](Self::limits) |
/// | questions that wait, in each namespace | 1,024 | [`limits`](Self::limits) |
/// | events that wait for a namespace's handlers | 256, or 1 MiB; then no more is read | |
///
/// It connects again after a connection was lost, and after an attempt that may succeed the next
/// time. It does not after the server refused it (in a namespace, or with a status such as 401),
/// removed it from all namespaces, or closed the WebSocket with 1008. It asks again for all
/// namespaces that were neither left nor refused.
///
/// Handlers of one namespace run one after another, in the order of their events. The client keeps
/// reading meanwhile, so a handler may ask the server a question and await the answer.
#[must_use = "call `connect`"]
pub struct Client {
    url: String,
    path: String,
    route: Route,
    headers: Vec<(String, String)>,
    transports: Transports,
    namespaces: BTreeMap<String, Handlers>,
    auth: Auth,
    retry: Retry,
    attempts: Option<u32>,
    config: ClientConfig,
    limits: Limits,
    on_connect_error: Box<dyn Fn(&ConnectError) + Send + Sync>,
    failed: Arc<Failed>,
}

impl Client {
    /// Makes a client for `http://host[:port][?query]`, or with the feature `tls` for `https://`. The
    /// query goes into each request. `ws://` and `wss://` work, too. [`connect`](Self::connect)
    /// checks it.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            path: "/socket.io/".into(),
            route: Route::default(),
            headers: Vec::new(),
            transports: Transports::default(),
            namespaces: BTreeMap::new(),
            auth: Auth::default(),
            retry: Retry::new(backoff(Backoff::DEFAULT.first)),
            attempts: None,
            config: ClientConfig::DEFAULT,
            limits: Limits::DEFAULT,
            on_connect_error: Box::new(|_| {}),
            failed: Arc::new(|_, _, _| {}),
        }
    }

    /// Adds namespaces to join, whether or not they have handlers.
    pub fn namespaces<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        for name in names {
            self.handlers(name.as_ref());
        }
        self
    }

    /// Sets the transports that carry the sessions.
    pub const fn transports(mut self, transports: Transports) -> Self {
        self.transports = transports;
        self
    }

    /// Sets the path at which the server answers.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Connects through a proxy, HTTP or SOCKS5, which looks the host up. By default there is no
    /// proxy; [`Proxies`](ws_http::Proxies) finds the one that the environment names.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.route.proxy = Some(proxy);
        self
    }

    /// Sets which certificate authorities to trust, and which certificate to show, for `https://`
    /// URLs. Default: those that the platform trusts, and none.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.route.tls = tls;
        self
    }

    /// Adds a header to every request: Cookie, Authorization.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends credentials, a struct or a map, to every namespace without
    /// [others](Self::auth_of).
    pub fn auth(mut self, auth: impl Serialize) -> Self {
        self.auth.set(None, &auth);
        self
    }

    /// Sends credentials to one namespace.
    pub fn auth_of(mut self, namespace: &str, auth: impl Serialize) -> Self {
        self.auth.set(Some(namespace), &auth);
        self
    }

    /// Calls `ask` with the name of a namespace for credentials, each time the client joins it: for
    /// a fresh token. If `ask` fails, the attempt fails, and the client tries again.
    ///
    /// ```no_run
    /// # use std::collections::HashMap;
    /// # async fn token() -> std::io::Result<String> { Ok(String::new()) }
    /// let client = ws_socketio::client::Client::new("http://127.0.0.1:5000")
    ///     .auth_with(async |_namespace| Ok(HashMap::from([("token", token().await?)])));
    /// ```
    pub fn auth_with<F, Running, A>(mut self, ask: F) -> Self
    where
        F: Fn(String) -> Running + Send + Sync + 'static,
        Running: Future<Output = io::Result<A>> + Send + 'static,
        A: Serialize + 'static,
    {
        self.auth.set_with(ask);
        self
    }

    /// Calls `handler` for each event of that name: see [`Handler`].
    pub fn on<P>(mut self, namespace: &str, event: &str, handler: impl Handler<Socket, P>) -> Self {
        self.handlers(namespace).events.on(event, handler);
        self
    }

    /// Calls `handler`, with the event's name, for events that have no handler of their own.
    pub fn fallback<F, Running, R>(mut self, namespace: &str, handler: F) -> Self
    where
        F: Fn(Socket, String, Arguments) -> Running + Send + Sync + 'static,
        Running: Future<Output = R> + Send + 'static,
        R: Reply,
    {
        self.handlers(namespace).events.fallback(handler);
        self
    }

    /// Calls `hook` each time the client has joined the namespace. Events from the hook leave
    /// first; those that other tasks emit meanwhile wait until the hook has ended.
    pub fn on_connect<F, Running>(mut self, namespace: &str, hook: F) -> Self
    where
        F: Fn(Socket) -> Running + Send + Sync + 'static,
        Running: Future<Output = ()> + Send + 'static,
    {
        self.handlers(namespace).on_connect(hook);
        self
    }

    /// Calls `hook` with the reason each time the client is no longer in the namespace.
    pub fn on_disconnect<F, Running>(mut self, namespace: &str, hook: F) -> Self
    where
        F: Fn(Socket, Reason) -> Running + Send + Sync + 'static,
        Running: Future<Output = ()> + Send + 'static,
    {
        self.handlers(namespace).on_disconnect(hook);
        self
    }

    /// Calls `hook` for each failed attempt and each refused namespace, except for the first
    /// attempt, whose error [`connect`](Self::connect) returns.
    pub fn on_connect_error(
        mut self,
        hook: impl Fn(&ConnectError) + Send + Sync + 'static,
    ) -> Self {
        self.on_connect_error = Box::new(hook);
        self
    }

    /// Calls `hook` when a handler fails, with the name of its event: the event is not answered. If
    /// a hook panics, the name is `connect` or `disconnect`.
    pub fn failed(
        mut self,
        hook: impl Fn(&Socket, &str, &HandlerError) + Send + Sync + 'static,
    ) -> Self {
        self.failed = Arc::new(hook);
        self
    }

    /// Sets after which failures the client reconnects, and when.
    pub fn reconnect(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the longest wait before the first reconnect; the wait then doubles, up to 5 s. With
    /// zero it always reconnects at once, except for a tenth of a second after each failed attempt.
    pub fn reconnect_after(mut self, first: Duration) -> Self {
        self.retry.set_backoff(backoff(first));
        self
    }

    /// Sets how many attempts in a row may fail before the client gives up; with 0 it never
    /// reconnects.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sets how many bytes may wait to be sent in the session, and as many again while there is no
    /// session.
    pub const fn max_unsent(mut self, bytes: usize) -> Self {
        self.config.max_unsent = bytes;
        self
    }

    /// Sets the limits and timeouts of sessions. [`transports`](Self::transports) decides whether
    /// there is an upgrade.
    pub const fn config(mut self, config: ClientConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets the limits of namespaces, packets and questions.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Connects, and waits until the client is in all its namespaces. This makes one attempt; after
    /// that, the client reconnects when a connection is lost.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves no connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says how far the attempt got. If the server refuses one namespace of
    /// several, there is no connection.
    pub async fn connect(self) -> Result<Connected, ConnectError> {
        let (first, entered) = oneshot::channel();
        let connected = self.begin(Some(first))?;
        // The task says something, unless the runtime ends.
        let entered = entered.await.unwrap_or(Err(ConnectError::Disconnected));
        entered.map(|()| connected)
    }

    /// Begins to connect, and returns at once: it keeps events emitted meanwhile, and repeats
    /// failed attempts, the first as well.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: a setting is invalid.
    pub fn start(self) -> Result<Connected, ConnectError> {
        self.begin(None)
    }

    fn begin(mut self, first: Option<First>) -> Result<Connected, ConnectError> {
        let target = Target::parse(
            &self.url,
            &self.path,
            &self.headers,
            mem::take(&mut self.route),
        )?;
        if self.namespaces.is_empty() {
            self.handlers("/");
        }
        let limit = self.limits.max_namespaces;
        if let Some(namespace) = self.namespaces.keys().nth(limit) {
            return Err(ConnectError::Namespace {
                namespace: namespace.clone(),
                error: sio_proto::EmitError::TooManyNamespaces { limit },
            });
        }
        self.config.upgrade = match self.transports {
            Transports::PollingThenWebSocket => Upgrade::IfOffered,
            Transports::WebSocket | Transports::Polling => Upgrade::Never,
        };
        let (mut namespaces, mut to_do) = (BTreeMap::new(), Vec::new());
        for (name, handlers) in self.namespaces {
            let (sender, jobs) = mpsc::unbounded_channel();
            let name: Arc<str> = name.into();
            let namespace = Namespace::new(Arc::clone(&name), handlers, sender);
            namespaces.insert(Arc::clone(&name), namespace);
            to_do.push((name, jobs));
        }
        let state = State::new(namespaces, self.config.max_unsent);
        let (connected, seat) = Connected::new(Shared::new(state));
        for (namespace, jobs) in to_do {
            let worker = Worker {
                seat: seat.clone(),
                namespace,
                failed: Arc::clone(&self.failed),
            };
            tokio::spawn(worker.run(jobs));
        }
        let plan = Plan {
            target: Arc::new(target),
            by: match self.transports {
                Transports::WebSocket => Transport::WebSocket,
                Transports::PollingThenWebSocket | Transports::Polling => Transport::Polling,
            },
            config: self.config,
            limits: self.limits,
            auth: self.auth,
            retry: self.retry,
            attempts: self.attempts,
            on_connect_error: self.on_connect_error,
        };
        tokio::spawn(Driver::new(seat, plan, first).run());
        Ok(connected)
    }

    fn handlers(&mut self, namespace: &str) -> &mut Handlers {
        self.namespaces.entry(namespace.into()).or_default()
    }
}

/// The waits of the reference, with this as the first.
fn backoff(first: Duration) -> Backoff {
    let mut backoff = Backoff::DEFAULT;
    backoff.first = first;
    backoff.most = Duration::from_secs(5);
    backoff
}

/// Shows no query, no header and no credentials: they may be secrets.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("path", &self.path)
            .field("transports", &self.transports)
            .field("namespaces", &self.namespaces)
            .field("auth", &self.auth)
            .field("retry", &self.retry)
            .field("attempts", &self.attempts)
            .field("config", &self.config)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
