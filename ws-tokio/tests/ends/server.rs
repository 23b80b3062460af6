//! Server and client over loopback: what a connection begins with, and how it ends.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use ws_tokio::http::HeaderValue;
use ws_tokio::ws_http::{Proxy, Request, Response, RoomPolicy, Slow, StatusCode};
use ws_tokio::ws_proto::{AcceptStep, Accepting};
use ws_tokio::{
    Client, CloseCode, Config, ConnectError, Error, Group, Handle, Message, Server, Session,
    WebSocket, connect,
};

/// A server that runs.
struct Running {
    address: SocketAddr,
    handle: Handle,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start(set_up: impl FnOnce(Server) -> Server) -> Self {
        let server = set_up(Server::bind("127.0.0.1:0").await.unwrap());
        Self {
            address: server.local_addr(),
            handle: server.handle(),
            task: tokio::spawn(server.run()),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    async fn end(self) {
        self.handle.shutdown();
        within(self.task).await.unwrap().unwrap();
    }
}

async fn echo(mut ws: WebSocket<TcpStream>, _: Request) -> Result<(), Error> {
    while let Some((message, mut reply)) = ws.recv_reply().await? {
        reply.queue(message)?;
    }
    Ok(())
}

#[tokio::test]
async fn ours_talk_to_each_other() {
    let server = Running::start(|server| server.websocket("/echo", echo)).await;
    let mut ws = within(connect(server.url("/echo"))).await.unwrap();
    let long = "x".repeat(300_000);
    for text in ["hello", "", "你好", &long] {
        within(ws.send(text)).await.unwrap();
        assert_eq!(within(ws.recv()).await.unwrap(), Some(Message::Text(text)));
    }
    within(ws.close(CloseCode::NORMAL, "done")).await.unwrap();
    assert_eq!(ws.peer_close(), Some((CloseCode::NORMAL, String::new())));
    server.end().await;
}

#[tokio::test]
async fn a_listener_and_a_handler_are_enough() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(ws_tokio::serve(listener, echo));
    for path in ["", "/", "/any/path?at=all"] {
        let mut ws = within(connect(format!("ws://{address}{path}")))
            .await
            .unwrap();
        within(ws.send(path)).await.unwrap();
        assert_eq!(within(ws.recv()).await.unwrap(), Some(Message::Text(path)));
    }
    serving.abort();
}

#[tokio::test]
async fn the_blocking_adapter_is_a_peer_of_both() {
    let server = Running::start(|server| server.websocket("/echo", echo)).await;
    let url = server.url("/echo");
    let theirs = tokio::task::spawn_blocking(move || {
        let mut ws = ws_std::connect(url).unwrap();
        for text in ["hello", "你好"] {
            ws.send(text).unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Message::Text(text)));
        }
        ws.close(CloseCode::NORMAL, "").unwrap();
    });
    within(theirs).await.unwrap();
    server.end().await;

    let theirs = ws_std::Server::bind("127.0.0.1:0").unwrap();
    let theirs = theirs.websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)));
    let (url, handle) = (format!("ws://{}/", theirs.local_addr()), theirs.handle());
    let serving = std::thread::spawn(|| theirs.run());
    let mut ws = within(connect(url)).await.unwrap();
    within(ws.send("hello")).await.unwrap();
    assert_eq!(
        within(ws.recv()).await.unwrap(),
        Some(Message::Text("hello"))
    );
    handle.shutdown();
    assert_eq!(within(ws.recv()).await.unwrap(), None);
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::GOING_AWAY);
    serving.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_says_1001_to_all_and_waits_for_them() {
    let server = Running::start(|server| {
        let split = |ws: WebSocket<TcpStream>, _| async move {
            let (mut reader, writer) = ws.split();
            while let Some(message) = reader.recv_owned().await? {
                writer.send(&message).await?;
            }
            Ok::<_, Error>(())
        };
        server.websocket("/echo", echo).websocket("/split", split)
    })
    .await;
    let mut clients = Vec::new();
    for path in ["/echo", "/split"] {
        let mut ws = within(connect(server.url(path))).await.unwrap();
        within(ws.send("hello")).await.unwrap();
        within(ws.recv()).await.unwrap();
        clients.push(ws);
    }
    let ended = tokio::spawn(server.end());
    for mut ws in clients {
        assert_eq!(within(ws.recv()).await.unwrap(), None);
        assert_eq!(ws.peer_close().unwrap().0, CloseCode::GOING_AWAY);
    }
    ended.await.unwrap();
}

