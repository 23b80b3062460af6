//! Guests in HTTP servers: hyper over HTTP/1.1 and HTTP/2, and axum.
#![cfg(feature = "axum")]

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::ext::Protocol;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use ws_tokio::axum::{WebSocket as AxumSocket, WebSocketUpgrade};
use ws_tokio::ws_proto::handshake::{Offer, Uri};
use ws_tokio::{
    Client, CloseCode, Config, ConnectError, Error, Message, Session, Upgraded, Upgrader,
    WebSocket, connect,
};

/// Waits for what takes no time, unless something is broken.
async fn within<F: Future>(future: F) -> F::Output {
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, future)
        .await
        .expect("it hangs")
}

async fn echo(mut ws: AxumSocket) -> Result<(), Error> {
    while let Some((message, mut reply)) = ws.recv_reply().await? {
        reply.queue(message)?;
    }
    Ok(())
}

/// A service of hyper's that echoes.
async fn service(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let upgrader = Upgrader::new().subprotocols(["chat"]).max_message(100_000);
    let (answer, upgrade) = match upgrader.upgrade(&mut request) {
        Ok(upgraded) => upgraded,
        Err(refused) => return Ok(refused.response()),
    };
    tokio::spawn(async move { echo(upgrade.open().await?).await });
    Ok(answer.map(|()| String::new()))
}

/// A server of hyper's for one version.
async fn hyper_server(version: Version) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let io = TokioIo::new(listener.accept().await.unwrap().0);
            tokio::spawn(async move {
                if version == Version::HTTP_2 {
                    let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let http = http.enable_connect_protocol();
                    let _ = http.serve_connection(io, service_fn(service)).await;
                } else {
                    let http = hyper::server::conn::http1::Builder::new();
                    let served = http
                        .serve_connection(io, service_fn(service))
                        .with_upgrades();
                    let _ = served.await;
                }
            });
        }
    });
    address
}

async fn axum_server() -> SocketAddr {
    let chat = |ws: WebSocketUpgrade| async move {
        ws.protocols(["chat"])
            .max_message_size(100_000)
            .on_upgrade(|ws| async { drop(echo(ws).await) })
    };
    let app = Router::new().route("/chat", any(chat));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

#[tokio::test]
async fn http_1_1() {
    for address in [hyper_server(Version::HTTP_11).await, axum_server().await] {
        let url = format!("ws://{address}/chat");
        let client = Client::new(&url).subprotocol("other").subprotocol("chat");
        let mut ws = within(client.connect()).await.unwrap();
        assert_eq!(ws.subprotocol(), Some("chat"));
        let long = "x".repeat(100_000);
        for text in ["hello", "", "你好", &long] {
            within(ws.send(text)).await.unwrap();
            assert_eq!(within(ws.recv()).await.unwrap(), Some(Message::Text(text)));
        }
        within(ws.close(CloseCode::NORMAL, "done")).await.unwrap();
        assert_eq!(ws.peer_close(), Some((CloseCode::NORMAL, String::new())));

        // The limit of the handler.
        let mut ws = within(connect(&url)).await.unwrap();
        within(ws.send(&[7; 100_001])).await.unwrap();
        assert_eq!(within(ws.recv()).await.unwrap(), None);
        assert_eq!(ws.peer_close().unwrap().0, CloseCode::TOO_BIG);
    }
}

#[tokio::test]
async fn the_blocking_client_is_a_peer() {
    for address in [hyper_server(Version::HTTP_11).await, axum_server().await] {
        let theirs = tokio::task::spawn_blocking(move || {
            let mut ws = ws_std::connect(format!("ws://{address}/chat")).unwrap();
            ws.send("hello").unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Message::Text("hello")));
            ws.close(CloseCode::NORMAL, "").unwrap();
        });
        within(theirs).await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    for address in [hyper_server(Version::HTTP_11).await, axum_server().await] {
        let client = Client::new(format!("ws://{address}/chat"));
        match within(client.clone().origin("http://elsewhere.example").connect()).await {
            Err(ConnectError::Refused(answer)) => {
                assert_eq!(answer.status(), StatusCode::FORBIDDEN);
                let text = String::from_utf8_lossy(answer.body());
                assert!(
                    text.starts_with("origin http://elsewhere.example is not of"),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
        // Of the same host.
        let origin = format!("http://{address}");
        drop(within(client.origin(origin).connect()).await.unwrap());

        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut sender, connection) = within(hyper::client::conn::http1::handshake(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::get("/chat").header("host", "localhost");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let answer = within(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(answer.headers()["sec-websocket-version"], "13");
        assert_eq!(answer.headers()["upgrade"], "websocket");
    }
}

type Sender = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

/// A connection of HTTP/2, on which the server has said what it can.
async fn http2(address: SocketAddr) -> Sender {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = within(handshake).await.unwrap();
    tokio::spawn(connection);
    let page = Request::get(format!("http://{address}/chat"))
        .body(Empty::new())
        .unwrap();
    let answer = within(sender.send_request(page)).await.unwrap();
    // It is no handshake, and over HTTP/2 none asks for an Upgrade.
    assert!(answer.status().is_client_error(), "{answer:?}");
    let _ = answer.into_body().collect().await;
    sender
}

/// Opens a WebSocket on a stream of its own (RFC 8441 §4).
async fn open(
    sender: &mut Sender,
    address: SocketAddr,
    origin: Option<&str>,
) -> Result<WebSocket<Upgraded>, StatusCode> {
    let url = format!("ws://{address}/chat");
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

#[tokio::test]
async fn two_on_one_connection_of_http_2() {
    for address in [hyper_server(Version::HTTP_2).await, axum_server().await] {
        let mut sender = http2(address).await;
        let mut one = open(&mut sender, address, None).await.unwrap();
        let mut two = open(&mut sender, address, None).await.unwrap();
        let foreign = open(&mut sender, address, Some("http://elsewhere.example")).await;
        assert_eq!(foreign.unwrap_err(), StatusCode::FORBIDDEN);

        let long = "x".repeat(100_000);
        for text in ["hello", "", "你好", &long] {
            for ws in [&mut one, &mut two] {
                within(ws.send(text)).await.unwrap();
            }
            for ws in [&mut two, &mut one] {
                assert_eq!(within(ws.recv()).await.unwrap(), Some(Message::Text(text)));
            }
        }
        // The end of one is not that of the other.
        within(one.close(CloseCode::NORMAL, "")).await.unwrap();
        within(two.send("still here")).await.unwrap();
        assert_eq!(
            within(two.recv()).await.unwrap(),
            Some(Message::Text("still here"))
        );

        // A violation is answered by its code, and ends this stream.
        within(two.send(&[7; 100_001])).await.unwrap();
        assert_eq!(within(two.recv()).await.unwrap(), None);
        assert_eq!(two.peer_close().unwrap().0, CloseCode::TOO_BIG);
    }
}
