//! *Quiet*: what can hold a secret or what peers say to each other does not show it to whoever logs
//! it: names, numbers, and the lengths of what is not shown.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc;

use crate::common::{run, server};
use ws_proto::handshake::{
    Accept, Answer, Extension, Extensions, FieldValue, HeaderIter, Headers, Key, KeyText, Offer,
    ParamValue, Params, Request, ResourceName, Response, Uri,
};
use ws_proto::{
    AcceptStep, Accepting, Buffers, Chunk, Close, CloseCode, Compressor, Compressors, Config,
    ConnectStep, Connecting, Connection, Deflate, Draft, Event, Header, HeaderBytes, Incoming,
    Kind, Limits, Mask, MaskKeys, Message, MessageBuf, Opcode, Outgoing, Part, Parts, Prepared,
    Received, Receiver, Sender, Session, Step, Transmit, Utf8,
};
use ws_std::ws_http::{Ask, BodyReader, Redirected, Redirects, Tunnel};
use ws_std::{
    App, Basic, Bearer, Client, ConnectError, Credentials, Group, MessageReader, MessageWriter,
    Presence, Proxies, Proxy, Reader, Reconnect, RoomPolicy, Rooms, StatusCode, Tapped, Url,
    Writer, http,
};

/// A secret, a payload, a key: no other text has it in it.
const MARK: &str = "s3cr3tMARK";
/// As a seed.
const SEED: [u8; 32] = *b"s3cr3tMARKs3cr3tMARKs3cr3tMARKs3";
/// As a nonce, and what that is in base64 begins with this.
const NONCE: [u8; 16] = *b"s3cr3tMARKs3cr3t";
const NONCE_TEXT: &str = "czNjcjN0";

/// Fails if `text` has the mark in it, as text or as a list of numbers.
fn assert_quiet(text: &str) {
    let packed: String = text.split_whitespace().collect();
    let packed = packed.to_ascii_lowercase();
    let bytes = MARK.as_bytes();
    for shown in [
        MARK.to_ascii_lowercase(),
        NONCE_TEXT.to_ascii_lowercase(),
        // Four bytes are a key; three of them may be a character.
        "115,51,99".into(),
        "51,99,114".into(),
        "0x73,0x33".into(),
        "73336372".into(),
        format!(
            "{}",
            u32::from_be_bytes(*bytes.first_chunk().expect("four"))
        ),
        format!(
            "{}",
            u32::from_le_bytes(*bytes.first_chunk().expect("four"))
        ),
    ] {
        assert!(!packed.contains(&shown), "{shown} in {text}");
    }
}

fn quiet(value: &dyn Debug) {
    assert_quiet(&format!("{value:?}"));
    assert_quiet(&format!("{value:#?}"));
}

fn quiet_text(value: &dyn Display) {
    assert_quiet(&format!("{value}"));
    assert_quiet(&format!("{value:#}"));
}

/// A frame from the peer, masked with the mark if that is a client.
fn frame(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    ws_testkit::frame(first, masked.then_some(*b"s3cr"), payload)
}

#[test]
fn quiet_sessions_in_every_state_show_nothing() {
    for is_server in [true, false] {
        let make = || match is_server {
            true => Session::server(&Config::default()),
            false => Session::client(&Config::default(), SEED),
        };
        let mut session = make();
        quiet(&session);
        session.send(MARK).expect("room");
        session.send(MARK.repeat(1000).as_bytes()).expect("room");
        session
            .send_prepared(&Prepared::new(MARK.repeat(1000).as_str()))
            .expect("room");
        session.ping(MARK.as_bytes()).expect("open");
        session.pong(MARK.as_bytes()).expect("open");
        session.push(&frame(0x89, is_server, MARK.as_bytes()));
        let _ = session.step().expect("a Ping");
        // A text that is cut within a frame, and within a character.
        session.push(&frame(0x01, is_server, MARK.as_bytes()));
        session.push(&frame(0x80, is_server, MARK.as_bytes())[..9]);
        let _ = session.step().expect("in order");
        quiet(&session);
        session
            .send_part(Kind::Text, MARK.as_bytes(), Part::More)
            .expect("room");
        session.ping(MARK.as_bytes()).expect("open");
        quiet(&session);
        let (incoming, outgoing): (Incoming, Outgoing) = session.split();
        quiet(&incoming);
        quiet(&outgoing);
        let mut session = Session::join(incoming, outgoing);

        let mut taken = Buffers::default();
        session.halves().1.swap(&mut taken);
        quiet(&taken);
        let received = frame(0x81, is_server, MARK.as_bytes());
        let len = received.len();
        quiet(&Buffers::received(received, 0..len));

        let mut session = make();
        session.send(MARK).expect("room");
        session.push(&frame(
            0x88,
            is_server,
            &[&[3, 232], MARK.as_bytes()].concat(),
        ));
        let _ = session.step().expect("a Close");
        quiet(&session);
        let parts: Parts = session.into_parts().expect("between messages");
        quiet(&parts);
        let mut session = make();
        let close = Close::new(CloseCode::NORMAL, MARK).expect("short");
        session.close(Some(close)).expect("open");
        quiet(&session);
    }
}

