//! The server's opening handshake, driven (§4.2): a client's request, our answer, a session.
//!
//! ```text
//!                                      accept ──▶ the 101 is sent ───▶ Open: a session
//!   ──▶ a request is read ──▶ Request ─┤
//!                │                     refuse ─┬▶ the answer is sent ─▶ Over: close
//!                └── it breaks a rule, or comes too late: 4xx
//! ```

use alloc::boxed::Box;
use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::fmt;

use crate::config::Config;
use crate::error::NoRoom;
use crate::handshake::{Accept, Answer, Compression, HeadError, Request, RequestError, Scan};
use crate::liveness::{Instant, Verdict};
use crate::opening::{Patience, Received, Unsent, opened};
use crate::role::Role;
use crate::session::Session;

/// A connection that a server opens: from the first byte to a [`Session`], or to an answer that
/// opens nothing.
///
/// Drive it like a session: read into [`spare_mut`](Self::spare_mut), write what is
/// [`unsent`](Self::unsent), and let [`step`](Self::step) say what happened. A request that breaks
/// a rule of HTTP/1.1 is refused here; the application [answers](Asked) every other. An adapter may
/// be cancelled between any two calls, and nothing is lost. The type is one pointer wide; drop it
/// when the handshake is over, and its memory is freed.
///
/// ```
/// use std::io::{self, Read, Write};
/// use ws_proto::{AcceptStep, Accepting, Config, Session};
///
/// fn accept(mut socket: impl Read + Write) -> io::Result<Option<Session>> {
///     let mut accepting = Accepting::new(&Config::default());
///     loop {
///         match accepting.step() {
///             AcceptStep::NeedData => match socket.read(accepting.spare_mut()?)? {
///                 0 => accepting.eof(),
///                 len => accepting.filled(len),
///             },
///             AcceptStep::Request(asked) => {
///                 // Here `asked.request().path()` says what is asked for.
///                 let request = asked.request();
///                 match request.same_origin().and_then(|()| request.accept()) {
///                     Ok(accept) => asked.accept(accept),
///                     Err(error) => asked.refuse(error),
///                 }
///             }
///             AcceptStep::NeedWrite => {
///                 let len = socket.write(accepting.unsent())?;
///                 accepting.sent(len);
///             }
///             AcceptStep::Open(session) => return Ok(Some(session)),
///             AcceptStep::Over(_why) => return Ok(None), // close
///         }
///     }
/// }
/// # struct Wire(&'static [u8], Vec<u8>);
/// # impl Read for &mut Wire { fn read(&mut self, to: &mut [u8]) -> io::Result<usize> { self.0.read(to) } }
/// # impl Write for &mut Wire {
/// #     fn write(&mut self, from: &[u8]) -> io::Result<usize> { self.1.write(from) }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # let request = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
/// #     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
/// #     Sec-WebSocket-Version: 13\r\n\r\n\x81\x85\0\0\0\0Hello";
/// # let mut wire = Wire(request, Vec::new());
/// # let mut session = accept(&mut wire)?.expect("a handshake");
/// # assert!(wire.1.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// # assert_eq!(session.step(), Ok(ws_proto::Step::Message("Hello".into())));
/// # let mut wire = Wire(b"GET / HTTP/1.1\r\n\r\n", Vec::new());
/// # assert!(accept(&mut wire)?.is_none());
/// # assert!(wire.1.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
/// # Ok::<(), io::Error>(())
/// ```
#[must_use]
pub struct Accepting(Box<Inner>);

struct Inner {
    config: Config,
    scan: Scan,
    received: Received,
    /// The length of the head, once it is complete.
    head: usize,
    reply: Reply,
}

/// Our answer: everything that an application changes while it holds the request.
struct Reply {
    stage: Stage,
    unsent: Unsent,
    patience: Patience,
    compression: Option<Compression>,
}

/// The stage of the handshake.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The request is not complete, or not answered.
    Asking,
    /// The 101 is being sent.
    Opening,
    /// Another answer is being sent. It reports this error, unless the application gave the answer.
    Refusing(Option<RequestError>),
    /// The session was handed out.
    Over,
}

/// The result of a step of an [`Accepting`].
#[derive(Debug)]
#[must_use]
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made"
)]
pub enum AcceptStep<'a> {
    /// More has to be read from the transport.
    NeedData,
    /// A request that needs an answer. Every step returns it again until it has one.
    Request(Asked<'a>),
    /// Write what is [unsent](Accepting::unsent), then step again.
    NeedWrite,
    /// The 101 is written. What the client sent after its request is in the session already.
    Open(Session),
    /// Nothing is left to do: an answer that opens nothing has been written, or the client has
    /// gone, or the session was handed out before. Close the connection, unless the session owns
    /// it. The error is what was wrong with the request, unless the application refused it.
    Over(Option<RequestError>),
}

impl Accepting {
    /// Waits for a request.
    pub fn new(config: &Config) -> Self {
        Self(Box::new(Inner {
            config: *config,
            scan: Scan::new(),
            received: Received::default(),
            head: 0,
            reply: Reply {
                stage: Stage::Asking,
                unsent: Unsent::default(),
                patience: Patience::new(config.handshake_timeout),
                compression: None,
            },
        }))
    }

