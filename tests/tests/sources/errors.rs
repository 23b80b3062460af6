//! Every error that the core and `ws-std` can tell has occurred: the variants are read from the
//! source, the errors come from calls, from the tables of `tests/handshake` and over sockets. Those
//! of frames are in `ws-proto/tests/session/transcripts.rs`.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::common::{Raw, run, server, timeouts, within};
use ws_proto::handshake::{Answer, HttpVersion, Key, Offer, Request, Scan, Uri};
use ws_proto::{
    AcceptStep, Accepting, Close, CloseCode, Config, Connection, Draft, Instant, Kind, Limits,
    Message, Part, SendError, Sender, Session,
};
use ws_std::{Client, Clock, Error, Pace, Proxy, Response, StatusCode, Timeouts, WebSocket};
use ws_testkit::heads::rows;
use ws_testkit::{TEXT, name_of, variants};

/// The variants that are missing among `occurred`.
fn missing<'s>(source: &'s str, name: &str, occurred: &BTreeSet<String>) -> Vec<&'s str> {
    let variants = variants(source, name);
    assert!(!variants.is_empty(), "{name} is not there");
    let occurred = |variant: &&str| !occurred.contains(*variant);
    variants.into_iter().filter(occurred).collect()
}

fn names<E: std::fmt::Debug>(errors: impl IntoIterator<Item = E>) -> BTreeSet<String> {
    let name = |error| name_of(&format!("{error:?}")).to_owned();
    errors.into_iter().map(name).collect()
}

/// Those of heads, which come within errors of requests and of responses.
fn of_heads<E: std::fmt::Debug>(errors: &[E]) -> BTreeSet<String> {
    let shown = errors.iter().map(|error| format!("{error:?}"));
    shown
        .filter_map(|shown| Some(name_of(shown.strip_prefix("Head(")?).to_owned()))
        .collect()
}

#[test]
fn every_handshake_error_occurs() {
    let requests = rows("request.txt", "requests");
    let judged = requests.iter().filter_map(|row| {
        let input = [&row.head[..], &row.behind].concat();
        Request::parse_prefix(&mut Scan::new(), &input, &Limits::DEFAULT)
            .and_then(|parsed| parsed.map_or(Ok(()), |(request, _)| request.accept().map(drop)))
            .err()
            .inspect(|_| assert_ne!(row.verdict, ["101"], "{}", row.place))
    });
    let mut refused: Vec<_> = judged.collect();
    // What a whole head is judged by, the lists that are looked at when asked for, and pages.
    let upgrade = requests.iter().find(|row| row.verdict == ["101"]);
    let head = &upgrade.expect("a good one").head;
    let with = |line: &str| {
        let (head, end) = head.split_at(head.len() - 2);
        [head, line.as_bytes(), end].concat()
    };
    refused.extend([
        Request::parse(&head[..head.len() - 1]).unwrap_err(),
        Request::parse(&[head, &b"x"[..]].concat()).unwrap_err(),
        Request::parse(&with("Origin: null\r\n"))
            .and_then(|request| request.same_origin())
            .unwrap_err(),
        Request::extended_connect(HttpVersion::Http2, "h2c", "a", "/", &[][..])
            .and_then(|request| request.accept().map(drop))
            .unwrap_err(),
    ]);

    let key = Key::new(*b"the sample nonce");
    let offer = Offer::new("server.example.com", "/chat").expect("a good offer");
    let offered = offer.protocols(&["chat", "superchat"]).expect("good ones");
    let mut failed = Vec::new();
    for row in rows("response.txt", "responses") {
        let input = [&row.head[..], &row.behind].concat();
        let verified = offered.verify(&key, &mut Scan::new(), &input, &Limits::DEFAULT);
        // A response that is whole is opened or refused; a part of one is neither.
        assert!(
            !matches!(verified, Ok(None)) || row.verdict == ["more"],
            "{}",
            row.place
        );
        failed.extend(verified.err());
    }

    let request = Request::parse(head).expect("a request");
    let accept = request.accept().expect("a handshake");
    let names_of_many: Vec<_> = (0..65).map(|number| number.to_string()).collect();
    let many: Vec<_> = names_of_many.iter().map(String::as_str).collect();
    let asked = [
        Offer::new("a b", "/").unwrap_err(),
        Offer::new("a", "b").unwrap_err(),
        offer.origin("a").unwrap_err(),
        offer.headers(&[("a b", "c")]).unwrap_err(),
        offer.headers(&[("a", "\n")]).unwrap_err(),
        offer.headers(&[("Host", "b")]).unwrap_err(),
        offer.protocols(&["a b"]).unwrap_err(),
        offer.protocols(&["a", "a"]).unwrap_err(),
        offer.protocols(&many).unwrap_err(),
        accept.protocol("never offered").unwrap_err(),
        accept.protocol("neveroffered").unwrap_err(),
        Answer::new(100).unwrap_err(),
    ];

    let mut late = Accepting::new(&Config::DEFAULT);
    for time in [Duration::ZERO, Duration::MAX] {
        let _ = late.check(Instant::from_epoch(time));
    }
    late.sent(usize::MAX);
    if let AcceptStep::Over(why) = late.step() {
        refused.extend(why);
    }

    let source = include_str!("../../../ws-proto/src/handshake/error.rs");
    let heads = of_heads(&refused).into_iter().chain(of_heads(&failed));
    for (error, occurred) in [
        ("HeadError", heads.collect()),
        ("RequestError", names(refused)),
        ("ResponseError", names(failed)),
        ("ArgumentError", names(asked)),
    ] {
        assert_eq!(missing(source, error, &occurred), [""; 0], "{error}");
    }
}