#[tokio::test]
async fn a_second_shutdown_ends_what_does_not_listen() {
    let server = Running::start(|server| {
        server
            .websocket("/deaf", |ws, _| async move {
                let _ws = ws;
                std::future::pending::<Result<(), Error>>().await
            })
            .grace(Duration::from_secs(86400))
    })
    .await;
    let mut ws = within(connect(server.url("/deaf"))).await.unwrap();
    server.handle.shutdown();
    server.handle.shutdown();
    within(server.task).await.unwrap().unwrap();
    // It still took its leave.
    assert_eq!(within(ws.recv()).await.unwrap(), None);
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::GOING_AWAY);
}

#[tokio::test]
async fn a_handler_s_end_is_the_connection_s() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&errors);
    let server = Running::start(|server| {
        server
            .websocket("/ok", |_, _| async { Ok::<_, Error>(()) })
            .websocket("/error", |_, _| async { Err::<(), _>("it failed") })
            .websocket("/panic", |_, _| async {
                if true {
                    panic!("as the test wants it");
                }
                Ok::<_, Error>(())
            })
            .websocket("/before", |_, _| -> std::future::Ready<Result<(), Error>> {
                panic!("as the test wants it")
            })
            .websocket("/elsewhere", |mut ws, _| async {
                // Whoever has it is asked to close it.
                tokio::spawn(async move { while let Ok(Some(_)) = ws.recv().await {} });
                Ok::<_, Error>(())
            })
            .websocket("/halves", |ws, _| async {
                let (reader, writer) = ws.split();
                writer.queue("last")?;
                drop(reader);
                // A writer that outlives the handler.
                tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(writer);
                });
                Ok::<_, Error>(())
            })
            .on_error(move |error| seen.lock().unwrap().push(error.to_string()))
    })
    .await;
    for (path, code) in [
        ("/ok", CloseCode::NORMAL),
        ("/error", CloseCode::INTERNAL),
        ("/panic", CloseCode::INTERNAL),
        ("/before", CloseCode::INTERNAL),
        ("/elsewhere", CloseCode::NORMAL),
        ("/halves", CloseCode::NORMAL),
    ] {
        let mut ws = within(connect(server.url(path))).await.unwrap();
        if path == "/halves" {
            assert_eq!(
                within(ws.recv()).await.unwrap(),
                Some(Message::Text("last"))
            );
        }
        assert_eq!(within(ws.recv()).await.unwrap(), None, "{path}");
        assert_eq!(ws.peer_close().unwrap().0, code, "{path}");
    }
    assert_eq!(*errors.lock().unwrap(), ["it failed"]);
    server.end().await;
}

