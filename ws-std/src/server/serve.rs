//! One connection, from its request to its end.

use std::io;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::SystemTime;

use ws_http::{Answer, Body, Hosts, ProxyHeader, ProxyHeaderError, Refusal, Request};
use ws_proto::handshake::{self, Accept, RequestError};
use ws_proto::{AcceptStep, Accepting, CloseCode, Session, Verdict};

use super::answer::{LastWord, refused};
use super::registry::Entry;
use super::{Core, Handler};
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::shared::Setup;
use crate::socket::{About, WebSocket};
use crate::stream::Stream;

/// What a connection was opened for.
struct Opened<'c> {
    handler: &'c Handler,
    request: Request,
    subprotocol: Option<String>,
}

pub(super) fn serve(core: &Core, stream: Arc<Stream>, peer: SocketAddr, entry: &Entry) {
    let clock = Clock::system();
    let mut accepting = Accepting::new(&core.config);
    let peer = match introduced(core, &mut accepting, &stream, peer, &clock) {
        Ok(peer) => peer,
        Err(error) => return core.log(peer, &error.into()),
    };
    match open(core, accepting, &stream, peer, &clock, entry) {
        Ok((session, opened)) => run(core, (stream, clock), session, *opened, entry),
        Err(Some(last)) => {
            entry.answering();
            last.say(&stream);
        }
        Err(None) => {}
    }
}

/// Where the client is: a proxy may say so before its first byte.
fn introduced(
    core: &Core,
    accepting: &mut Accepting,
    stream: &Stream,
    peer: SocketAddr,
    clock: &Clock,
) -> Result<SocketAddr, ProxyHeaderError> {
    if !core.site.trusted.sends_proxy_header(peer.ip()) {
        return Ok(peer);
    }
    // The time for the request begins here.
    let _ = accepting.check(clock.now());
    let deadline = Deadline::at(clock, accepting.deadline());
    let mut header = ProxyHeader::new();
    let mut buffer = [0; 512];
    loop {
        let len = deadline.read(stream, &mut buffer).unwrap_or(0);
        if header.introduce(buffer.get(..len).unwrap_or_default(), accepting)? {
            return Ok(header.client().unwrap_or(peer));
        }
    }
}

/// Reads the request and answers it with 101.
///
/// # Errors
///
/// Another answer, which is still to be written. `None` if no client is left to answer.
fn open<'c>(
    core: &'c Core,
    mut accepting: Accepting,
    stream: &Stream,
    mut peer: SocketAddr,
    clock: &Clock,
    entry: &Entry,
) -> Result<(Session, Box<Opened<'c>>), Option<LastWord>> {
    let mut opened = None;
    loop {
        let Verdict::Alive { wake } = accepting.check(clock.now()) else {
            return Err(None);
        };
        let deadline = Deadline::at(clock, wake);
        match accepting.step() {
            AcceptStep::NeedData => match read(&mut accepting, stream, deadline) {
                Ok(1..) => {}
                // The next check says what to do then.
                Err(_) if deadline.left().is_err() => {}
                // The client is gone, or we are, or another took its place.
                _ => return Err(entry.check().err().map(|why| dismissed(core, peer, &why))),
            },
            AcceptStep::Request(asked) => {
                match answer(core, stream, asked.request(), &mut peer, entry) {
                    Ok((accept, about)) => {
                        let (name, headers) =
                            (about.subprotocol.as_deref(), about.request.answer_fields());
                        let accept = Request::complete(accept, name, headers.as_deref());
                        let accept = accept.map_err(|why| Some(turned_away(core, peer, &why)))?;
                        let entered = entry.accept();
                        entered.map_err(|why| Some(dismissed(core, peer, &why)))?;
                        asked.accept(accept);
                        opened = Some(about);
                    }
                    Err(answer) => {
                        if let Some(refusal) = answer.refusal() {
                            core.log(peer, refusal);
                        }
                        let body = Body::to(asked.request().method());
                        let bytes = answer.encode(body, SystemTime::now());
                        return Err(Some(LastWord::answer(bytes)));
                    }
                }
            }
            AcceptStep::NeedWrite if opened.is_none() => {
                let answer = accepting.unsent().to_vec();
                accepting.sent(answer.len());
                let AcceptStep::Over(Some(error)) = accepting.step() else {
                    return Err(Some(LastWord::answer(answer)));
                };
                core.log(peer, &error.into());
                return Err(Some(match error {
                    // It had its time.
                    RequestError::Timeout => LastWord::farewell(answer),
                    _ => LastWord::answer(answer),
                }));
            }
            AcceptStep::NeedWrite => {
                let written = deadline.write(stream, accepting.unsent());
                written.map_err(|_| None)?;
                accepting.sent(accepting.unsent().len());
            }
            AcceptStep::Open(session) => return opened.map(|about| (session, about)).ok_or(None),
            AcceptStep::Over(_) => return Err(None),
        }
    }
}

