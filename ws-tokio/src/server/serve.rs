//! One connection, from its request to its end.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use ws_http::{Answer, Body, Hosts, ProxyHeader, ProxyHeaderError, Refusal, Request};
use ws_proto::handshake::{self, Accept};
use ws_proto::{AcceptStep, Accepting, Session, Verdict};

use super::registry::Entry;
use super::{Core, Stream};
use crate::first::first;
use crate::handling::{Handler, Handling, guarded};
use crate::socket::{About, WebSocket};

/// What a connection was opened for.
struct Opened<S: Stream> {
    handler: Arc<Handler<S>>,
    request: Request,
    subprotocol: Option<String>,
}

/// A connection that is open, in the hands of its handler.
pub(super) struct Open<S: Stream> {
    handling: Handling<S>,
    /// Its place among the server's connections.
    _entry: Entry,
}

/// Serves a connection: first it [opens](open).
///
/// What opening takes is in a box that is freed then. The task keeps what is left for as long as the
/// connection lives.
pub(super) async fn serve<S: Stream>(
    core: Arc<Core<S>>,
    opening: Pin<Box<impl Future<Output = Option<Open<S>>> + Send>>,
) {
    if let Some(Open { handling, _entry }) = opening.await {
        handling.run(core.report.as_deref()).await;
    }
}

/// Reads the request and answers it, and gives the connection to its handler if it opens a WebSocket.
/// `peer` is where it comes from, `address` where we listen.
pub(super) async fn open<S: Stream>(
    core: Arc<Core<S>>,
    stream: TcpStream,
    (peer, address): (SocketAddr, SocketAddr),
    entry: Entry,
) -> Option<Open<S>> {
    let begun = Instant::now();
    let _ = stream.set_nodelay(true);
    let listener = Hosts::listener(address.ip(), || Some(stream.local_addr().ok()?.ip()));
    let mut stream = {
        // Over TLS there is no answer to who fails in it.
        let shaking = timeout(core.config.handshake_timeout, (core.shake)(stream));
        match first(pin!(shaking), pin!(entry.stopping())).await {
            Ok(Ok(Ok(stream))) => stream,
            _ => return None,
        }
    };
    let opened = {
        let opening = shake_hands(&core, &mut stream, (peer, listener), begun, &entry);
        let opening = pin!(opening);
        match first(opening, pin!(entry.stopping())).await {
            Ok(opened) => opened,
            Err(()) => Err(Some(unavailable())),
        }
    };
    let (session, opened) = match opened {
        Ok(opened) => opened,
        Err(Some(answer)) => {
            answer_and_end(&mut stream, &answer, Answer::PATIENCE).await;
            return None;
        }
        Err(None) => return None,
    };
    let mut ws = WebSocket::over(stream, session);
    ws.about = About::agreed(opened.subprotocol);
    let lent = |home: &_| entry.open(home);
    let handling = Handling::begin(ws, opened.request, &*opened.handler, lent);
    Some(Open {
        handling,
        _entry: entry,
    })
}

/// Reads the request and answers it with 101.
///
/// # Errors
///
/// Another answer, which is still to be written. `None` if there is nobody to answer.
///
/// Its time began at `epoch`.
async fn shake_hands<S: Stream>(
    core: &Core<S>,
    stream: &mut S,
    (mut peer, listener): (SocketAddr, IpAddr),
    epoch: Instant,
    entry: &Entry,
) -> Result<(Session, Opened<S>), Option<Vec<u8>>> {
    let now = || ws_proto::Instant::from_epoch(epoch.elapsed());
    let mut accepting = Accepting::new(&core.config);
    let _ = accepting.check(ws_proto::Instant::default());
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
                match answer(core, listener, asked.request(), &mut peer) {
                    Ok(_) if entry.is_stopping() => return Err(Some(unavailable())),
                    Ok((accept, about)) => {
                        let (name, headers) =
                            (about.subprotocol.as_deref(), about.request.answer_fields());
                        let accept = Request::complete(accept, name, headers.as_deref());
                        let accept = accept.map_err(|why| {
                            core.log(peer, &why);
                            Some(refused(&why))
                        })?;
                        asked.accept(accept);
                        opened = Some(about);
                    }
                    Err(answer) => {
                        if let Some(refusal) = answer.refusal() {
                            core.log(peer, refusal);
                        }
                        let body = Body::to(asked.request().method());
                        return Err(Some(answer.encode(body, SystemTime::now())));
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
                let written = timeout_at(deadline, async {
                    stream.write_all(accepting.unsent()).await?;
                    stream.flush().await
                });
                written.await.map_err(|_| None)?.map_err(|_| None)?;
                accepting.sent(accepting.unsent().len());
            }
            AcceptStep::Open(session) => return opened.map(|about| (session, about)).ok_or(None),
            AcceptStep::Over(_) => return Err(None),
        }
    }
}

/// Where the client is: a proxy may say so before its first byte.
async fn introduced<S: Stream>(
    core: &Core<S>,
    accepting: &mut Accepting,
    stream: &mut S,
    peer: SocketAddr,
) -> Result<SocketAddr, ProxyHeaderError> {
    if !core.site.trusted.sends_proxy_header(peer.ip()) {
        return Ok(peer);
    }
    let mut header = ProxyHeader::new();
    let mut buffer = [0; 512];
    loop {
        let len = stream.read(&mut buffer).await.unwrap_or(0);
        if header.introduce(buffer.get(..len).unwrap_or_default(), accepting)? {
            return Ok(header.client().unwrap_or(peer));
        }
    }
}

/// Makes one read of the request; 0 at the end of the stream.
async fn read<S: Stream>(accepting: &mut Accepting, stream: &mut S) -> io::Result<usize> {
    let len = stream.read(accepting.spare_mut()?).await?;
    accepting.filled(len);
    Ok(len)
}

/// Decides about a request. `peer` is where it came from, and becomes where a trusted proxy says that
/// it came from.
fn answer<'b, S: Stream>(
    core: &Core<S>,
    listener: IpAddr,
    parsed: handshake::Request<'b>,
    peer: &mut SocketAddr,
) -> Result<(Accept<'b>, Opened<S>), Answer> {
    let (accept, request, handler) = core.site.decide(
        &parsed,
        (*peer, listener),
        |request| {
            *peer = request.peer_addr();
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
        handler: Arc::clone(handler),
        request,
        subprotocol,
    };
    Ok((accept, opened))
}

/// The answer to clients that there is no room for.
fn unavailable() -> Vec<u8> {
    refused(&Refusal::Full)
}

/// A refusal as it travels now.
pub(super) fn refused(refusal: &Refusal) -> Vec<u8> {
    refusal.response().encode(Body::Send, SystemTime::now())
}

/// Writes the last bytes of a connection, and lets the peer read them.
pub(super) async fn answer_and_end<S: Stream>(stream: &mut S, answer: &[u8], patience: Duration) {
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
        while dropped < Answer::DROPPED {
            match stream.read(&mut room).await {
                Ok(len @ 1..) => dropped += len,
                _ => return,
            }
        }
    };
    let _ = timeout(patience, ended).await;
}
