//! For which host a request is: RFC 9110 §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1. A request for a page
//! is judged by it as a handshake is.

use ws_proto::handshake::RequestError as E;
use ws_proto::handshake::{HttpVersion, Request};

/// A version of HTTP, the target, the value of each Host, and what comes of it.
type Case = (
    HttpVersion,
    &'static str,
    &'static [&'static str],
    Result<(), E>,
);

const V10: HttpVersion = HttpVersion::Http10;
const V11: HttpVersion = HttpVersion::Http11;
const V2: HttpVersion = HttpVersion::Http2;
const V3: HttpVersion = HttpVersion::Http3;

#[rustfmt::skip]
const CASES: &[Case] = &[
    // "A client MUST send a Host header field […] in all HTTP/1.1 request messages." (RFC 9112 §3.2)
    (V11, "/", &["a.example"], Ok(())),
    (V11, "/", &["a.example:9001"], Ok(())),
    (V11, "/", &["[::1]:9001"], Ok(())),
    (V11, "/", &[], Err(E::MissingHost)),
    (V11, "http://a.example/", &[], Err(E::MissingHost)),
    (V11, "*", &[], Err(E::MissingHost)),
    // Of HTTP/1.0 it is younger.
    (V10, "/", &[], Ok(())),
    (V10, "http://a.example/", &[], Ok(())),
    (V10, "/", &["a.example"], Ok(())),
    // Who has no name has an empty one; who has a name says it.
    (V11, "/", &[""], Ok(())),
    (V11, "*", &[""], Ok(())),
    (V10, "/", &[""], Ok(())),
    (V11, "http://a.example/", &[""], Err(E::HostMismatch)),
    (V10, "http://a.example/", &[""], Err(E::HostMismatch)),
    (V11, "a.example:80", &[""], Err(E::HostMismatch)),
    // "more than one Host header field line or a Host header field with an invalid field value"
    (V11, "/", &["a.example", "b.example"], Err(E::RepeatedHost)),
    (V11, "/", &["a.example", "a.example"], Err(E::RepeatedHost)),
    (V11, "/", &["", ""], Err(E::RepeatedHost)),
    (V10, "/", &["a.example", "a.example"], Err(E::RepeatedHost)),
    (V11, "http://a.example/", &["a.example", "b.example"], Err(E::RepeatedHost)),
    (V11, "/", &["a.example, b.example"], Err(E::InvalidHost)),
    (V11, "/", &["evil.example@a.example"], Err(E::InvalidHost)),
    (V11, "/", &["a.example/"], Err(E::InvalidHost)),
    (V11, "/", &["a.example:x"], Err(E::InvalidHost)),
    (V11, "/", &[":80"], Err(E::InvalidHost)),
    (V11, "/", &["\u{e9}vil.example"], Err(E::InvalidHost)),
    (V10, "/", &["a b"], Err(E::InvalidHost)),
    // "identical to that authority component"
    (V11, "http://a.example/", &["a.example"], Ok(())),
    (V11, "http://a.example:80/", &["A.Example"], Ok(())),
    (V11, "https://a.example/", &["a.example:443"], Ok(())),
    (V11, "http://a.example/", &["b.example"], Err(E::HostMismatch)),
    (V11, "http://a.example/", &["a.example:81"], Err(E::HostMismatch)),
    (V11, "https://a.example/", &["a.example:80"], Err(E::HostMismatch)),
    (V10, "http://a.example/", &["b.example"], Err(E::HostMismatch)),
    (V11, "a.example:443", &["a.example:443"], Ok(())),
    (V11, "a.example:443", &["a.example"], Ok(())),
    (V11, "a.example:443", &["a.example:80"], Err(E::HostMismatch)),
    (V11, "a.example:443", &["b.example:443"], Err(E::HostMismatch)),
    (V11, "*", &["a.example"], Ok(())),
    // "the request MUST contain either an ":authority" pseudo-header field or a "Host" header field.
    // If these fields are present, they MUST NOT be empty." (RFC 9113 §8.3.1)
    (V2, "/", &["a.example"], Ok(())),
    (V2, "/", &[], Err(E::MissingHost)),
    (V2, "/", &[""], Err(E::InvalidHost)),
    (V2, "/", &["a.example", "a.example"], Err(E::RepeatedHost)),
    (V2, "https://a.example/", &[], Ok(())),
    (V2, "https://a.example/", &["a.example"], Ok(())),
    (V2, "https://a.example/", &[""], Err(E::InvalidHost)),
    (V2, "https://a.example/", &["b.example"], Err(E::HostMismatch)),
    (V3, "/", &[], Err(E::MissingHost)),
    (V3, "https://a.example/", &[], Ok(())),
    (V3, "https://a.example/", &["b.example"], Err(E::HostMismatch)),
];

/// `:authority`, the value of each Host, and what comes of it.
#[rustfmt::skip]
const EXTENDED: &[(&str, &[&str], Result<(), E>)] = &[
    ("a.example", &[], Ok(())),
    ("a.example:443", &[], Ok(())),
    ("a.example", &["A.example"], Ok(())),
    ("a.example", &["b.example"], Err(E::HostMismatch)),
    // Nobody says which port the scheme implies.
    ("a.example", &["a.example:443"], Err(E::HostMismatch)),
    ("a.example", &[""], Err(E::InvalidHost)),
    ("a.example", &["a b"], Err(E::InvalidHost)),
    ("a.example", &["a.example", "a.example"], Err(E::RepeatedHost)),
    ("", &[], Err(E::InvalidHost)),
    ("", &["a.example"], Err(E::InvalidHost)),
    ("li@a.example", &[], Err(E::InvalidHost)),
];

fn headers<'h>(hosts: &[&'h str]) -> Vec<(&'static str, &'h [u8])> {
    hosts.iter().map(|host| ("host", host.as_bytes())).collect()
}

#[test]
fn a_request_says_for_which_host_it_is_and_says_one() {
    for (version, target, hosts, expected) in CASES {
        let headers = headers(hosts);
        let request = Request::from_parts("GET", target, *version, &headers[..]).unwrap();
        assert_eq!(
            request.check_host(),
            *expected,
            "{version:?} {target} {hosts:?}"
        );
        // No handshake gets by with less; what names no resource is none.
        if let Err(error) = expected
            && *version == V11
            && target.contains('/')
        {
            let accepted = request.accept().map(drop);
            assert_eq!(accepted, Err(*error), "{target} {hosts:?}");
        }
    }
    for (authority, hosts, expected) in EXTENDED {
        for version in [V2, V3] {
            let headers = headers(hosts);
            let (protocol, path) = ("websocket", "/");
            let request =
                Request::extended_connect(version, protocol, authority, path, &headers[..]);
            let request = request.unwrap();
            assert_eq!(request.check_host(), *expected, "{authority} {hosts:?}");
            let accepted = request.accept().map(drop);
            let accepted = accepted.or_else(|error| match error {
                E::WebSocketVersion => Ok(()),
                error => Err(error),
            });
            assert_eq!(accepted, *expected, "{authority} {hosts:?}");
        }
    }
}
