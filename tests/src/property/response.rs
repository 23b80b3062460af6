//! The client's side of the opening handshake: RFC 6455 §4.1.

use ws_proto::Limits;
use ws_proto::handshake::{Key, Offer, Response, ResponseError, Scan};

use super::head::{assert_within, in_pieces, limits, lines, naive_headers, same_verdict, values};
use super::input::cuts;

/// A response gives the same verdict whole and in pieces. One that is taken is a 101 by a naive
/// reading too.
///
/// The input is a byte for the number of cuts, the cuts, and the head.
///
/// # Panics
///
/// If not.
pub fn handshake_response(input: &[u8]) {
    let (cuts, input) = cuts(input);
    let limits = limits();
    let key = Key::new(*b"the sample nonce");
    let offer = Offer::new("server.example.com", "/chat").expect("a good offer");
    let offer = offer.protocols(&["chat", "superchat"]).expect("good ones");
    let mut whole_scan = Scan::new();
    let whole = offer.verify(&key, &mut whole_scan, input, &limits);
    let mut scan = Scan::new();
    let pieced = in_pieces(input, &cuts, |input| {
        let verified = offer.verify(&key, &mut scan, input, &limits).transpose()?;
        Some(verified.map(|(response, len)| (said(&response), len)))
    });
    let all = whole.map(|verified| verified.map(|(response, len)| (said(&response), len)));
    same_verdict(all, pieced);
    assert_eq!(scan.head(), whole_scan.head());

    match whole {
        Ok(Some((response, len))) => {
            let head = whole_scan.head().expect("it was found");
            assert_eq!(head.end, len);
            assert_within(&input[head.clone()], &limits);
            let headers = naive_headers(&input[head]);
            let only = |name| {
                let mut values = values(&headers, name);
                let value = values.next();
                assert!(values.next().is_none(), "{name} is repeated");
                value
            };
            assert_eq!(
                only("sec-websocket-accept"),
                Some(&b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..])
            );
            assert!(only("upgrade").is_some_and(|it| it.eq_ignore_ascii_case(b"websocket")));
            assert!(values(&headers, "connection").next().is_some());
            assert_eq!(response.status(), 101);
            let pairs = lines(response.headers());
            let parts = Response::from_parts(101, response.version(), &pairs[..]);
            assert_eq!(offer.confirm(&key, &parts.expect("it was parsed")), Ok(()));
            assert!(matches!(
                response.protocol(),
                None | Some("chat" | "superchat")
            ));
        }
        Ok(None) => {}
        Err(ResponseError::Refused(status)) => {
            let head = whole_scan.head().expect("it was found");
            let response = Response::parse(&input[head]).expect("it was parsed");
            assert_eq!(response.status(), status);
            let _ = (response.reason(), response.version(), response.protocol());
            assert!(response.headers().iter().count() <= Limits::HEADERS);
        }
        // It only has to be sayable.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// All that it says.
fn said(response: &Response<'_>) -> String {
    let headers = lines(response.headers());
    let (status, reason) = (response.status(), response.reason());
    format!("{status} {reason} {:?} {headers:?}", response.version())
}
