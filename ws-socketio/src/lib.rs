//! Socket.IO on [tokio](https://docs.rs/tokio): polling, the upgrade and WebSocket; events with typed
//! arguments, acknowledgements, namespaces.
//!
//! A server:
//!
//! ```no_run
//! use ws_socketio::{Ack, Server, Socket};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let io = Server::new();
//! io.of("/")
//!     .on("add", async |_: Socket, a: i64, b: i64| Ack(a + b))
//!     .on("say", async |socket: Socket, text: String| {
//!         socket.broadcast().emit("said", text).map(|_| ())
//!     });
//! io.run("127.0.0.1:5000").await
//! # }
//! ```
//!
//! The protocol itself is [`sio_proto`]; this crate moves the bytes and calls handlers.
//!
//! **Arguments** are of your types, by `serde`, in both directions:
//!
//! | what you write | the event's arguments |
//! |---|---|
//! | `()` | none |
//! | a tuple, or an array of fixed length | as many as it has |
//! | anything else | one |
//! | bytes, within any of them (`serde_bytes`) | an attachment; a `Vec<u8>` is a JSON array |

//!
//! The limits of a server, and their defaults:
//!
//! | what | default | set with |
//! |---|---|---|
//! | ping, and the time to answer it | every 25 s, 20 s | [`Server::ping_interval`], [`Server::ping_timeout`] |
//! | a message, a body | 1,000,000 bytes | [`Server::max_payload`] |
//! | the body of a POST; an upgrade; a session that never did anything | 30 s; 10 s; 10 s | [`Server::engine`] |
//! | unsent output of a session | 1 MiB, then [`WhenFull`] | [`Server::engine`] |
//! | being in no namespace | 45 s | [`Server::limits`] |
//! | a packet with its attachments; attachments | 10,000,000 bytes; 64 | [`Server::limits`] |
//! | namespaces of a connection; those asked for at a time | 64; 16 | [`Server::limits`] |
//! | questions that wait for answers, in each namespace | 1,024, 60 s each | [`Server::limits`], [`Call::timeout`] |
//! | packets a second, then they are read later | 1,000, and 5,000 at once | [`Server::rate`] |
//! | events that wait for handlers, then no more is read | 256, or 1 MiB | |
//! | rooms of a socket; the name of a room | 1,024; 256 bytes | |
//! | namespaces that clients make | 10,000 | |
//! | sessions; those in no namespace yet | 10,000; 1,000, then the oldest gives way | [`Server::quota`] |
//! | pages that may connect | of the same host | [`Server::origins`] |
//! | shutdown | 1001 to all, 10 s grace | [`Server::grace`] |

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod arguments;
mod bounded;
mod call;
pub mod client;
mod clock;
mod decode;
mod encode;
mod error;
mod events;
mod handler;
mod reason;
mod refused;
mod reply;
mod server;

pub use arguments::Arguments;
pub use call::Call;
pub use client::Client;
pub use error::{CallError, EmitError, HandlerError};
pub use handler::Handler;
pub use reason::Reason;
pub use refused::Refused;
pub use reply::{Ack, Reply};
pub use server::{
    AnswerBody, ConnectHook, Handle, JoinError, Layer, LayerBody, Layered, Namespace, OverTls,
    Peer, Rate, Raw, Server, Service, Socket, To, Transports, Verdict, WhenFull,
};

// The crates whose types appear in this crate's API.
pub use sio_proto::engine::Config as EngineConfig;
pub use sio_proto::{self, Limits};
pub use ws_http::{self, Origins, Proxy, Quota};
#[cfg(feature = "tls")]
pub use ws_http::{ServerTls, Tls, TlsError};

/// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