    /// Returns the buffer to read from the transport into: never empty.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn spare_mut(&mut self) -> Result<&mut [u8], TryReserveError> {
        let most = self.0.config.limits.max_head;
        self.0.received.spare_mut(most)
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
    pub fn step(&mut self) -> AcceptStep<'_> {
        let inner = &mut *self.0;
        match inner.reply.stage {
            Stage::Asking => inner.ask(),
            Stage::Opening | Stage::Refusing(_) if !inner.reply.unsent.unsent().is_empty() => {
                AcceptStep::NeedWrite
            }
            Stage::Opening => {
                inner.reply.stage = Stage::Over;
                AcceptStep::Open(opened(
                    Session::server(&inner.config),
                    &inner.config,
                    inner.reply.compression,
                    inner.received.after(inner.head),
                ))
            }
            Stage::Refusing(why) => AcceptStep::Over(why),
            Stage::Over => AcceptStep::Over(None),
        }
    }

    /// The bytes to write next: the rest of the answer.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.0.reply.unsent.unsent()
    }

    /// Reports that the first `len` unsent bytes were written.
    pub fn sent(&mut self, len: usize) {
        self.0.reply.unsent.sent(len);
    }

    /// The compression that was agreed on, once the request is accepted.
    #[must_use]
    pub const fn compression(&self) -> Option<Compression> {
        self.0.reply.compression
    }

    /// All bytes received, from the first byte of the request on: for an HTTP stack that takes
    /// over, because the request is not for a WebSocket.
    #[must_use]
    pub fn into_received(self) -> Vec<u8> {
        self.0.received.into_vec()
    }

    /// Looks at the clock: the 101 has to be written within [`Config::handshake_timeout`] of the
    /// first call, however slowly the request arrives.
    ///
    /// A client that has not completed its request by then gets status 408. It has the same time
    /// again to take an answer that opens nothing.
    pub fn check(&mut self, now: Instant) -> Verdict {
        let Inner { scan, reply, .. } = &mut *self.0;
        match reply.patience.check(now) {
            Verdict::Dead(_) if matches!(reply.stage, Stage::Asking) && scan.head().is_none() => {
                reply.refuse(RequestError::Timeout);
                reply.patience.check(now)
            }
            verdict => verdict,
        }
    }

    /// The moment by which the handshake has to be over; `None` before the first check.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.0.reply.patience.deadline()
    }
}

impl Inner {
    fn ask(&mut self) -> AcceptStep<'_> {
        let Self {
            config,
            scan,
            received,
            head,
            reply,
        } = self;
        let parsed = Request::parse_prefix(scan, received.as_slice(), &config.limits);
        let error = match parsed {
            Ok(Some((request, len))) => match request.check_host() {
                Ok(()) => {
                    *head = len;
                    return AcceptStep::Request(Asked {
                        request,
                        ours: config.compression(Role::Server),
                        reply,
                    });
                }
                Err(error) => error,
            },
            Ok(None) if !received.has_ended() => return AcceptStep::NeedData,
            // The client has gone: nobody is left to answer.
            Ok(None) => {
                let why = (!received.as_slice().is_empty()).then_some(HeadError::Truncated);
                return AcceptStep::Over(why.map(RequestError::from));
            }
            Err(error) => error,
        };
        reply.refuse(error);
        match reply.unsent.unsent() {
            // There is no memory to say so.
            [] => AcceptStep::Over(Some(error)),
            _ => AcceptStep::NeedWrite,
        }
    }
}

impl Reply {
    fn refuse(&mut self, error: RequestError) {
        self.stage = Stage::Refusing(Some(error));
        self.send(|out| error.encode_refusal(out));
        self.patience.restart();
    }

    /// Sends what `encode` writes, or nothing if there is no memory for it: then the connection can
    /// only be closed.
    fn send(&mut self, encode: impl Fn(&mut [u8]) -> Result<usize, NoRoom>) {
        match Unsent::encoded(encode) {
            Ok(unsent) => self.unsent = unsent,
            Err(_) => self.stage = Stage::Refusing(None),
        }
    }
}

impl fmt::Debug for Accepting {
    /// Shows neither the request, which may contain a password, nor the answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepting")
            .field("received", &self.0.received.as_slice().len())
            .field("stage", &self.0.reply.stage)
            .field("unsent", &self.unsent().len())
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}

/// A request that waits for its answer. Its head is valid HTTP/1.1 or HTTP/1.0; [`Request::accept`]
/// says whether it is a handshake.
///
/// If this is dropped, the request keeps waiting: an application that has to look something up
/// steps again when it knows the answer.
#[must_use = "it waits for an answer"]
pub struct Asked<'a> {
    request: Request<'a>,
    ours: Option<Compression>,
    reply: &'a mut Reply,
}

impl<'a> Asked<'a> {
    /// The request.
    #[must_use]
    pub const fn request(&self) -> Request<'a> {
        self.request
    }

    /// Answers with the 101 that [`Request::accept`] made of this request. The configuration and
    /// the client's offer decide whether and how messages are compressed.
    pub fn accept(self, accept: Accept<'_>) {
        let agreed = self.ours.map(|ours| ours.agree(self.request.extensions()));
        // `accept` has found the list in order.
        let agreed = agreed.and_then(Result::unwrap_or_default);
        let accept = accept.compression(agreed);
        self.reply.compression = agreed.map(|agreed| agreed.compression());
        self.reply.stage = Stage::Opening;
        self.reply.send(|out| accept.encode(out));
    }

    /// Answers with the error that [`Request::accept`] or [`Request::same_origin`] returned.
    pub fn refuse(self, error: RequestError) {
        self.reply.refuse(error);
    }

    /// Answers with something else: a redirect, a demand for credentials, a page.
    pub fn answer(self, answer: &Answer<'_>) {
        let method = self.request.method();
        self.reply.stage = Stage::Refusing(None);
        self.reply.send(|out| answer.encode(method, out));
        self.reply.patience.restart();
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
