//! The opening handshake from the outside: two peers in a box, every split, and strings that try
//! to break a line.

use core::fmt::Debug;

use proptest::prelude::*;
use ws_proto::Limits;
use ws_proto::handshake::{
    ArgumentError, Key, Offer, Request, RequestError, Response, ResponseError, Scan, Uri,
};
use ws_testkit::decoded;

/// What a client writes.
fn encoded(offer: &Offer<'_>, key: &Key) -> Vec<u8> {
    let needed = offer.encode(key, &mut []).unwrap_err().needed;
    let mut out = vec![0; needed];
    assert_eq!(offer.encode(key, &mut out), Ok(needed));
    out
}

/// What a server writes, or why not.
fn answered(
    head: &[u8],
    protocol: Option<&str>,
    headers: &[(&str, &str)],
) -> Result<Vec<u8>, ArgumentError> {
    let request = Request::parse(head).expect("a request");
    let mut accept = request.accept().expect("a handshake").headers(headers)?;
    if let Some(protocol) = protocol {
        accept = accept.protocol(protocol)?;
    }
    let needed = accept.encode(&mut []).unwrap_err().needed;
    let mut out = vec![0; needed];
    assert_eq!(accept.encode(&mut out), Ok(needed));
    Ok(out)
}

/// The lines of a head, checked to end in CRLF and to contain no other CR or LF.
fn lines(head: &[u8]) -> Vec<&str> {
    let text = str::from_utf8(head)
        .unwrap()
        .strip_suffix("\r\n\r\n")
        .unwrap();
    let lines: Vec<_> = text.split("\r\n").collect();
    for line in &lines {
        assert!(
            line.bytes()
                .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)),
            "{line:?}"
        );
    }
    lines
}

/// RFC 6455 §1.2: what the client says, and the server.
const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: chat\r\n\r\n";

fn sample() -> (Offer<'static>, Key) {
    let offer = Offer::new("server.example.com", "/chat").unwrap();
    let offer = offer.protocols(&["chat", "superchat"]).unwrap();
    (offer, Key::new(*b"the sample nonce"))
}

#[test]
fn the_exchange_of_section_1_2() {
    let (offer, key) = sample();
    let offer = offer.origin("http://example.com").unwrap();
    let mut ours = encoded(&offer, &key);
    assert_eq!(answered(REQUEST, Some("chat"), &[]).unwrap(), RESPONSE);
    assert_eq!(answered(&ours, Some("chat"), &[]).unwrap(), RESPONSE);
    // Ours has the same lines, in another order.
    ours.truncate(ours.len() - 4);
    let mut ours: Vec<_> = ours
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .collect();
    let mut theirs: Vec<_> = REQUEST
        .trim_ascii()
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ours, theirs);
}

/// Everything a request says, so that two readings can be compared.
fn request_seen(pieces: &[&[u8]]) -> Result<Option<(String, usize)>, RequestError> {
    let mut scan = Scan::new();
    let mut received = Vec::new();
    for piece in pieces {
        received.extend_from_slice(piece);
        let found = Request::parse_prefix(&mut scan, &received, &Limits::default())?;
        if let Some((request, len)) = found {
            let lines: Vec<_> = request.headers().iter().collect();
            let said = (request.method(), request.target(), request.version(), lines);
            return Ok(Some((format!("{said:?} {:?}", request.accept()), len)));
        }
    }
    Ok(None)
}

fn response_seen(pieces: &[&[u8]]) -> Result<Option<(String, usize)>, ResponseError> {
    let (offer, key) = sample();
    let mut scan = Scan::new();
    let mut received = Vec::new();
    for piece in pieces {
        received.extend_from_slice(piece);
        let found = offer.verify(&key, &mut scan, &received, &Limits::default())?;
        if let Some((response, len)) = found {
            let lines: Vec<_> = response.headers().iter().collect();
            let said = (
                response.status(),
                response.reason(),
                response.version(),
                lines,
            );
            return Ok(Some((format!("{said:?}"), len)));
        }
    }
    Ok(None)
}

