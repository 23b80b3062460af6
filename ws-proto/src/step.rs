//! The results of a step of a [`Session`](crate::Session).

use crate::message::{Event, Message};

/// The result that the next step would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ready {
    /// A message.
    Message,
    /// A Ping, Pong or Close.
    Control,
    /// Nothing until more has been read.
    NeedData,
    /// Nothing more: the peer has closed.
    Closed,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<'a> {
    /// A message, whole.
    Message(Message<'a>),
    /// A Ping, Pong or Close; what it asks for has been done.
    Control(Event<'a>),
    /// More has to be read from the transport.
    NeedData,
    /// The peer has closed: nothing more will be received.
    Closed,
}
