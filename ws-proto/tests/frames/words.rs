//! What values say of themselves in logs: what is needed to understand them, and nothing that is
//! secret or could break a line.

use ws_proto::handshake::{
    AcceptToken, HeadError, Key, Offer, Request, RequestError, Response, Scan,
};
#[cfg(feature = "deflate")]
use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{Close, CloseCode, MaskKeys, Message, ProtocolError};

#[test]
fn close_codes_are_numbers() {
    assert_eq!(format!("{:?}", CloseCode::GOING_AWAY), "CloseCode(1001)");
    assert_eq!(CloseCode::GOING_AWAY.to_string(), "1001");
    let close = Close::new(CloseCode::NORMAL, "").expect("short");
    assert_eq!(close.to_string(), "1000");
    let close = Close::new(CloseCode::NORMAL, "a\nb").expect("short");
    assert_eq!(close.to_string(), "1000 a\\nb");
}

#[test]
fn protocol_errors_name_what_was_sent_and_the_limit() {
    for (error, words) in [
        (ProtocolError::ReservedBit, "reserved bit set"),
        (
            ProtocolError::InvalidCloseCode(1005),
            "invalid close code (1005)",
        ),
        (
            ProtocolError::MessageTooBig { limit: 5 },
            "message too big (Limits::max_message is 5 bytes)",
        ),
        (
            ProtocolError::TooManyFragments { limit: 6 },
            "too many fragments (Limits::max_fragments is 6)",
        ),
        (
            ProtocolError::UnexpectedEof,
            "connection ended without a close frame",
        ),
    ] {
        assert_eq!(error.to_string(), words);
        assert!(words.starts_with(error.reason()));
    }
}

