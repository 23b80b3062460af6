//! Requests and their answers (Engine.IO 4, "HTTP long-polling"): a service for hyper and tower.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use hyper::ext::Protocol;
use sio_proto::engine::{self, Asked, Binary, Content, Refusal, Sid, Transport};
use ws_http::Origins;
use ws_tokio::{CloseCode, Timeouts, Upgrade, Upgrader};

use super::body::AnswerBody;
use super::config::Transports;
use super::cors::{Cors, preflight};
use super::drive::{Driver, hang_up};
use super::held::Held;
use super::hub::Hub;
use super::link::{Answer, Link};
use super::receive::receive;
use crate::bounded::read;

/// The address that a connection came from. Put it into the extensions of requests: hooks see it,
/// and the quota counts sessions by it. [`Server::run`](super::Server::run) does so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Marks a request that came over TLS. Put it into the extensions of requests: then pages that were
/// loaded without TLS may not connect, unless [they are listed](super::Server::origins).
/// [`Server::run`](super::Server::run) does so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverTls;

/// The server as a service for hyper and tower: it answers requests for its path, and all others
/// with 404. Clones share the server.
///
/// In a hyper server over HTTP/1.1, serve the connection `with_upgrades`.
#[derive(Clone)]
pub struct Service {
    pub(super) hub: Arc<Hub>,
}

/// What the answer to a request is waited for by.
type Answering = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Infallible>> + Send>>;

impl Service {
    /// Whether a request is for it, by its path.
    pub(super) fn takes(&self, path: &str) -> bool {
        self.is_endpoint(path) || self.is_file(path)
    }

    fn is_endpoint(&self, path: &str) -> bool {
        path.strip_suffix('/').unwrap_or(path) == self.hub.config.path
    }

    /// Whether it asks for the client that browsers load.
    fn is_file(&self, path: &str) -> bool {
        let path = path.strip_prefix(&*self.hub.config.path);
        path == Some("/socket.io.js") && self.hub.config.client_file.is_some()
    }

    async fn answer<B: Body>(self, request: Request<B>) -> Response<AnswerBody> {
        let path = request.uri().path();
        if !self.is_endpoint(path) {
            return match &self.hub.config.client_file {
                Some(file) if self.is_file(path) => {
                    content("text/javascript; charset=utf-8", file.clone())
                }
                _ => with_status(StatusCode::NOT_FOUND),
            };
        }
        let described = describe(&request);
        // A page that may not connect gets no answer that it could read either.
        if self.hub.config.origins.check(&described).is_err() {
            return refusal(Refusal::Forbidden, method(&request));
        }
        let cors = Cors::of(request.headers(), &self.hub.config);
        let mut answer = match *request.method() {
            Method::OPTIONS => preflight(request.headers()),
            _ => self.judge(request, described).await,
        };
        cors.add_to(&mut answer);
        answer
    }

    /// Answers a request of Engine.IO's.
    async fn judge<B: Body>(
        self,
        mut request: Request<B>,
        described: ws_http::Request,
    ) -> Response<AnswerBody> {
        let method = method(&request);
        let asked = Asked::parse(method, request.uri().query().unwrap_or_default());
        let answer = match asked.and_then(|asked| self.allowed(asked)) {
            Err(why) => Err(why),
            Ok(Asked::Open {
                by: Transport::Polling,
                binary,
            }) => self.open(binary, described).await,
            Ok(Asked::Get(sid)) => self.get(&sid).await,
            Ok(Asked::Post(sid)) => self.post(&sid, request).await,
            Ok(Asked::Open { binary, .. }) => self.open_websocket(binary, &mut request, described),
            Ok(Asked::WebSocket(sid)) => self.upgrade(&sid, &mut request),
        };
        answer.unwrap_or_else(|why| refusal(why, method))
    }

