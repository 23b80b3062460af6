//! The client's opening handshake, driven (§4.1): our request, the server's answer, a session.
//!
//! ```text
//!   ──▶ the request is sent ──▶ interim responses ──▶ 101 ──────────▶ Open: a session
//!                                                └──▶ another status ▶ Refused: a response
//!   any of them ── a rule broken, or the end of the stream ──▶ an error
//! ```

use alloc::boxed::Box;
use alloc::collections::TryReserveError;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::config::Config;
use crate::handshake::{
    Compression, HeadError, Key, MAX_PROTOCOLS, Offer, Response, ResponseError, Scan,
};
use crate::liveness::{Instant, Verdict};
use crate::opening::{Patience, Received, Unsent, opened};
use crate::role::Role;
use crate::session::Session;

/// A connection that a client opens: from its request to a [`Session`], or to the response of a
/// server that refuses.
///
/// Drive it like a session: write what is [`unsent`](Self::unsent), read into
/// [`spare_mut`](Self::spare_mut), and let [`step`](Self::step) say what happened. An adapter may
/// be cancelled between any two calls, and nothing is lost. The type is one pointer wide; drop it
/// when the handshake is over, and its memory is freed.
///
/// ```
/// use std::io::{self, Read, Write};
/// use ws_proto::handshake::{Offer, Uri};
/// use ws_proto::{Config, ConnectStep, Connecting, Session};
///
/// fn open(mut socket: impl Read + Write, url: &str, entropy: [u8; 48]) -> io::Result<Session> {
///     let uri = Uri::parse(url).map_err(io::Error::other)?;
///     let mut connecting = Connecting::new(&Offer::to(&uri), &Config::default(), entropy);
///     loop {
///         while !connecting.unsent().is_empty() {
///             let len = socket.write(connecting.unsent())?;
///             connecting.sent(len);
///         }
///         match connecting.step().map_err(io::Error::other)? {
///             ConnectStep::Open(session, _response) => return Ok(session),
///             ConnectStep::Refused(response) => {
///                 return Err(io::Error::other(format!("status {}", response.status())));
///             }
///             ConnectStep::NeedData => match socket.read(connecting.spare_mut()?)? {
///                 0 => connecting.eof(),
///                 len => connecting.filled(len),
///             },
///             ConnectStep::Over => return Err(io::ErrorKind::NotConnected.into()),
///         }
///     }
/// }
/// # struct Wire(&'static [u8], Vec<u8>);
/// # impl Read for Wire { fn read(&mut self, to: &mut [u8]) -> io::Result<usize> { self.0.read(to) } }
/// # impl Write for Wire {
/// #     fn write(&mut self, from: &[u8]) -> io::Result<usize> { self.1.write(from) }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # let entropy = *b"the sample nonce and 32 bytes for the masking key";
/// # let entropy = *entropy.first_chunk().unwrap();
/// # let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
/// #     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05Hello";
/// # let mut session = open(Wire(answer, Vec::new()), "ws://server.example.com/chat", entropy)?;
/// # assert_eq!(session.step(), Ok(ws_proto::Step::Message("Hello".into())));
/// # let refused = b"HTTP/1.1 401 Unauthorized\r\n\r\n";
/// # assert!(open(Wire(refused, Vec::new()), "ws://server.example.com/chat", entropy).is_err());
/// # Ok::<(), io::Error>(())
/// ```
#[must_use]
pub struct Connecting(Box<Inner>);

struct Inner {
    config: Config,
    key: Key,
    /// Made at once, because the application asks for its memory, and not the peer; handed out
    /// once.
    session: Option<Session>,
    scan: Scan,
    received: Received,
    request: Unsent,
    /// The subprotocols that were offered, with commas between them: tokens have none.
    protocols: String,
    patience: Patience,
    compression: Option<Compression>,
    body: Option<Body>,
}

