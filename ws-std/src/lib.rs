//! WebSockets on [`TcpStream`](std::net::TcpStream): a blocking client, and a server with a
//! thread for each connection.
//!
//! A client:
//!
//! ```no_run
//! use ws_std::CloseCode;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut ws = ws_std::connect("ws://127.0.0.1:9001/echo")?;
//!     ws.send("hello")?; // &str is text, &[u8] is binary
//!     if let Some(message) = ws.recv()? {
//!         println!("{}", message.as_text().unwrap_or("(bytes)"));
//!     }
//!     ws.close(CloseCode::NORMAL, "done")?;
//!     Ok(())
//! }
//! ```
//!
//! A server, for pages and WebSockets on one port:
//!
//! ```no_run
//! use ws_std::{Response, Server};
//!
//! fn main() -> std::io::Result<()> {
//!     Server::bind("127.0.0.1:9001")?
//!         .get("/", |_request| Response::html("<h1>It echoes</h1>"))
//!         .websocket("/echo", |mut ws, _request| ws.for_each(|message, tx| tx.send(message)))
//!         .run()
//! }
//! ```
//!
//! The protocol itself is [`ws_proto`]; this crate moves its bytes. What a public server needs is
//! on by default, and can be set:
//!
//! | what | default | set with |
//! |---|---|---|
//! | look-up, connecting, opening handshake, absolute | 10 s | `handshake_timeout` |
//! | addresses of a host | both families, the next begun after 250 ms | |
//! | redirects | not followed | [`Client::follow_redirects`] |
//! | connecting again | not done; then after 0 to 1 s, doubling, at most 60 s | [`Client::reconnect`] |
//! | ping, and the time to answer it | every 20 s, 20 s | `timeouts` |
//! | closing handshake | 10 s | `timeouts` |
//! | message; fragments of one | 1 MiB; 65,536 | `max_message`, `limits` |
//! | head; its lines; their number | 32 KiB; 16 KiB; 128 | `limits` |
//! | unsent output of a connection | 1 MiB | `limits` |
//! | a member of a group for which more waits | closed with 1013 | [`RoomPolicy`] |
//! | connections, then 503 | 1024 | [`Server::max_connections`] |
//! | those that are opening, then the oldest gets 503 | a quarter | [`Server::quota`] |
//! | connections of an address, then 429 | 64, of this machine any | [`Server::max_per_address`] |
//! | hosts it answers for | IP addresses, `localhost`; every name unless it listens on a local address | [`Server::hosts`] |
//! | pages that may connect | of the same host | [`Server::origins`] |
//! | shutdown | 1001 to all, 10 s grace | [`Server::grace`] |
//!
//! The feature `deflate` adds compression (RFC 7692), which stays off until `Client::deflate` or
//! `Server::deflate` is called. The feature `idn` adds internationalized host names. The feature
//! `tls` adds `wss://`, `Client::tls` and `Server::tls`. The feature `test-util` adds a clock that
//! tests move by hand.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod app;
mod call;
mod client;
mod clock;
mod deadline;
mod dial;
mod error;
// The socket of the tests on which calls fail, and the name by which it knows this crate.
#[cfg(test)]
extern crate self as ws_std;
#[cfg(test)]
#[path = "../tests/common/faulty.rs"]
mod faulty;
mod group;
mod guard;
mod handshake;
#[cfg(feature = "deflate")]
mod pool;
mod reader;
mod reconnect;
#[cfg(feature = "tls")]
mod secure;
mod server;
mod shared;
mod socket;
mod stop;
mod stream;
mod streaming;
mod sync;
mod tap;
mod trip;
mod way;
mod writer;

pub use app::{App, AppError, AppHandle};
pub use call::CallError;
pub use client::{Client, connect};
pub use clock::Clock;
pub use error::{ConnectError, Error, Stage, Tried};
pub use group::{Group, Membership, Presence, Rooms};
pub use reader::{Next, Reader};
pub use reconnect::Reconnect;
pub use server::{Handle, Login, Server};
pub use socket::WebSocket;
pub use stop::StopHandle;
pub use stream::Socket;
pub use streaming::{MessageReader, MessageWriter};
pub use tap::Tapped;
pub use writer::{Corked, Writer};
#[cfg(feature = "tls")]
pub use ws_http::{ServerTls, Tls, TlsError};

// The crates whose types appear in this crate's API.
// Types from `ws-http`, which decides what surrounds a WebSocket in HTTP.
pub use ws_http::{
    Backoff, Basic, Bearer, Credentials, Ended, Excess, Hosts, InvalidCredentials, InvalidHost,
    InvalidNetwork, InvalidOrigin, InvalidProxy, InvalidUrl, Metrics, Origins, Pace, Proxies,
    Proxy, Quota, RedirectError, Refusal, Request, Response, RoomMetrics, RoomPolicy, RouteError,
    Slow, StatusCode, Trusted, TunnelError, Url,
};
// The types that a `ConnectError` holds.
pub use ws_proto::handshake::{ArgumentError, HeadError, ResponseError, UriError};
pub use ws_proto::{
    Close, CloseCode, Kind, Limits, Message, MessageBuf, Part, Prepared, ProtocolError, SendError,
    TimedOut, Timeouts,
};
#[cfg(feature = "deflate")]
pub use ws_proto::{
    Compress, Deflate, WhenIdle,
    handshake::{Compression, Direction, Takeover, WindowBits},
};
pub use {http, ws_http, ws_proto};
