//! WebSockets on [tokio](https://docs.rs/tokio): a client, a server, guests in hyper, axum and tower,
//! and a connection over any stream of bytes that is a [`Stream`](futures_core::Stream) and a
//! [`Sink`](futures_sink::Sink) of messages.
//!
//! A client:
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut ws = ws_tokio::connect("ws://127.0.0.1:9001/echo").await?;
//! ws.send("hello").await?; // &str is text, &[u8] is binary
//! if let Some(message) = ws.recv().await? {
//!     println!("{}", message.as_text().unwrap_or("(bytes)"));
//! }
//! ws.close(ws_tokio::CloseCode::NORMAL, "done").await?;
//! # Ok(())
//! # }
//! ```
//!
//! A server: [`serve`] for a listener and a handler, [`Server`] for pages and WebSockets on one port,
//! and with the features of these names `Upgrader` for hyper, `axum` for axum and `tower` for what
//! stands on tower.
//!
//! The protocol itself is [`ws_proto`]; this crate moves its bytes. Everything can be cancelled:
//! each method says under the heading *Cancel safety* what a dropped call has done. A connection that
//! waits owns no buffer. The feature `tls` adds `wss://` URLs and servers with a certificate. The
//! defaults are those of every adapter:
//!
//! | what | default | set with |
//! |---|---|---|
//! | connecting, or the opening handshake, absolute | 10 s | `handshake_timeout` |
//! | ping, and the time to answer it | every 20 s, 20 s | `timeouts` |
//! | closing handshake | 10 s | `timeouts` |
//! | message; fragments of one | 1 MiB; 65,536 | `max_message`, `limits` |
//! | head; its lines; their number | 32 KiB; 16 KiB; 128 | `limits` |
//! | unsent output of a connection | 1 MiB | `limits` |
//! | connections, then 503 | 1024 | [`Server::max_connections`] |
//! | hosts it answers for | IP addresses, `localhost`; every name unless it listens on a local address | [`Server::hosts`] |
//! | pages that may connect | of the same host | [`Server::origins`] |
//! | shutdown | 1001 to all, 10 s grace | [`Server::grace`] |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
pub mod axum;
mod client;
mod error;
mod first;
mod group;
mod handling;
mod home;
#[cfg(feature = "http2")]
mod http2;
mod pool;
mod receiving;
mod reconnect;
#[cfg(feature = "tls")]
mod secure;
mod server;
mod sink;
mod socket;
mod split;
mod stop;
mod streaming;
mod timer;
#[cfg(feature = "tower")]
pub mod tower;
mod transport;
mod trip;
#[cfg(feature = "hyper")]
mod upgrade;
mod wakers;
mod way;
mod wire;

pub use client::{Client, connect};
pub use error::{ConnectError, Error, Stage, Tried};
pub use group::{Group, Membership, Presence, Rooms};
#[cfg(feature = "http2")]
pub use http2::{Http2, Http2Stream};
pub use reconnect::Reconnect;
pub use server::{Handle, Server, serve};
pub use socket::{Reply, WebSocket};
pub use split::{Reader, ReuniteError, Writer};
pub use stop::StopHandle;
pub use streaming::{MessageReader, MessageWriter};
pub use transport::Transport;
#[cfg(feature = "hyper")]
pub use upgrade::{Refused, Upgrade, Upgraded, Upgrader, upgrade};

#[cfg(feature = "tls")]
pub use ws_http::{ServerTls, Tls, TlsError};
// The crates whose types appear in this crate's API.
#[cfg(feature = "http2")]
pub use h2;
pub use ws_proto::{
    Close, CloseCode, Config, Kind, Limits, Message, MessageBuf, Part, Prepared, ProtocolError,
    SendError, Session, TimedOut, Timeouts,
};
#[cfg(feature = "deflate")]
pub use ws_proto::{
    Compress, Deflate, WhenIdle,
    handshake::{Compression, Direction, Takeover, WindowBits},
};
pub use {http, ws_http, ws_proto};

/// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use tokio::net::TcpStream;

    use super::{Reader, Transport, WebSocket, Writer};

    /// What a program needs for each silent connection, besides what tokio does.
    #[test]
    fn a_connection_is_small() {
        let (socket, reader, writer) = (
            size_of::<WebSocket<Transport>>(),
            size_of::<Reader<TcpStream>>(),
            size_of::<Writer<TcpStream>>(),
        );
        assert_eq!(socket, size_of::<WebSocket<TcpStream>>());
        assert!(socket <= 400, "{socket}");
        assert!((reader, writer) <= (208, 8), "{reader}, {writer}");
    }
}
