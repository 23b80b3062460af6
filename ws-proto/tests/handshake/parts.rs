//! Handshakes in the types of the `http` crate, between two ends that print and parse nothing:
//! HTTP/1.1, and extended CONNECT over HTTP/2 and HTTP/3 (RFC 8441, RFC 9220).

#![cfg(feature = "http")]

use http::{HeaderMap, Method, StatusCode, Version};
use ws_proto::handshake::{
    ArgumentError, Bootstrap, Compression, Direction, HeadError, HttpVersion, Key, Offer, Request,
    RequestError, Response, ResponseError,
};

const FULL: Compression = Compression {
    server: Direction::FULL,
    client: Direction::FULL,
};

fn offer() -> Offer<'static> {
    Offer::new("example.com", "/chat?room=7")
        .and_then(|offer| offer.origin("https://example.com"))
        .and_then(|offer| offer.protocols(&["chat.v2", "chat.v1"]))
        .and_then(|offer| offer.headers(&[("Cookie", "a=b"), ("X-Trace", "1")]))
        .expect("a good one")
        .compression(Some(FULL))
}

/// What a server does with a request.
fn served(request: &Request<'_>) -> Result<http::Response<()>, RequestError> {
    request.same_origin()?;
    assert_eq!((request.path(), request.query()), ("/chat", Some("room=7")));
    assert_eq!(request.header("cookie"), Some("a=b"));
    let agreed = FULL.agree(request.extensions())?;
    let accept = request
        .accept()?
        .protocol("chat.v1")
        .expect("it is offered");
    let accept = accept.headers(&[("Set-Cookie", "c=d"), ("set-cookie", "e=f")]);
    let accept = accept.expect("good ones").compression(agreed);
    Ok(accept.to_http().expect("short names"))
}

fn assert_answered(answer: &http::Response<()>) {
    let headers = answer.headers();
    assert_eq!(headers["sec-websocket-protocol"], "chat.v1");
    assert_eq!(headers["sec-websocket-extensions"], "permessage-deflate");
    let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["c=d", "e=f"]);
}

#[test]
fn both_ends_over_http_1() {
    let (offer, key) = (offer(), Key::new(*b"the sample nonce"));
    let asked = offer.to_http(&key).expect("a URI");
    assert_eq!(
        (asked.method(), asked.version()),
        (&Method::GET, Version::HTTP_11)
    );
    assert_eq!(asked.uri(), "/chat?room=7");
    assert_eq!(asked.headers()["host"], "example.com");
    assert_eq!(
        asked.headers()["sec-websocket-protocol"],
        "chat.v2, chat.v1"
    );

    let (method, uri, version) = (asked.method(), asked.uri(), asked.version());
    let request = Request::from_http(method, uri, version, asked.headers(), None);
    let request = request.expect("a request");
    assert_eq!(request.bootstrap(), Bootstrap::Http1);
    assert_eq!(request.authority(), None, "Host says it");
    let answer = served(&request).expect("a handshake");
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.headers()["upgrade"], "websocket");
    assert_answered(&answer);

    let (status, version) = (answer.status().as_u16(), answer.version().into());
    let response = Response::from_parts(status, version, answer.headers()).expect("a response");
    assert_eq!(offer.confirm(&key, &response), Ok(()));
    assert_eq!(response.protocol(), Some("chat.v1"));
    assert_eq!(offer.agreed(&response), Ok(Some(FULL)));
    let other = Key::new([7; 16]);
    assert_eq!(
        offer.confirm(&other, &response),
        Err(ResponseError::WrongAccept)
    );

    // The same in bytes.
    let mut out = [0; 1024];
    let len = offer.encode(&key, &mut out).expect("room");
    let bytes = Request::parse(&out[..len]).expect("a request");
    let lower = |headers: ws_proto::handshake::Headers<'_>| {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(lower(bytes.headers()), lower(request.headers()));
}

#[test]
fn both_ends_over_http_2() {
    let offer = offer();
    let asked = offer.to_http_extended("https").expect("a URI");
    assert_eq!(
        (asked.method(), asked.version()),
        (&Method::CONNECT, Version::HTTP_2)
    );
    assert_eq!(asked.uri(), "https://example.com/chat?room=7");
    for name in ["host", "upgrade", "connection", "sec-websocket-key"] {
        assert!(!asked.headers().contains_key(name), "{name}");
    }

    let (method, uri, headers) = (asked.method(), asked.uri(), asked.headers());
    for version in [Version::HTTP_2, Version::HTTP_3] {
        let request = Request::from_http(method, uri, version, headers, Some("websocket"));
        let request = request.expect("a request");
        assert!(request.wants_upgrade());
        assert_eq!(request.bootstrap(), Bootstrap::ExtendedConnect);
        assert_eq!(request.authority(), Some("example.com"));
        let answer = served(&request).expect("a handshake");
        assert_eq!(answer.status(), StatusCode::OK);
        for name in ["upgrade", "connection", "sec-websocket-accept"] {
            assert!(!answer.headers().contains_key(name), "{name}");
        }
        assert_answered(&answer);

        let status = answer.status().as_u16();
        let response = Response::from_parts(status, version.into(), answer.headers());
        let response = response.expect("a response");
        assert_eq!(offer.confirm_extended(&response), Ok(()));
        assert_eq!(response.protocol(), Some("chat.v1"));
        assert_eq!(offer.agreed(&response), Ok(Some(FULL)));
    }
}

