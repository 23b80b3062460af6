//! The opening handshake: RFC 6455 §4, functions on slices.
//!
//! A server reads a [`Request`], checks it with [`Request::accept`] and writes the
//! [`Accept`]. A client writes an [`Offer`] and reads the answer with [`Offer::verify`]. Both
//! search for the end of the head with a [`Scan`] that looks at each byte once, however they drip
//! in, and nothing is copied or allocated: a request is a view of the caller's buffer, and the
//! bytes behind its head stay where they are. They are the first frames.
//!
//! ```text
//! GET /chat HTTP/1.1\r\nHost: example.com\r\n … \r\n\r\n 81 85 37 FA 21 3D …
//! `------------------- head, `len` bytes --------------´`----- frames -----´
//! ```
//!
//! Three things are left to whoever moves the bytes: an absolute deadline for the whole exchange,
//! closing the connection after every error (§4.1, §4.2.1), and asking
//! [`Request::same_origin`] or an own list who may connect (§10.2).
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
//! let mut buffer = [0; 16 * 1024]; // `limits.max_head` is always enough
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
//! let mut buffer = [0; 16 * 1024]; // `limits.max_head` is always enough
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

use core::fmt;
use core::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

mod authority;
mod client;
mod deflate;
mod error;
mod extensions;
mod head;
mod headers;
mod origin;
mod refusal;
mod server;
mod syntax;
mod target;
mod uri;
mod write;

#[cfg(test)]
mod edits;

pub use client::{Offer, Response};
pub use deflate::{Agreed, Compression, Direction, Takeover, WindowBits};
pub use error::{
    ArgumentError, HeadError, InvalidExtensions, InvalidOrigin, RequestError, ResponseError,
};
pub use extensions::{Extension, Extensions, ParamValue, Params};
pub use head::Scan;
pub use headers::{HeaderIter, Headers};
pub use origin::Origin;
pub use refusal::Refusal;
pub use server::{Accept, Request};
pub use uri::{ResourceName, Scheme, Uri, UriError};

/// The nonce of a handshake: 16 bytes, which travel as base64 in Sec-WebSocket-Key.
///
/// It proves that the server has read this handshake; it is no secret.
///
/// ```
/// use ws_proto::handshake::Key;
///
/// let key = Key::new(*b"the sample nonce");
/// assert_eq!(key.encode().as_str(), "dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(key.accept_token().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// Makes a key of fresh entropy: "The nonce MUST be selected randomly for each connection."
    /// (§4.1 (7))
    #[must_use]
    pub const fn new(nonce: [u8; 16]) -> Self {
        Self(nonce)
    }

    /// Decodes a key.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`](RequestError::InvalidKey) if `text` is not 16 bytes in the base64 of
    /// RFC 4648 §4: 24 characters, two of them padding, with no bits left over (§4.2.1 (5)).
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        // 24 characters without padding are 18 bytes.
        let mut bytes = [0; 18];
        match STANDARD.decode_slice(text, &mut bytes) {
            Ok(16) => bytes.first_chunk().copied().map(Self),
            _ => None,
        }
        .ok_or(RequestError::InvalidKey)
    }

    /// The text of the key, as it is sent.
    #[must_use]
    pub fn encode(&self) -> KeyText {
        KeyText(base64(self.0))
    }

    /// What the server answers to this key.
    ///
    /// > concatenating /key/ […] with the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking
    /// > the SHA-1 hash of this concatenated value to obtain a 20-byte value and base64-encoding
    /// > […] this 20-byte hash. (§4.2.2)
    #[must_use]
    pub fn accept_token(&self) -> AcceptToken {
        let digest = Sha1::new()
            // The text of the key: one that was parsed is canonical, so this is what was sent.
            .chain_update(self.encode().as_str())
            .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
            .finalize();
        AcceptToken(base64::<20, 28>(digest.into()))
    }
}

/// The text of a [`Key`]: 24 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyText([u8; 24]);

impl KeyText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({self})")
    }
}

/// The value of Sec-WebSocket-Accept: 28 characters of base64 (§4.2.2 (5)).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AcceptToken([u8; 28]);

impl AcceptToken {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Display for AcceptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AcceptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AcceptToken({self})")
    }
}

/// The version of HTTP that a head is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpVersion {
    /// HTTP/1.0: it cannot upgrade (RFC 9110 §7.8).
    Http10,
    /// HTTP/1.1.
    Http11,
}

fn base64<const BYTES: usize, const CHARS: usize>(bytes: [u8; BYTES]) -> [u8; CHARS] {
    const { assert!(CHARS == BYTES.div_ceil(3) * 4) };
    let mut text = [0; CHARS];
    STANDARD
        .encode_slice(bytes, &mut text)
        .expect("the length was computed at compile time");
    text
}

/// All of it: base64 is ASCII.
fn ascii(base64: &[u8]) -> &str {
    str::from_utf8(base64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // §1.3, §4.2.2
        let key = Key::parse("dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(key, Key::new(*b"the sample nonce"));
        assert_eq!(key.accept_token().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_are_canonical_base64_of_16_bytes() {
        // §4.1 (7) prints this key as "AQIDBAUGBwgJCgsMDQ4PEC==", which has bits left over.
        let counting = Key::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(counting.encode().as_str(), "AQIDBAUGBwgJCgsMDQ4PEA==");
        assert_eq!(Key::parse("AQIDBAUGBwgJCgsMDQ4PEA=="), Ok(counting));

        let refused = [
            "",
            "AQIDBAUGBwgJCgsMDQ4PEC==",
            "AQIDBAUGBwgJCgsMDQ4PEB==",
            "AQIDBAUGBwgJCgsMDQ4PEA",
            "AQIDBAUGBwgJCgsMDQ4PEA=",
            "AQIDBAUGBwgJCgsMDQ4PEA===",
            "AQIDBAUGBwgJCgsMDQ4PEA==\n",
            " AQIDBAUGBwgJCgsMDQ4PEA==",
            "AQIDBAUGBwgJCgsMDQ4P",
            "AQIDBAUGBwgJCgsMDQ4PEBE=",
            "AQIDBAUGBwgJCgsMDQ4PEBES",
            "AQIDBAUGBwgJCgsMDQ4PEBESEw==",
            "AQIDBAUGBwgJ-gsMDQ4PEA==",
            "AQIDBAUGBwgJ_gsMDQ4PEA==",
            "AQIDBAUGBwgJ gsMDQ4PEA==",
            "AQID====BwgJCgsMDQ4PEA==",
            "ÀQIDBAUGBwgJCgsMDQ4PEA==",
        ];
        for text in refused {
            assert_eq!(Key::parse(text), Err(RequestError::InvalidKey), "{text:?}");
        }
    }
}