/// Whatever a message passes through on its way to the application, and what it is there.
#[test]
fn quiet_messages_show_how_long_they_are() {
    let payload = MARK.as_bytes();
    for message in [Message::Text(MARK), Message::Binary(payload)] {
        quiet(&message);
        let owned: MessageBuf = message.to_owned();
        quiet(&owned);
        quiet(&Step::Message(message));
        quiet(&Event::Message(message));
        quiet(&ws_std::Next::Message(message));
    }
    assert_eq!(format!("{:?}", Message::Text(MARK)), "Text(10 bytes)");
    let chunk = Chunk {
        kind: Kind::Text,
        payload,
        part: Part::More,
    };
    let close = Close::new(CloseCode::NORMAL, MARK).expect("short");
    quiet(&close);
    for event in [
        Event::Chunk(chunk),
        Event::Deflated(chunk),
        Event::Ping(payload),
        Event::Pong(payload),
        Event::Close(Some(close)),
    ] {
        quiet(&event);
        quiet(&Step::Control(event));
        let received = Received {
            consumed: 0,
            event: Some(event),
        };
        quiet(&received);
    }
}

#[test]
fn quiet_the_bare_core_shows_nothing() {
    for mut connection in [
        Connection::server(&Limits::default()),
        Connection::client(&Limits::default(), SEED),
    ] {
        connection.ping(MARK.as_bytes()).expect("open");
        connection.pong(MARK.as_bytes()).expect("open");
        let close = Close::new(CloseCode::NORMAL, MARK).expect("short");
        connection.close(Some(close)).expect("open");
        quiet(&connection);
        let transmit: Transmit = connection.poll_transmit().expect("a Ping");
        quiet(&transmit);
        quiet(&connection);
    }
    let mut receiver = Receiver::new(ws_proto::Role::Server, &Limits::default());
    let mut input = frame(0x81, true, &MARK.repeat(3).into_bytes());
    let _ = receiver.receive(&mut input[..20]).expect("in order");
    quiet(&receiver);
    let mut sender = Sender::client(SEED);
    sender.ping(MARK.as_bytes()).expect("open");
    quiet(&sender);

    let mask = Mask::new(*b"s3cr");
    quiet(&mask);
    quiet(&MaskKeys::new(SEED));
    let header = Header::new(Opcode::Text, 5)
        .expect("short")
        .masked(Some(mask));
    quiet(&header);
    let bytes: HeaderBytes = header.encode();
    quiet(&bytes);
    let mut utf8 = Utf8::new();
    utf8.push("字".as_bytes().split_at(2).0).expect("cut");
    assert!(!format!("{utf8:?}").contains(&"字".as_bytes()[0].to_string()));

    let prepared = Prepared::new(Message::Text(MARK));
    quiet(&prepared);
    let mut compressed = Session::server(&Config::default());
    let agreed = ws_proto::handshake::Compression {
        server: ws_proto::handshake::Direction::FULL,
        client: ws_proto::handshake::Direction::FULL,
    };
    let mut settings = Deflate::default();
    settings.min_len = 0;
    compressed = compressed.compressed(&settings, &agreed);
    compressed.send(MARK).expect("room");
    quiet(&compressed);
    let compressor: Option<Compressor> = compressed.halves().1.take_compressor();
    quiet(&compressor);
    let mut shared = Compressors::default();
    shared
        .lend(compressed.halves().1, MARK.len(), |out| out.send(MARK))
        .expect("room");
    quiet(&shared);
}