/// Judges an extended CONNECT to `example.com/` with these headers, in lines.
fn judged(protocol: &str, authority: &str, path: &str, lines: &str) -> Result<u16, RequestError> {
    let headers: Vec<_> = lines
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let (version, headers) = (HttpVersion::Http3, &headers[..]);
    let request = Request::extended_connect(version, protocol, authority, path, headers)?;
    request.same_origin()?;
    request.accept().map(|accept| accept.status())
}

#[test]
fn every_rule_of_rfc_8441() {
    use RequestError as E;
    const V: &str = "sec-websocket-version: 13";
    let with = |line: &str| format!("{V}\n{line}");
    for (protocol, authority, path, lines, expected) in [
        ("websocket", "example.com", "/", V.into(), Ok(200)),
        ("WebSocket", "example.com:443", "/a?b", V.into(), Ok(200)),
        ("websocket", "[::1]:9", "/", V.into(), Ok(200)),
        (
            "connect-udp",
            "example.com",
            "/",
            V.into(),
            Err(E::UnknownProtocol),
        ),
        (
            "websocket2",
            "example.com",
            "/",
            V.into(),
            Err(E::UnknownProtocol),
        ),
        ("", "example.com", "/", V.into(), Err(E::UnknownProtocol)),
        ("websocket", "", "/", V.into(), Err(E::InvalidHost)),
        (
            "websocket",
            "u@example.com",
            "/",
            V.into(),
            Err(E::InvalidHost),
        ),
        ("websocket", "example.com", "", V.into(), Err(E::Target)),
        ("websocket", "example.com", "*", V.into(), Err(E::Target)),
        ("websocket", "example.com", "/#a", V.into(), Err(E::Target)),
        (
            "websocket",
            "example.com",
            "http://example.com/",
            V.into(),
            Err(E::Target),
        ),
        // Host is not needed, and has to be the same.
        ("websocket", "a", "/", with("host: a"), Ok(200)),
        ("websocket", "a", "/", with("host: A"), Ok(200)),
        ("websocket", "a", "/", with("host: b"), Err(E::HostMismatch)),
        (
            "websocket",
            "a",
            "/",
            with("host: a:1"),
            Err(E::HostMismatch),
        ),
        (
            "websocket",
            "a",
            "/",
            with("host: a\nhost: a"),
            Err(E::RepeatedHost),
        ),
        (
            "websocket",
            "a",
            "/",
            with("host: a b"),
            Err(E::InvalidHost),
        ),
        // What is said of a connection.
        (
            "websocket",
            "a",
            "/",
            with("upgrade: websocket"),
            Err(E::InvalidUpgrade),
        ),
        (
            "websocket",
            "a",
            "/",
            with("connection: Upgrade"),
            Err(E::InvalidConnection),
        ),
        (
            "websocket",
            "a",
            "/",
            with("connection: close"),
            Err(E::InvalidConnection),
        ),
        (
            "websocket",
            "a",
            "/",
            with("transfer-encoding: chunked"),
            Err(E::Body),
        ),
        (
            "websocket",
            "a",
            "/",
            with("content-length: 5"),
            Err(E::Body),
        ),
        // A key is not looked at.
        ("websocket", "a", "/", with("sec-websocket-key: ?"), Ok(200)),
        // All else is as over HTTP/1.1.
        (
            "websocket",
            "a",
            "/",
            String::new(),
            Err(E::WebSocketVersion),
        ),
        (
            "websocket",
            "a",
            "/",
            "sec-websocket-version: 8".into(),
            Err(E::WebSocketVersion),
        ),
        ("websocket", "a", "/", with(V), Err(E::WebSocketVersion)),
        (
            "websocket",
            "a",
            "/",
            with("sec-websocket-protocol: a b"),
            Err(E::InvalidProtocol),
        ),
        (
            "websocket",
            "a",
            "/",
            with("sec-websocket-protocol: a, a"),
            Err(E::RepeatedProtocol),
        ),
        (
            "websocket",
            "a",
            "/",
            with("sec-websocket-extensions: a;"),
            Err(E::InvalidExtensions),
        ),
        ("websocket", "a", "/", with("origin: https://a"), Ok(200)),
        (
            "websocket",
            "a:8443",
            "/",
            with("origin: https://a:8443"),
            Ok(200),
        ),
        (
            "websocket",
            "a",
            "/",
            with("origin: https://b"),
            Err(E::Origin),
        ),
        ("websocket", "a", "/", with("origin: null"), Err(E::Origin)),
        // Origin is compared with `:authority`, not with a Host that lies.
        (
            "websocket",
            "a",
            "/",
            with("host: b\norigin: https://b"),
            Err(E::Origin),
        ),
        (
            "websocket",
            "a",
            "/",
            with("a b: c"),
            Err(HeadError::HeaderName.into()),
        ),
        (
            "websocket",
            "a",
            "/",
            with("a: \0"),
            Err(HeadError::ControlCharacter.into()),
        ),
    ] {
        let got = judged(protocol, authority, path, &lines);
        assert_eq!(got, expected, "{protocol} {authority} {path} {lines:?}");
    }
}

