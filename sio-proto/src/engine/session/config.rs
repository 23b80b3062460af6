//! What one session may use, and how long it may take.

use core::time::Duration;

/// Limits and times of a server's sessions. The defaults are those of the reference where it has any.
///
/// ```
/// use std::time::Duration;
/// use sio_proto::engine::Config;
///
/// let mut config = Config::default();
/// config.ping_interval = Duration::from_secs(10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The time between a pong and the next ping. The server announces it to clients, in
    /// milliseconds.
    ///
    /// Default: 25 s.
    pub ping_interval: Duration,
    /// The time that a client has to answer a ping, or to show any sign of life.
    ///
    /// Default: 20 s.
    pub ping_timeout: Duration,
    /// The time that a WebSocket has to take a session over, from its handshake on.
    ///
    /// Default: 10 s.
    pub upgrade_timeout: Duration,
    /// The time within which the whole body of a POST must arrive.
    ///
    /// Default: 30 s.
    pub body_timeout: Duration,
    /// The time within which a session that began by polling must send a second request.
    ///
    /// Default: 10 s.
    pub unused_timeout: Duration,
    /// The longest body of a POST, in bytes; the server announces it to clients. Set the longest
    /// message of the WebSocket (`ws_proto::Limits::max_message`) to the same.
    ///
    /// Default: 1,000,000.
    pub max_payload: u64,
    /// The high-water mark of what waits to be sent, in bytes. A message of any length is queued
    /// while less than this waits; from then on [`SendError::Full`](crate::engine::SendError::Full)
    /// is returned. Memory: this and one message, twice as much while a poll is answered.
    ///
    /// Default: 1 MiB.
    pub max_unsent: usize,
    /// Whether a session that began by polling may move to a WebSocket.
    ///
    /// Default: it may.
    pub upgrades: Upgrades,
}

/// Whether a session that began by polling may move to a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrades {
    /// It may, and the server says so.
    #[default]
    Allowed,
    /// It may not.
    Refused,
}

impl Config {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        upgrade_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(30),
        unused_timeout: Duration::from_secs(10),
        max_payload: 1_000_000,
        max_unsent: 1 << 20,
        upgrades: Upgrades::Allowed,
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
