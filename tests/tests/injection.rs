//! Any string through everything in the core that builds a head, a Close or a line of a log: one
//! line that another parser reads back as it was meant, or a refusal. 10^5 strings each;
//! `PROPTEST_CASES` asks for more.

mod readback;
mod strings;

use readback::{client_lines, line, read_request, read_response};
use strings::{Tally, any_string, assert_one_line, holds_for};
use ws_proto::handshake::{Key, Offer, Origin, Request, Scan};
use ws_proto::{Close, CloseCode, Limits, Message, NoRoom, Session};

const HOST: &str = "server.example.com";

/// Encodes into a buffer that is long enough.
fn encoded(encode: impl Fn(&mut [u8]) -> Result<usize, NoRoom>) -> Vec<u8> {
    let mut out = vec![0; 4096];
    let len = encode(&mut out).expect("room");
    out.truncate(len);
    out
}

#[test]
fn a_request_is_of_the_lines_that_were_meant_or_refused() {
    let key = Key::new(*b"the sample nonce");
    let plain = Offer::new(HOST, "/chat").expect("a good one");
    let tally = Tally::default();
    holds_for(1, any_string(), |text| {
        let text = text.as_str();
        let (protocols, name, value) = ([text], [(text, "x")], [("X", text)]);
        let protocol = ("Sec-WebSocket-Protocol", text);
        let places = [
            ("host", Offer::new(text, "/chat"), None),
            ("target", Offer::new(HOST, text), None),
            ("origin", plain.origin(text), Some(("Origin", text))),
            ("subprotocol", plain.protocols(&protocols), Some(protocol)),
            ("header name", plain.headers(&name), Some(name[0])),
            ("header value", plain.headers(&value), Some(value[0])),
        ];
        for (place, offer, own) in places {
            tally.count(place, offer.is_ok());
            let Ok(offer) = offer else { continue };
            assert_one_line(&format!("{offer:?}"));
            let bytes = encoded(|out| offer.encode(&key, out));
            let request = Request::parse(&bytes).expect("a request");
            assert!(request.accept().is_ok(), "{place}");
            let (method, target, lines) = read_request(&bytes);
            let given = |wanted, usual| if place == wanted { text } else { usual };
            assert_eq!((&*method, &*target), ("GET", given("target", "/chat")));
            let host = given("host", HOST);
            assert_eq!(lines, client_lines(host, "dGhlIHNhbXBsZSBub25jZQ==", own));
        }
    });
    tally.assert_both_at_least(100);
}

#[test]
fn an_answer_is_of_the_lines_that_were_meant_or_refused() {
    let key = Key::new(*b"the sample nonce");
    let plain = Offer::new(HOST, "/chat").expect("a good one");
    let tally = Tally::default();
    holds_for(1, any_string(), |text| {
        let text = text.as_str();
        // A client that offers it, if that is possible: then it may be chosen, and only then.
        let protocols = [text];
        let offer = plain.protocols(&protocols);
        let asked = offer.unwrap_or(plain);
        let head = encoded(|out| asked.encode(&key, out));
        let request = Request::parse(&head).expect("a request");
        let accept = request.accept().expect("a handshake");
        let chosen = accept.protocol(text);
        assert_eq!(chosen.is_ok(), offer.is_ok());

        let (name, value) = ([(text, "x")], [("X", text)]);
        let protocol = ("Sec-WebSocket-Protocol", text);
        let places = [
            ("subprotocol", chosen, protocol),
            ("header name", accept.headers(&name), name[0]),
            ("header value", accept.headers(&value), value[0]),
        ];
        for (place, answer, own) in places {
            tally.count(place, answer.is_ok());
            let Ok(answer) = answer else { continue };
            let bytes = encoded(|out| answer.encode(out));
            let verified = asked.verify(&key, &mut Scan::new(), &bytes, &Limits::DEFAULT);
            assert!(verified.is_ok_and(|found| found.is_some()), "{place}");
            let (status, lines, behind) = read_response(&bytes);
            assert_eq!((status, behind), (101, &b""[..]));
            let expected = [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
                own,
            ];
            assert_eq!(lines, expected.map(|(name, value)| line(name, value)));
        }
    });
    tally.assert_both_at_least(100);
}

#[test]
fn a_refusal_repeats_nothing_of_the_request() {
    let tally = Tally::default();
    holds_for(1, any_string(), |text| {
        let text = text.as_str();
        let requests = [
            ("method", format!("{text} / HTTP/1.1\r\nHost: a\r\n\r\n")),
            ("target", format!("GET {text} HTTP/1.1\r\nHost: a\r\n\r\n")),
            ("name", format!("GET / HTTP/1.1\r\n{text}: a\r\n\r\n")),
            ("value", format!("GET / HTTP/1.1\r\nHost: {text}\r\n\r\n")),
        ];
        for (place, bytes) in requests {
            let request = Request::parse(bytes.as_bytes());
            tally.count(place, request.is_ok());
            if let Ok(request) = request {
                let headers = request.headers();
                assert_one_line(&format!("{request:?} {headers:?} {:?}", headers.iter()));
            }
            // None of them asks for an upgrade.
            let accepted = request.and_then(|request| request.accept().map(drop));
            let error = accepted.expect_err("no handshake");
            let bytes = encoded(|out| error.encode_refusal(out));
            let (status, lines, body) = read_response(&bytes);
            assert_eq!(status, error.status());
            assert_eq!(lines[0], line("Connection", "close"));
            assert_one_line(&error.to_string());
            let length = line("Content-Length", &body.len().to_string());
            assert_eq!(lines.last(), Some(&length));
            assert_eq!(body, format!("{error}\n").as_bytes());
        }
    });
    tally.assert_both_at_least(100);
}

#[test]
fn a_reason_arrives_as_it_is_and_shows_as_one_line_or_is_refused() {
    let tally = Tally::default();
    holds_for(1, any_string(), |text| {
        // Some are too long.
        let text = &text.repeat(1 + text.len() % 9);
        assert_one_line(&format!("{:?}", Message::Text(text)));
        let close = Close::new(CloseCode::NORMAL, text);
        tally.count("reason", close.is_ok());
        assert_eq!(close.is_ok(), text.len() <= Close::MAX_REASON);
        let Ok(close) = close else { return };
        assert_one_line(&format!("{close} {close:?}"));

        let mut ours = Session::client(&Limits::DEFAULT, [7; 32]);
        let mut theirs = Session::server(&Limits::DEFAULT);
        ours.close(Some(close)).expect("it is open");
        theirs.push(ours.unsent());
        let event = theirs.step().expect("no violation");
        assert_one_line(&format!("{event:?}"));
        assert_eq!(theirs.peer_close(), Some(close));
    });
    tally.assert_both_at_least(10);
}

#[test]
fn an_origin_is_what_was_written_or_none() {
    let tally = Tally::default();
    holds_for(1, any_string(), |text| {
        let text = format!("https://{text}");
        let origin = Origin::parse(&text);
        tally.count("origin", origin.is_ok());
        let Ok(origin) = origin else { return };
        assert_one_line(&format!("{origin:?}"));
        let host = format!("https://{}", origin.host());
        let port = text.strip_prefix(&host).expect("it begins so");
        let written = port.strip_prefix(':').map(|port| port.parse::<u16>());
        assert!(port.is_empty() || written == origin.port().map(Ok));
    });
    tally.assert_both_at_least(100);
}