#[test]
fn what_is_no_extended_connect_is_none() {
    let asked = offer().to_http_extended("https").expect("a URI");
    let (uri, headers) = (asked.uri(), asked.headers());
    let judged = |method: &Method, version, protocol| {
        let request = Request::from_http(method, uri, version, headers, protocol)?;
        request.accept().map(drop)
    };
    let method = Err(RequestError::Method);
    assert_eq!(
        judged(&Method::GET, Version::HTTP_2, Some("websocket")),
        method
    );
    assert_eq!(judged(&Method::GET, Version::HTTP_2, None), method);
    assert_eq!(judged(&Method::CONNECT, Version::HTTP_2, None), method);
    assert_eq!(judged(&Method::CONNECT, Version::HTTP_11, None), method);
    // A page is a request too.
    let page = Request::from_http(&Method::GET, uri, Version::HTTP_2, headers, None);
    let page = page.expect("a request");
    assert_eq!((page.path(), page.wants_upgrade()), ("/chat", false));
    assert_eq!(page.version(), HttpVersion::Http2);
}

/// `CONNECT host:port` names an authority and no resource: that is its target, and it has no path.
#[test]
fn a_request_without_a_resource_keeps_its_target() {
    let uri = "example.com:80".parse().expect("an authority");
    let headers = HeaderMap::new();
    let request = Request::from_http(&Method::CONNECT, &uri, Version::HTTP_11, &headers, None);
    let request = request.expect("a request");
    assert_eq!((request.target(), request.path()), ("example.com:80", ""));
    assert_eq!(request.accept().map(drop), Err(RequestError::Method));
}

#[test]
fn refusals_are_whole_answers() {
    let refusal = RequestError::WebSocketVersion
        .refusal(Bootstrap::Http1)
        .to_http();
    assert_eq!(refusal.status(), StatusCode::UPGRADE_REQUIRED);
    let headers = refusal.headers();
    assert_eq!(headers["sec-websocket-version"], "13");
    assert_eq!(headers["upgrade"], "websocket");
    let connection: Vec<_> = headers.get_all("connection").iter().collect();
    assert_eq!(connection, ["close", "Upgrade"]);
    assert_eq!(
        refusal.body(),
        "the handshake requires Sec-WebSocket-Version: 13\n"
    );

    let extended = Bootstrap::ExtendedConnect;
    let refusal = RequestError::WebSocketVersion.refusal(extended).to_http();
    assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    assert_eq!(refusal.headers()["sec-websocket-version"], "13");
    assert!(!refusal.headers().contains_key("upgrade"));
    assert!(!refusal.headers().contains_key("connection"));
}

#[test]
fn answers_that_refuse_a_client() {
    let (offer, key) = (offer(), Key::new([7; 16]));
    let empty = HeaderMap::new();
    let extended = |status, headers| {
        let response = Response::from_parts(status, HttpVersion::Http2, headers)?;
        offer.confirm_extended(&response)
    };
    for status in [200, 204, 299] {
        assert_eq!(extended(status, &empty), Ok(()));
    }
    for status in [100, 101, 199, 300, 403, 501, 599] {
        assert_eq!(
            extended(status, &empty),
            Err(ResponseError::Refused(status))
        );
    }
    for status in [0, 99, 600, 1000] {
        assert_eq!(extended(status, &empty), Err(ResponseError::StatusLine));
    }
    let mut other = HeaderMap::new();
    other.insert("sec-websocket-protocol", "soap".parse().expect("text"));
    assert_eq!(extended(200, &other), Err(ResponseError::UnofferedProtocol));

    let http1 = |status, version| {
        let response = Response::from_parts(status, version, &empty)?;
        offer.confirm(&key, &response)
    };
    let over = HttpVersion::Http11;
    assert_eq!(http1(403, over), Err(ResponseError::Refused(403)));
    assert_eq!(http1(200, over), Err(ResponseError::Refused(200)));
    assert_eq!(http1(101, over), Err(ResponseError::MissingUpgrade));
    assert_eq!(
        http1(101, HttpVersion::Http10),
        Err(ResponseError::HttpVersion)
    );
}

#[test]
fn what_the_types_of_http_have_not_is_an_argument() {
    let name = "x".repeat(1 << 16);
    let headers = [(&*name, "a")];
    let offer = Offer::new("a", "/").expect("a good one");
    let offer = offer.headers(&headers).expect("a token");
    let asked = offer.to_http(&Key::new([7; 16])).map(drop);
    assert_eq!(asked, Err(ArgumentError::HeaderName));
    let scheme = offer.to_http_extended("a b").map(drop);
    assert_eq!(scheme, Err(ArgumentError::Target));
}
