//! The answer to a request that opens no WebSocket, and how a connection ends after it.

use std::time::{Duration, SystemTime};

use crate::refusal::Refusal;
use crate::response::{Body, Response};

/// What a request comes to that opens no WebSocket.
#[derive(Clone, Debug)]
pub enum Answer {
    /// What a page or a hook says.
    Page(Box<Response>),
    /// A refusal, which is for the log, too.
    Refusal(Refusal),
}

impl Answer {
    /// The time that a client has to take an answer, a page for example, and again to end its side.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// The most that is read and dropped after an answer, in bytes: a little of what follows a
    /// refused request may be there already, and nobody needs it. If it were left there, the system
    /// would destroy the answer.
    pub const DROPPED: usize = 64 << 10;

    /// The answer as it travels now.
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
