//! A connection before it is a WebSocket: the request, and the answer if that opens nothing.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use ws_http::{Body, ProxyHeader, Refusal, Request, Response, Route};
use ws_proto::handshake::{self, Accept};
use ws_proto::{AcceptStep, Accepting, Asked, Instant, Session, Verdict};

use super::Running;
use crate::connections::{Flags, Stage};
use crate::event_loop::Rules;
use crate::handler::{Closed, Conn, Handler, Reply};
use crate::post::Others;
use crate::stream::Stream;

/// The time that a client has to take an answer that is not an upgrade, and to end its side.
const ANSWER: Duration = Duration::from_secs(10);

/// The most that is read and dropped after an answer, in bytes: a little of what follows a refused
/// request may be there already, and nobody needs it.
const DROPPED: usize = 64 << 10;

/// A connection in its opening handshake.
#[derive(Debug)]
pub(crate) struct Opening {
    accepting: Accepting,
    /// Where it comes from, as far as is known.
    peer: SocketAddr,
    /// What a proxy says before the first byte of the client.
    proxy: Option<ProxyHeader>,
}

/// A connection that gets an answer, and then ends.
#[derive(Debug)]
pub(crate) struct Answering {
    bytes: Vec<u8>,
    sent: usize,
    /// What was read and dropped after the answer; `None` before our side has ended.
    dropped: Option<usize>,
    pub(super) deadline: Instant,
    refused: Refused,
}

/// Whether there was no room for the connection from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Yes,
    No,
}

/// What comes of an opening handshake in a turn.
enum Opened {
    /// Nothing can be done now.
    Waits,
    Session(Session),
    /// Another answer.
    Answer(Vec<u8>),
    /// The client has gone, or its time is over.
    Gone,
}

/// What a request comes to that opens nothing.
enum Answer {
    Page(Box<Response>),
    Refusal(Refusal),
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl Opening {
    pub(super) fn new(rules: &Rules, peer: SocketAddr, now: Instant) -> Self {
        let mut accepting = Accepting::new(&rules.config);
        // Its time begins here.
        let _ = accepting.check(now);
        let sends_header = rules.site.trusted.sends_proxy_header(peer.ip());
        Self {
            accepting,
            peer,
            proxy: sends_header.then(ProxyHeader::new),
        }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.accepting.deadline()
    }
}

impl Answering {
    fn new(bytes: Vec<u8>, deadline: Instant) -> Self {
        Self {
            bytes,
            sent: 0,
            dropped: None,
            deadline,
            refused: Refused::No,
        }
    }

    /// For a client that there is no room for.
    pub(super) fn refusal(refusal: &Refusal, deadline: Instant) -> Self {
        Self {
            refused: Refused::Yes,
            ..Self::new(encoded(&refusal.response(), Body::Send), deadline)
        }
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.refused == Refused::Yes
    }

    /// Writes the answer, and lets the client read it.
    ///
    /// # Errors
    ///
    /// The connection is over.
    fn go_on(
        &mut self,
        stream: &Stream,
        flags: &mut Flags,
        scratch: &mut [u8],
    ) -> Result<(), Over> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match waits(stream.write(rest), flags, Flags::BLOCKED)? {
                Some(len) => self.sent += len,
                None => return Ok(()),
            }
        }
        let mut dropped = match self.dropped {
            Some(dropped) => dropped,
            None => {
                stream.end().map_err(|_| Over)?;
                0
            }
        };
        while flags.has(Flags::READABLE) && dropped < DROPPED {
            match waits(stream.read(scratch), flags, Flags::READABLE)? {
                Some(0) => return Err(Over),
                Some(len) => dropped += len,
                None => break,
            }
        }
        self.dropped = Some(dropped);
        if dropped < DROPPED { Ok(()) } else { Err(Over) }
    }
}

/// The connection is over.
struct Over;

/// What a call has moved; `None` if the socket has to be waited for, which is noted: something may
/// be read no more, or cannot be written.
fn waits(moved: io::Result<usize>, flags: &mut Flags, flag: Flags) -> Result<Option<usize>, Over> {
    match moved {
        Ok(len) => Ok(Some(len)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            if flag == Flags::BLOCKED {
                flags.set(flag);
            } else {
                flags.clear(flag);
            }
            Ok(None)
        }
        Err(_) => Err(Over),
    }
}