#[tokio::test]
async fn a_request_is_decided_as_everywhere() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    let server = Running::start(|server| {
        server
            .get("/", |_| Response::html("<h1>Hello</h1>"))
            .websocket("/rooms/{room}", |mut ws, request: Request| async move {
                let room = request.path_param("room").unwrap_or_default();
                ws.send(&*room).await
            })
            .subprotocols(["chat.v2", "chat.v1"])
            .hook(|request| {
                let seen = HeaderValue::from_static("7");
                request.answer_headers_mut().append("x-seen", seen);
                let is_known = request.param("token").as_deref() != Some("stolen");
                (!is_known).then(|| Response::text("no").with_status(StatusCode::UNAUTHORIZED))
            })
            .on_refusal(move |_, refusal| seen.lock().unwrap().push(refusal.to_string()))
    })
    .await;
    let ws = |path: &str| Client::new(server.url(path));
    let mut open = within(ws("/rooms/7").subprotocol("chat.v1").connect())
        .await
        .unwrap();
    assert_eq!(open.subprotocol(), Some("chat.v1"));
    let headers = open.headers().unwrap();
    assert!(headers.contains_key("sec-websocket-accept"));
    assert_eq!(headers["x-seen"], "7", "as the hook wants it");
    assert_eq!(within(open.recv()).await.unwrap(), Some(Message::Text("7")));

    for (client, status, body) in [
        (ws("/nowhere"), 404, "nothing is here\n"),
        (ws("/"), 200, "<h1>Hello</h1>"),
        (ws("/rooms/7?token=stolen"), 401, "no"),
        (
            ws("/rooms/7").origin("http://elsewhere.example"),
            403,
            "origin http://elsewhere.example",
        ),
        (ws("/rooms/7").header("Host", "rebound.example"), 0, ""),
    ] {
        match within(client.connect()).await {
            Err(ConnectError::Refused(answer)) => {
                let text = String::from_utf8_lossy(answer.body()).into_owned();
                assert_eq!(answer.status(), status, "{text}");
                assert!(text.contains(body), "{text}");
            }
            // The client sends one Host, its own.
            Err(ConnectError::Argument(_) | ConnectError::Header { .. }) if status == 0 => {}
            other => panic!("{status}: {other:?}"),
        }
    }
    let told = log.lock().unwrap().join("\n");
    assert!(
        told.contains("nothing is here") && told.contains("elsewhere.example"),
        "{told}"
    );

    // A page, and a name that is none of ours.
    for (host, starts) in [
        ("localhost", "HTTP/1.1 200 OK\r\n"),
        ("rebound.example", "HTTP/1.1 421 "),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with(starts), "{answer}");
    }
    drop(open);
    server.end().await;
}

#[tokio::test]
async fn there_is_room_for_so_many_and_no_more() {
    let server = Running::start(|server| server.websocket("/", echo).max_connections(1)).await;
    let mut first = within(connect(server.url("/"))).await.unwrap();
    match within(connect(server.url("/"))).await {
        Err(ConnectError::Refused(answer)) => assert_eq!(answer.status(), 503),
        other => panic!("{other:?}"),
    }
    within(first.close(CloseCode::NORMAL, "")).await.unwrap();
    // The place is free once its task has ended.
    while let Err(ConnectError::Refused(_)) = within(connect(server.url("/"))).await {
        tokio::task::yield_now().await;
    }
    server.end().await;
}

#[tokio::test]
async fn a_client_that_is_too_slow_gets_408() {
    let server = Running::start(|server| {
        server
            .websocket("/", echo)
            .handshake_timeout(Duration::from_millis(50))
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    drop(stream);
    server.end().await;
}

#[tokio::test]
async fn the_latest_wait_for_a_member_that_stalls_and_come_when_it_reads() {
    let (near, far) = tokio::io::duplex(1000);
    let mut config = Config::DEFAULT;
    config.limits.max_unsent = 1000;
    let server = WebSocket::over(near, Session::server(&config));
    let mut client = WebSocket::over(far, Session::client(&Config::DEFAULT, [7; 32]));
    let (mut reader, writer) = server.split();
    let group = Group::with(RoomPolicy::new().slow(Slow::Latest(3)));
    let _member = group.join(writer);
    let line = |number: u32| format!("{number} {}", "x".repeat(500));
    let mut sent = 0;
    while group.metrics().dropped < 5 {
        assert_eq!(group.send(&*line(sent)), 1);
        sent += 1;
    }
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = reader.recv().await {} });
    // Nobody sends any more: what had left, then the last three.
    for number in (0..sent - 8).chain(sent - 3..sent) {
        let message = within(client.recv()).await.unwrap();
        assert_eq!(message, Some(Message::Text(&line(number))));
    }
    assert_eq!(group.metrics().closed, 0);
    drop(client);
    within(reading).await.unwrap();
}