#[test]
fn quiet_handshakes_show_no_values() {
    let key = Key::new(NONCE);
    quiet(&key);
    let url = format!("ws://h/?token={MARK}");
    let uri = Uri::parse(&url).expect("one");
    quiet(&uri);
    quiet_text(&uri);
    let name: ResourceName<'_> = uri.resource_name();
    quiet(&name);
    let headers = [("Authorization", MARK), ("Cookie", MARK)];
    let protocols = [MARK];
    let offer = Offer::to(&uri).headers(&headers).expect("valid");
    let offer = offer.protocols(&protocols).expect("tokens");
    quiet(&offer);
    for (_, value) in offer.fields(&key) {
        let value: FieldValue<'_> = value;
        quiet(&value);
    }
    let text: KeyText = key.encode();
    quiet(&text);
    let mut out = [0; 2048];
    let len = offer.encode(&key, &mut out).expect("room");
    let request = Request::parse(&out[..len]).expect("valid");
    quiet(&request);
    let headers: Headers<'_> = request.headers();
    quiet(&headers);
    let lines: HeaderIter<'_> = headers.iter();
    quiet(&lines);

    let cookie = [("Set-Cookie", MARK)];
    let accept: Accept<'_> = request.accept().expect("a handshake");
    let accept = accept
        .protocol(MARK)
        .and_then(|it| it.headers(&cookie))
        .expect("valid");
    quiet(&accept);
    let answer = Answer::new(401)
        .and_then(|it| it.headers(&cookie))
        .expect("valid");
    quiet(&answer.body(MARK.as_bytes()));
    let mut reply = [0; 2048];
    let replied = accept.encode(&mut reply).expect("room");
    let response = Response::parse(&reply[..replied]).expect("valid");
    quiet(&response);
    quiet(&response.headers());

    let mut entropy = [0; 48];
    entropy[..16].copy_from_slice(&NONCE);
    entropy[16..].copy_from_slice(&SEED);
    let mut connecting = Connecting::new(&offer, &Config::default(), entropy);
    quiet(&connecting);
    let mut accepting = Accepting::new(&Config::default());
    accepting.push(&out[..len]).expect("room");
    quiet(&accepting);
    let step: AcceptStep<'_> = accepting.step();
    assert!(
        matches!(step, AcceptStep::Request(_)),
        "with what was Asked"
    );
    quiet(&step);
    let unsent = connecting.unsent().len();
    connecting.sent(unsent);
    connecting.push(&reply[..replied]).expect("room");
    quiet(&connecting);
    let step: Result<ConnectStep<'_>, _> = connecting.step();
    quiet(&step);
}

#[test]
fn quiet_extensions_show_names() {
    let head = format!("GET / HTTP/1.1\r\nSec-WebSocket-Extensions: mux; key={MARK}\r\n\r\n");
    let request = Request::parse(head.as_bytes()).expect("valid");
    let mut all: Extensions<'_> = request.extensions();
    quiet(&all);
    let extension: Extension<'_> = all.next().expect("one").expect("valid");
    quiet(&extension);
    let mut params: Params<'_> = extension.params();
    quiet(&params);
    let (_, value) = params.next().expect("one");
    let value: Option<ParamValue<'_>> = value;
    quiet(&value);
}

#[test]
fn quiet_the_blocking_adapter_shows_nothing() {
    let (tell, told) = mpsc::channel();
    let server = server().websocket("/", move |mut ws, request| {
        let mut shown = vec![
            format!("{request:?} {request:#?}"),
            format!("{ws:?} {ws:#?}"),
        ];
        assert_eq!(ws.recv()?, Some(Message::Text(MARK)));
        shown.push(format!("{ws:?} {ws:#?}"));
        ws.send(MARK)?;
        shown.push(format!("{ws:?} {ws:#?}"));
        ws.for_each(|message, tx| {
            tx.send(message)?;
            shown.push(format!("{tx:?} {tx:#?}"));
            Ok::<_, ws_std::Error>(())
        })?;
        let (reader, writer): (Reader, Writer) = ws.split();
        shown.push(format!("{reader:?} {writer:?} {reader:#?} {writer:#?}"));
        tell.send(shown).expect("somebody listens");
        Ok::<_, ws_std::Error>(())
    });
    quiet(&server);
    let server = run(server);
    let client = |path: &str| {
        let client = Client::new(format!("{}?token={MARK}", server.url(path)));
        let client = client.header("Authorization", MARK).subprotocol(MARK);
        client.tap(|_| {})
    };
    quiet(&client("/"));
    let lasting: Reconnect = client("/").reconnect();
    quiet(&lasting);
    quiet(&App::from(client("/")));
    let own = Credentials::new("li", MARK).expect("no colon");
    quiet(&client("/").credentials(own));
    quiet(&Client::new(format!("ws://li:{MARK}@h/")));
    let mut ws = client("/").connect().expect("a server");
    quiet(&ws);
    for _ in 0..2 {
        ws.send(MARK).expect("open");
        assert_eq!(ws.recv().expect("open"), Some(Message::Text(MARK)));
    }
    ws.ping(MARK.as_bytes()).expect("open");
    quiet(&ws);
    let writer = ws.writer();
    quiet(&writer);
    writer.queue(MARK).expect("room");
    let group = Group::new();
    let member = group.join(writer);
    quiet(&group);
    quiet(&member);
    let rooms = Rooms::with(|_| RoomPolicy::new().history(1));
    let guest: Presence<&str> = rooms.enter(ws.writer(), MARK);
    guest.join(MARK);
    quiet(&rooms);
    quiet(&guest);
    drop(guest);
    let (mut reader, writer) = ws.split();
    writer.close(CloseCode::NORMAL, MARK).expect("open");
    while let Ok(Some(_)) = reader.recv() {}
    quiet(&reader);
    quiet(&writer);
    for shown in told.recv().expect("the handler's") {
        assert_quiet(&shown);
    }

    let refused = client("/elsewhere").connect();
    let refused = refused.expect_err("there is nothing");
    assert!(matches!(refused, ConnectError::Refused(_)), "{refused}");
    quiet(&refused);
    quiet_text(&refused);
    quiet(&ws_std::Response::text(MARK));
}

