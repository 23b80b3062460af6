//! *Quiet*: what can hold a secret or what peers say to each other does not show it to whoever logs
//! it. Messages, events, steps and closes are the application's own values: they may.

#[path = "../../ws-std/tests/common/mod.rs"]
mod common;

use std::fmt::{Debug, Display};
use std::sync::mpsc;

use common::{run, server};
use ws_proto::handshake::{Accept, Answer, Key, Offer, Request, Response, Uri};
use ws_proto::{
    Accepting, Buffers, Close, CloseCode, Config, Connecting, Connection, Deflate, Header, Kind,
    Limits, Mask, MaskKeys, Message, Opcode, Part, Prepared, Receiver, Sender, Session, Utf8,
};
use ws_std::ws_http::{BodyReader, Redirects, Tunnel};
use ws_std::{
    App, Basic, Bearer, Client, ConnectError, Credentials, Group, Proxies, Proxy, StatusCode,
    Tapped, Url, http,
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
        let (incoming, outgoing) = session.split();
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
        quiet(&session.into_parts().expect("between messages"));
        let mut session = make();
        let close = Close::new(CloseCode::NORMAL, MARK).expect("short");
        session.close(Some(close)).expect("open");
        quiet(&session);
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
        quiet(&connection.poll_transmit().expect("a Ping"));
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
    quiet(&header.encode());
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
    quiet(&compressed.halves().1.take_compressor());
}

#[test]
fn quiet_handshakes_show_no_values() {
    let key = Key::new(NONCE);
    quiet(&key);
    let url = format!("ws://h/?token={MARK}");
    let uri = Uri::parse(&url).expect("one");
    quiet(&uri);
    quiet_text(&uri);
    quiet(&uri.resource_name());
    let headers = [("Authorization", MARK), ("Cookie", MARK)];
    let protocols = [MARK];
    let offer = Offer::to(&uri).headers(&headers).expect("valid");
    let offer = offer.protocols(&protocols).expect("tokens");
    quiet(&offer);
    for (_, value) in offer.fields(&key) {
        quiet(&value);
    }
    let mut out = [0; 2048];
    let len = offer.encode(&key, &mut out).expect("room");
    let request = Request::parse(&out[..len]).expect("valid");
    quiet(&request);
    quiet(&request.headers());
    quiet(&request.headers().iter());

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
    quiet(&accepting.step());
    let unsent = connecting.unsent().len();
    connecting.sent(unsent);
    connecting.push(&reply[..replied]).expect("room");
    quiet(&connecting);
    quiet(&connecting.step());
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
        let (reader, writer) = ws.split();
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
    quiet(&client("/").reconnect());
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
    let shown: [&dyn Debug; 4] = [&MARK, &NONCE, &Message::Binary(&NONCE), b"as3cr"];
    for shown in shown {
        for text in [format!("{shown:?}"), format!("{shown:#?}")] {
            let found = std::panic::catch_unwind(|| assert_quiet(&text));
            assert!(found.is_err(), "{text}");
        }
    }
}
