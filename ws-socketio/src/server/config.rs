//! Settings of a server: transports, and slow sockets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sio_proto::{Limits, engine};
#[cfg(feature = "tls")]
use ws_http::ServerTls;
use ws_http::{Origins, Quota};

use super::pace::Rate;
use super::raw::RawHandler;

/// The treatment of a socket that reads more slowly than the server sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The socket is disconnected.
    #[default]
    Disconnect,
    /// The socket misses the event.
    Drop,
}

/// Which transports clients may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// Polling, WebSocket, and the upgrade from one to the other.
    #[default]
    All,
    /// Polling alone.
    Polling,
    /// WebSocket alone: the load balancer need not send a client's requests to the same server.
    WebSocket,
}

/// A server's settings, once it runs.
pub(super) struct Config {
    pub(super) path: String,
    pub(super) engine: engine::Config,
    pub(super) limits: Limits,
    pub(super) origins: Origins,
    pub(super) credentials: bool,
    pub(super) transports: Transports,
    pub(super) quota: Quota,
    pub(super) rate: Rate,
    pub(super) when_full: WhenFull,
    pub(super) grace: Duration,
    pub(super) client_file: Option<Bytes>,
    pub(super) raw: Option<Arc<RawHandler>>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<ServerTls>,
}

impl Config {
    /// The most events of a connection that wait for their handlers. Then no more are read.
    pub(super) const MAX_WAITING: usize = 256;
    /// The most bytes of such events.
    pub(super) const MAX_WAITING_BYTES: usize = 1 << 20;
    /// The most events that a connect hook sends to a socket that is not connected yet.
    pub(super) const MAX_EARLY: usize = 1024;
    /// The most namespaces that clients have made.
    pub(super) const MAX_DYNAMIC: usize = 10_000;
}

impl Default for Config {
    fn default() -> Self {
        let mut quota = Quota::default();
        quota.connections = 10_000;
        quota.openings = Some(1000);
        quota.per_address = None;
        Self {
            path: "/socket.io".into(),
            engine: engine::Config::DEFAULT,
            limits: Limits::DEFAULT,
            origins: Origins::same_host(),
            credentials: false,
            transports: Transports::All,
            quota,
            rate: Rate::default(),
            when_full: WhenFull::Disconnect,
            grace: Duration::from_secs(10),
            client_file: None,
            raw: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}