#[test]
fn quiet_what_surrounds_a_websocket_shows_no_secret() {
    let credentials = || Credentials::new("li", MARK).expect("no colon");
    quiet(&credentials());
    quiet(&Basic::new([credentials()]));
    quiet(&Bearer::new([MARK]).expect("a token"));

    let proxy = Proxy::parse(&format!("http://li:{MARK}@127.0.0.1:8080")).expect("a proxy");
    quiet(&proxy);
    let mut tunnel = Tunnel::new(&proxy, "chat.example", 80).expect("a host");
    quiet(&tunnel);
    let answer = format!("HTTP/1.1 200 {MARK}\r\nServer: {MARK}");
    tunnel.receive(answer.as_bytes()).expect("not whole");
    quiet(&tunnel);
    let variable = |name: &str| (name == "http_proxy").then(|| format!("http://li:{MARK}@proxy"));
    quiet(&Proxies::of(variable));

    let location = format!("/there?token={MARK}");
    let redirected = Redirects::follow().next("ws://a/", StatusCode::FOUND, Some(&location));
    quiet(&Url::parse(&format!("ws://li:{MARK}@h/?token={MARK}")));
    let redirected = redirected.expect("same origin").expect("a redirect");
    assert!(redirected.url.contains(MARK));
    let redirected: Redirected = redirected;
    quiet(&redirected);

    let uri = format!("/?token={MARK}");
    let head = http::Request::get(uri).header("cookie", MARK).body(());
    let peer = ([127, 0, 0, 1], 1).into();
    quiet(&ws_std::Request::new(head.expect("a request"), peer));
    let mut body = BodyReader::new(StatusCode::NOT_FOUND, &http::HeaderMap::new()).expect("a body");
    body.push(MARK.as_bytes()).expect("short");
    quiet(&body);

    for tapped in [
        Tapped::HeadSent(MARK.as_bytes()),
        Tapped::HeadReceived(MARK.as_bytes()),
        Tapped::Sent(MARK.as_bytes()),
        Tapped::Received(MARK.as_bytes()),
    ] {
        quiet(&tapped);
    }
}

/// The mark would be found: or the tests above would prove nothing.
#[test]
fn the_mark_is_found_however_it_is_shown() {
    let shown: [&dyn Debug; 4] = [&MARK, &NONCE, &Some(&NONCE[..]), b"as3cr"];
    for shown in shown {
        for text in [format!("{shown:?}"), format!("{shown:#?}")] {
            let found = std::panic::catch_unwind(|| assert_quiet(&text));
            assert!(found.is_err(), "{text}");
        }
    }
}

