//! Servers of hyper's for the tests of its guests, and a client over HTTP/2 made by hand.
#![allow(dead_code, reason = "each test uses some of it")]

use std::convert::Infallible;
use std::net::SocketAddr;

use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::ext::Protocol;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use ws_tokio::ws_proto::handshake::{Offer, Uri};
use ws_tokio::{Config, Session, Upgraded, WebSocket};

use crate::common::within;

/// Serves one version of HTTP at a free port.
pub(crate) async fn serve<S>(version: Version, service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<String>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let io = TokioIo::new(listener.accept().await.unwrap().0);
            let service = service.clone();
            tokio::spawn(async move {
                if version == Version::HTTP_2 {
                    let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let http = http.enable_connect_protocol();
                    let _ = http.serve_connection(io, service).await;
                } else {
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(io, service).with_upgrades().await;
                }
            });
        }
    });
    address
}

pub(crate) type Sender = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

/// A connection of HTTP/2, on which the server has said what it can, and has answered a request for the
/// page at `/chat`.
pub(crate) async fn http2(address: SocketAddr) -> (Sender, StatusCode) {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = within(handshake).await.unwrap();
    tokio::spawn(connection);
    let page = Request::get(format!("http://{address}/chat"))
        .body(Empty::new())
        .unwrap();
    let answer = within(sender.send_request(page)).await.unwrap();
    let status = answer.status();
    let _ = answer.into_body().collect().await;
    (sender, status)
}

/// Opens a WebSocket on a stream of its own (RFC 8441 §4).
pub(crate) async fn open(
    sender: &mut Sender,
    (address, path): (SocketAddr, &str),
    origin: Option<&str>,
) -> Result<WebSocket<Upgraded>, StatusCode> {
    let url = format!("ws://{address}{path}");
    let uri = Uri::parse(&url).unwrap();
    let mut offer = Offer::to(&uri).protocols(&["chat"]).unwrap();
    if let Some(origin) = origin {
        offer = offer.origin(origin).unwrap();
    }
    let mut request = offer
        .to_http_extended("http")
        .unwrap()
        .map(|()| Empty::new());
    request
        .extensions_mut()
        .insert(Protocol::from_static("websocket"));
    assert_eq!(request.method(), Method::CONNECT);
    let answer = within(sender.send_request(request)).await.unwrap();
    if answer.status() != StatusCode::OK {
        return Err(answer.status());
    }
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    let upgraded = within(hyper::upgrade::on(answer)).await.unwrap();
    let session = Session::client(&Config::default(), [7; 32]);
    Ok(WebSocket::over(TokioIo::new(upgraded), session))
}