#[test]
fn keys_and_tokens_are_shown_as_they_are_sent() {
    // RFC 6455 §1.3
    let key = Key::new(*b"the sample nonce").encode();
    assert_eq!(key.to_string(), "dGhlIHNhbXBsZSBub25jZQ==");
    // As of masking keys, a log has nothing of it.
    assert_eq!(format!("{key:?}"), "KeyText(24 bytes)");
    let token: AcceptToken = Key::new(*b"the sample nonce").accept_token();
    assert_eq!(token.to_string(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(
        format!("{token:?}"),
        "AcceptToken(s3pPLMBiTxaQ9kYGzzhZRbK+xOo=)"
    );
}

#[test]
fn masking_keys_to_come_are_not_shown() {
    assert_eq!(format!("{:?}", MaskKeys::new([7; 32])), "MaskKeys { .. }");
}

#[test]
fn of_header_lines_the_names_are_shown() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: \xFF\r\n\r\n";
    let request = Request::parse(head).expect("a request");
    let mut headers = request.headers().iter();
    let all = format!("{headers:?}");
    assert_eq!(all, r#"["Host", "X"]"#);
    assert_eq!(headers.next(), Some(("Host", &b"a"[..])));
    assert_eq!(format!("{headers:?}"), r#"["X"]"#);
}

/// Contract *quiet*, of handshakes: cookies, credentials, tokens in queries and in subprotocols are
/// not shown, and nothing can break a line.
#[test]
fn quiet_no_secret_of_a_handshake_is_shown() {
    const SECRET: &str = "s3cret";
    let head = "GET /chat?token=s3cret&s3cret HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nCookie: s3cret\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer s3cret\r\n\
        Sec-WebSocket-Protocol: chat, s3cret\r\n\r\n";
    let request = Request::parse(head.as_bytes()).expect("a request");
    let cookie = [("Set-Cookie", SECRET)];
    let accept = request.accept().expect("a handshake");
    let accept = accept.protocol(SECRET).expect("it is offered");
    let accept = accept.headers(&cookie).expect("good ones");
    let answer = "HTTP/1.1 401 s3cret\r\nSet-Cookie: s3cret\r\nLocation: /?s3cret\r\n\r\n";
    let response = Response::parse(answer.as_bytes()).expect("a response");
    let protocols = ["chat", SECRET];
    let headers = [("Authorization", SECRET), ("Cookie", SECRET)];
    let offer = Offer::new("a", "/chat?auth=s3cret;s3cret=1&=s3cret").expect("a good one");
    let offer = offer
        .protocols(&protocols)
        .and_then(|offer| offer.headers(&headers));
    let offer = offer.expect("good ones");
    let key = Key::new([7; 16]);
    let fields: Vec<_> = accept.fields().chain(offer.fields(&key)).collect();
    for shown in [
        format!("{request:?} {request:#?}"),
        format!("{:?} {:?}", request.headers(), request.headers().iter()),
        format!("{accept:?} {accept:#?} {fields:?}"),
        format!("{response:?} {response:#?}"),
        format!("{offer:?} {offer:#?}"),
    ] {
        let shown = shown.replace("s3cret=..", "");
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let uri = ws_proto::handshake::Uri::parse("ws://a/chat?auth=s3cret").expect("good");
    let target = format!("{:?}", uri.resource_name());
    assert_eq!(target, "\"/chat?auth=..\"");
    assert!(fields.len() > 9);
    for (_, value) in &fields {
        assert_eq!(format!("{value:?}"), "FieldValue(..)");
    }
    // What is needed to understand them is there.
    assert_eq!(
        format!("{request:?}"),
        "Request { method: \"GET\", target: \"/chat?token=..&..\", version: Http11, headers: \
         [\"Host\", \"Upgrade\", \"Connection\", \"Sec-WebSocket-Version\", \"Cookie\", \
         \"Sec-WebSocket-Key\", \"Authorization\", \"Sec-WebSocket-Protocol\"] }"
    );
    assert_eq!(format!("{key:?}"), "Key(..)");
    let names = format!("{:?}", request.extensions());
    assert_eq!(names, "[]");
    let accepted = format!("{accept:?}");
    assert!(
        accepted.starts_with("Accept { status: 101, headers: [\"Upgrade\", "),
        "{accepted}"
    );
    let offered = format!("{offer:?}");
    let start = "Offer { host: \"a\", target: \"/chat?auth=..&s3cret=..&=..\", headers: [\"";
    assert!(offered.starts_with(start), "{offered}");
    assert!(
        offered.contains("\"Authorization\", \"Cookie\""),
        "{offered}"
    );
    assert_eq!(
        format!("{response:?}"),
        "Response { status: 401, version: Http11, headers: [\"Set-Cookie\", \"Location\"] }"
    );
    let raw = "GET /\u{202e}\u{2028}?a\u{2029}=b HTTP/1.1\r\n\r\n";
    let shown = format!("{:?}", Request::parse(raw.as_bytes()).expect("a request"));
    assert!(
        shown.contains("/\\u{202e}\\u{2028}?a\\u{2029}=.."),
        "{shown}"
    );
}

#[test]
fn a_search_begins_at_the_beginning() {
    assert_eq!(
        format!("{:?}", Scan::default()),
        format!("{:?}", Scan::new())
    );
}

#[test]
fn a_binary_message_is_no_text_and_a_text_is_binary() {
    assert_eq!(Message::Binary(b"text").as_text(), None);
    assert_eq!(Message::Text("text").as_text(), Some("text"));
    assert_eq!(Message::Text("text").as_bytes(), b"text");
}

/// The phrases are those of RFC 9110 §15 and RFC 6585 §5.
#[test]
fn answers_tell_their_status() {
    use ws_proto::handshake::Answer;
    for status in [200, 404, 503] {
        assert_eq!(Answer::new(status).expect("a good one").status(), status);
    }
    for line in [
        "200 OK",
        "302 Found",
        "401 Unauthorized",
        "404 Not Found",
        "408 Request Timeout",
        "500 Internal Server Error",
        "501 Not Implemented",
        "503 Service Unavailable",
        "599 ",
    ] {
        let status = line[..3].parse().expect("a number");
        let mut out = [0; 512];
        let answer = Answer::new(status).expect("a good one");
        let len = answer.encode("GET", &mut out).expect("512 are enough");
        let text = core::str::from_utf8(&out[..len]).expect("text");
        assert!(text.starts_with(&format!("HTTP/1.1 {line}\r\n")), "{text}");
    }
}

#[test]
fn refusals_have_the_phrase_of_their_status() {
    for (error, line) in [
        (HeadError::BareLf.into(), "400 Bad Request"),
        (RequestError::Origin, "403 Forbidden"),
        (RequestError::Method, "405 Method Not Allowed"),
        (
            HeadError::FirstLineTooLong { limit: 1 }.into(),
            "414 URI Too Long",
        ),
        (RequestError::MissingUpgrade, "426 Upgrade Required"),
        (
            HeadError::HeadTooLong { limit: 1 }.into(),
            "431 Request Header Fields Too Large",
        ),
        (RequestError::HttpVersion, "505 HTTP Version Not Supported"),
    ] {
        let mut out = [0; 512];
        let len = error.encode_refusal(&mut out).expect("512 are enough");
        let text = core::str::from_utf8(&out[..len]).expect("text");
        let start = format!("HTTP/1.1 {line}\r\nConnection: close\r\n");
        assert!(text.starts_with(&start), "{text}");
        assert_eq!(text.contains("\r\nAllow: GET\r\n"), line.starts_with("405"));
    }
}

#[test]
fn hosts_are_escaped_in_pairs_of_hexadecimal_digits() {
    for (host, good) in [
        ("a%41b", true),
        ("a%fF", true),
        ("a%4g", false),
        ("a%g4", false),
        ("a%4", false),
        ("a%", false),
    ] {
        assert_eq!(Offer::new(host, "/").is_ok(), good, "{host}");
    }
}

#[test]
fn values_of_parameters_are_compared_by_what_they_mean() {
    let values = |list| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: {list}\r\n\r\n");
        let request = Request::parse(head.as_bytes()).expect("a request");
        let mut equal = None;
        for extension in request.extensions() {
            let extension = extension.expect("well-formed");
            let values: Vec<_> = extension.params().map(|(_, value)| value).collect();
            equal = Some(values[0] == values[1]);
        }
        equal
    };
    assert_eq!(values(r#"x; a=10; b="10""#), Some(true));
    assert_eq!(values(r#"x; a=10; b="\10""#), Some(true));
    assert_eq!(values("x; a=10; b=11"), Some(false));
    assert_eq!(values("x; a=10; b=101"), Some(false));
    assert_eq!(values("x; a=10; b"), Some(false));
}

/// Nothing is said about what holds anyway.
#[cfg(feature = "deflate")]
#[test]
fn windows_of_15_bits_are_not_mentioned() {
    let lines = |server: u8, client: u8, offered: &str| {
        let direction = |bits| Direction {
            window: WindowBits::new(bits).expect("8 to 15"),
            takeover: Takeover::Kept,
        };
        let ours = Compression {
            server: direction(server),
            client: direction(client),
        };
        let key = Key::new(*b"the sample nonce");
        let offer = Offer::new("a", "/").expect("a host and a path");
        let mut out = [0; 1024];
        let len = offer.compression(Some(ours)).encode(&key, &mut out);
        let offer = extensions(&out[..len.expect("room")]);
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\
             Sec-WebSocket-Extensions: permessage-deflate{offered}\r\n\r\n",
            key.encode()
        );
        let request = Request::parse(head.as_bytes()).expect("a request");
        let agreed = ours.agree(request.extensions()).expect("well-formed");
        let accept = request.accept().expect("a handshake").compression(agreed);
        let len = accept.encode(&mut out).expect("room");
        let answer = extensions(&out[..len]);
        assert_eq!(
            agreed.map(|agreed| agreed.to_string()),
            Some(answer.clone())
        );
        (offer, answer)
    };
    let words = |offer: &str, answer: &str| (offer.to_owned(), answer.to_owned());
    assert_eq!(
        lines(15, 15, ""),
        words(
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate"
        )
    );
    assert_eq!(
        lines(15, 15, "; client_max_window_bits"),
        words(
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate"
        )
    );
    assert_eq!(
        lines(14, 14, "; client_max_window_bits"),
        words(
            "permessage-deflate; server_max_window_bits=14; client_max_window_bits, \
             permessage-deflate; client_max_window_bits, permessage-deflate",
            "permessage-deflate; client_max_window_bits=14"
        )
    );
    assert_eq!(
        lines(15, 10, "; server_max_window_bits=15"),
        words(
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=15"
        )
    );
}

/// The value of Sec-WebSocket-Extensions.
#[cfg(feature = "deflate")]
fn extensions(head: &[u8]) -> String {
    let head = core::str::from_utf8(head).expect("text");
    let (_, value) = head
        .split_once("Sec-WebSocket-Extensions: ")
        .expect("it is there");
    let (value, _) = value.split_once("\r\n").expect("the end of the line");
    value.to_owned()
}

/// Contexts are not: nobody could read them.
#[cfg(feature = "deflate")]
#[test]
fn sessions_show_their_state() {
    let limits = ws_proto::Limits::default();
    let agreed = ws_proto::Deflate::default().bounds(ws_proto::Role::Server);
    let session = ws_proto::Session::server(&limits.into())
        .compressed(&ws_proto::Deflate::default(), &agreed);
    let shown = format!("{session:?}");
    assert!(shown.contains("Inflater { takeover: "), "{shown}");
}

/// Of control frames, which wait or are about to be sent, the lengths are shown.
#[test]
fn quiet_of_control_frames_the_length_is_shown() {
    let mut connection = ws_proto::Connection::server(&ws_proto::Limits::default());
    connection.ping(b"s3cret").expect("open");
    let waits = format!("{connection:?}");
    assert!(waits.contains("Payload(6 bytes)"), "{waits}");
    let leaves = format!("{:?}", connection.poll_transmit().expect("a Ping"));
    assert_eq!(leaves, "Transmit { opcode: Ping, len: 8, .. }");
    // Two bytes and a key before the longest payload.
    assert_eq!(ws_proto::Transmit::MAX_LEN, 2 + 4 + 125);
}

/// Of what a session holds the lengths are shown, and nothing of what it says.
#[cfg(feature = "alloc")]
#[test]
fn quiet_of_what_waits_the_length_is_shown() {
    let mut session = ws_proto::Session::server(&ws_proto::Limits::default().into());
    session.send("s3cret").expect("room");
    // A fragment, the start of another, and a Close.
    session.push(b"\x01\x86\0\0\0\0s3cret");
    assert_eq!(session.step(), Ok(ws_proto::Step::NeedData));
    session.push(b"\x80");
    let shown = format!("{session:?}");
    for part in [
        "Assembly { len: 6 }",
        "Inbox { unread: 1, size: ",
        "Outbox { unsent: 8 }",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("s3cret"), "{shown}");
    let prepared = ws_proto::Prepared::new("s3cret");
    assert_eq!(
        format!("{prepared:?}"),
        "Prepared { kind: Text, len: 6, .. }"
    );

    let mut session = ws_proto::Session::server(&ws_proto::Limits::default().into());
    session.push(b"\x88\x88\0\0\0\0\x03\xE8s3cret");
    assert!(session.step().is_ok());
    let shown = format!("{session:?}");
    assert!(shown.contains("Reason(6 bytes)"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
