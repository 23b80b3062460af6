//! The answer to a request that opens no WebSocket, and how a connection ends after it.

use std::time::{Duration, SystemTime};

use crate::refusal::Refusal;
use crate::response::{Body, Response};

/// The answer to a request that opens no WebSocket.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The response of a page or a hook.
    Page(Box<Response>),
    /// A refusal, which also goes to the log.
    Refusal(Refusal),
}

impl Answer {
    /// The time that a client has to receive an answer, such as a page, and the same time again to
    /// end its side.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// The most bytes that are read and discarded after an answer. The client may have sent some
    /// already, and if they stayed unread, the system would reset the connection and destroy the
    /// answer.
    pub const DROPPED: usize = 64 << 10;

    /// Returns the bytes of the answer; `now` is for Date.
    #[must_use]
    pub fn encode(&self, body: Body, now: SystemTime) -> Vec<u8> {
        match self {
            Self::Page(page) => page.encode(body, now),
            Self::Refusal(refusal) => refusal.response().encode(body, now),
        }
    }

    /// The refusal, if it is one.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refusal(refusal) => Some(refusal),
            Self::Page(_) => None,
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Response> for Answer {
    fn from(page: Response) -> Self {
        Self::Page(Box::new(page))
    }
}
