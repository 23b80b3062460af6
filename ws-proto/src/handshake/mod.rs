//! The opening handshake: RFC 6455 §4, on the caller's slices.
//!
//! A server reads a [`Request`], checks it with [`Request::accept`] and writes the [`Accept`]. A
//! client writes an [`Offer`] and reads the answer with [`Offer::verify`]. Both search for the end
//! of the head with a [`Scan`] that looks at each byte once, however slowly they arrive, and
//! nothing is copied or allocated: a request is a view of the caller's buffer, and the bytes after
//! its head, which are the first frames, stay where they are.
//!
//! ```text
//! GET /chat HTTP/1.1\r\nHost: example.com\r\n … \r\n\r\n 81 85 37 FA 21 3D …
//! `------------------- head, `len` bytes --------------´`----- frames -----´
//! ```
//!
//! With an allocator, [`Connecting`](crate::Connecting) and [`Accepting`](crate::Accepting) do the
//! loops below, with buffers and a deadline, and end in a [`Session`](crate::Session). Without one,
//! three things are left to the caller: an absolute deadline for the whole exchange, closing the
//! connection after every error (§4.1, §4.2.1), and asking [`Request::same_origin`] or a list who
//! may connect (§10.2).
//!
//! Where another library reads and writes heads (hyper, axum, h2, h3), the handshake is made from
//! parts and read in parts: [`Request::from_parts`], [`Accept::fields`], [`Offer::fields`],
//! [`Response::from_parts`], and with the feature `http` in that crate's types. Over HTTP/2 and
//! HTTP/3 it is an extended CONNECT (RFC 8441, RFC 9220): see [`Bootstrap`].
//!
//! # The server
//!
//! ```
//! use ws_proto::Limits;
//! use ws_proto::handshake::{Request, RequestError, Scan};
//!
//! # let wire = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
//! #     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//! #     Origin: http://server.example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
//! #     Sec-WebSocket-Version: 13\r\n\r\n\x81\x85";
//! # let mut socket = wire.chunks(50);
//! # let mut read = |buffer: &mut [u8]| {
//! #     let piece = socket.next().unwrap_or_default();
//! #     buffer[..piece.len()].copy_from_slice(piece);
//! #     piece.len()
//! # };
//! let limits = Limits::default();
//! let mut buffer = [0; 32 * 1024]; // `limits.max_head` is always enough
//! let mut filled = 0;
//! let mut scan = Scan::new();
//! let mut out = [0; 512];
//!
//! let answer: Result<usize, RequestError> = loop {
//!     filled += read(&mut buffer[filled..]); // Ok(0) from a socket: the client went away
//!     match Request::parse_prefix(&mut scan, &buffer[..filled], &limits) {
//!         Ok(None) => continue,
//!         Ok(Some((request, len))) => {
//!             // Here `request.path()` decides who answers. The frames begin at `len`.
//!             # assert_eq!((request.path(), &buffer[len..filled]), ("/chat", &[0x81, 0x85][..]));
//!             break request.same_origin().and_then(|()| {
//!                 let accept = request.accept()?;
//!                 let accept = accept.protocol("chat").unwrap_or(accept); // if it is offered
//!                 Ok(accept.encode(&mut out).expect("512 bytes are enough for this one"))
//!             });
//!         }
//!         Err(error) => break Err(error),
//!     }
//! };
//! let len = match answer {
//!     Ok(len) => len,                                  // then `Connection::server`
//!     Err(error) => error.encode_refusal(&mut out)?,   // then close
//! };
//! # assert!(out[..len].starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! # assert!(out[..len].ends_with(
//! #     b"Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"));
//! # Ok::<(), ws_proto::NoRoom>(())
//! ```
//!
//! # The client
//!
//! ```
//! use ws_proto::Limits;
//! use ws_proto::handshake::{Key, Offer, Response, ResponseError, Scan};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let entropy = *b"the sample nonce";
//! # let wire = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
//! #     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
//! #     Sec-WebSocket-Protocol: chat\r\n\r\n\x81\x05Hello";
//! # let mut socket = wire.chunks(40);
//! # let mut read = |buffer: &mut [u8]| {
//! #     let piece = socket.next().unwrap_or_default();
//! #     buffer[..piece.len()].copy_from_slice(piece);
//! #     piece.len()
//! # };
//! let key = Key::new(entropy); // 16 fresh random bytes for each connection
//! let offer = Offer::new("server.example.com", "/chat")?.protocols(&["chat", "superchat"])?;
//! let mut out = [0; 512];
//! let len = offer.encode(&key, &mut out).expect("512 bytes are enough for this one");
//! # assert!(out[..len].starts_with(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"));
//!
//! let limits = Limits::default();
//! let mut buffer = [0; 32 * 1024]; // `limits.max_head` is always enough
//! let mut filled = 0;
//! let mut scan = Scan::new();
//! loop {
//!     filled += read(&mut buffer[filled..]);
//!     match offer.verify(&key, &mut scan, &buffer[..filled], &limits) {
//!         Ok(None) => continue,
//!         Ok(Some((response, len))) => {
//!             // Open: `Connection::client`. The frames begin at `len`.
//!             # assert_eq!(&wire[len..], b"\x81\x05Hello");
//!             assert_eq!(response.protocol(), Some("chat"));
//!             break;
//!         }
//!         Err(ResponseError::Refused(401)) => {
//!             let refusal = Response::parse(&buffer[scan.head().expect("it was parsed")])?;
//!             println!("{:?}", refusal.header("WWW-Authenticate"));
//!             break;
//!         }
//!         Err(error) => return Err(error.into()), // and close
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod accept;
mod answer;
mod authority;
mod deflate;
mod error;
mod extensions;
mod fields;
mod head;
#[cfg(feature = "http")]
mod header_map;
mod headers;
#[cfg(feature = "http")]
mod http_types;
mod key;
mod offer;
mod origin;
mod refusal;
mod request;
mod response;
mod syntax;
mod target;
mod uri;
mod value;
mod write;

pub use accept::Accept;
pub use answer::Answer;
pub use deflate::{Agreed, Compression, Direction, Takeover, WindowBits};
pub use error::{
    ArgumentError, HeadError, InvalidExtensions, InvalidOrigin, RequestError, ResponseError,
};
pub use extensions::{Extension, Extensions, ParamValue, Params};
pub use head::Scan;
pub use headers::{HeaderIter, Headers};
pub use key::{AcceptToken, Key, KeyText};
pub use offer::Offer;
pub use origin::Origin;
pub use refusal::Refusal;
pub use request::Request;
pub use response::Response;
#[cfg(feature = "alloc")]
pub(crate) use syntax::MAX_PROTOCOLS;
pub use uri::{ResourceName, Scheme, Uri, UriError};
pub use value::FieldValue;

/// The version of HTTP of a request or a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.0: it cannot upgrade (RFC 9110 §7.8).
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2: it comes in parts only.
    Http2,
    /// HTTP/3: it comes in parts only.
    Http3,
}

/// The way in which an HTTP connection, or a stream of one, becomes a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bootstrap {
    /// GET with an Upgrade, which is answered with 101: HTTP/1.1 (§4).
    #[default]
    Http1,
    /// CONNECT with a `:protocol`, which is answered with 200: HTTP/2 (RFC 8441) and HTTP/3 (RFC
    /// 9220). There is no key, and no Connection header.
    ExtendedConnect,
}
