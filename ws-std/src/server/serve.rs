//! One connection, from its request to its end.

use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::HOST;
use ws_proto::handshake::{self, Accept, Compression, HandshakeError, HttpVersion, Scan};
use ws_proto::{CloseCode, Role, Session};

use super::accept::{answer_and_end, unavailable};
use super::registry::Entry;
use super::{Core, Handler};
use crate::clock::Clock;
use crate::head::{Deadline, encoded};
use crate::request::Request;
use crate::response::{Body, Response};
use crate::shared::Setup;
use crate::socket::{About, WebSocket};
use crate::stream::Stream;

/// How long a client has to take an answer that is no upgrade, a page for example, and again to
/// end its side.
const ANSWER: Duration = Duration::from_secs(10);

/// What a request comes to.
enum Answer {
    Bytes(Vec<u8>),
    Open(Box<Opened>),
}

/// A connection that is to be upgraded.
struct Opened {
    request: Request,
    subprotocol: Option<String>,
    compression: Option<Compression>,
    /// The 101.
    head: Vec<u8>,
    /// What was received behind the request.
    rest: Vec<u8>,
}

pub(super) fn serve(core: &Core, stream: Arc<Stream>, peer: SocketAddr, entry: &Entry) {
    let deadline = Deadline::after(core.options.handshake);
    let answer = match read_request(core, &stream, peer, deadline) {
        Some(answer) => answer,
        // The client is gone or was too slow. Or we are.
        None if entry.check().is_err() => Answer::Bytes(unavailable()),
        None => return,
    };
    match answer {
        Answer::Bytes(bytes) => answer_and_end(&stream, &bytes, ANSWER),
        Answer::Open(_) if entry.check().is_err() => {
            answer_and_end(&stream, &unavailable(), ANSWER);
        }
        Answer::Open(opened) => open(core, (stream, peer), *opened, deadline, entry),
    }
}

/// Reads the request and finds its answer. `None` if there is nobody to answer.
fn read_request(
    core: &Core,
    stream: &Stream,
    peer: SocketAddr,
    deadline: Deadline,
) -> Option<Answer> {
    let (mut scan, mut received) = (Scan::new(), Vec::new());
    loop {
        match deadline.read(stream, &mut received) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(_) if deadline.left().is_err() => {
                let timeout = Response::text("the request took too long\n").with_status(408);
                return Some(Answer::Bytes(timeout.encode(Body::Send)));
            }
            Err(_) => return None,
        }
        match handshake::Request::parse_prefix(&mut scan, &received, &core.options.limits) {
            Ok(None) => {}
            Ok(Some((parsed, len))) => {
                let answer = answer(core, &parsed, peer, &received[len..]);
                return Some(answer.unwrap_or_else(refusal));
            }
            Err(error) => return Some(refusal(error)),
        }
    }
}

fn refusal(error: HandshakeError) -> Answer {
    Answer::Bytes(encoded(|out| error.encode_refusal(out)))
}

fn answer(
    core: &Core,
    parsed: &handshake::Request<'_>,
    peer: SocketAddr,
    rest: &[u8],
) -> Result<Answer, HandshakeError> {
    let request = Request::new(parsed, peer).ok_or(HandshakeError::Target)?;
    // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
    // that lacks a Host header field" or has several (RFC 9112 §3.2).
    match (
        parsed.version(),
        request.headers().get_all(HOST).iter().count(),
    ) {
        (HttpVersion::Http11, 0) => return Err(HandshakeError::MissingHost),
        (_, 0 | 1) => {}
        _ => return Err(HandshakeError::RepeatedHost),
    }
    let page = |response: Response| {
        let body = match *request.method() {
            Method::HEAD => Body::Omit,
            _ => Body::Send,
        };
        Ok(Answer::Bytes(response.encode(body)))
    };
    if let Some(hook) = &core.hook {
        match guarded(|| hook(&request)) {
            Some(Some(response)) => return page(response),
            Some(None) => {}
            None => return page(failed()),
        }
    }
    let path = request.path();
    let (get, socket) = (core.pages.get(path), core.sockets.contains_key(path));
    // A page may share its path with a socket: who asks for an upgrade means the socket.
    if let Some(get) = get
        && !(socket && parsed.wants_upgrade())
    {
        return match *request.method() {
            Method::GET | Method::HEAD => page(guarded(|| get(&request)).unwrap_or_else(failed)),
            _ => page(
                Response::text("only GET and HEAD\n")
                    .with_status(405)
                    .header("allow", "GET, HEAD"),
            ),
        };
    }
    if !socket {
        return page(Response::text("nothing is here\n").with_status(404));
    }

    let accept = parsed.accept()?;
    core.origins.check(parsed)?;
    let subprotocol = match &core.choice {
        Some(choice) => match guarded(|| choice(&request)) {
            Some(subprotocol) => subprotocol,
            None => return page(failed()),
        },
        None => None,
    };
    let agreed = match core.options.compression(Role::Server) {
        Some(ours) => ours.agree(parsed.extensions())?,
        None => None,
    };
    let head = switch(accept.compression(agreed), subprotocol.as_deref())?;
    Ok(Answer::Open(Box::new(Opened {
        subprotocol,
        compression: agreed.map(|agreed| agreed.compression()),
        head,
        rest: rest.into(),
        request,
    })))
}

/// The 101.
fn switch(accept: Accept<'_>, subprotocol: Option<&str>) -> Result<Vec<u8>, HandshakeError> {
    let accept = match subprotocol {
        Some(name) => accept.protocol(name)?,
        None => accept,
    };
    Ok(encoded(|out| accept.encode(out)))
}

fn open(
    core: &Core,
    (stream, peer): (Arc<Stream>, SocketAddr),
    opened: Opened,
    deadline: Deadline,
    entry: &Entry,
) {
    let Opened {
        request,
        subprotocol,
        compression,
        head,
        rest,
    } = opened;
    if deadline.write(&stream, &head).is_err() {
        return;
    }
    // It would be kept for as long as the handler is there, as would what was received.
    drop(head);
    let clock = Clock::system();
    let (limits, timeouts) = (core.options.limits, core.options.timeouts);
    let session = Session::server(&limits).watched(timeouts, clock.now());
    let mut session = core.options.agreed(session, compression);
    session.push(&rest);
    drop(rest);
    let about = About {
        subprotocol,
        headers: request.headers().clone(),
    };
    let setup = Setup {
        clock,
        timeouts,
        tap: None,
        #[cfg(feature = "deflate")]
        pool: Some(core.pool.clone()),
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

/// Runs the handler; what the peer is told at its end.
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
