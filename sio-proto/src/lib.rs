//! Engine.IO 4 and Socket.IO 5 as pure state machines, for servers and for clients.
//!
//! They do no I/O, read no clock and draw no entropy. An adapter moves what they ask for: requests
//! and their answers, messages of WebSockets.
//!
//! | layer | what it is |
//! |---|---|
//! | [`engine`] | Engine.IO: one session of messages, over held requests and WebSockets |
//!
//! What is said about the reference is about `engine.io` 6.6 and `socket.io` 4.8, in JavaScript.

#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod engine;

pub use ws_proto::{Instant, Message};
