//! A string of anyone's in whatever writes it: one line that another parser reads back as it was
//! meant, or a refusal.
//!
//! Each function tells of each place whether the string was taken there: a property of heads that
//! are never built holds for nothing.

use std::net::SocketAddr;
use std::time::Duration;

use ws_proto::handshake::{Key, Offer, Origin, Request, Scan};
use ws_proto::{Close, CloseCode, Limits, Message, NoRoom, Session};
use ws_std::{Client, ConnectError};
use ws_testkit::decoded;

use crate::readback::{assert_one_line, client_lines, line, read_request, read_response};

/// Hears of a place whether it took the string.
pub type Tell<'t> = &'t mut dyn FnMut(&'static str, bool);

const HOST: &str = "server.example.com";

/// The string in a request of a client's.
///
/// # Panics
///
/// If it breaks a line, or does not come back as it was.
pub fn in_a_request(text: &str, tell: Tell<'_>) {
    let key = Key::new(*b"the sample nonce");
    let plain = Offer::new(HOST, "/chat").expect("a good one");
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
        tell(place, offer.is_ok());
        let Ok(offer) = offer else { continue };
        assert_one_line(&format!("{offer:?}"));
        let bytes = encoded(|out| offer.encode(&key, out));
        let request = Request::parse(&bytes).expect("a request");
        assert!(request.accept().is_ok(), "{place}");
        let (method, target, lines) = read_request(&bytes);
        let given = |wanted, usual| if place == wanted { text } else { usual };
        assert_eq!(method, "GET");
        assert_eq!(decoded(&target), decoded(given("target", "/chat")));
        let host = given("host", HOST);
        assert_eq!(lines, client_lines(host, "dGhlIHNhbXBsZSBub25jZQ==", own));
    }
}

/// The string in an answer of a server's.
///
/// # Panics
///
/// If it breaks a line, or does not come back as it was.
pub fn in_an_answer(text: &str, tell: Tell<'_>) {
    let key = Key::new(*b"the sample nonce");
    let plain = Offer::new(HOST, "/chat").expect("a good one");
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
        tell(place, answer.is_ok());
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
}

/// The string in a request that is refused: nothing of it is repeated.
///
/// # Panics
///
/// If the refusal is not of the lines that were meant.
pub fn in_what_is_refused(text: &str, tell: Tell<'_>) {
    let requests = [
        ("method", format!("{text} / HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("target", format!("GET {text} HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("name", format!("GET / HTTP/1.1\r\n{text}: a\r\n\r\n")),
        ("value", format!("GET / HTTP/1.1\r\nHost: {text}\r\n\r\n")),
    ];
    for (place, bytes) in requests {
        let request = Request::parse(bytes.as_bytes());
        tell(place, request.is_ok());
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
}

/// The string as the reason of a Close.
///
/// # Panics
///
/// If it does not arrive, or does not show as one line.
pub fn in_a_close(text: &str, tell: Tell<'_>) {
    assert_one_line(&format!("{:?}", Message::Text(text)));
    let close = Close::new(CloseCode::NORMAL, text);
    tell("reason", close.is_ok());
    assert_eq!(close.is_ok(), text.len() <= Close::MAX_REASON);
    let Ok(close) = close else { return };
    assert_one_line(&format!("{close} {close:?}"));

    let mut ours = Session::client(&Limits::DEFAULT.into(), [7; 32]);
    let mut theirs = Session::server(&Limits::DEFAULT.into());
    ours.close(Some(close)).expect("it is open");
    theirs.push(ours.unsent());
    let event = theirs.step().expect("no violation");
    assert_one_line(&format!("{event:?}"));
    assert_eq!(theirs.peer_close(), Some(close));
}

/// The string as the host of an origin, and what follows it.
///
/// # Panics
///
/// If an origin is something else than was written.
pub fn in_an_origin(text: &str, tell: Tell<'_>) {
    let text = format!("https://{text}");
    let origin = Origin::parse(&text);
    tell("origin", origin.is_ok());
    let Ok(origin) = origin else { return };
    assert_one_line(&format!("{origin:?}"));
    let host = format!("https://{}", origin.host());
    let port = text.strip_prefix(&host).expect("it begins so");
    let written = port.strip_prefix(':').map(|port| port.parse::<u16>());
    assert!(port.is_empty() || written == origin.port().map(Ok));
}

/// A client with a string of someone's in one place.
#[derive(Debug)]
pub struct Asking {
    /// The place.
    pub place: &'static str,
    /// The client, which has no moment to connect in.
    pub client: Client,
    /// The target that it is to ask for.
    pub target: String,
    /// The header line that it is to have besides its own.
    pub own: Option<(String, String)>,
}

impl Asking {
    /// Clients of `address`, with the string in each place there is.
    #[must_use]
    pub fn with(address: SocketAddr, text: &str) -> [Self; 6] {
        let to = |target: &str| {
            Client::new(format!("ws://{address}{target}")).handshake_timeout(Duration::ZERO)
        };
        let query = format!("/?{text}");
        // A digit would make it another port.
        let behind = text.trim_start_matches(|char: char| char.is_ascii_digit());
        let target = match behind.strip_prefix('/') {
            Some(_) => behind.into(),
            None => format!("/{behind}"),
        };
        let at = |place, client, own: Option<(&str, &str)>| Self {
            place,
            client,
            target: "/".into(),
            own: own.map(|(name, value)| (name.into(), value.into())),
        };
        let asking = |place, client, target| Self {
            place,
            client,
            target,
            own: None,
        };
        let protocol = ("Sec-WebSocket-Protocol", text);
        [
            asking("URL", to(behind), target),
            asking("query", to(&query), query),
            at("origin", to("/").origin(text), Some(("Origin", text))),
            at("subprotocol", to("/").subprotocol(text), Some(protocol)),
            at("header name", to("/").header(text, "x"), Some((text, "x"))),
            at("header value", to("/").header("X", text), Some(("X", text))),
        ]
    }

    /// Whether it would have connected, had it had the time to.
    ///
    /// # Panics
    ///
    /// If it failed for anything else than the string, or shows as more than one line.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        let error = self.client.connect().expect_err("no time");
        assert_one_line(&format!("{error} {error:?} {:?}", self.client));
        match error {
            ConnectError::Timeout { .. } => true,
            ConnectError::Url(_) | ConnectError::Header { .. } | ConnectError::Argument(_) => false,
            error => panic!("{}: {error}", self.place),
        }
    }
}

/// Encodes into a buffer of the length that it asks for.
fn encoded(encode: impl Fn(&mut [u8]) -> Result<usize, NoRoom>) -> Vec<u8> {
    let needed = encode(&mut []).expect_err("no room").needed;
    let mut out = vec![0; needed];
    assert_eq!(encode(&mut out), Ok(needed));
    out
}
