//! What happens on a connection.

use alloc::borrow::Cow;
use core::fmt;

use super::acks::Token;
use crate::args::Args;

/// An event of a connection. `Debug` shows no payload.
#[derive(PartialEq, Eq)]
pub enum Event<'a> {
    /// A client asks to join. [`accept`](super::Connection::accept) it or
    /// [`refuse`](super::Connection::refuse) it.
    Connect {
        /// The namespace.
        namespace: &'a str,
        /// What followed a `?` in it.
        query: Option<&'a str>,
        /// A JSON object: credentials, and whatever else the client sends.
        auth: Option<&'a str>,
    },
    /// The server let this client in.
    Connected {
        /// The namespace.
        namespace: &'a str,
        /// The client's id there.
        sid: Cow<'a, str>,
        /// A secret with which the client can come back: see `Recovery`.
        pid: Option<Cow<'a, str>>,
    },
    /// The server did not let this client in.
    Refused {
        /// The namespace.
        namespace: &'a str,
        /// JSON: an object, usually with a `message`, or a string.
        why: &'a str,
    },
    /// An event of the application.
    Event {
        /// The namespace.
        namespace: &'a str,
        /// The name.
        name: Cow<'a, str>,
        /// The arguments.
        args: Args<'a>,
        /// What to [`answer`](super::Connection::answer) with, if an answer is wanted.
        ack: Option<AckId>,
    },
    /// An answer.
    Acked {
        /// The namespace.
        namespace: &'a str,
        /// The question.
        token: Token,
        /// The arguments of the answer.
        args: Args<'a>,
    },
    /// The peer has left.
    Left {
        /// The namespace.
        namespace: &'a str,
    },
}

/// The right to answer an event: once, and only until either side leaves the namespace.
#[derive(Debug, PartialEq, Eq)]
pub struct AckId {
    pub(super) id: u64,
    /// Which of the times that this namespace was joined.
    pub(super) stay: u64,
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { namespace, .. } => write!(f, "Connect({namespace:?})"),
            Self::Connected { namespace, .. } => write!(f, "Connected({namespace:?})"),
            Self::Refused { namespace, .. } => write!(f, "Refused({namespace:?})"),
            Self::Event {
                namespace,
                name,
                args,
                ack,
            } => write!(f, "Event({namespace:?}, {name:?}, {args:?}, {ack:?})"),
            Self::Acked {
                namespace,
                token,
                args,
            } => write!(f, "Acked({namespace:?}, {token:?}, {args:?})"),
            Self::Left { namespace } => write!(f, "Left({namespace:?})"),
        }
    }
}
