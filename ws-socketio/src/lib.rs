//! Socket.IO on [tokio](https://docs.rs/tokio): polling, the upgrade and WebSocket; events with typed
//! arguments, acknowledgements, namespaces.
//!
//! The protocol itself is [`sio_proto`]; this crate moves its bytes.
//!
//! **Arguments** are of your types, by `serde`, in both directions:
//!
//! | what you write | the event's arguments |
//! |---|---|
//! | `()` | none |
//! | a tuple, or an array of fixed length | as many as it has |
//! | anything else | one |
//! | bytes, within any of them (`serde_bytes`) | an attachment; a `Vec<u8>` is a JSON array |

#![forbid(unsafe_code)]

mod arguments;
mod call;
pub mod client;
mod clock;
mod decode;
mod encode;
mod error;
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
    AnswerBody, ConnectHook, Handle, JoinError, Layer, LayerBody, Layered, Namespace, Peer, Rate,
    Raw, Server, Service, Socket, To, Transports, Verdict, WhenFull,
};

// The crates whose types appear in this crate's API.
pub use sio_proto::engine::Config as EngineConfig;
pub use sio_proto::{self, Limits};
pub use ws_http::{self, Origins, Quota};
