//! Why a request is refused: its status, and the JSON that clients expect (`{"code":…,"message":…}`).

use alloc::format;
use alloc::string::String;

use thiserror::Error;

/// The reason why a request is refused. `Display` is the message in the answer.
///
/// ```
/// use sio_proto::engine::Refusal;
///
/// assert_eq!(Refusal::UnknownSid.status(), 400);
/// assert_eq!(Refusal::UnknownSid.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// Neither polling nor WebSocket.
    #[error("Transport unknown")]
    UnknownTransport,
    /// No session here has this id: it has ended, it belongs to another node, or it never existed.
    /// The answer does not say which.
    #[error("Session ID unknown")]
    UnknownSid,
    /// A session begins with a GET.
    #[error("Bad handshake method")]
    BadMethod,
    /// Anything else that is wrong with the request.
    #[error("Bad request")]
    BadRequest,
    /// The application refuses this client, or this origin.
    #[error("Forbidden")]
    Forbidden,
    /// Not revision 4.
    #[error("Unsupported protocol version")]
    UnsupportedVersion,
    /// A second request of its kind before the first was answered. The session is over.
    #[error("overlapping requests")]
    Overlap,
    /// A body over `Config::max_payload`. The session is over.
    #[error("body too long")]
    TooLarge,
    /// A body that did not come within `Config::body_timeout`. The session is over.
    #[error("body too slow")]
    TooSlow,
    /// There is no room for another session.
    #[error("no room for another session")]
    TooMany,
}

impl Refusal {
    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::TooMany => 503,
            _ => 400,
        }
    }

    /// The code in the body, which clients read. `None` where the reference sends no body.
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::UnknownTransport => Some(0),
            Self::UnknownSid => Some(1),
            Self::BadMethod => Some(2),
            Self::BadRequest => Some(3),
            Self::Forbidden => Some(4),
            Self::UnsupportedVersion => Some(5),
            Self::Overlap | Self::TooLarge | Self::TooSlow | Self::TooMany => None,
        }
    }

    /// The body of the answer: JSON, or empty.
    #[must_use]
    pub fn body(self) -> String {
        self.code().map_or_else(String::new, |code| {
            format!(r#"{{"code":{code},"message":"{self}"}}"#)
        })
    }
}
