//! Engine.IO 4 and Socket.IO 5 as pure state machines, for servers and for clients.
//!
//! They do no I/O, read no clock and draw no entropy. An adapter carries out what they ask for: it
//! moves requests and their answers, and the messages of WebSockets.
//!
//! | layer | what it is |
//! |---|---|
//! | [`engine`] | Engine.IO: one session of messages, over held requests and WebSockets |
//! | [`Header`], [`Packet`], [`Encoded`] | Socket.IO's packets: codecs, no state |
//! | [`Assembly`] | a packet and its attachments, from messages |
//! | [`Connection`] | Socket.IO: namespaces, events and acknowledgements of one connection |
//!
//! "The reference" is the implementation in JavaScript: `engine.io` 6.6 and `socket.io` 4.8.

#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod args;
mod assembly;
mod connection;
mod encoded;
pub mod engine;
mod error;
mod header;
mod json;
mod limits;
mod packet;

pub use args::{Args, Attachment};
pub use assembly::Assembly;
pub use connection::{
    AckId, Connection, EmitError, Event, Recovery, Silence, Sink, Token, Unanswered, Violation,
};
pub use encoded::Encoded;
pub use error::PacketError;
pub use header::{Header, Kind};
pub use limits::Limits;
pub use packet::Packet;
pub use ws_proto::{Instant, Message};
