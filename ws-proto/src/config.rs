//! The settings that an adapter makes once and gives to each of its connections.

use core::time::Duration;

#[cfg(feature = "deflate")]
use crate::deflate::Deflate;
use crate::handshake::Compression;
use crate::limits::Limits;
use crate::liveness::Timeouts;
use crate::role::Role;

/// All settings of a connection: how much it may use, how long it waits, and whether it compresses.
///
/// ```
/// use ws_proto::{Config, Limits, Session};
///
/// let mut config = Config::default();
/// config.limits.max_message = 16 << 20; // 16 MiB
/// config.timeouts.ping_interval = None;
/// let session = Session::server(&config);
///
/// // Limits alone are enough where the other defaults will do.
/// let config = Config::from(Limits::default());
/// # assert_eq!(config, Config::default());
/// # drop(session);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The bounds on what a peer can make the connection use.
    pub limits: Limits,
    /// The time to wait for a Pong, and for the closing handshake.
    pub timeouts: Timeouts,
    /// The time that the whole opening handshake may take, however slowly it arrives: see
    /// [`Connecting::check`](crate::Connecting::check) and
    /// [`Accepting::check`](crate::Accepting::check).
    ///
    /// Default: 10 s.
    pub handshake_timeout: Duration,
    /// The compression to offer or to accept (RFC 7692). Default: none.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
}

impl Config {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        limits: Limits::DEFAULT,
        timeouts: Timeouts::DEFAULT,
        handshake_timeout: Duration::from_secs(10),
        #[cfg(feature = "deflate")]
        deflate: None,
    };

    /// The bounds within which compression is negotiated; `None` if messages are sent as they are.
    #[cfg_attr(
        not(feature = "deflate"),
        expect(unused_variables, reason = "nothing is compressed then")
    )]
    pub(crate) const fn compression(&self, role: Role) -> Option<Compression> {
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &self.deflate {
            return Some(deflate.bounds(role));
        }
        None
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl From<Limits> for Config {
    fn from(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::DEFAULT
        }
    }
}

#[cfg(feature = "deflate")]
impl From<Deflate> for Config {
    fn from(deflate: Deflate) -> Self {
        Self {
            deflate: Some(deflate),
            ..Self::DEFAULT
        }
    }
}