#[test]
fn every_split_and_every_drip_gives_the_same() {
    let followed = |head: &[u8]| [head, b"\x81\x05Hello\r\n\r\n"].concat();
    let edited = |head: &[u8], from: &str, to: &str| {
        String::from_utf8_lossy(head)
            .replacen(from, to, 1)
            .into_bytes()
    };
    let requests = [
        followed(REQUEST),
        edited(REQUEST, "13", "14"),
        edited(REQUEST, "Host:", "Host :"),
        edited(REQUEST, "\r\nUpgrade", "\nUpgrade"),
        edited(REQUEST, "HTTP/1.1", "HTTP/1.2"),
        edited(REQUEST, "http://", "http:\0//"),
        REQUEST[..REQUEST.len() - 1].to_vec(),
    ];
    for input in requests {
        check_splits(&input, request_seen);
    }
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    let responses = [
        followed(RESPONSE),
        [&interim[..], interim, &followed(RESPONSE)].concat(),
        [&interim.repeat(9)[..], RESPONSE].concat(),
        edited(RESPONSE, "101", "403"),
        edited(RESPONSE, "xOo", "xOO"),
        edited(RESPONSE, "\r\nUpgrade", "\r\n Upgrade"),
        RESPONSE[..RESPONSE.len() - 1].to_vec(),
    ];
    for input in responses {
        check_splits(&input, response_seen);
    }
}

fn check_splits<T: PartialEq + Debug>(input: &[u8], seen: impl Fn(&[&[u8]]) -> T) {
    let whole = seen(&[input]);
    let drips: Vec<_> = input.chunks(1).collect();
    assert_eq!(seen(&drips), whole);
    for split in 0..=input.len() {
        let (a, b) = input.split_at(split);
        assert_eq!(seen(&[a, b]), whole, "split at {split}");
    }
}

/// RFC 6454 section 4: an origin begins with a scheme, which is a letter and what may follow one.
#[test]
fn an_origin_begins_with_a_scheme() {
    for scheme in ["http", "HTTPS", "moz-extension", "a+b.c-1"] {
        let origin = format!("{scheme}://example.com");
        let origin = ws_proto::handshake::Origin::parse(&origin).expect("a good one");
        assert_eq!(origin.scheme(), scheme);
    }
    for scheme in ["", "1http", "-a", "a_b", "ht tp", "h\u{e9}"] {
        let origin = format!("{scheme}://example.com");
        assert!(
            ws_proto::handshake::Origin::parse(&origin).is_err(),
            "{origin}"
        );
    }
}

#[test]
fn a_smuggled_request_is_never_switched_over() {
    // The bytes behind a refused upgrade look like a request; nothing but the first is answered.
    let smuggled = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n";
    let announcements = [
        "Content-Length: 31",
        "Content-Length: 0\r\nContent-Length: 31",
        "Content-Length: 31\r\nContent-Length: 0",
        "Content-Length: 0, 31",
        "Content-Length: 0x0",
        "Content-Length: 0 31",
        "Content-Length: \t31",
        "content-length:31",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: xchunked",
        "TRANSFER-ENCODING:chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\0\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \x0bchunked",
    ];
    let end = REQUEST.len() - 2;
    for announcement in announcements {
        let input = [
            &REQUEST[..end],
            announcement.as_bytes(),
            b"\r\n\r\n",
            smuggled,
        ]
        .concat();
        let verdict = Request::parse_prefix(&mut Scan::new(), &input, &Limits::default())
            .and_then(|found| found.unwrap().0.accept());
        let error = verdict.map(drop).expect_err(announcement);
        assert_eq!(error.status(), 400, "{announcement:?}");
        let mut out = [0; 512];
        let len = error.encode_refusal(&mut out).unwrap();
        assert!(
            out[..len]
                .windows(21)
                .any(|line| line == b"\r\nConnection: close\r\n")
        );
    }
}

#[test]
fn hostile_lists_are_gone_through_to_their_end() {
    // Spaces, commas and offers that a regex or a nested loop would choke on. The limits are
    // wide open. What that costs is counted by the gate in benches: `scaling/lists`.
    let n = 1 << 20;
    let values = [
        format!("b{}x", " ".repeat(n)),
        ",".repeat(n),
        format!("{}a", ", ".repeat(n / 2)),
        (0..n / 8).map(|i| format!("p{i},")).collect(),
        format!("a;b=\"{}\"", "\\c".repeat(n / 2)),
        format!("a{}", ";b".repeat(n / 2)),
        format!("a{}", " ;\tb".repeat(n / 4)),
        "a;b=".repeat(n / 4),
    ];
    let verdicts = |wrong, list: [bool; 8]| list.map(|good| if good { Ok(()) } else { Err(wrong) });
    let mut protocols = verdicts(
        RequestError::InvalidProtocol,
        [false, true, true, false, false, false, false, false],
    );
    protocols[3] = Err(RequestError::TooManyProtocols);
    let tokens = [false, true, true, true, false, false, false, false];
    for (name, expected) in [
        ("Sec-WebSocket-Protocol", protocols),
        (
            "Sec-WebSocket-Extensions",
            verdicts(
                RequestError::InvalidExtensions,
                [false, false, true, true, true, true, true, false],
            ),
        ),
        (
            "Connection",
            verdicts(RequestError::InvalidConnection, tokens),
        ),
        ("Upgrade", verdicts(RequestError::InvalidUpgrade, tokens)),
        ("Host", verdicts(RequestError::RepeatedHost, [false; 8])),
    ] {
        for (value, expected) in values.iter().zip(expected) {
            let head = [
                &REQUEST[..REQUEST.len() - 2],
                name.as_bytes(),
                b": ",
                value.as_bytes(),
            ];
            let head = [&head.concat()[..], b"\r\n\r\n"].concat();
            let request = Request::parse(&head).unwrap();
            let start = &value[..8];
            assert_eq!(request.accept().map(drop), expected, "{name}: {start}");
            // Whoever asks gets them to the end, or to what is wrong.
            let items = value.matches('p').count();
            match (name, start) {
                ("Sec-WebSocket-Protocol", "p0,p1,p2") => {
                    assert_eq!(request.protocols().count(), 2 + items);
                }
                ("Sec-WebSocket-Extensions", "p0,p1,p2") => {
                    assert_eq!(request.extensions().count(), items);
                }
                _ => assert!(request.protocols().count() + request.extensions().count() <= 4),
            }
        }
    }
}

