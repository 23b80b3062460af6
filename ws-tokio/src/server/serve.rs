//! One connection, from its request to its end.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{self, AssertUnwindSafe};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use ws_http::{Body, ProxyHeader, ProxyHeaderError, Refusal, Request, Response, Route};
use ws_proto::handshake::{self, Accept};
use ws_proto::{AcceptStep, Accepting, CloseCode, Session, Verdict};

use super::registry::Entry;
use super::{Core, Handler, Handling};
use crate::first::first;
use crate::home::Home;
use crate::socket::{About, WebSocket};

/// The time that a client has to take an answer that is not an upgrade, a page for example, and
/// again to end its side.
const ANSWER: Duration = Duration::from_secs(10);

/// The most that is read and dropped after an answer, in bytes: a little of what follows a refused
/// request may be there already, and nobody needs it.
const DROPPED: usize = 64 << 10;

/// What a connection was opened for.
struct Opened {
    handler: Arc<Handler>,
    request: Request,
    subprotocol: Option<String>,
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

/// A connection that is open, in the hands of its handler.
pub(super) struct Open {
    /// `None` if it panicked before there was anything to wait for.
    handling: Option<Handling>,
    home: Arc<Home<TcpStream>>,
    /// Its place among the server's connections.
    _entry: Entry,
}

/// Serves a connection: first it [opens](open).
///
/// What opening takes is in a box that is freed then. The task keeps what is left for as long as the
/// connection lives.
pub(super) async fn serve(
    core: Arc<Core>,
    opening: Pin<Box<impl Future<Output = Option<Open>> + Send>>,
) {
    if let Some(Open {
        handling,
        home,
        _entry,
    }) = opening.await
    {
        let code = match handling {
            Some(handling) => handle(&core, handling).await,
            None => CloseCode::INTERNAL,
        };
        Box::pin(finish(home, code)).await;
    }
}

/// Reads the request and answers it, and gives the connection to its handler if it opens a WebSocket.
/// `peer` is where it comes from, `address` where we listen.
pub(super) async fn open(
    core: Arc<Core>,
    mut stream: TcpStream,
    (peer, address): (SocketAddr, SocketAddr),
    entry: Entry,
) -> Option<Open> {
    let opened = {
        let opening = pin!(shake_hands(&core, &mut stream, (peer, address), &entry));
        match first(opening, pin!(entry.stopping())).await {
            Ok(opened) => opened,
            Err(()) => Err(Some(unavailable())),
        }
    };
    let (session, opened) = match opened {
        Ok(opened) => opened,
        Err(Some(answer)) => {
            answer_and_end(&mut stream, &answer, ANSWER).await;
            return None;
        }
        Err(None) => return None,
    };
    let home = Arc::new(Home::new());
    let mut ws = WebSocket::over(stream, session);
    ws.wire.lend(Arc::clone(&home));
    ws.about = About::agreed(opened.subprotocol);
    entry.open(&home);
    let handler = opened.handler;
    let handling = guarded(|| handler(ws, opened.request));
    Some(Open {
        handling,
        home,
        _entry: entry,
    })
}

/// Runs the handler; the code to close with.
async fn handle(core: &Core, mut handling: Handling) -> CloseCode {
    let handled = poll_fn(|cx| match guarded(|| handling.as_mut().poll(cx)) {
        Some(Poll::Pending) => Poll::Pending,
        Some(Poll::Ready(result)) => Poll::Ready(Some(result)),
        None => Poll::Ready(None),
    });
    match handled.await {
        Some(Ok(())) => CloseCode::NORMAL,
        Some(Err(error)) => {
            if let Some(report) = &core.report {
                guarded(|| report(&*error));
            }
            CloseCode::INTERNAL
        }
        None => CloseCode::INTERNAL,
    }
}

/// Ends the connection in good order, whatever the handler did with it. Whoever else has it, a task
/// that the handler has spawned for example, is asked to close it.
async fn finish(home: Arc<Home<TcpStream>>, code: CloseCode) {
    home.ask(code);
    if let Some(mut wire) = home.returned().await {
        wire.finish(code).await;
    }
}

/// Reads the request and answers it with 101.
///
/// # Errors
///
/// Another answer, which is still to be written. `None` if there is nobody to answer.
async fn shake_hands(
    core: &Core,
    stream: &mut TcpStream,
    (mut peer, address): (SocketAddr, SocketAddr),
    entry: &Entry,
) -> Result<(Session, Opened), Option<Vec<u8>>> {
    let epoch = Instant::now();
    let now = || ws_proto::Instant::from_epoch(epoch.elapsed());
    let mut accepting = Accepting::new(&core.config);
    let _ = accepting.check(now());
    let at = |deadline: Option<ws_proto::Instant>| {
        let far = Instant::now() + Duration::from_secs(86400 * 365);
        deadline
            .and_then(|at| epoch.checked_add(at.since_epoch()))
            .unwrap_or(far)
    };
    let introducing = introduced(core, &mut accepting, stream, peer);
    peer = match timeout_at(
        at(Some(now().after(core.config.handshake_timeout))),
        introducing,
    )
    .await
    {
        Ok(Ok(peer)) => peer,
        Ok(Err(error)) => {
            core.log(peer, &error.into());
            return Err(None);
        }
        Err(_) => return Err(None),
    };
    stream.set_nodelay(true).map_err(|_| None)?;
    let mut opened = None;
    loop {
        let Verdict::Alive { wake } = accepting.check(now()) else {
            return Err(None);
        };
        let deadline = at(wake);
        match accepting.step() {
            AcceptStep::NeedData => {
                match timeout_at(deadline, read(&mut accepting, stream)).await {
                    Ok(Ok(1..)) => {}
                    // The client is gone.
                    Ok(_) => return Err(None),
                    // The next check says what to do then.
                    Err(_) => {}
                }
            }
            AcceptStep::Request(asked) => {
                let local = listener(stream, address);
                match answer(core, local, asked.request(), &mut peer) {
                    Ok(_) if entry.is_stopping() => return Err(Some(unavailable())),
                    Ok((accept, about)) => {
                        let accept = match about.subprotocol.as_deref() {
                            Some(name) => accept.protocol(name),
                            None => Ok(accept),
                        };
                        // A choice of the application's that the client did not offer is an error
                        // of the application's.
                        let accept =
                            accept.map_err(|_| Some(refused(core, peer, &Refusal::Failed)))?;
                        asked.accept(accept);
                        opened = Some(about);
                    }
                    Err(answer) => {
                        let body = match asked.request().method() {
                            "HEAD" => Body::Omit,
                            _ => Body::Send,
                        };
                        return Err(Some(match answer {
                            Answer::Page(page) => encoded(&page, body),
                            Answer::Refusal(refusal) => {
                                core.log(peer, &refusal);
                                encoded(&refusal.response(), body)
                            }
                        }));
                    }
                }
            }
            AcceptStep::NeedWrite if opened.is_none() => {
                let answer = accepting.unsent().to_vec();
                accepting.sent(answer.len());
                if let AcceptStep::Over(Some(error)) = accepting.step() {
                    core.log(peer, &error.into());
                }
                return Err(Some(answer));
            }
            AcceptStep::NeedWrite => {
                let written = timeout_at(deadline, stream.write_all(accepting.unsent())).await;
                written.map_err(|_| None)?.map_err(|_| None)?;
                accepting.sent(accepting.unsent().len());
            }
            AcceptStep::Open(session) => return opened.map(|about| (session, about)).ok_or(None),
            AcceptStep::Over(_) => return Err(None),
        }
    }
}

/// Where the client is: a proxy may say so before its first byte.
async fn introduced(
    core: &Core,
    accepting: &mut Accepting,
    stream: &mut TcpStream,
    peer: SocketAddr,
) -> Result<SocketAddr, ProxyHeaderError> {
    if !core.site.trusted.sends_proxy_header(peer.ip()) {
        return Ok(peer);
    }
    let mut header = ProxyHeader::new();
    let mut buffer = [0; 512];
    loop {
        let len = stream.read(&mut buffer).await.unwrap_or(0);
        let read = buffer.get(..len).unwrap_or_default();
        let taken = header.receive(read)?;
        if header.is_complete() {
            let rest = read.get(taken..).unwrap_or_default();
            let pushed = accepting.push(rest);
            pushed.map_err(|_| ProxyHeaderError::Truncated)?;
            return Ok(header.client().unwrap_or(peer));
        }
        if len == 0 {
            header.eof()?;
        }
    }
}

/// Makes one read of the request; 0 at the end of the stream.
async fn read(accepting: &mut Accepting, stream: &mut TcpStream) -> io::Result<usize> {
    let len = stream.read(accepting.spare_mut()?).await?;
    accepting.filled(len);
    Ok(len)
}

/// Decides about a request. `peer` is where it came from, and becomes where a trusted proxy says that
/// it came from.
fn answer<'b>(
    core: &Core,
    listener: IpAddr,
    parsed: handshake::Request<'b>,
    peer: &mut SocketAddr,
) -> Result<(Accept<'b>, Opened), Answer> {
    let mut request = core.site.receive(&parsed, *peer, listener)?;
    *peer = request.peer_addr();
    if let Some(hook) = &core.hook
        && let Some(answer) = guarded(|| hook(&mut request)).ok_or(Refusal::Failed)?
    {
        return Err(Answer::Page(Box::new(answer)));
    }
    let handler = match core.site.route(&mut request)? {
        Route::Page(page) => {
            let page = guarded(|| page(&request)).ok_or(Refusal::Failed)?;
            return Err(Answer::Page(Box::new(page)));
        }
        Route::Socket(handler) => Arc::clone(handler),
    };
    let accept = core.site.accept(&parsed, &request)?;
    let subprotocol = match &core.choice {
        Some(choice) => guarded(|| choice(&request)).ok_or(Refusal::Failed)?,
        None => None,
    };
    let opened = Opened {
        handler,
        request,
        subprotocol,
    };
    Ok((accept, opened))
}