#[tokio::test]
async fn a_room_gets_what_anybody_says() {
    let room = Group::new();
    let server = Running::start(|server| {
        let room = room.clone();
        server.websocket("/", move |ws, _| {
            let room = room.clone();
            async move {
                let (mut reader, writer) = ws.split();
                let _member = room.join(writer);
                room.send(&format!("we are {}", room.len()));
                while let Some(message) = reader.recv().await? {
                    room.send(message);
                }
                Ok::<_, Error>(())
            }
        })
    })
    .await;
    let mut one = within(connect(server.url("/"))).await.unwrap();
    assert_eq!(
        within(one.recv()).await.unwrap(),
        Some(Message::Text("we are 1"))
    );
    let mut two = within(connect(server.url("/"))).await.unwrap();
    for ws in [&mut one, &mut two] {
        assert_eq!(
            within(ws.recv()).await.unwrap(),
            Some(Message::Text("we are 2"))
        );
    }
    within(one.send("hello")).await.unwrap();
    for ws in [&mut one, &mut two] {
        assert_eq!(
            within(ws.recv()).await.unwrap(),
            Some(Message::Text("hello"))
        );
    }
    within(one.close(CloseCode::NORMAL, "")).await.unwrap();
    drop(two);
    server.end().await;
    assert!(room.is_empty());
}

#[tokio::test]
async fn a_client_s_way_has_an_end() {
    // Nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let patience = Duration::from_millis(50);
    let client = Client::new(&url).handshake_timeout(patience);
    match within(client.connect()).await {
        Err(ConnectError::Timeout { after, .. }) => assert_eq!(after, patience),
        other => panic!("{other:?}"),
    }
    drop(listener);
    assert!(matches!(
        within(connect(&url)).await,
        Err(ConnectError::Connect { .. })
    ));
    #[cfg(not(feature = "tls"))]
    assert!(matches!(
        within(connect("wss://localhost/")).await,
        Err(ConnectError::NoTls)
    ));
    assert!(matches!(
        within(connect("http://localhost/")).await,
        Err(ConnectError::Url(_))
    ));
}

#[tokio::test]
async fn a_client_goes_through_a_proxy_and_follows_a_redirect() {
    let server = Running::start(|server| {
        server.websocket("/echo", echo).get("/moved", |_| {
            let moved = Response::text("").with_status(StatusCode::TEMPORARY_REDIRECT);
            moved.header("location", "/echo")
        })
    })
    .await;
    let mut ws = within(
        Client::new(server.url("/moved"))
            .follow_redirects()
            .connect(),
    )
    .await
    .unwrap();
    within(ws.send("hello")).await.unwrap();
    assert_eq!(
        within(ws.recv()).await.unwrap(),
        Some(Message::Text("hello"))
    );
    drop(ws);

    // A proxy that connects to one server, whatever it is asked for.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let address = server.address;
    let proxying = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut server = TcpStream::connect(address).await.unwrap();
        tokio::io::copy_bidirectional(&mut client, &mut server)
            .await
            .unwrap();
        String::from_utf8(head).unwrap()
    });
    // Not an address that could be connected to.
    let client = Client::new("ws://localhost:1/echo").proxy(proxy);
    let mut ws = within(client.connect()).await.unwrap();
    within(ws.send("hello")).await.unwrap();
    assert_eq!(
        within(ws.recv()).await.unwrap(),
        Some(Message::Text("hello"))
    );
    within(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    let asked = within(proxying).await.unwrap();
    assert!(
        asked.starts_with("CONNECT localhost:1 HTTP/1.1\r\n"),
        "{asked}"
    );
    server.end().await;
}

#[tokio::test]
async fn a_client_connects_over_any_stream() {
    let (client, server) = tokio::io::duplex(1000);
    let answering = tokio::spawn(async move {
        let mut server = server;
        let mut accepting = Accepting::new(&Config::default());
        loop {
            match accepting.step() {
                AcceptStep::NeedData => {
                    let len = server.read(accepting.spare_mut().unwrap()).await.unwrap();
                    accepting.filled(len);
                }
                AcceptStep::Request(asked) => {
                    let accept = asked.request().accept().unwrap();
                    asked.accept(accept);
                }
                AcceptStep::NeedWrite => {
                    server.write_all(accepting.unsent()).await.unwrap();
                    accepting.sent(accepting.unsent().len());
                }
                AcceptStep::Open(session) => break WebSocket::over(server, session),
                AcceptStep::Over(why) => panic!("{why:?}"),
            }
        }
    });
    let asking = Client::new("wss://elsewhere.example/chat");
    let mut client = within(asking.connect_over(client)).await.unwrap();
    let mut server = within(answering).await.unwrap();
    within(client.send("hi")).await.unwrap();
    assert_eq!(
        within(server.recv()).await.unwrap(),
        Some(Message::Text("hi"))
    );
}
