//! The server: namespaces, and the sessions of its clients.

mod body;
mod config;
mod cors;
mod desk;
mod drive;
mod halls;
mod held;
mod hooks;
mod hub;
mod layer;
mod link;
mod members;
mod namespace;
mod pace;
mod raw;
mod receive;
mod run;
mod service;
mod socket;
mod to;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use sio_proto::engine::Config as EngineConfig;
use sio_proto::{Limits, Message};
use tokio::net::{TcpListener, ToSocketAddrs};
#[cfg(feature = "tls")]
use ws_http::ServerTls;
use ws_http::{Origins, Quota};

use crate::error::EmitError;
use config::Config;
use halls::Halls;
use hub::Hub;

pub use body::{AnswerBody, LayerBody};
pub use config::{Transports, WhenFull};
pub use hooks::{ConnectHook, Verdict};
pub use layer::{Layer, Layered};
pub use members::JoinError;
pub use namespace::Namespace;
pub use pace::Rate;
pub use raw::Raw;
pub use service::{OverTls, Peer, Service};
pub use socket::Socket;
pub use to::To;

/// A server of Socket.IO.
///
/// ```no_run
/// use ws_socketio::{Refused, Server, Socket};
///
/// #[derive(serde::Deserialize)]
/// struct Login { token: String }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> std::io::Result<()> {
///     let io = Server::new();
///     io.of("/")
///         .connect(async |socket: Socket, login: Login| {
///             if login.token != "secret" {
///                 return Err(Refused::new("who are you?"));
///             }
///             socket.emit("welcome", socket.id()).map_err(|error| error.to_string())?;
///             Ok(())
///         })
///         .on("join", async |socket: Socket, room: String| socket.join(room))
///         .on("say", async |socket: Socket, room: String, text: String| {
///             socket.to(room).emit("said", text).map(|_| ())
///         });
///     io.run("127.0.0.1:5000").await
/// }
/// ```
///
/// It runs alone with [`run`](Self::run), or as a guest: [`service`](Self::service) for hyper and
/// tower, [`layer`](Self::layer) for axum's routers. Settings come first; namespaces and their
/// handlers can be added at any time, through [`handle`](Self::handle) as well.
#[must_use = "call `run`, `service` or `layer`"]
pub struct Server {
    config: Config,
    halls: Arc<Halls>,
}