#[test]
fn every_send_error_occurs() {
    let mut limits = Limits::DEFAULT;
    limits.max_unsent = 4;
    let mut full = Session::server(&limits.into());
    full.send("0123456789").expect("the first is taken");
    let mut begun = Sender::server();
    begun
        .begin(Kind::Text, 0, Part::More)
        .expect("it is the first");
    let mut closed = Connection::server(&limits);
    closed.close(None).expect("it is open");
    let occurred = names([
        closed.ping(b"").unwrap_err(),
        begun.send(Message::Text(""), &mut [0; 9]).unwrap_err(),
        full.ping(&[0; 126]).unwrap_err(),
        Close::new(CloseCode::NORMAL, &"x".repeat(124)).unwrap_err(),
        Sender::server()
            .begin(Kind::Binary, 1 << 63, Part::Last)
            .unwrap_err(),
        Sender::server()
            .send(Message::Text("Hello"), &mut [0; 3])
            .unwrap_err(),
        full.send("x").unwrap_err(),
        Draft::new(Kind::Text).write(b"\xff").unwrap_err(),
    ]);
    let source = include_str!("../../../ws-proto/src/error.rs");
    // That takes a machine whose memory is full: `ws-proto/tests/out_of_memory.rs`.
    let missing = missing(source, "SendError", &occurred);
    assert_eq!(missing, [name_of(&format!("{:?}", SendError::OutOfMemory))]);
}

/// A server's end of an open connection, and a peer that speaks bytes.
fn served(timeouts: Timeouts) -> (WebSocket, Raw) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = Raw::connect(listener.local_addr().expect("its address"));
    let (stream, _) = listener.accept().expect("it is there");
    let clock = Clock::system();
    let mut config = Config::DEFAULT;
    config.timeouts = timeouts;
    let session = Session::server(&config);
    let ws = WebSocket::over(stream, session, clock).expect("a connection");
    (ws, peer)
}