/// The address that a connection came in by: of a listener at all of them, a loopback one if it was
/// that. Only this machine connects there, and with it the browser of who sits before it.
fn listener(stream: &TcpStream, address: SocketAddr) -> IpAddr {
    let own = address.ip();
    if !own.is_unspecified() {
        return own;
    }
    match stream.local_addr().map(|local| local.ip().to_canonical()) {
        Ok(local) if local.is_loopback() => local,
        _ => own,
    }
}

/// A refusal as it travels, told to the log.
fn refused(core: &Core, peer: SocketAddr, refusal: &Refusal) -> Vec<u8> {
    core.log(peer, refusal);
    encoded(&refusal.response(), Body::Send)
}

/// The answer to clients that there is no room for.
fn unavailable() -> Vec<u8> {
    encoded(&Refusal::Full.response(), Body::Send)
}

/// An answer as it travels now.
pub(super) fn encoded(answer: &Response, body: Body) -> Vec<u8> {
    answer.encode(body, SystemTime::now())
}

/// Writes the last bytes of a connection, and lets the peer read them.
pub(super) async fn answer_and_end(stream: &mut TcpStream, answer: &[u8], patience: Duration) {
    let written = timeout(patience, async {
        stream.write_all(answer).await?;
        stream.shutdown().await
    });
    if !matches!(written.await, Ok(Ok(()))) {
        return;
    }
    let ended = async {
        let mut room = [0; 4 << 10];
        let mut dropped = 0;
        while dropped < DROPPED {
            match stream.read(&mut room).await {
                Ok(len @ 1..) => dropped += len,
                _ => return,
            }
        }
    };
    let _ = timeout(patience, ended).await;
}

/// Runs the application's code; `None` if it panicked, which has been reported by the panic hook
/// and concerns this connection only.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(run)).ok()
}
