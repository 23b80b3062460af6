//! Guests in HTTP servers: hyper over HTTP/1.1 and HTTP/2, axum, and a layer of tower's.
#![cfg(all(feature = "axum", feature = "tower"))]

use std::convert::Infallible;
use std::net::SocketAddr;

use crate::common::within;
use crate::guests::{http2, open, serve};
use axum::Router;
use axum::routing::any;
use http::{Request, Response, StatusCode, Version};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::Layer;
use ws_tokio::axum::{WebSocket as AxumSocket, WebSocketUpgrade};
use ws_tokio::tower::WebSocketLayer;
use ws_tokio::{Client, CloseCode, ConnectError, Error, Message, Upgrader, connect};

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
    serve(version, service_fn(service)).await
}

/// The same as a layer, over a service where nothing is.
async fn tower_server(version: Version) -> SocketAddr {
    let upgrader = Upgrader::new().subprotocols(["chat"]).max_message(100_000);
    let layer = WebSocketLayer::new("/chat", |ws, _| echo(ws)).unwrap();
    let nothing = tower::service_fn(|_: Request<Incoming>| async {
        let nothing = Response::builder().status(StatusCode::NOT_FOUND);
        Ok::<_, Infallible>(nothing.body(String::new()).unwrap())
    });
    let service = layer.upgrader(upgrader).layer(nothing);
    serve(version, TowerToHyperService::new(service)).await
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
    for address in [
        hyper_server(Version::HTTP_11).await,
        axum_server().await,
        tower_server(Version::HTTP_11).await,
    ] {
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

#[tokio::test]
async fn two_on_one_connection_of_http_2() {
    for address in [
        hyper_server(Version::HTTP_2).await,
        axum_server().await,
        tower_server(Version::HTTP_2).await,
    ] {
        let (mut sender, page) = http2(address).await;
        // It is no handshake, and over HTTP/2 none asks for an Upgrade.
        assert!(page.is_client_error(), "{page}");
        let mut one = open(&mut sender, (address, "/chat"), None).await.unwrap();
        let mut two = open(&mut sender, (address, "/chat"), None).await.unwrap();
        let foreign = open(
            &mut sender,
            (address, "/chat"),
            Some("http://elsewhere.example"),
        )
        .await;
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