#[test]
fn every_error_of_a_connection_occurs() {
    let (mut misled, mut peer) = served(Timeouts::default());
    peer.write([0xff; 8]);
    peer.half_close();
    let (mut asked, _peer) = served(Timeouts::default());
    // Its peer answers no Close.
    let (mut alone, _silent) = served(timeouts(None, 60_000, 10));
    let (mut dropped, _peer) = served(Timeouts::default());
    dropped.writer().abort();
    let mut occurred = names([
        misled.recv().unwrap_err(),
        asked.ping(&[0; 126]).unwrap_err(),
        alone.close(CloseCode::NORMAL, "").unwrap_err(),
        dropped.send("x").unwrap_err(),
    ]);
    // It talks too much.
    let mut pace = Pace::default();
    pace.max_frames = Some(1);
    let (tell, told) = mpsc::channel();
    let paced = server().timeouts(timeouts(None, 60_000, 10)).pace(pace);
    let paced = paced.websocket("/", move |mut ws, _| {
        let error = ws.for_each(|_, _| Ok::<_, Error>(())).unwrap_err();
        tell.send(error).expect("the test waits");
        Ok::<_, Error>(())
    });
    let paced = run(paced);
    let mut peer = Raw::connect(paced.addr);
    peer.upgrade();
    peer.write(peer.frame(TEXT, b"x").repeat(100));
    occurred.extend(names([within(move || told.recv().expect("an error"))]));
    assert_eq!(missing(OPEN, "Error", &occurred), [""; 0]);
}

#[test]
fn every_connect_error_occurs() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("its address"));
    let left = thread::spawn({
        let url = url.clone();
        || ws_std::connect(url).unwrap_err()
    });
    drop(listener.accept().expect("it is there"));
    let left = left.join().expect("an error");
    let misled = thread::spawn({
        let url = url.clone();
        || ws_std::connect(url).unwrap_err()
    });
    let mut peer = Raw::over(listener.accept().expect("it is there").0, false);
    peer.head();
    peer.write(b"SSH-2.0\r\n\r\n");
    let broken = misled.join().expect("an error");
    let serving = run(server().get("/moved", |_| {
        let answer = Response::text("").with_status(StatusCode::FOUND);
        answer.header("location", "ftp://h/")
    }));
    // It is an HTTP server, and no proxy.
    let proxy = Proxy::parse(&format!("http://{}", serving.addr)).expect("its URL");
    let failed = |client: Client| client.connect().unwrap_err();
    let mut occurred = names([
        left,
        failed(Client::new("")),
        // It does not speak TLS.
        failed(Client::new(format!("wss://{}/", serving.addr))),
        // A port that nobody can have.
        failed(Client::new("ws://127.0.0.1:0/")),
        // The system accepts it, and nobody answers.
        failed(Client::new(&url).handshake_timeout(Duration::from_millis(10))),
        failed(Client::new(serving.url("/nowhere"))),
        failed(Client::new(serving.url("/moved")).follow_redirects()),
        failed(Client::new("ws://nobody.example/").proxy(proxy)),
        failed(Client::new(&url).subprotocol("a b")),
        failed(Client::new(&url).header("Host", "b")),
        broken,
    ]);
    let hook = Client::new(&url).reconnect().retry_if(|_| false);
    let mut hook = hook.before_each(|_| Err(ErrorKind::NotFound.into()));
    occurred.extend(names(hook.next().map(|failed| failed.unwrap_err())));
    // They take a build without TLS (`ws-std/tests/client/answers.rs`), HTTP/2 (`ws-tokio/tests/guest/http2.rs`),
    // and a system whose source of randomness fails: there is no call that makes it.
    assert_eq!(
        missing(CONNECT, "ConnectError", &occurred),
        ["Entropy", "NoHttp2", "NoTls"]
    );
}

#[test]
fn every_uri_error_occurs() {
    let urls = [
        "ws://h/a b",
        "http://h/",
        "ws://:80/",
        "ws://a\\b/",
        "ws://münchen.example/",
        "ws://h:99999/",
        "ws://h/#top",
        "ws://user@h/",
    ];
    let occurred = names(urls.map(|url| Uri::parse(url).unwrap_err()));
    let source = include_str!("../../../ws-proto/src/handshake/uri.rs");
    assert_eq!(missing(source, "UriError", &occurred), [""; 0]);
}

/// What can go wrong with an open connection.
const OPEN: &str = include_str!("../../../ws-proto/src/failure.rs");

/// What can go wrong when connecting.
const CONNECT: &str = include_str!("../../../ws-http/src/connect_error.rs");