/// The place of a refusal's body in what was received. Its length is the smallest of what the head
/// says, of [`Connecting::MAX_BODY`], and of what comes.
#[derive(Clone, Copy, Debug)]
struct Body {
    start: usize,
    len: usize,
}

/// The result of a step of a [`Connecting`].
#[derive(Debug)]
#[must_use]
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made"
)]
pub enum ConnectStep<'a> {
    /// More has to be read from the transport, or the request is not written yet.
    NeedData,
    /// The server agreed. What it sent after its answer is in the session already.
    Open(Session, Response<'a>),
    /// The server answered something else: a redirect, a demand for credentials, a page.
    /// [`Connecting::body`] has as much of its body as has arrived.
    Refused(Response<'a>),
    /// The session has been handed out.
    Over,
}

impl Connecting {
    /// The most of a refusal's body that is kept, in bytes.
    pub const MAX_BODY: usize = 64 << 10;

    /// Makes a handshake of an offer. The configuration says whether compression is offered, and
    /// within which bounds.
    ///
    /// The entropy is fresh for each connection, from the operating system: 16 bytes for the key
    /// (§4.1 (7)) and 32 for masking, as in [`Session::client`]. Fixed bytes are for tests.
    pub fn new(offer: &Offer<'_>, config: &Config, entropy: [u8; 48]) -> Self {
        let (nonce, seed) = halves(&entropy);
        let key = Key::new(nonce);
        let offer = offer.compression(config.compression(Role::Client));
        let mut request = Vec::new();
        while let Err(short) = offer.encode(&key, &mut request) {
            request.resize(short.needed, 0);
        }
        Self(Box::new(Inner {
            config: *config,
            key,
            session: Some(Session::client(config, seed)),
            scan: Scan::new(),
            received: Received::default(),
            request: request.into(),
            protocols: offer.offered().join(","),
            patience: Patience::new(config.handshake_timeout),
            compression: None,
            body: None,
        }))
    }

    /// The bytes to write next: the rest of the request.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.0.request.unsent()
    }

    /// Reports that the first `len` unsent bytes were written.
    pub fn sent(&mut self, len: usize) {
        self.0.request.sent(len);
    }

    /// Returns the buffer to read from the transport into: never empty.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn spare_mut(&mut self) -> Result<&mut [u8], TryReserveError> {
        let inner = &mut *self.0;
        let most = match inner.body {
            Some(body) => body.start.saturating_add(body.len),
            None => inner.config.limits.max_head,
        };
        inner.received.spare_mut(most)
    }

    /// Reports that the first `len` bytes of [`spare_mut`](Self::spare_mut) were read.
    pub fn filled(&mut self, len: usize) {
        self.0.received.filled(len);
    }

    /// Takes bytes that were received elsewhere: for an adapter that reads for all its connections
    /// into one buffer.
    ///
    /// # Errors
    ///
    /// Out of memory: no bytes were taken.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        self.0.received.push(bytes)
    }

    /// Reports the end of the stream: the next step says what that means.
    pub const fn eof(&mut self) {
        self.0.received.eof();
    }

    /// Takes the handshake a step further, and returns what to do next.
    ///
    /// # Errors
    ///
    /// The rule that the answer breaks: the errors of [`Offer::verify`] except
    /// [`Refused`](ResponseError::Refused), and [`Truncated`](HeadError::Truncated) if the stream
    /// ended before there was an answer. Close the connection (§4.1: "_Fail the WebSocket
    /// Connection_").
    pub fn step(&mut self) -> Result<ConnectStep<'_>, ResponseError> {
        let inner = &mut *self.0;
        let input = inner.received.as_slice();
        let need_data = match inner.received.has_ended() {
            true => Err(HeadError::Truncated.into()),
            false => Ok(ConnectStep::NeedData),
        };
        let limits = &inner.config.limits;
        if inner.scan.advance(input, limits)?.is_none() {
            return need_data;
        }
        // In an array, for which there is always memory.
        let mut protocols = [""; MAX_PROTOCOLS];
        let offered = inner.protocols.split_terminator([',']);
        let count = (protocols.iter_mut().zip(offered))
            .map(|(place, name)| *place = name)
            .count();
        debug_assert!(count <= protocols.len(), "no more than there are places");
        let protocols = protocols.get(..count).unwrap_or_default();
        let offer = Offer::sent(protocols, inner.config.compression(Role::Client));
        match offer.verify(&inner.key, &mut inner.scan, input, limits) {
            Ok(None) => need_data,
            Ok(Some((response, len))) => {
                let Some(session) = inner.session.take() else {
                    return Ok(ConnectStep::Over);
                };
                inner.compression = offer.agreed(&response)?;
                let session = opened(
                    session,
                    &inner.config,
                    inner.compression,
                    inner.received.after(len),
                );
                Ok(ConnectStep::Open(session, response))
            }
            Err(ResponseError::Refused(_)) => {
                let head = inner.scan.head();
                debug_assert!(head.is_some(), "a refusal has a complete head");
                let head = head.unwrap_or_default();
                let start = head.end;
                debug_assert!(start <= input.len(), "the head lies in what was received");
                let response = Response::parse(input.get(head).unwrap_or_default())?;
                let len = body_len(&response);
                inner.body = Some(Body { start, len });
                Ok(ConnectStep::Refused(response))
            }
            Err(error) => Err(error),
        }
    }

    /// The body of a refusal so far, as it was sent, up to [`MAX_BODY`](Self::MAX_BODY) bytes. To
    /// get more of it, read on as before.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        let Some(Body { start, len }) = self.0.body else {
            return &[];
        };
        let received = self.0.received.after(start);
        received.get(..len).unwrap_or(received)
    }

    /// Returns whether a refusal's body is complete: no more of it will come, or be kept. A body
    /// without a stated length goes on until the stream ends.
    #[must_use]
    pub fn has_body(&self) -> bool {
        let whole = |body: Body| self.body().len() >= body.len;
        self.0.body.is_some_and(whole) || self.0.received.has_ended()
    }

    /// The compression that was agreed on, once the connection is open.
    #[must_use]
    pub const fn compression(&self) -> Option<Compression> {
        self.0.compression
    }

    /// The bytes received: the head of the answer, as far as it is there, with the interim
    /// responses before it; and the bytes after it. For a trace.
    #[must_use]
    pub fn received(&self) -> (&[u8], &[u8]) {
        let received = self.0.received.as_slice();
        let head = self.0.scan.head().map_or(received.len(), |head| head.end);
        debug_assert!(head <= received.len(), "the head lies in what was received");
        received.split_at_checked(head).unwrap_or((received, &[]))
    }

    /// Looks at the clock: the whole handshake has to be over within [`Config::handshake_timeout`]
    /// of the first call.
    pub fn check(&mut self, now: Instant) -> Verdict {
        self.0.patience.check(now)
    }

    /// The moment by which the handshake has to be over; `None` before the first check.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.0.patience.deadline()
    }
}

impl fmt::Debug for Connecting {
    /// Shows neither the request, which may contain a password, nor the answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting")
            .field("unsent", &self.unsent().len())
            .field("received", &self.0.received.as_slice().len())
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}

/// The length of a refusal's body (RFC 9112 §6.3).
fn body_len(response: &Response<'_>) -> usize {
    if matches!(response.status(), 204 | 304) {
        return 0;
    }
    response
        .header("Content-Length")
        .and_then(|length| length.parse().ok())
        .map_or(Connecting::MAX_BODY, |length: usize| {
            length.min(Connecting::MAX_BODY)
        })
}

/// 16 bytes and 32.
fn halves(entropy: &[u8; 48]) -> ([u8; 16], [u8; 32]) {
    let nonce = core::array::from_fn(|at| entropy[at]);
    (nonce, core::array::from_fn(|at| entropy[16 + at]))
}
