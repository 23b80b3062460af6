//! The turn of a connection that is not a WebSocket yet.

use std::io;
use std::time::SystemTime;

use ws_http::{Answer, Body, ProxyHeader, Refusal, Request};
use ws_proto::handshake::Accept;
use ws_proto::{AcceptStep, Asked, Session, Verdict};

use super::Running;
use crate::connections::Stage;
use crate::flags::Flags;
use crate::handler::{Closed, Conn, Handler, Reply};
use crate::opening::{Answering, Opening, Over, introduce, refused, waits};
use crate::post::Others;

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
            self.answer(slot, refused(&Refusal::Full));
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
                        return Opened::Answer(refused(&Refusal::Full));
                    };
                    let body = Body::to(asked.request().method());
                    let address = listener.address_of(stream);
                    let judged = self.rules.judge(asked.request(), peer, address);
                    let decided = judged.and_then(|(accept, request)| {
                        decide(&mut self.handler, &request, accept, asked)
                    });
                    match decided {
                        Ok(data) => entry.data = Some(data),
                        Err(answer) => {
                            if let Some(refusal) = answer.refusal() {
                                self.rules.log(*peer, refusal);
                            }
                            return Opened::Answer(answer.encode(body, SystemTime::now()));
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
        let deadline = self.now.after(Answer::PATIENCE);
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        entry.stage = Stage::Answering(Box::new(Answering::new(bytes, deadline)));
        self.door.openings -= 1;
        self.wheel.set(&mut self.connections, slot, deadline);
        self.serve_answering(slot);
    }
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
    let mut headers = request.answer_fields();
    if let Some(headers) = &mut headers {
        let own = reply.headers.iter();
        headers.extend(own.map(|(name, value)| (&**name, &**value)));
    }
    let name = reply.subprotocol.as_deref();
    asked.accept(Request::complete(accept, name, headers.as_deref())?);
    Ok(data)
}
