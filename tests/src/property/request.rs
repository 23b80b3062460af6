//! The server's side of the opening handshake: RFC 6455 §4.2.

use ws_proto::Limits;
use ws_proto::handshake::{Key, Offer, Request, RequestError, Scan};

use super::head::{
    assert_within, in_pieces, limits, lines, naive_headers, same_verdict, scan_looks_once, values,
};
use super::input::cuts;

/// A request gives the same verdict whole and in pieces, and what was searched is not looked at
/// again. One that is accepted is a handshake by a naive reading too, and our client takes the
/// answer; one that is refused gets a whole answer.
///
/// The input is a byte for the number of cuts, the cuts, and the head.
///
/// # Panics
///
/// If not.
pub fn handshake_request(input: &[u8]) {
    let (cuts, input) = cuts(input);
    let limits = limits();
    let whole = Request::parse_prefix(&mut Scan::new(), input, &limits);
    let mut scan = Scan::new();
    let pieced = in_pieces(input, &cuts, |input| {
        let parsed = Request::parse_prefix(&mut scan, input, &limits).transpose()?;
        Some(parsed.map(|(request, len)| (said(&request), len)))
    });
    let all = whole.map(|parsed| parsed.map(|(request, len)| (said(&request), len)));
    same_verdict(all, pieced);
    scan_looks_once(input, &cuts, &limits);

    let (request, len) = match whole {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return,
        Err(error) => return assert_refusal(error),
    };
    assert_within(&input[..len], &limits);
    let again = Request::parse(&input[..len]).expect("it was parsed");
    assert_eq!(said(&again), said(&request));
    assert_judged_in_parts(&request);
    visit_request(&request);
    match request.accept() {
        Ok(_) => assert_is_handshake(&input[..len], &request),
        Err(error) => assert_refusal(error),
    }
}

/// All that it says.
fn said(request: &Request<'_>) -> String {
    let headers = lines(request.headers());
    let (method, target) = (request.method(), request.target());
    format!("{method} {target} {:?} {headers:?}", request.version())
}

/// Taken apart by another library, it is judged alike.
fn assert_judged_in_parts(request: &Request<'_>) {
    let pairs = lines(request.headers());
    let (method, target) = (request.method(), request.target());
    let parts = Request::from_parts(method, target, request.version(), &pairs[..]);
    let parts = parts.expect("it was parsed");
    assert_eq!(said(&parts), said(request));
    assert_eq!(parts.accept().map(drop), request.accept().map(drop));
    assert_eq!(parts.same_origin(), request.same_origin());
    assert!(parts.protocols().eq(request.protocols()));
    assert!(parts.extensions().eq(request.extensions()));
}

fn visit_request(request: &Request<'_>) {
    let path = request.path();
    assert!(path.is_empty() || path.starts_with('/'));
    assert!(!request.target().contains(char::is_control) && !request.target().contains(['#', ' ']));
    let _ = (request.query(), request.version(), request.wants_upgrade());
    if let Ok(Some(origin)) = request.origin() {
        let _ = (origin.scheme(), origin.host(), origin.port());
    }
    let _ = request.same_origin();
    for protocol in request.protocols() {
        assert!(!protocol.is_empty());
    }
    for extension in request.extensions().flatten() {
        assert!(!extension.name().is_empty());
        for (name, value) in extension.params() {
            assert!(!name.is_empty());
            assert!(value.is_none_or(|value| value.chars().count() > 0));
        }
    }
    for (name, value) in request.headers().iter() {
        assert!(!name.is_empty());
        assert!(!value.contains(&b'\r') && !value.contains(&b'\n'));
        assert!(request.headers().get(name).is_some());
    }
}

/// What a request that is accepted has to be, read a second time and naively; and our client
/// takes the answer to it.
fn assert_is_handshake(head: &[u8], request: &Request<'_>) {
    assert!(head.starts_with(b"GET "));
    let headers = naive_headers(head);
    let count = |name| values(&headers, name).count();
    assert_eq!(count("host"), 1);
    assert_eq!(count("sec-websocket-key"), 1);
    assert_eq!(count("transfer-encoding"), 0);
    let version: Vec<_> = values(&headers, "sec-websocket-version").collect();
    assert_eq!(version, [b"13"]);
    let upgrade = values(&headers, "upgrade").collect::<Vec<_>>().concat();
    assert!(
        upgrade
            .to_ascii_lowercase()
            .windows(9)
            .any(|it| it == b"websocket")
    );
    let connection = values(&headers, "connection").collect::<Vec<_>>().concat();
    assert!(
        connection
            .to_ascii_lowercase()
            .windows(7)
            .any(|it| it == b"upgrade")
    );

    let mut accept = request.accept().expect("it was accepted");
    let protocol = request.protocols().next();
    if let Some(protocol) = protocol {
        accept = accept.protocol(protocol).expect("it was offered");
    }
    let mut answer = [0; 2048];
    let len = accept.encode(&mut answer).expect("room");
    let key = request.header("Sec-WebSocket-Key").expect("it is there");
    let key = Key::parse(key).expect("it was checked");
    let offered: Vec<_> = protocol.into_iter().collect();
    let offer = Offer::new("example.com", "/").expect("a good offer");
    let offer = offer.protocols(&offered).expect("a token");
    let verified = offer.verify(&key, &mut Scan::new(), &answer[..len], &Limits::DEFAULT);
    let (response, end) = verified.expect("our answer is right").expect("and whole");
    assert_eq!((response.protocol(), end), (protocol, len));
}

fn assert_refusal(error: RequestError) {
    let mut answer = [0; 512];
    let len = error.encode_refusal(&mut answer).expect("512 are enough");
    let answer = str::from_utf8(&answer[..len]).expect("it is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", error.status())));
    assert!(head.contains("\r\nConnection: close"));
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())));
    assert_eq!(body, format!("{error}\n"));
}