/// Makes one read of the request; 0 at the end of the stream.
fn read(accepting: &mut Accepting, stream: &Stream, deadline: Deadline<'_>) -> io::Result<usize> {
    let len = deadline.read(stream, accepting.spare_mut()?)?;
    accepting.filled(len);
    Ok(len)
}

/// Decides about a request. `peer` is where it came from, and becomes where a trusted proxy says that
/// it came from.
fn answer<'c, 'b>(
    core: &'c Core,
    stream: &Stream,
    parsed: handshake::Request<'b>,
    peer: &mut SocketAddr,
    entry: &Entry,
) -> Result<(Accept<'b>, Box<Opened<'c>>), Answer> {
    let local = || Some(stream.local_addr()?.ip());
    let listener = Hosts::listener(core.registry.listener(local), local);
    let (accept, request, handler) = core.site.decide(
        &parsed,
        (*peer, listener),
        |request| {
            *peer = request.peer_addr();
            if !core.site.trusted.contains(peer.ip()) {
                entry.name(peer.ip())?;
            }
            match &core.hook {
                Some(hook) => guarded(|| hook(request)).ok_or(Refusal::Failed),
                None => Ok(None),
            }
        },
        |page, request| guarded(|| page(request)).ok_or(Refusal::Failed),
    )?;
    let subprotocol = match &core.choice {
        Some(choice) => guarded(|| choice(&request)).ok_or(Refusal::Failed)?,
        None => None,
    };
    let opened = Opened {
        handler,
        request,
        subprotocol,
    };
    Ok((accept, Box::new(opened)))
}

/// Logs a refusal.
fn turned_away(core: &Core, peer: SocketAddr, refusal: &Refusal) -> LastWord {
    core.log(peer, refusal);
    LastWord::answer(refused(refusal))
}

/// Logs the refusal of a connection that was admitted.
fn dismissed(core: &Core, peer: SocketAddr, why: &Refusal) -> LastWord {
    core.log(peer, why);
    LastWord::farewell(refused(why))
}

fn run(
    core: &Core,
    (stream, clock): (Arc<Stream>, Clock),
    session: Session,
    opened: Opened<'_>,
    entry: &Entry,
) {
    let Opened {
        handler,
        request,
        subprotocol,
    } = opened;
    let about = About {
        subprotocol,
        headers: request.headers().clone(),
    };
    let setup = Setup {
        #[cfg(feature = "deflate")]
        pool: Some(core.pool.clone()),
        rules: Some(core.rules.clone()),
        ..Setup::new(clock)
    };
    let Ok(ws) = WebSocket::new(stream, request.peer_addr(), session, setup, about) else {
        return;
    };
    // Ours outlives the handler's, so that the connection ends cleanly whatever the handler did
    // with it.
    let shared = ws.reader().shared().clone();
    entry.open(&shared);
    let code = handle(core, handler, ws, &request);
    shared.finish(code);
}

/// Runs the handler; returns the code and reason to close with.
fn handle(core: &Core, handler: &Handler, ws: WebSocket, request: &Request) -> CloseCode {
    match guarded(|| handler(ws, request)) {
        Some(Ok(())) => CloseCode::NORMAL,
        Some(Err(error)) => {
            if let Some(report) = &core.report {
                guarded(|| report(request, &*error));
            }
            CloseCode::INTERNAL
        }
        None => CloseCode::INTERNAL,
    }
}

/// Runs the application's code; `None` if it panicked, which has been reported by the panic hook
/// and concerns this connection only.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(run)).ok()
}