/// A handle to a server, for other requests, tasks and threads. Clones are handles to the same
/// server.
///
/// ```no_run
/// use axum::{Router, extract::State, routing::post};
/// use ws_socketio::{Handle, Server};
///
/// async fn price(State(io): State<Handle>, price: String) {
///     io.to("desk").emit("price", price).expect("a text is an argument");
/// }
///
/// # async fn run(listener: tokio::net::TcpListener) -> std::io::Result<()> {
/// let io = Server::new();
/// let app = Router::new()
///     .route("/price", post(price))
///     .with_state(io.handle())
///     .layer(io.layer());
/// axum::serve(listener, app).await
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    halls: Arc<Halls>,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Makes a server with the defaults, and the namespace `/`, which everybody may enter.
    pub fn new() -> Self {
        let halls = Arc::<Halls>::default();
        halls.of("/");
        Self {
            config: Config::default(),
            halls,
        }
    }

    /// Sets the path. Default: `/socket.io`, with a slash at its end or without.
    pub fn path(mut self, path: &str) -> Self {
        self.config.path = format!("/{}", path.trim_matches('/'));
        self
    }

    /// Sets the time between a pong and the next ping. Default: 25 s.
    pub const fn ping_interval(mut self, interval: Duration) -> Self {
        self.config.engine.ping_interval = interval;
        self
    }

    /// Sets the time that a client has to answer a ping. Default: 20 s.
    pub const fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.config.engine.ping_timeout = timeout;
        self
    }

    /// Sets the longest message and the longest body, in bytes; the server announces it to clients.
    /// Default: 1,000,000.
    pub const fn max_payload(mut self, bytes: u64) -> Self {
        self.config.engine.max_payload = bytes;
        self
    }

    /// Sets the limits and times of sessions: see [`Config`](EngineConfig).
    pub const fn engine(mut self, engine: EngineConfig) -> Self {
        self.config.engine = engine;
        self
    }

    /// Sets the limits of a connection: see [`Limits`].
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Speaks TLS, and nothing else, with this certificate, where the server runs alone
    /// ([`run`](Self::run), [`run_on`](Self::run_on)). A connection whose TLS handshake fails, or
    /// takes more than 10 s, is closed without an answer.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.config.tls = Some(tls);
        self
    }

    /// Sets which origins' pages may connect, by either transport, and read the answers. Default:
    /// pages of the same host, and programs that are not browsers; others get 403.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.config.origins = origins;
        self
    }

    /// Lets pages of other origins send cookies. Default: they may not.
    pub const fn credentials(mut self) -> Self {
        self.config.credentials = true;
        self
    }

    /// Sets which transports clients may use. Default: all.
    pub const fn transports(mut self, transports: Transports) -> Self {
        self.config.transports = transports;
        if let Transports::Polling = transports {
            self.config.engine.upgrades = sio_proto::engine::Upgrades::Refused;
        }
        self
    }

    /// Sets how many sessions there may be: see [`Quota`], whose openings are the sessions that are
    /// in no namespace yet. Default: 10,000, of which 1,000 may be in none.
    pub const fn quota(mut self, quota: Quota) -> Self {
        self.config.quota = quota;
        self
    }

    /// Sets how many packets a second the server reads from a connection; it reads the rest later.
    /// Default: 1,000, and 5,000 at once.
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.config.rate = rate;
        self
    }

    /// Sets what the server does about a socket that reads too slowly. Default: the socket is
    /// disconnected.
    pub const fn when_full(mut self, what: WhenFull) -> Self {
        self.config.when_full = what;
        self
    }

    /// Sets how long a shutdown waits for the sessions. Default: 10 s.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.config.grace = grace;
        self
    }

    /// Serves the client that browsers load, below the path as `socket.io.js`. Without it the
    /// server answers 404 there.
    pub fn client_file(mut self, script: impl Into<Bytes>) -> Self {
        self.config.client_file = Some(script.into());
        self
    }

    /// Serves Engine.IO alone: calls this function with each message of a session.
    pub fn raw(
        mut self,
        handler: impl Fn(&mut Raw<'_>, Message<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.config.raw = Some(Arc::new(handler));
        self
    }

    /// Returns the namespace of this name, such as `/chat`, and makes it if it does not exist.
    pub fn of(&self, namespace: &str) -> Namespace {
        self.halls.of(namespace)
    }

    /// Returns the handlers of all namespaces whose names match a rule and that [`of`](Self::of)
    /// has not made. Such a namespace begins when a client first asks for it, and ends when the
    /// last one leaves; there are at most 10,000. Reach it through its sockets.
    ///
    /// The server calls the rule under a lock: the rule must not use the server.
    ///
    /// ```
    /// # use ws_socketio::{Server, Socket};
    /// let io = Server::new();
    /// io.of_those(|name| name.starts_with("/room/"))
    ///     .on("say", async |socket: Socket, text: String| {
    ///         socket.namespace().emit("said", text).map(|_| ())
    ///     });
    /// ```
    pub fn of_those(&self, rule: impl Fn(&str) -> bool + Send + Sync + 'static) -> Namespace {
        self.halls.of_those(rule)
    }

    /// Makes a handle, to use the server from anywhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        let halls = Arc::clone(&self.halls);
        Handle { halls }
    }

    /// The server as a service, for hyper and tower.
    #[must_use]
    pub fn service(self) -> Service {
        let hub = Hub::new(self.config, self.halls);
        Service { hub }
    }

    /// The server as a layer in front of another service, such as axum's routes, which gets the
    /// requests for all other paths.
    #[must_use]
    pub fn layer(self) -> Layer {
        let service = self.service();
        Layer { service }
    }

    /// Listens at an address, and serves until it is [shut down](Handle::shutdown).
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub async fn run(self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.run_on(TcpListener::bind(address).await?).await
    }

    /// Serves the connections of a listener, until it is [shut down](Handle::shutdown).
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the server accepts no more connections, and open sessions continue.
    ///
    /// # Errors
    ///
    /// It does not fail at present.
    pub async fn run_on(self, listener: TcpListener) -> io::Result<()> {
        run::run(listener, self.service()).await
    }
}

impl Handle {
    /// The namespace of that name: see [`Server::of`].
    pub fn of(&self, namespace: &str) -> Namespace {
        self.halls.of(namespace)
    }

    /// Selects a room of `/`, or the socket with that id.
    pub fn to(&self, room: impl Into<String>) -> To {
        self.of("/").to(room)
    }

    /// Sends an event to everybody in `/`: see [`To::emit`].
    ///
    /// # Errors
    ///
    /// As [`To::emit`].
    pub fn emit(&self, event: &str, args: impl Serialize) -> Result<usize, EmitError> {
        self.of("/").emit(event, args)
    }

    /// Ends all sessions, and accepts no new ones. Queued messages leave first, and the disconnect
    /// hooks are called.
    pub fn shutdown(&self) {
        self.halls.stop();
    }

    /// Waits until all sessions are over, after a shutdown.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again.
    pub async fn ended(&self) {
        self.halls.ended().await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("path", &self.config.path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
