//! The WebSocket protocol ([RFC 6455]) as a pure state machine: bytes in, events out, bytes to
//! send.
//!
//! It does no I/O, reads no clock, draws no entropy, and needs neither `std` nor an allocator.
//! Every MUST of the RFC is enforced here, for servers and for clients: masking,
//! fragments, the answers to Ping and Close, UTF-8, limits, deadlines, the opening handshake. An
//! adapter for a runtime, a proxy or a device only moves bytes.
//!
//! Three layers, each usable without the ones above it:
//!
//! | layer | what it is | needs |
//! |---|---|---|
//! | [`Header`], [`Mask`], [`Utf8`], [`Close`] | codecs: plain values, no state | nothing |
//! | [`Connection`], [`handshake`], [`Liveness`] | the protocol, on the caller's slices | nothing |
//! | [`Connecting`], [`Accepting`], [`Session`] | the handshake and a connection, with their buffers: what adapters drive | feature `alloc` |
//!
//! A connection has two directions, and each has a half. There are three pairs of halves:
//!
//! | receives | sends | joined | for |
//! |---|---|---|---|
//! | [`Receiver`] | [`Sender`] | [`Connection`] | the caller's buffers; the halves alone do not answer |
//! | [`Incoming`] | [`Outgoing`] | [`Session`] | buffers of their own, or lent as a pair of [`Buffers`]; [`Answer`] is the way from one to the other |
//! | `Reader` | `Writer` | `WebSocket` | sockets and threads: in the crate `ws-std` |
//!
//! **The one rule of use**: after whatever you receive or send, write what there is to write. For a
//! [`Connection`] that is [`poll_transmit`](Connection::poll_transmit), for a [`Session`], and
//! for the handshake before it, [`unsent`](Session::unsent).
//!
//! The canonical loop, over anything that reads and writes:
//!
#![cfg_attr(feature = "alloc", doc = "```")]
#![cfg_attr(not(feature = "alloc"), doc = "```ignore")]
//! use std::io::{self, Read, Write};
//! use ws_proto::{Config, Session, Shutdown, Step};
//!
//! fn echo(mut socket: impl Read + Write) -> io::Result<()> {
//!     // The opening handshake comes before: see `Accepting`.
//!     let mut session = Session::server(&Config::default());
//!     while session.shutdown() == Shutdown::NotYet {
//!         // 1. Everything that was received.
//!         let (incoming, outgoing) = session.halves();
//!         loop {
//!             match incoming.step(outgoing) {
//!                 Ok(Step::Message(message)) => outgoing.send(message).map_err(io::Error::other)?,
//!                 Ok(Step::Control(_)) => {} // answered already
//!                 Ok(Step::NeedData | Step::Closed) => break,
//!                 Err(_) => break, // the write below reports it to the peer
//!             }
//!         }
//!         // 2. Everything that is to be sent.
//!         while session.wants_write() {
//!             match socket.write(session.unsent())? {
//!                 0 => return Err(io::ErrorKind::WriteZero.into()),
//!                 len => session.sent(len),
//!             }
//!         }
//!         // 3. More.
//!         if session.shutdown() == Shutdown::NotYet {
//!             match socket.read(session.spare_mut().map_err(io::Error::other)?)? {
//!                 0 => session.eof().map_err(io::Error::other)?,
//!                 len => session.filled(len),
//!             }
//!         }
//!     }
//!     // The owner of the socket ends it as `shutdown` says.
//!     Ok(())
//! }
//! # struct Wire(&'static [u8], Vec<u8>);
//! # impl Read for Wire { fn read(&mut self, to: &mut [u8]) -> io::Result<usize> { self.0.read(to) } }
//! # impl Write for Wire {
//! #     fn write(&mut self, from: &[u8]) -> io::Result<usize> { self.1.write(from) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let mut wire = Wire(b"\x81\x85\0\0\0\0Hello\x88\x80\0\0\0\0", Vec::new());
//! # echo(&mut wire)?;
//! # assert_eq!(wire.1, b"\x81\x05Hello\x88\x00");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! Features: `std` (default) chooses the fastest code at run time, `alloc` adds [`Session`] and the
//! types that own memory, `deflate` compression in it, `http` handshakes in the types of that
//! crate. No feature changes how anything behaves.
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455

#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "alloc"),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "some lead to what only `alloc` has"
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod close;
mod close_code;
mod closing;
mod common_frame;
#[cfg(feature = "deflate")]
mod compressors;
#[cfg(feature = "alloc")]
mod config;
mod connection;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "alloc")]
mod draft;
mod error;
pub mod handshake;
mod header;
mod limits;
mod liveness;
mod mask;
mod message;
mod payload;
mod receiver;
mod role;
mod sender;
mod try_box;
mod utf8;

#[cfg(feature = "alloc")]
mod accepting;
#[cfg(feature = "alloc")]
mod answer;
#[cfg(feature = "alloc")]
mod assembly;
#[cfg(feature = "alloc")]
mod buffers;
#[cfg(feature = "alloc")]
mod connecting;
#[cfg(feature = "std")]
mod failure;
#[cfg(feature = "alloc")]
mod inbox;
#[cfg(feature = "alloc")]
mod incoming;
#[cfg(feature = "deflate")]
mod inflate;
#[cfg(feature = "alloc")]
mod opening;
#[cfg(feature = "alloc")]
mod outbox;
#[cfg(feature = "alloc")]
mod outgoing;
#[cfg(feature = "alloc")]
mod prepared;
mod quiet;
#[cfg(feature = "alloc")]
mod session;
#[cfg(feature = "alloc")]
mod step;

pub use close::Close;
pub use close_code::CloseCode;
pub use closing::{Shutdown, State};
pub use connection::Connection;
pub use error::{HeaderError, NoRoom, ProtocolError, SendError};
#[cfg(feature = "std")]
pub use failure::{Error, Excess, Failure};
pub use header::{Header, HeaderBytes, Kind, MAX_CONTROL, Opcode, Part};
pub use limits::Limits;
pub use liveness::{Instant, Liveness, TimedOut, Timeouts, Verdict};
pub use mask::{Mask, MaskKeys};
#[cfg(feature = "alloc")]
pub use message::MessageBuf;
pub use message::{Chunk, Event, Message, Received};
pub use receiver::Receiver;
pub use role::Role;
pub use sender::{Sender, Transmit};
pub use utf8::{InvalidUtf8, Utf8};

#[cfg(feature = "deflate")]
pub use compressors::Compressors;
#[cfg(feature = "deflate")]
pub use deflate::{Compress, Compressor, Deflate, WhenIdle};
#[cfg(feature = "alloc")]
pub use {
    accepting::{AcceptStep, Accepting, Asked},
    answer::Answer,
    buffers::Buffers,
    config::Config,
    connecting::{ConnectStep, Connecting},
    draft::Draft,
    incoming::Incoming,
    outgoing::Outgoing,
    prepared::Prepared,
    session::{Parts, Session},
    step::{Ready, Step},
};