/// Names that mean something in a language's own tables, and names that differ in case only: a
/// header is looked for among those that are there, one after the other.
#[test]
fn names_are_only_names() {
    let names = ["constructor", "__proto__", "toString", "hasOwnProperty"];
    let mut head = REQUEST[..REQUEST.len() - 2].to_vec();
    for number in 0..120 {
        let name = names[number % 4];
        let name = if number < 60 {
            name.to_uppercase()
        } else {
            name.into()
        };
        head.extend(format!("{name}: {number}\r\n").bytes());
    }
    head.extend(format!("Sec-WebSocket-Extensions: {}\r\n\r\n", names.join(", ")).bytes());
    let request = Request::parse(&head).unwrap();
    for (at, name) in names.into_iter().enumerate() {
        let values = request
            .headers()
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let values: Vec<_> = values.map(|(_, value)| value.to_vec()).collect();
        let expected: Vec<_> = (at..120)
            .step_by(4)
            .map(|n| n.to_string().into_bytes())
            .collect();
        assert_eq!(values, expected, "{name}");
    }
    let offered: Vec<_> = request
        .extensions()
        .map(|offer| offer.unwrap().name())
        .collect();
    assert_eq!(offered, names);
    let mut out = [0; 512];
    let len = request.accept().unwrap().encode(&mut out).unwrap();
    assert!(!str::from_utf8(&out[..len]).unwrap().contains("Extensions"));
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,12}"
}

fn header() -> impl Strategy<Value = (String, String)> {
    (
        "X-[a-zA-Z0-9!#$%&'*+.^_`|~-]{0,12}",
        "([!-~]([ -~\t]{0,20}[!-~])?)?",
    )
}

/// Mostly harmless strings with something in the middle that may not be.
fn suspicious() -> impl Strategy<Value = String> {
    let middle = prop_oneof![
        any::<char>().prop_map(String::from),
        "[\\x00-\\x20\\x7f-\\xff]{1,3}",
        Just(String::from("\r\nX: y")),
        Just(String::from("\n")),
        Just(String::new()),
        ".*",
    ];
    ("[/a-z:.\\[\\]]{0,5}", middle, "[a-z0-9:]{0,5}").prop_map(|(a, b, c)| a + &b + &c)
}