    /// Checks that the server has this transport.
    fn allowed(&self, asked: Asked) -> Result<Asked, Refusal> {
        let by = match asked {
            Asked::Open { by, .. } => by,
            Asked::Get(_) | Asked::Post(_) => Transport::Polling,
            Asked::WebSocket(_) => Transport::WebSocket,
        };
        match (self.hub.config.transports, by) {
            (Transports::Polling, Transport::WebSocket)
            | (Transports::WebSocket, Transport::Polling) => Err(Refusal::UnknownTransport),
            _ => Ok(asked),
        }
    }

    fn find(&self, sid: &Sid) -> Result<Arc<Link>, Refusal> {
        self.hub.find(sid).ok_or(Refusal::UnknownSid)
    }

    async fn open(
        self,
        binary: Binary,
        request: ws_http::Request,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let number = self.hub.admit(peer_of(&request))?;
        let link = self.hub.open(number, Transport::Polling, binary, request);
        let held = link.first();
        tokio::spawn(Driver::new(link, None));
        polled(held).await
    }

    async fn get(self, sid: &Sid) -> Result<Response<AnswerBody>, Refusal> {
        polled(self.find(sid)?.get()).await
    }

    async fn post<B: Body>(
        self,
        sid: &Sid,
        request: Request<B>,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let link = self.find(sid)?;
        let (head, body) = request.into_parts();
        let kind = head.headers.get(header::CONTENT_TYPE);
        let content = match kind.is_some_and(|kind| kind == "application/octet-stream") {
            true => Content::OctetStream,
            false => Content::Text,
        };
        let len = body.size_hint().exact();
        let mut held = link.post(len, content);
        let body = tokio::select! {
            biased;
            answer = &mut held => return answered(answer),
            body = read(body, self.hub.config.engine.max_payload) => body,
        };
        // A client that breaks off hears nothing; dropping what is held ends its session.
        let body = body.map_err(|_| Refusal::BadRequest)?;
        let post = held.carrier;
        let payload = link.with(|state, now| state.session.body(post, &body, now));
        if let Some(mut payload) = payload {
            let mut is_read = false;
            while !is_read {
                link.until_room().await;
                is_read = link.with(|state, now| {
                    while let Some(data) = state.session.step(&mut payload, now) {
                        receive(&link, state, data.as_message(), now);
                        if !state.can_read(now) {
                            return false;
                        }
                    }
                    true
                });
            }
        }
        polled(held).await
    }

    fn open_websocket<B>(
        self,
        binary: Binary,
        request: &mut Request<B>,
        described: ws_http::Request,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let (answer, upgrade) = match self.upgrader().upgrade(request) {
            Ok(upgraded) => upgraded,
            Err(refused) => return Ok(refused.response().map(AnswerBody::new)),
        };
        let hub = Arc::clone(&self.hub);
        let number = hub.admit(peer_of(&described))?;
        tokio::spawn(async move {
            match Box::pin(upgrade.open()).await {
                Ok(ws) => {
                    let link = hub.open(number, Transport::WebSocket, binary, described);
                    // A task of its own, because this one would keep its size.
                    tokio::spawn(Driver::new(link, Some(Box::new(ws))));
                }
                Err(_) => hub.withdraw(number),
            }
        });
        Ok(answer.map(|()| AnswerBody::default()))
    }

    /// A WebSocket asks to take a session over.
    fn upgrade<B>(
        self,
        sid: &Sid,
        request: &mut Request<B>,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let link = self.find(sid)?;
        let (answer, upgrade) = match self.upgrader().upgrade(request) {
            Ok(upgraded) => upgraded,
            Err(refused) => return Ok(refused.response().map(AnswerBody::new)),
        };
        let carrier = link.with(|state, now| {
            let carrier = state.carrier();
            let taken = state.session.websocket(carrier, now);
            taken.map(|()| carrier)
        });
        match carrier {
            Ok(carrier) => drop(tokio::spawn(arrive(link, carrier, upgrade))),
            // The session has a WebSocket. As with the reference this one opens, and is closed: a
            // refusal is an error that clients report, and a late one is not.
            Err(Refusal::BadRequest) => drop(tokio::spawn(turn_away(upgrade))),
            Err(why) => return Err(why),
        }
        Ok(answer.map(|()| AnswerBody::default()))
    }