#[test]
fn quiet_what_is_asked_for_and_messages_in_parts_show_nothing() {
    let mut ask = Ask::default();
    ask.headers.push(("Cookie".into(), MARK.into()));
    ask.subprotocols.push(MARK.into());
    ask.credentials = Some(Credentials::new("li", MARK).unwrap());
    quiet(&ask);
    let mut draft = Draft::new(Kind::Text);
    assert_eq!(draft.write(MARK.as_bytes()), Ok(MARK.len()));
    quiet(&draft);
    let echo = server().websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)));
    let server = run(echo);
    let mut ws = server.connect();
    let mut message: MessageWriter<'_> = ws.send_writer(Kind::Text);
    message.write_all(MARK.as_bytes()).unwrap();
    quiet(&message);
    message.finish().unwrap();
    let mut message: MessageReader<'_> = ws.recv_reader().unwrap().expect("an answer");
    quiet(&message);
    message.read_exact(&mut [0; 3]).unwrap();
    quiet(&message);
}

/// The public types that have nothing to hide. All others are formatted above, by their names.
const OPEN: [(&str, &[&str]); 4] = [
    (
        "numbers, names of the protocol, settings",
        &[
            "Admission",
            "Agreed",
            "Backoff",
            "Body",
            "Bootstrap",
            "Budget",
            "Charge",
            "Clock",
            "Compress",
            "Counters",
            "Ended",
            "Entered",
            "Failure",
            "HttpVersion",
            "Instant",
            "Liveness",
            "Login",
            "Metrics",
            "Pace",
            "ProxyHeader",
            "ProxyKind",
            "Quota",
            "Ready",
            "Retry",
            "RoomMetrics",
            "Route",
            "Scan",
            "Scheme",
            "Shutdown",
            "Slow",
            "SocksReply",
            "Stage",
            "State",
            "StopHandle",
            "Takeover",
            "Timeouts",
            "Verdict",
            "Watch",
            "WhenIdle",
            "WindowBits",
        ],
    ),
    (
        "errors that say a limit, a place, a code or a name, and are copied",
        &[
            "ArgumentError",
            "BodyError",
            "Excess",
            "HeadError",
            "HeaderError",
            "InvalidCredentials",
            "InvalidExtensions",
            "InvalidHost",
            "InvalidNetwork",
            "InvalidOrigin",
            "InvalidProxy",
            "InvalidUrl",
            "InvalidUtf8",
            "NoRoom",
            "ProtocolError",
            "ProxyHeaderError",
            "RedirectError",
            "Refusal",
            "RequestError",
            "ResponseError",
            "RouteError",
            "SendError",
            "TimedOut",
            "TunnelError",
            "UriError",
        ],
    ),
    (
        "hosts, origins, addresses and paths, which are names",
        &[
            "Attempt",
            "Attempts",
            "Dialed",
            "Hosts",
            "Origin",
            "Origins",
            "ServerTls",
            "Site",
            "Tls",
            "Tried",
            "Trusted",
        ],
    ),
    (
        "what others are seen through that are formatted above, and the answer to a key, which is sent in the clear",
        &[
            "AcceptToken",
            "AppError",
            "AppHandle",
            "CallError",
            "Corked",
            "Handle",
            "Membership",
            "TlsError",
        ],
    ),
];

/// The source files in a folder, and in those within it.
fn sources(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![fs::read_to_string(path).expect("text")],
    });
    files.collect()
}

/// A type that is added is either formatted here or has nothing to hide, and somebody has said so.
#[test]
fn quiet_every_public_type_is_accounted_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own = include_str!("quiet.rs");
    let formatted = own.split("const OPEN").next().expect("a beginning");
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|char: char| !char.is_alphanumeric() && char != '_');
        words.map(str::to_owned).collect()
    };
    let formatted = words(formatted);
    let open: BTreeSet<_> = OPEN.iter().flat_map(|(_, types)| *types).copied().collect();
    let mut public = BTreeSet::new();
    for name in ["ws-proto", "ws-http", "ws-std"] {
        for source in sources(&root.join(name).join("src")) {
            for line in source.lines().map(str::trim_start) {
                let item = ["pub struct ", "pub enum "].map(|item| line.strip_prefix(item));
                let rest = item.into_iter().flatten().next();
                public.extend(
                    rest.and_then(|rest| {
                        words(rest.split(['<', '(', ' ', ';']).next()?).pop_first()
                    }),
                );
            }
        }
    }
    assert!(public.contains("Session") && public.contains("Site") && public.contains("Corked"));
    let forgotten: Vec<_> = (public.iter())
        .filter(|name| !formatted.contains(*name) && !open.contains(&***name))
        .collect();
    assert!(
        forgotten.is_empty(),
        "neither formatted nor open: {forgotten:?}"
    );
    let gone: Vec<_> = open
        .iter()
        .filter(|name| !public.contains(**name))
        .collect();
    assert!(gone.is_empty(), "open, and not there: {gone:?}");
}