proptest! {
    #[test]
    fn an_offer_becomes_a_request_and_its_answer_verifies(
        host in "[a-z0-9.-]{1,20}(:[1-9][0-9]{0,3})?",
        target in "/[!$-;=?-_a-~]{0,40}",
        nonce in any::<[u8; 16]>(),
        protocols in prop::collection::hash_set(token(), 0..8),
        chosen in any::<prop::sample::Index>(),
        theirs in prop::collection::vec(header(), 0..6),
        ours in prop::collection::vec(header(), 0..6),
        frames in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let key = Key::new(nonce);
        let protocols: Vec<&str> = protocols.iter().map(String::as_str).collect();
        let theirs: Vec<_> = theirs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let ours: Vec<_> = ours.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let offer = Offer::new(&host, &target)?.protocols(&protocols)?.headers(&theirs)?;

        let head = encoded(&offer, &key);
        let request = Request::parse(&head)?;
        prop_assert_eq!(decoded(request.target()), decoded(&target));
        prop_assert_eq!(request.header("Host"), Some(host.as_str()));
        prop_assert_eq!(request.protocols().collect::<Vec<_>>(), &*protocols);
        let received: Vec<_> = request.headers().iter().map(|(n, v)| (n.as_bytes(), v)).collect();
        let sent: Vec<_> = theirs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        prop_assert!(received.ends_with(&sent));
        let sent_key = Key::parse(request.header("Sec-WebSocket-Key").unwrap())?;
        prop_assert_eq!(sent_key, key);

        let protocol = (!protocols.is_empty()).then(|| protocols[chosen.index(protocols.len())]);
        let answer = answered(&head, protocol, &ours)?;
        let input = [&answer[..], &frames].concat();
        let found = offer.verify(&key, &mut Scan::new(), &input, &Limits::default())?;
        let (response, len) = found.unwrap();
        prop_assert_eq!(len, answer.len());
        prop_assert_eq!(response.protocol(), protocol);

        // The same answer does not fit another key.
        let other = Key::new(nonce.map(|byte| byte.wrapping_add(1)));
        let verdict = offer.verify(&other, &mut Scan::new(), &input, &Limits::default());
        prop_assert_eq!(verdict.map(drop), Err(ResponseError::WrongAccept));
    }

    #[test]
    fn any_uri_becomes_a_request_for_what_it_names_or_is_refused(
        text in suspicious(),
        start in prop::sample::select(&["", "ws://", "ws://a", "WSS://[::1]:1/", "ws://a/b?c="]),
    ) {
        let text = format!("{start}{text}");
        if let Ok(uri) = Uri::parse(&text) {
            let head = encoded(&Offer::to(&uri), &Key::new([0; 16]));
            prop_assert_eq!(lines(&head).len(), 6);
            let request = Request::parse(&head)?;
            prop_assert!(request.accept().is_ok());
            prop_assert_eq!(request.header("Host"), Some(uri.authority()));
            let resource = uri.resource_name();
            prop_assert_eq!(request.target(), resource.to_string());
            prop_assert_eq!(decoded(request.path()), decoded(resource.path()));
            prop_assert_eq!(request.query().map(decoded), resource.query().map(decoded));
            prop_assert!(text.ends_with(resource.query().unwrap_or_default()));
            // What is sent is encoded once, however often it is parsed.
            let again = format!("{}://{}{}", uri.scheme(), uri.authority(), request.target());
            prop_assert_eq!(Uri::parse(&again)?.resource_name().to_string(), request.target());
        }
    }

    #[test]
    fn any_string_through_a_builder_is_refused_or_stays_on_its_line(text in suspicious()) {
        let key = Key::new([0; 16]);
        let offer = Offer::new("a", "/").unwrap();
        let protocols = [text.as_str()];
        let names = [(text.as_str(), "x")];
        let values = [("X", text.as_str())];
        let offers = [
            Offer::new(&text, "/"),
            Offer::new("a", &text),
            offer.origin(&text),
            offer.protocols(&protocols),
            offer.headers(&names),
            offer.headers(&values),
        ];
        for (i, offer) in offers.iter().enumerate() {
            if let Ok(offer) = offer {
                let head = encoded(offer, &key);
                let extra = usize::from(i >= 2);
                prop_assert_eq!(lines(&head).len(), 6 + extra);
                prop_assert!(Request::parse(&head)?.accept().is_ok());
            }
        }
        for headers in [names, values] {
            if let Ok(head) = answered(REQUEST, None, &headers) {
                prop_assert_eq!(lines(&head).len(), 5);
                Response::parse(&head)?;
            }
        }
        prop_assert!(text == "chat" || answered(REQUEST, Some(&text), &[]).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic_or_disagree_with_itself(
        mut input in prop_oneof![Just(REQUEST.to_vec()), Just(RESPONSE.to_vec())],
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for (place, byte) in edits {
            let place = place.index(input.len());
            input[place] = byte;
        }
        let (a, b) = input.split_at(cut.index(input.len()));
        prop_assert_eq!(request_seen(&[a, b]), request_seen(&[&input]));
        prop_assert_eq!(response_seen(&[a, b]), response_seen(&[&input]));
        // What is accepted, httparse accepts too, and reads the same headers.
        if let Ok(Some((request, len))) =
            Request::parse_prefix(&mut Scan::new(), &input, &Limits::default())
        {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut oracle = httparse::Request::new(&mut headers);
            prop_assert_eq!(oracle.parse(&input), Ok(httparse::Status::Complete(len)));
            let theirs: Vec<_> = oracle.headers.iter().map(|h| (h.name, h.value)).collect();
            prop_assert_eq!(request.headers().iter().collect::<Vec<_>>(), theirs);
            prop_assert_eq!(Some(request.method()), oracle.method);
            prop_assert_eq!(Some(request.target()), oracle.path);
        }
        let _ = Response::parse(&input);
    }
}