    /// Opens WebSockets for sessions: the heartbeat is theirs, and the origin was checked.
    fn upgrader(&self) -> Upgrader {
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.ping_interval = None;
        Upgrader::new()
            .origins(Origins::any())
            .max_message(self.hub.config.engine.max_payload)
            .timeouts(timeouts)
    }
}

/// Brings a WebSocket to its session once it has opened.
async fn arrive(link: Arc<Link>, carrier: engine::Carrier, upgrade: Upgrade) {
    match Box::pin(upgrade.open()).await {
        Ok(ws) => link.arrive(carrier, Box::new(ws)),
        Err(_) => link.fail(carrier),
    }
}

/// Closes a WebSocket as soon as it has opened.
async fn turn_away(upgrade: Upgrade) {
    if let Ok(ws) = Box::pin(upgrade.open()).await {
        hang_up(Box::new(ws), CloseCode::POLICY);
    }
}

async fn polled(held: Held) -> Result<Response<AnswerBody>, Refusal> {
    answered(held.await)
}

fn answered(answer: Answer) -> Result<Response<AnswerBody>, Refusal> {
    match answer {
        Answer::Refused(why) => Err(why),
        Answer::Body(body) => {
            let mut answer = content("text/plain; charset=UTF-8", body);
            not_to_be_stored(&mut answer);
            Ok(answer)
        }
    }
}

/// The answer to a request that is refused: JSON for polling, text for a WebSocket, whose connection
/// ends with that.
fn refusal(why: Refusal, method: engine::Method) -> Response<AnswerBody> {
    let is_upgrade = method == engine::Method::WebSocket;
    let (kind, body) = match is_upgrade {
        false => ("application/json", why.body()),
        true => ("text/plain; charset=UTF-8", why.to_string()),
    };
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut answer = content(kind, body);
    *answer.status_mut() = status;
    if is_upgrade {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    not_to_be_stored(&mut answer);
    answer
}

fn not_to_be_stored(answer: &mut Response<AnswerBody>) {
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, no_store);
}

fn content(kind: &'static str, content: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::new(content));
    let kind = HeaderValue::from_static(kind);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn with_status(status: StatusCode) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::default());
    *answer.status_mut() = status;
    answer
}

fn method<B>(request: &Request<B>) -> engine::Method {
    let protocol = request.extensions().get::<Protocol>();
    let is_websocket = |name: &str| name.eq_ignore_ascii_case("websocket");
    let upgrade = request.headers().get(header::UPGRADE);
    let upgrade = upgrade.and_then(|upgrade| upgrade.to_str().ok());
    match *request.method() {
        Method::GET if upgrade.is_some_and(is_websocket) => engine::Method::WebSocket,
        Method::GET => engine::Method::Get,
        Method::POST => engine::Method::Post,
        Method::CONNECT if protocol.is_some_and(|name| is_websocket(name.as_str())) => {
            engine::Method::WebSocket
        }
        _ => engine::Method::Other,
    }
}

/// A request as hooks see it.
fn describe<B>(request: &Request<B>) -> ws_http::Request {
    let peer = request.extensions().get::<Peer>();
    let mut described = ws_http::Request::copied(
        request.method(),
        request.uri(),
        request.version(),
        request.headers(),
        peer.map_or(ws_http::Request::NOWHERE, |peer| peer.0),
    );
    if request.extensions().get::<OverTls>().is_some() {
        described.set_secure();
    }
    described
}

fn peer_of(request: &ws_http::Request) -> Option<SocketAddr> {
    Some(request.peer_addr()).filter(|peer| *peer != ws_http::Request::NOWHERE)
}

impl<B> hyper::service::Service<Request<B>> for Service
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<B>) -> Answering {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

impl<B> tower_service::Service<Request<B>> for Service
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        hyper::service::Service::call(self, request)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("path", &self.hub.config.path)
            .finish_non_exhaustive()
    }
}
