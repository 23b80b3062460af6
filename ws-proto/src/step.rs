//! What a step of a [`Session`](crate::Session) gives.

use crate::message::{Event, Message};

/// What the next step would give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ready {
    /// A message.
    Message,
    /// A Ping, Pong or Close.
    Control,
    /// Nothing before more has been read.
    NeedData,
    /// Nothing any more: the peer has closed.
    Closed,
}

/// What a step gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<'a> {
    /// A message, whole.
    Message(Message<'a>),
    /// A Ping, Pong or Close; what it asks for has been done.
    Control(Event<'a>),
    /// More has to be read from the transport.
    NeedData,
    /// The peer has closed: nothing will be received any more.
    Closed,
}
