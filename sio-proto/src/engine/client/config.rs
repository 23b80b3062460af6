//! What a client's session may use, and how long it may take.

use core::time::Duration;

/// Limits and times of a client's session.
///
/// ```
/// use sio_proto::engine::ClientConfig;
///
/// let mut config = ClientConfig::default();
/// config.max_body = 1 << 20;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The time that the server has to open the session.
    ///
    /// Default: 20 s.
    pub open_timeout: Duration,
    /// The time that a WebSocket has to take over a session that began by polling.
    ///
    /// Default: 10 s.
    pub upgrade_timeout: Duration,
    /// The longest answer to a GET, in bytes. The server decides how much it sends at a time, so
    /// allow at least what it may queue for a client.
    ///
    /// Default: 16 MiB.
    pub max_body: u64,
    /// The high-water mark of what waits to be sent, in bytes: see
    /// [`Config::max_unsent`](crate::engine::Config::max_unsent).
    ///
    /// Default: 1 MiB.
    pub max_unsent: usize,
    /// Whether to move to a WebSocket if the server offers it.
    ///
    /// Default: yes.
    pub upgrade: Upgrade,
}

/// Whether a client that began by polling moves to a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// If the server offers it.
    #[default]
    IfOffered,
    /// Never.
    Never,
}

impl ClientConfig {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        open_timeout: Duration::from_secs(20),
        upgrade_timeout: Duration::from_secs(10),
        max_body: 16 << 20,
        max_unsent: 1 << 20,
        upgrade: Upgrade::IfOffered,
    };
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