impl<H: Handler> Running<H> {
    /// Goes on with an opening handshake.
    pub(super) fn serve_opening(&mut self, slot: u32) {
        match self.open(slot) {
            Opened::Waits => {}
            Opened::Session(session) => self.opened(slot, session),
            Opened::Answer(bytes) => self.answer(slot, bytes),
            Opened::Gone => self.finish(slot, Closed::Shutdown),
        }
    }

    /// Goes on with an answer.
    pub(super) fn serve_answering(&mut self, slot: u32) {
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        let Stage::Answering(answering) = &mut entry.stage else {
            return;
        };
        let on = answering.go_on(&entry.stream, &mut entry.flags, &mut self.scratch);
        if on.is_err() {
            self.finish(slot, Closed::Shutdown);
        }
    }

    /// Tells a client that is opening a connection that the loop ends. One whose 101 is on its way
    /// gets its Close when that has left.
    pub(super) fn turn_away(&mut self, slot: u32) {
        if let Some(entry) = self.connections.get_mut(slot)
            && entry.data.is_none()
        {
            let bytes = encoded(&Refusal::Full.response(), Body::Send);
            self.answer(slot, bytes);
        }
    }

    fn open(&mut self, slot: u32) -> Opened {
        let Some(entry) = self.connections.get_mut(slot) else {
            return Opened::Waits;
        };
        let Stage::Opening(opening) = &mut entry.stage else {
            return Opened::Waits;
        };
        let Opening {
            accepting,
            peer,
            proxy,
        } = &mut **opening;
        let (stream, flags) = (&entry.stream, &mut entry.flags);
        loop {
            if let Verdict::Dead(_) = accepting.check(self.now) {
                return Opened::Gone;
            }
            match accepting.step() {
                AcceptStep::NeedData => {
                    if !flags.has(Flags::READABLE) {
                        return Opened::Waits;
                    }
                    let read = match proxy {
                        Some(header) => {
                            introduce(header, peer, accepting, stream, &mut self.scratch)
                        }
                        None => match accepting.spare_mut() {
                            Ok(room) => stream.read(room).inspect(|&len| match len {
                                0 => accepting.eof(),
                                len => accepting.filled(len),
                            }),
                            Err(_) => return Opened::Gone,
                        },
                    };
                    match read {
                        Ok(_) => {
                            if proxy.as_ref().is_some_and(ProxyHeader::is_complete) {
                                *proxy = None;
                            }
                        }
                        Err(error) => match error.kind() {
                            io::ErrorKind::WouldBlock => flags.clear(Flags::READABLE),
                            io::ErrorKind::Interrupted => {}
                            io::ErrorKind::InvalidData => {
                                if let Some(Ok(error)) = error.into_inner().map(|e| e.downcast()) {
                                    self.rules.log(*peer, &Refusal::Proxy(*error));
                                }
                                return Opened::Gone;
                            }
                            _ => return Opened::Gone,
                        },
                    }
                }
                AcceptStep::Request(asked) => {
                    let Some(listener) = self.door.listener() else {
                        return Opened::Answer(encoded(&Refusal::Full.response(), Body::Send));
                    };
                    let body = match asked.request().method() {
                        "HEAD" => Body::Omit,
                        _ => Body::Send,
                    };
                    let address = listener.address_of(stream);
                    let judged = self.rules.judge(asked.request(), peer, address);
                    let decided = judged.and_then(|(accept, request)| {
                        decide(&mut self.handler, &request, accept, asked)
                    });
                    match decided {
                        Ok(data) => entry.data = Some(data),
                        Err(Answer::Page(page)) => return Opened::Answer(encoded(&page, body)),
                        Err(Answer::Refusal(refusal)) => {
                            self.rules.log(*peer, &refusal);
                            return Opened::Answer(encoded(&refusal.response(), body));
                        }
                    }
                }
                AcceptStep::NeedWrite if entry.data.is_none() => {
                    let answer = accepting.unsent().to_vec();
                    accepting.sent(answer.len());
                    if let AcceptStep::Over(Some(error)) = accepting.step() {
                        self.rules.log(*peer, &error.into());
                    }
                    return Opened::Answer(answer);
                }
                AcceptStep::NeedWrite => {
                    match waits(stream.write(accepting.unsent()), flags, Flags::BLOCKED) {
                        Ok(Some(len)) => accepting.sent(len),
                        Ok(None) if flags.has(Flags::BLOCKED) => return Opened::Waits,
                        Ok(None) => {}
                        Err(Over) => return Opened::Gone,
                    }
                }
                AcceptStep::Open(session) => return Opened::Session(session),
                AcceptStep::Over(_) => return Opened::Gone,
            }
        }
    }

