//! A client's WebSockets over HTTP/2 (RFC 8441), on connections of hyper's server.
#![cfg(all(feature = "hyper", feature = "http2"))]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use crate::common::within;
use crate::guests::serve;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use ws_tokio::{
    Client, CloseCode, ConnectError, Error, Http2, Message, Upgraded, Upgrader, WebSocket, h2,
};

/// A path that echoes, one that ends without a Close, and one that is no path.
async fn service(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let path = request.uri().path().to_owned();
    let upgrader = Upgrader::new().subprotocols(["chat"]).max_message(100_000);
    #[cfg(feature = "deflate")]
    let upgrader = upgrader.deflate(ws_tokio::Deflate::default());
    if path == "/nowhere" {
        let nothing = Response::builder().status(StatusCode::NOT_FOUND);
        return Ok(nothing.body("nothing is here".repeat(10_000)).unwrap());
    }
    let (answer, upgrade) = match upgrader.upgrade(&mut request) {
        Ok(upgraded) => upgraded,
        Err(refused) => return Ok(refused.response()),
    };
    tokio::spawn(async move {
        let ws = upgrade.open().await?;
        match &*path {
            "/cut" => drop(ws.into_parts()),
            _ => echo(ws).await?,
        }
        Ok::<_, Error>(())
    });
    Ok(answer.map(|()| String::new()))
}

async fn echo(mut ws: WebSocket<Upgraded>) -> Result<(), Error> {
    while let Some((message, mut reply)) = ws.recv_reply().await? {
        reply.queue(message)?;
    }
    Ok(())
}

/// A connection to a server that opens WebSockets.
async fn http2() -> (Http2, SocketAddr) {
    let address = serve(Version::HTTP_2, service_fn(service)).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let http2 = within(Http2::over(stream)).await.unwrap();
    assert!(http2.has_websockets());
    (http2, address)
}

fn client(address: SocketAddr, path: &str) -> Client {
    Client::new(format!("ws://{address}{path}"))
}

#[tokio::test]
async fn two_on_one_connection() {
    let (http2, address) = http2().await;
    let client = client(address, "/chat").subprotocol("chat");
    #[cfg(feature = "deflate")]
    let client = client.deflate(ws_tokio::Deflate::default());
    let mut one = within(client.connect_on(&http2)).await.unwrap();
    let mut two = within(client.connect_on(&http2)).await.unwrap();
    assert_eq!(one.subprotocol(), Some("chat"));
    assert_eq!(one.headers().unwrap()["sec-websocket-protocol"], "chat");
    // The connection lives as long as they do.
    drop(http2);
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
    assert_eq!(one.peer_close(), Some((CloseCode::NORMAL, String::new())));
    within(two.send("still here")).await.unwrap();
    let still = within(two.recv()).await.unwrap();
    assert_eq!(still, Some(Message::Text("still here")));
    // A violation is answered by its code.
    within(two.send(&[7; 100_001])).await.unwrap();
    assert_eq!(within(two.recv()).await.unwrap(), None);
    assert_eq!(two.peer_close().unwrap().0, CloseCode::TOO_BIG);
}

/// A byte of a message.
fn pattern(message: usize, byte: usize) -> u8 {
    u8::try_from((message * 31 + byte) % 251).unwrap()
}

