//! Why a session ended.

use thiserror::Error;

use super::error::ProtocolError;

/// The reason why a session ended, from either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The peer sent a close packet.
    #[error("the peer closed the session")]
    PeerLeft,
    /// We closed it.
    #[error("closed by this side")]
    Closed,
    /// The WebSocket ended.
    #[error("the transport closed")]
    TransportClosed,
    /// A request ended before its answer, or was answered with an error.
    #[error("the transport failed")]
    TransportFailed,
    /// The peer did not answer a ping, or sent none, in time.
    #[error("ping timeout")]
    PingTimeout,
    /// A session began by polling, and its client never sent a second request.
    #[error("never used")]
    Unused,
    /// The peer broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl Reason {
    /// The reason in the words of the reference, which programs compare.
    ///
    /// ```
    /// use sio_proto::engine::Reason;
    ///
    /// assert_eq!(Reason::PingTimeout.name(), "ping timeout");
    /// ```
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PeerLeft | Self::TransportClosed => "transport close",
            Self::Closed => "forced close",
            Self::TransportFailed => "transport error",
            Self::PingTimeout | Self::Unused => "ping timeout",
            Self::Protocol(_) => "parse error",
        }
    }
}