    /// A connection is open.
    fn opened(&mut self, slot: u32, mut session: Session) {
        self.door.openings -= 1;
        // Time begins here.
        let _ = session.check(self.now);
        let deadline = session.deadline();
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        let id = entry.id(slot);
        let mut opened = Ok(());
        if let Some(data) = &mut entry.data {
            opened = self.handler.opened(&mut Conn {
                data,
                id,
                outgoing: session.halves().1,
                flags: &mut entry.flags,
                others: Others {
                    post: &mut self.post,
                },
            });
        }
        if let Err(error) = opened {
            super::open::dismiss(session.halves().1, error);
        }
        // What came after the head is in the session already.
        entry.flags.set(Flags::LEFT);
        entry.stage = Stage::Open(session);
        match deadline {
            Some(at) => self.wheel.set(&mut self.connections, slot, at),
            None => self.wheel.drop_deadline(&mut self.connections, slot),
        }
        if self.door.listener().is_none() {
            self.leave(slot);
        }
        self.serve_open(slot);
    }

    /// Answers what opens nothing.
    fn answer(&mut self, slot: u32, bytes: Vec<u8>) {
        let deadline = self.now.after(ANSWER);
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        entry.stage = Stage::Answering(Box::new(Answering::new(bytes, deadline)));
        self.door.openings -= 1;
        self.wheel.set(&mut self.connections, slot, deadline);
        self.serve_answering(slot);
    }
}

/// Reads what a proxy says of a client, and what follows it. A header that is none is
/// `InvalidData`, and in it.
fn introduce(
    header: &mut ProxyHeader,
    peer: &mut SocketAddr,
    accepting: &mut Accepting,
    stream: &Stream,
    scratch: &mut [u8],
) -> io::Result<usize> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let len = stream.read(scratch)?;
    let read = scratch.get(..len).unwrap_or_default();
    let taken = header.receive(read).map_err(invalid)?;
    if header.is_complete() {
        *peer = header.client().unwrap_or(*peer);
        accepting.push(read.get(taken..).unwrap_or_default())?;
    } else if len == 0 {
        header.eof().map_err(invalid)?;
    }
    Ok(len)
}

/// Has the handler decide about a request that may open a WebSocket.
fn decide<H: Handler>(
    handler: &mut H,
    request: &Request,
    accept: Accept<'_>,
    asked: Asked<'_>,
) -> Result<H::Data, Answer> {
    let mut reply = Reply::default();
    let data = handler.open(request, &mut reply)?;
    let headers: Vec<_> = (reply.headers.iter())
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let accept = match reply.subprotocol.as_deref() {
        Some(name) => accept.protocol(name),
        None => Ok(accept),
    };
    match accept.and_then(|accept| accept.headers(&headers)) {
        Ok(accept) => {
            asked.accept(accept);
            Ok(data)
        }
        // What the application adds and cannot be sent is an error of the application's.
        Err(_) => Err(Refusal::Failed.into()),
    }
}

impl Rules {
    /// Decides about a request as far as no handler is needed. `peer` is where it came from, and
    /// becomes where a trusted proxy says that it came from.
    fn judge<'b>(
        &mut self,
        parsed: handshake::Request<'b>,
        peer: &mut SocketAddr,
        listener: std::net::IpAddr,
    ) -> Result<(Accept<'b>, Request), Answer> {
        let mut request = self.site.receive(&parsed, *peer, listener)?;
        *peer = request.peer_addr();
        if let Some(hook) = &mut self.hook
            && let Some(answer) = hook(&mut request)
        {
            return Err(Answer::Page(Box::new(answer)));
        }
        if let Route::Page(page) = self.site.route(&mut request)? {
            return Err(Answer::Page(Box::new(page(&request))));
        }
        let accept = self.site.accept(&parsed, &request)?;
        Ok((accept, request))
    }
}

/// An answer as it travels now.
fn encoded(answer: &Response, body: Body) -> Vec<u8> {
    answer.encode(body, SystemTime::now())
}
