//! A WebSocket server on one thread, for tens of thousands of connections: an event loop, without
//! `unsafe`.
//!
//! ```no_run
//! use ws_loop::{Conn, EventLoop, Handler, Message, Refusal, Reply, Request, SendError};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Data = ();
//!
//!     fn open(&mut self, _request: &Request, _reply: &mut Reply) -> Result<(), Refusal> {
//!         Ok(())
//!     }
//!
//!     fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) -> Result<(), SendError> {
//!         conn.send(message)
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     EventLoop::bind("127.0.0.1:9001")?.websocket("/echo").run(Echo)
//! }
//! ```
//!
//! [`Handler`] shows a chat, [`Handle`] a ticker. The protocol itself is [`ws_proto`]; this crate
//! moves its bytes. What a public server needs is on by default, and can be set on the
//! [`EventLoop`]:
//!
//! | what | default | set with |
//! |---|---|---|
//! | opening handshake, absolute | 10 s | `handshake_timeout` |
//! | ping, and the time to answer it | every 20 s, 20 s | `timeouts` |
//! | closing handshake | 10 s | `timeouts` |
//! | message; fragments of one | 1 MiB; 65,536 | `max_message`, `limits` |
//! | head; its lines; their number | 32 KiB; 16 KiB; 128 | `limits` |
//! | unsent output of a connection, then it is closed with 1013 | 1 MiB | `limits` |
//! | connections, then 503; openings among them, then the oldest gives way | 16,384; a quarter | `max_connections` |
//! | posted by other threads and not taken | 64 MiB | `max_posted` |
//! | hosts it answers for | IP addresses, `localhost`; every name unless it listens on a local address | `hosts` |
//! | pages that may connect | of the same host | `origins` |
//! | shutdown | 1001 to all, 10 s grace | `grace` |
//!
//! The loop does not read from a peer that does not take what is sent to it. In one turn, a
//! connection gets at most four reads and 1024 messages.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod connections;
mod event_loop;
mod flags;
mod handle;
mod handler;
mod opening;
mod poller;
mod post;
mod rules;
mod running;
mod stream;
mod topics;
mod wheel;

pub use connections::Id;
pub use event_loop::EventLoop;
pub use handle::{Handle, PostError};
pub use handler::{Closed, Conn, Handler, Reply};
pub use post::Others;
pub use topics::Slow;

// The crates whose types appear in this crate's API.
// Types from `ws-http`, which decides what surrounds a WebSocket in HTTP.
pub use ws_http::{Hosts, Origins, Refusal, Request, Response, RouteError, StatusCode, Trusted};
pub use ws_proto::{
    Close, CloseCode, Limits, Message, Prepared, ProtocolError, SendError, TimedOut, Timeouts,
};
#[cfg(feature = "deflate")]
pub use ws_proto::{Compress, Deflate, WhenIdle};
pub use {ws_http, ws_proto};

/// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
