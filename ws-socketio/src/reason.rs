//! Why a socket is no longer connected.

use sio_proto::{Violation, engine};
use thiserror::Error;

/// The reason why a socket is no longer connected to its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The peer left the namespace.
    #[error("the peer left the namespace")]
    PeerLeft,
    /// This side left it, or removed the peer from it.
    #[error("disconnected by this side")]
    Left,
    /// The server shut down.
    #[error("the server shut down")]
    Shutdown,
    /// The peer reads more slowly than the server sends.
    #[error("the peer reads too slowly")]
    TooSlow,
    /// The server needed the space for other sessions.
    #[error("displaced by newer connections")]
    GaveWay,
    /// The session ended.
    #[error(transparent)]
    Session(#[from] engine::Reason),
    /// The peer broke the rules of Socket.IO.
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl Reason {
    /// The reason in the words of other implementations, which programs compare.
    ///
    /// ```
    /// use ws_socketio::Reason;
    ///
    /// assert_eq!(Reason::PeerLeft.name(), "client namespace disconnect");
    /// ```
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PeerLeft => "client namespace disconnect",
            Self::Left => "server namespace disconnect",
            Self::Shutdown => "server shutting down",
            Self::TooSlow | Self::GaveWay => "forced server close",
            Self::Session(reason) => reason.name(),
            Self::Violation(_) => "parse error",
        }
    }
}