/// Both windows of 64 KiB are full many times over, and one that is not read from does not keep the
/// other from its messages.
#[tokio::test]
async fn both_directions_may_be_full() {
    const MESSAGES: usize = 200;
    let (http2, address) = http2().await;
    let client = client(address, "/chat");
    let mut mute = within(client.connect_on(&http2)).await.unwrap();
    within(mute.send(&[1; 40_000])).await.unwrap();
    let (mut reader, writer) = within(client.connect_on(&http2)).await.unwrap().split();
    let sending = tokio::spawn(async move {
        for at in 0..MESSAGES {
            let message: Vec<u8> = (0..30_000).map(|byte| pattern(at, byte)).collect();
            writer.send(&message).await.unwrap();
        }
        writer
    });
    for at in 0..MESSAGES {
        let message = within(reader.recv()).await.unwrap().unwrap();
        let mut bytes = message.as_bytes().iter().enumerate();
        assert!(bytes.all(|(byte, is)| *is == pattern(at, byte)), "{at}");
        assert_eq!(message.as_bytes().len(), 30_000);
    }
    let mut ws = reader.reunite(within(sending).await.unwrap()).unwrap();
    within(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    let waits = within(mute.recv()).await.unwrap();
    assert!(waits == Some(Message::Binary(&[1; 40_000])));
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let (http2, address) = http2().await;
    let foreign = client(address, "/chat").origin("http://elsewhere.example");
    let Err(ConnectError::Refused(answer)) = within(foreign.connect_on(&http2)).await else {
        panic!("it is another's page");
    };
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let text = String::from_utf8_lossy(answer.body());
    assert!(text.starts_with("origin http://elsewhere.example is not of"));
    // A long body is cut, and the stream of it does not keep others from the connection.
    let nowhere = client(address, "/nowhere");
    let Err(ConnectError::Refused(answer)) = within(nowhere.connect_on(&http2)).await else {
        panic!("nothing is there");
    };
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(answer.body().starts_with(b"nothing is here"));
    assert_eq!(answer.body().len(), 64 << 10);
    let mut ws = within(client(address, "/chat").connect_on(&http2))
        .await
        .unwrap();
    within(ws.send("hello")).await.unwrap();
    assert_eq!(
        within(ws.recv()).await.unwrap(),
        Some(Message::Text("hello"))
    );
}

/// An end without a Close; a connection that is gone.
#[tokio::test]
async fn a_stream_that_ends_is_a_connection_that_is_lost() {
    let (http2, address) = http2().await;
    let mut ws = within(client(address, "/cut").connect_on(&http2))
        .await
        .unwrap();
    let error = within(ws.recv()).await.unwrap_err();
    assert!(
        matches!(error, Error::Protocol(_) | Error::Io(_)),
        "{error:?}"
    );
    drop(http2);

    // The task of a server that is cut off.
    let (ours, theirs) = tokio::io::duplex(1 << 10);
    let (tell, arrived) = tokio::sync::oneshot::channel();
    let serving = tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        let handshake = builder
            .enable_connect_protocol()
            .handshake::<_, hyper::body::Bytes>(theirs);
        let mut connection = handshake.await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        assert_eq!(request.uri().path(), "/chat");
        assert_eq!(request.uri().scheme_str(), Some("https"));
        let protocol = request.extensions().get::<h2::ext::Protocol>().unwrap();
        assert_eq!(protocol.as_str(), "websocket");
        let send = respond.send_response(Response::new(()), false).unwrap();
        // Until the answer has arrived.
        tokio::select! {
            _ = connection.accept() => {}
            arrived = arrived => arrived.unwrap(),
        }
        drop((send, request));
    });
    let http2 = within(Http2::over(ours)).await.unwrap();
    let chat = Client::new("wss://chat.example/chat");
    let mut ws = within(chat.connect_on(&http2)).await.unwrap();
    tell.send(()).unwrap();
    let error = within(ws.recv()).await.unwrap_err();
    assert!(
        matches!(error, Error::Protocol(_) | Error::Io(_)),
        "{error:?}"
    );
    within(serving).await.unwrap();
}

/// A server of HTTP/2 that announces nothing, and one of HTTP/1.1.
#[tokio::test]
async fn a_server_that_does_not_announce_it_is_not_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let asked = connection.accept().await;
        assert!(asked.is_none(), "{asked:?}");
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let http2 = within(Http2::over(stream)).await.unwrap();
    assert!(!http2.has_websockets());
    let error = within(client(address, "/").connect_on(&http2)).await;
    assert!(matches!(error.unwrap_err(), ConnectError::NoHttp2));
    drop(http2);
    within(serving).await.unwrap();

    let (ours, mut theirs) = tokio::io::duplex(1 << 10);
    let strange = tokio::spawn(async move {
        let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
        theirs.write_all(answer).await.unwrap();
        let _ = theirs.read_to_end(&mut Vec::new()).await;
    });
    within(Http2::over(ours)).await.unwrap_err();
    within(strange).await.unwrap();
    // One that closes, and one that says nothing, within a deadline of the caller's.
    let (ours, theirs) = tokio::io::duplex(1 << 10);
    drop(theirs);
    within(Http2::over(ours)).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_waited_for_as_long_as_it_may_take() {
    let (ours, theirs) = tokio::io::duplex(1 << 10);
    let serving = tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        let handshake = builder
            .enable_connect_protocol()
            .handshake::<_, hyper::body::Bytes>(theirs);
        let mut connection = handshake.await.unwrap();
        let asked = connection.accept().await.unwrap().unwrap();
        // It is given up: its stream ends.
        let over = connection.accept().await;
        drop(asked);
        over.is_none()
    });
    let http2 = Http2::over(ours).await.unwrap();
    let patience = Duration::from_secs(3);
    let hasty = Client::new("ws://chat.example/").handshake_timeout(patience);
    match hasty.connect_on(&http2).await {
        Err(ConnectError::Timeout { after, .. }) => assert_eq!(after, patience),
        other => panic!("{other:?}"),
    }
    drop(http2);
    assert!(serving.await.unwrap());
}
