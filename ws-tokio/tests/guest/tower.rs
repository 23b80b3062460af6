//! The layer of tower's: what it answers, what it leaves to the service below, and how it ends.
#![cfg(feature = "tower")]

use std::convert::Infallible;
use std::net::SocketAddr;

use crate::common::within;
use crate::guests::{http2, open, serve};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tower::{Layer, Service, ServiceExt, service_fn};
use ws_tokio::tower::WebSocketLayer;
use ws_tokio::{
    Client, CloseCode, ConnectError, Error, Message, Upgraded, Upgrader, WebSocket, connect,
    ws_http,
};

/// Who is logged in, as a layer above finds out.
#[derive(Clone)]
struct User(&'static str);

/// The service below: it names what it was asked for.
async fn inner(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(format!(
        "the page at {}",
        request.uri().path()
    )))
}

/// Says who the server thinks it talks to, and waits for the end.
async fn who(mut ws: WebSocket<Upgraded>, request: ws_http::Request) -> Result<(), Error> {
    let user = request.extensions().get::<User>().map_or("", |user| user.0);
    let room = request.path_param("room").unwrap_or_default();
    let text = format!("{user} of {} in {room}", request.peer_addr());
    ws.send(&*text).await?;
    while ws.recv().await?.is_some() {}
    Ok(())
}

/// One layer that knows users, and below it two with WebSockets.
async fn server(version: Version) -> SocketAddr {
    let rooms = WebSocketLayer::new("/rooms/{room}", who).unwrap();
    let rooms = rooms.upgrader(Upgrader::new().subprotocols(["chat"]));
    let lobby = WebSocketLayer::new("/", who).unwrap();
    let below = rooms.layer(lobby.layer(service_fn(inner)));
    let above = service_fn(move |mut request: Request<Incoming>| {
        let peer = SocketAddr::from(([192, 0, 2, 1], 7));
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(User("Li"));
        below.clone().oneshot(request)
    });
    serve(version, TowerToHyperService::new(above)).await
}

#[tokio::test]
async fn a_handler_gets_what_the_layers_above_have_found_out() {
    let address = server(Version::HTTP_11).await;
    for (path, says) in [
        ("/rooms/7%20b", "Li of 192.0.2.1:7 in 7 b"),
        ("/", "Li of 192.0.2.1:7 in "),
    ] {
        let mut ws = within(connect(format!("ws://{address}{path}")))
            .await
            .unwrap();
        assert_eq!(within(ws.recv()).await.unwrap(), Some(Message::Text(says)));
        within(ws.close(CloseCode::NORMAL, "")).await.unwrap();
        assert_eq!(ws.peer_close().unwrap().0, CloseCode::NORMAL);
    }
    let address = server(Version::HTTP_2).await;
    let (mut sender, _) = http2(address).await;
    let path = "/rooms/7";
    let mut ws = open(&mut sender, (address, path), None).await.unwrap();
    let says = Some(Message::Text("Li of 192.0.2.1:7 in 7"));
    assert_eq!(within(ws.recv()).await.unwrap(), says);
}

/// Asks for something over HTTP/1.1; the status and the body of the answer.
async fn asked(address: SocketAddr, request: Request<Empty<Bytes>>) -> (StatusCode, String) {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = within(hyper::client::conn::http1::handshake(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    read(within(sender.send_request(request)).await.unwrap()).await
}

async fn read(answer: Response<Incoming>) -> (StatusCode, String) {
    let status = answer.status();
    let body = within(answer.into_body().collect()).await.unwrap();
    let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    (status, body)
}

#[tokio::test]
async fn what_asks_for_no_websocket_or_for_another_path_is_the_inner_service_s() {
    let address = server(Version::HTTP_11).await;
    let get = |path: &str| Request::get(path).header("host", "localhost");
    for request in [
        // The same path; another; another protocol; a list in which it is not.
        get("/rooms/7"),
        get("/rooms/7/more").header("upgrade", "websocket"),
        get("/rooms/7").header("upgrade", "h2c"),
        get("/rooms/7").header("upgrade", "websockets, h2c"),
    ] {
        let request = request.body(Empty::new()).unwrap();
        let says = format!("the page at {}", request.uri().path());
        assert_eq!(asked(address, request).await, (StatusCode::OK, says));
    }
    // A bad handshake is one.
    let bad = get("/rooms/7").header("upgrade", "h2c, WebSocket");
    let (status, _) = asked(address, bad.body(Empty::new()).unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);

    let address = server(Version::HTTP_2).await;
    let (mut sender, _) = http2(address).await;
    let uri = format!("http://{address}/rooms/7");
    let mut other = Request::connect(uri).body(Empty::new()).unwrap();
    let protocol = Protocol::from_static("connect-udp");
    other.extensions_mut().insert(protocol);
    let answer = within(sender.send_request(other)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let error = open(
        &mut sender,
        (address, "/rooms/7"),
        Some("http://elsewhere.example"),
    );
    assert_eq!(error.await.unwrap_err(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_refusal_says_why() {
    let address = server(Version::HTTP_11).await;
    let client = Client::new(format!("ws://{address}/")).origin("http://elsewhere.example");
    let Err(ConnectError::Refused(answer)) = within(client.connect()).await else {
        panic!("it is another's page");
    };
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let text = String::from_utf8_lossy(answer.body());
    assert!(text.starts_with("origin http://elsewhere.example is not of"));
}

#[tokio::test]
async fn a_connection_is_closed_as_its_handler_has_ended() {
    type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;
    async fn end(mut ws: WebSocket<Upgraded>, request: ws_http::Request) -> Ended {
        match request.query() {
            Some("fails") => Err("it failed".into()),
            Some("panics") => panic!("as the test wants it"),
            // To a task that goes on.
            Some("gives%20it%20away") => {
                tokio::spawn(async move { ws.recv_owned().await });
                Ok(())
            }
            _ => Ok(()),
        }
    }
    let (tell, mut told) = mpsc::unbounded_channel();
    let layer = WebSocketLayer::new("/", end).unwrap();
    let layer = layer.on_error(move |error| tell.send(error.to_string()).unwrap());
    let service = TowerToHyperService::new(layer.layer(service_fn(inner)));
    let address = serve(Version::HTTP_11, service).await;
    for (query, code) in [
        ("", CloseCode::NORMAL),
        ("fails", CloseCode::INTERNAL),
        ("panics", CloseCode::INTERNAL),
        ("gives%20it%20away", CloseCode::NORMAL),
    ] {
        let url = format!("ws://{address}/?{query}");
        let mut ws = within(connect(url)).await.unwrap();
        assert_eq!(within(ws.recv()).await.unwrap(), None, "{query}");
        assert_eq!(ws.peer_close().unwrap().0, code, "{query}");
    }
    assert_eq!(told.recv().await.unwrap(), "it failed");
    assert!(told.try_recv().is_err());
}

/// Not ready, and failing.
#[tokio::test]
async fn a_service_below_is_waited_for_and_fails_for_itself() {
    let layer = WebSocketLayer::new("/", who).unwrap();
    let failing = service_fn(|_: Request<()>| async { Err::<Response<String>, _>("broken") });
    let mut service = layer.layer(failing);
    let ready = within(service.ready()).await.unwrap();
    assert_eq!(ready.call(Request::new(())).await.unwrap_err(), "broken");
    assert!(WebSocketLayer::new("no path", who).is_err());
}
