//! What values say of themselves in logs: what is needed to understand them, and nothing that is
//! secret or could break a line.

use ws_proto::handshake::{AcceptToken, HandshakeError, Key, Offer, Request, Scan};
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
        (ProtocolError::UnexpectedEof, "stream ended without a close"),
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
    assert_eq!(format!("{key:?}"), "KeyText(dGhlIHNhbXBsZSBub25jZQ==)");
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
fn header_lines_are_shown_with_their_bytes_escaped() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: \xFF\r\n\r\n";
    let request = Request::parse(head).expect("a request");
    let mut headers = request.headers().iter();
    let all = format!("{headers:?}");
    assert_eq!(all, r#"{"Host": "a", "X": "\xff"}"#);
    assert_eq!(headers.next(), Some(("Host", &b"a"[..])));
    assert_eq!(format!("{headers:?}"), r#"{"X": "\xff"}"#);
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
fn refusals_have_the_phrase_of_their_status() {
    for (error, line) in [
        (HandshakeError::BareLf, "400 Bad Request"),
        (HandshakeError::Origin, "403 Forbidden"),
        (HandshakeError::Method, "405 Method Not Allowed"),
        (HandshakeError::FirstLineTooLong, "414 URI Too Long"),
        (HandshakeError::MissingUpgrade, "426 Upgrade Required"),
        (
            HandshakeError::HeadTooLong,
            "431 Request Header Fields Too Large",
        ),
        (HandshakeError::OwnHost, "500 Internal Server Error"),
        (HandshakeError::WrongAccept, "502 Bad Gateway"),
        (
            HandshakeError::HttpVersion,
            "505 HTTP Version Not Supported",
        ),
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
        (offer, extensions(&out[..len]))
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
    let session = ws_proto::Session::server(&limits).compressed(
        &ws_proto::Deflate::default(),
        &agreed,
        &limits,
    );
    let shown = format!("{session:?}");
    assert!(shown.contains("Inflater { takeover: "), "{shown}");
}
