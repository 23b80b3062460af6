//! One connection, from its request to its end.

use std::io;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use ws_proto::handshake::{self, Accept, RequestError};
use ws_proto::{AcceptStep, Accepting, CloseCode, Session, Verdict};

use super::answer::{answer_and_end, unavailable};
use super::registry::Entry;
use super::{Core, Handler};
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::request::Request;
use crate::response::{Body, Response};
use crate::shared::Setup;
use crate::socket::{About, WebSocket};
use crate::stream::Stream;

/// The time that a client has to take an answer that is not an upgrade, a page for example, and
/// again to end its side.
const ANSWER: Duration = Duration::from_secs(10);

/// The outcome of a request.
enum Answer<'b> {
    Page(Vec<u8>),
    Open(Accept<'b>, Box<Opened>),
}

/// The purpose that a connection was opened for.
struct Opened {
    request: Request,
    subprotocol: Option<String>,
}

pub(super) fn serve(core: &Core, stream: Arc<Stream>, peer: SocketAddr, entry: &Entry) {
    let clock = Clock::system();
    match open(core, &stream, peer, &clock, entry) {
        Ok((session, opened)) => run(core, (stream, peer, clock), session, *opened, entry),
        Err(Some(bytes)) => answer_and_end(&stream, &bytes, ANSWER),
        Err(None) => {}
    }
}

/// The request was answered with 101.
///
/// # Errors
///
/// Another answer is still to be written. `None` if nobody is left to answer.
fn open(
    core: &Core,
    stream: &Stream,
    peer: SocketAddr,
    clock: &Clock,
    entry: &Entry,
) -> Result<(Session, Box<Opened>), Option<Vec<u8>>> {
    let mut accepting = Accepting::new(&core.config);
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
                // The client is gone, or we are.
                _ => return Err(entry.check().is_err().then(unavailable)),
            },
            AcceptStep::Request(asked) => match answer(core, asked.request(), peer) {
                Ok(Answer::Page(bytes)) => return Err(Some(bytes)),
                Ok(Answer::Open(..)) if entry.check().is_err() => return Err(Some(unavailable())),
                Ok(Answer::Open(accept, about)) => {
                    let accept = match about.subprotocol.as_deref() {
                        Some(name) => accept.protocol(name),
                        None => Ok(accept),
                    };
                    // A choice of the application's that the client did not offer is the
                    // application's error.
                    let accept = accept.map_err(|_| Some(failed().encode(Body::Send)))?;
                    asked.accept(accept);
                    opened = Some(about);
                }
                Err(error) => asked.refuse(error),
            },
            AcceptStep::NeedWrite if opened.is_none() => {
                return Err(Some(accepting.unsent().into()));
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

fn answer<'b>(
    core: &Core,
    parsed: handshake::Request<'b>,
    peer: SocketAddr,
) -> Result<Answer<'b>, RequestError> {
    let request = Request::new(&parsed, peer).ok_or(RequestError::Target)?;
    let send = |page: Response| {
        let body = match *request.method() {
            Method::HEAD => Body::Omit,
            _ => Body::Send,
        };
        Ok(Answer::Page(page.encode(body)))
    };
    if let Some(page) = page(core, &request, parsed.wants_upgrade()) {
        return send(page);
    }
    let accept = parsed.accept()?;
    core.origins.check(&parsed)?;
    let subprotocol = match &core.choice {
        Some(choice) => match guarded(|| choice(&request)) {
            Some(subprotocol) => subprotocol,
            None => return send(failed()),
        },
        None => None,
    };
    let opened = Opened {
        request,
        subprotocol,
    };
    Ok(Answer::Open(accept, Box::new(opened)))
}

/// Answers a request that is not for a WebSocket.
fn page(core: &Core, request: &Request, wants_upgrade: bool) -> Option<Response> {
    if let Some(hook) = &core.hook {
        match guarded(|| hook(request)) {
            Some(None) => {}
            answered => return Some(answered.flatten().unwrap_or_else(failed)),
        }
    }
    let path = request.path();
    let socket = core.sockets.contains_key(path);
    match core.pages.get(path) {
        // A page may share its path with a socket: a client that asks for an upgrade means the
        // socket.
        Some(get) if !(socket && wants_upgrade) => Some(match *request.method() {
            Method::GET | Method::HEAD => guarded(|| get(request)).unwrap_or_else(failed),
            _ => Response::text("only GET and HEAD\n")
                .with_status(405)
                .header("allow", "GET, HEAD"),
        }),
        _ if socket => None,
        _ => Some(Response::text("nothing is here\n").with_status(404)),
    }
}

fn run(
    core: &Core,
    (stream, peer, clock): (Arc<Stream>, SocketAddr, Clock),
    session: Session,
    opened: Opened,
    entry: &Entry,
) {
    let Opened {
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
        ..Setup::new(clock)
    };
    let Ok(ws) = WebSocket::new(stream, peer, session, setup, about) else {
        return;
    };
    // Ours outlives the handler's, so that the connection ends in good order whatever the
    // handler did with it.
    let shared = ws.reader().shared().clone();
    entry.open(&shared);
    let Some(handler) = core.sockets.get(request.path()) else {
        return;
    };
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
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(run)).ok()
}

fn failed() -> Response {
    Response::text("something went wrong here\n").with_status(500)
}
