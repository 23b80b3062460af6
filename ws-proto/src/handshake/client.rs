//! The client's side: sending our handshake, and reading the server's (§4.1).

use core::mem::MaybeUninit;
use core::str;

use super::deflate::Compression;
use super::error::HandshakeError;
use super::extensions::Extensions;
use super::head::{Scan, check};
use super::headers::{Headers, Listed, Only};
use super::origin::Origin;
use super::syntax::{ListFault, check_own_headers, is_token, unique_tokens};
use super::target::Target;
use super::write::Writer;
use super::{HttpVersion, Key, authority::Authority};
use crate::error::NoRoom;
use crate::limits::Limits;

/// How many interim responses are skipped before the answer has to come.
const MAX_INTERIM: u8 = 8;

/// A handshake that we send, and what its answer is held against.
///
/// What was given to it cannot break a line, so [`encode`](Self::encode) always writes one
/// request. The [`Key`] is no part of it: "The nonce MUST be selected randomly for each
/// connection." (§4.1)
///
/// ```
/// use ws_proto::handshake::{Key, Offer};
///
/// let offer = Offer::new("example.com:9001", "/chat")?
///     .protocols(&["chat.v2", "chat.v1"])?
///     .headers(&[("Authorization", "Bearer abc")])?;
/// let mut out = [0; 512];
/// let len = offer.encode(&Key::new([7; 16]), &mut out).unwrap();
/// assert!(out[..len].starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com:9001\r\n"));
/// # Ok::<(), ws_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Offer<'a> {
    host: &'a str,
    target: &'a str,
    origin: Option<&'a str>,
    protocols: &'a [&'a str],
    compression: Option<Compression>,
    headers: &'a [(&'a str, &'a str)],
}

impl<'a> Offer<'a> {
    /// Makes an offer to `host[:port]` (an IPv6 address in brackets, the port only if it is not
    /// the scheme's own) for `/path[?query]`: §3's host, port and resource name.
    ///
    /// # Errors
    ///
    /// [`OwnHost`](HandshakeError::OwnHost) or [`OwnTarget`](HandshakeError::OwnTarget): "If any
    /// of the components are invalid, the client MUST _Fail the WebSocket Connection_" (§4.1).
    pub fn new(host: &'a str, target: &'a str) -> Result<Self, HandshakeError> {
        if Authority::parse(host).is_none() {
            return Err(HandshakeError::OwnHost);
        }
        let Some(Target::Origin { .. }) = Target::parse(target) else {
            return Err(HandshakeError::OwnTarget);
        };
        Ok(Self {
            host,
            target,
            origin: None,
            protocols: &[],
            compression: None,
            headers: &[],
        })
    }

    /// Sets the Origin, for clients that act for a page as browsers do (§4.1 (8)).
    ///
    /// # Errors
    ///
    /// [`OwnOrigin`](HandshakeError::OwnOrigin) if it is neither a serialized origin nor `null`.
    pub fn origin(self, origin: &'a str) -> Result<Self, HandshakeError> {
        if origin != "null" && Origin::parse(origin).is_err() {
            return Err(HandshakeError::OwnOrigin);
        }
        Ok(Self {
            origin: Some(origin),
            ..self
        })
    }

    /// Offers subprotocols, the preferred one first (§4.1 (10)).
    ///
    /// # Errors
    ///
    /// [`OwnProtocol`](HandshakeError::OwnProtocol),
    /// [`OwnRepeatedProtocol`](HandshakeError::OwnRepeatedProtocol) or
    /// [`OwnTooManyProtocols`](HandshakeError::OwnTooManyProtocols).
    pub fn protocols(self, protocols: &'a [&'a str]) -> Result<Self, HandshakeError> {
        match unique_tokens(protocols.iter().map(|protocol| protocol.as_bytes())) {
            Ok(_) => Ok(Self { protocols, ..self }),
            Err(ListFault::NotAToken) => Err(HandshakeError::OwnProtocol),
            Err(ListFault::Repeated) => Err(HandshakeError::OwnRepeatedProtocol),
            Err(ListFault::TooMany) => Err(HandshakeError::OwnTooManyProtocols),
        }
    }

    /// Offers compression (RFC 7692), and asks the server to keep to these bounds. A server that
    /// cannot may agree without: [`agreed`](Self::agreed) has what it agreed to. For what the
    /// client sends nothing is asked: it keeps to its bounds itself.
    pub const fn compression(self, compression: Option<Compression>) -> Self {
        Self {
            compression,
            ..self
        }
    }

    /// Sets the headers that the application adds (§4.1 (12)): cookies, authorization.
    ///
    /// # Errors
    ///
    /// [`OwnHeaderName`](HandshakeError::OwnHeaderName),
    /// [`OwnHeaderValue`](HandshakeError::OwnHeaderValue) if one could break its line, and
    /// [`OwnReservedHeader`](HandshakeError::OwnReservedHeader) if it is one of the handshake's.
    pub fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Result<Self, HandshakeError> {
        check_own_headers(headers)?;
        Ok(Self { headers, ..self })
    }

    /// Writes the request and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `out` is shorter than the request.
    pub fn encode(&self, key: &Key, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        for text in ["GET ", self.target, " HTTP/1.1\r\n"] {
            writer.put(text);
        }
        writer.header("Host", self.host);
        writer.header("Upgrade", "websocket");
        writer.header("Connection", "Upgrade");
        writer.header("Sec-WebSocket-Key", key.encode().as_str());
        writer.header("Sec-WebSocket-Version", "13");
        if let Some(origin) = self.origin {
            writer.header("Origin", origin);
        }
        if let Some((first, rest)) = self.protocols.split_first() {
            writer.put("Sec-WebSocket-Protocol: ");
            writer.put(first);
            for protocol in rest {
                writer.put(", ");
                writer.put(protocol);
            }
            writer.put("\r\n");
        }
        if let Some(compression) = &self.compression {
            compression.write_offers(&mut writer);
        }
        for (name, value) in self.headers {
            writer.header(name, value);
        }
        writer.put("\r\n");
        writer.finish()
    }

    /// Reads the server's answer: the response and where the frames begin, or `None` while more
    /// input is needed. `input` is everything received so far, and `scan` remembers how much of
    /// it was looked at; start with a fresh one. Up to 8 interim responses (1xx) are skipped;
    /// they and the answer share [`Limits::max_head`], so a buffer of that size is enough.
    ///
    /// # Errors
    ///
    /// Those of [`Scan::advance`] as early as they show,
    /// [`StatusLine`](HandshakeError::StatusLine),
    /// [`TooManyInterim`](HandshakeError::TooManyInterim),
    /// [`Refused`](HandshakeError::Refused) for any final status but 101 ([`Scan::head`] tells
    /// where that response lies, for [`Response::parse`]), and the first rule of §4.1 that a 101
    /// breaks. Close the connection after each of them.
    pub fn verify<'b>(
        &self,
        key: &Key,
        scan: &mut Scan,
        input: &'b [u8],
        limits: &Limits,
    ) -> Result<Option<(Response<'b>, usize)>, HandshakeError> {
        while let Some(len) = scan.advance(input, limits)? {
            let head = scan.head().and_then(|head| input.get(head));
            let response = Response::parse(head.unwrap_or_default())?;
            match response.status {
                101 => {
                    self.check(key, &response)?;
                    return Ok(Some((response, len)));
                }
                100..=199 if scan.skipped() < MAX_INTERIM => scan.skip_head(),
                100..=199 => return Err(HandshakeError::TooManyInterim),
                // "If the status code received from the server is not 101, the client handles
                // the response per HTTP [RFC2616] procedures." (§4.1)
                status => return Err(HandshakeError::Refused(status)),
            }
        }
        Ok(None)
    }

    /// What the server agreed to about compression, if it did; [`verify`](Self::verify) has found
    /// it in order.
    ///
    /// # Errors
    ///
    /// [`UnofferedExtension`](HandshakeError::UnofferedExtension),
    /// [`InvalidExtensions`](HandshakeError::InvalidExtensions).
    pub fn agreed(&self, response: &Response<'_>) -> Result<Option<Compression>, HandshakeError> {
        let mut answers = Extensions::of(response.headers);
        match (self.compression, answers.next()) {
            (_, None) => Ok(None),
            (None, Some(extension)) => extension.and(Err(HandshakeError::UnofferedExtension)),
            (Some(_), Some(_)) => Compression::confirm(Extensions::of(response.headers)),
        }
    }

    fn check(&self, key: &Key, response: &Response<'_>) -> Result<(), HandshakeError> {
        let headers = response.headers;
        if response.version != HttpVersion::Http11 {
            return Err(HandshakeError::ResponseVersion);
        }
        // "If the response lacks an |Upgrade| header field or the |Upgrade| header field contains
        // a value that is not an ASCII case-insensitive match for the value "websocket"" (§4.1)
        match headers.only("Upgrade") {
            Only::Value(value) if value.eq_ignore_ascii_case(b"websocket") => {}
            _ => return Err(HandshakeError::ResponseUpgrade),
        }
        // "If the response lacks a |Connection| header field or the |Connection| header field
        // doesn't contain a token that is an ASCII case-insensitive match for the value
        // "Upgrade"" (§4.1)
        if headers.listed("Connection", "upgrade", is_token) != Listed::Yes {
            return Err(HandshakeError::ResponseConnection);
        }
        match headers.only("Sec-WebSocket-Accept") {
            Only::Value(value) if value == key.accept_token().as_str().as_bytes() => {}
            Only::Value(_) => return Err(HandshakeError::WrongAccept),
            Only::Missing => return Err(HandshakeError::MissingAccept),
            Only::Repeated => return Err(HandshakeError::RepeatedAccept),
        }
        // "this header field indicates the use of an extension that was not present in the
        // client's handshake" (§4.1)
        self.agreed(response)?;
        // "this header field indicates the use of a subprotocol that was not present in the
        // client's handshake" (§4.1)
        match headers.only("Sec-WebSocket-Protocol") {
            Only::Missing => Ok(()),
            Only::Value(value) if self.protocols.iter().any(|own| own.as_bytes() == value) => {
                Ok(())
            }
            Only::Value(_) => Err(HandshakeError::UnofferedProtocol),
            Only::Repeated => Err(HandshakeError::SeveralProtocols),
        }
    }
}

/// A response whose head is valid HTTP/1.0 or HTTP/1.1: the one that [`Offer::verify`] found in
/// order, or any other.
///
/// ```
/// use ws_proto::handshake::Response;
///
/// let response = Response::parse(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n")?;
/// assert_eq!((response.status(), response.reason()), (401, "Unauthorized"));
/// assert_eq!(response.header("www-authenticate"), Some("Basic"));
/// # Ok::<(), ws_proto::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Response<'b> {
    version: HttpVersion,
    status: u16,
    reason: &'b str,
    headers: Headers<'b>,
}

impl<'b> Response<'b> {
    /// Parses a whole head, the empty line included. It says nothing about the handshake.
    ///
    /// # Errors
    ///
    /// Those of [`Scan::advance`], limits aside; [`Truncated`](HandshakeError::Truncated) or
    /// [`TrailingBytes`](HandshakeError::TrailingBytes) if `head` is not exactly one head; and
    /// [`StatusLine`](HandshakeError::StatusLine), also for a status outside 100 to 599.
    pub fn parse(head: &'b [u8]) -> Result<Self, HandshakeError> {
        check(head)?;
        let (version, status, reason) = parse_status_line(head)?;
        Ok(Self {
            version,
            status,
            reason,
            headers: Headers::of(head),
        })
    }

    /// The status, from 100 to 599.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase; empty if there is none, or one that is not ASCII.
    #[must_use]
    pub const fn reason(&self) -> &'b str {
        self.reason
    }

    /// The version of HTTP.
    #[must_use]
    pub const fn version(&self) -> HttpVersion {
        self.version
    }

    /// The subprotocol in use: one of those offered, if [`Offer::verify`] gave this response.
    #[must_use]
    pub fn protocol(&self) -> Option<&'b str> {
        self.header("Sec-WebSocket-Protocol")
    }

    /// All headers.
    #[must_use]
    pub const fn headers(&self) -> Headers<'b> {
        self.headers
    }

    /// The value of the first header of that name, if it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b str> {
        str::from_utf8(self.headers.get(name)?).ok()
    }
}

/// Version, status and reason, by `httparse`, in 4 KiB of stack that are given back.
#[inline(never)]
fn parse_status_line(head: &[u8]) -> Result<(HttpVersion, u16, &str), HandshakeError> {
    let mut headers = [const { MaybeUninit::uninit() }; Limits::HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        head,
        &mut headers,
    );
    match parsed {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        _ => return Err(HandshakeError::StatusLine),
    }
    let version = match response.version {
        Some(0) => HttpVersion::Http10,
        Some(1) => HttpVersion::Http11,
        _ => return Err(HandshakeError::StatusLine),
    };
    match response.code {
        Some(code @ 100..=599) => Ok((version, code, response.reason.unwrap_or_default())),
        _ => Err(HandshakeError::StatusLine),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::HandshakeError as E;
    use super::*;

    /// The example of §1.2.
    const LINES: [&str; 5] = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: chat",
    ];

    fn edited(edits: &str) -> String {
        super::super::edits::edited(&LINES, edits)
    }

    fn offer() -> Offer<'static> {
        let offer = Offer::new("server.example.com", "/chat").unwrap();
        offer.protocols(&["chat", "superchat"]).unwrap()
    }

    fn verify<'b>(scan: &mut Scan, input: &'b [u8]) -> Result<Option<(Response<'b>, usize)>, E> {
        let key = Key::new(*b"the sample nonce");
        offer().verify(&key, scan, input, &Limits::default())
    }

    #[test]
    fn every_rule_of_section_4_1() {
        let cases: &[(&str, Result<(), E>)] = &[
            ("", Ok(())),
            // The status line.
            (">HTTP/1.1 101", Ok(())),
            (">HTTP/1.1 101 ", Ok(())),
            (">HTTP/1.1 101 Web Socket Protocol Handshake", Ok(())),
            (">HTTP/1.1 101 \u{e9}", Ok(())),
            (">HTTP/1.0 101 Switching Protocols", Err(E::ResponseVersion)),
            (">HTTP/1.1 200 OK", Err(E::Refused(200))),
            (">HTTP/1.1 302 Found", Err(E::Refused(302))),
            (">HTTP/1.1 401 Unauthorized", Err(E::Refused(401))),
            (">HTTP/1.0 503 Service Unavailable", Err(E::Refused(503))),
            (">HTTP/1.1 99 x", Err(E::StatusLine)),
            (">HTTP/1.1 000 x", Err(E::StatusLine)),
            (">HTTP/1.1 099 x", Err(E::StatusLine)),
            (">HTTP/1.1 600 x", Err(E::StatusLine)),
            (">HTTP/1.1 1010 x", Err(E::StatusLine)),
            (">HTTP/1.1 1o1 x", Err(E::StatusLine)),
            (">HTTP/1.1  101 x", Err(E::StatusLine)),
            (">HTTP/1.1", Err(E::StatusLine)),
            (">HTTP/2.0 101 x", Err(E::StatusLine)),
            (">http/1.1 101 x", Err(E::StatusLine)),
            (">SSH-2.0-OpenSSH_9.6", Err(E::StatusLine)),
            (">GET / HTTP/1.1", Err(E::StatusLine)),
            (">", Err(E::EmptyFirstLine)),
            // Upgrade.
            ("=Upgrade: WebSocket", Ok(())),
            ("-Upgrade", Err(E::ResponseUpgrade)),
            ("=Upgrade:", Err(E::ResponseUpgrade)),
            ("=Upgrade: h2c", Err(E::ResponseUpgrade)),
            ("=Upgrade: websocket, h2c", Err(E::ResponseUpgrade)),
            ("=Upgrade: websocket,", Err(E::ResponseUpgrade)),
            ("+Upgrade: websocket", Err(E::ResponseUpgrade)),
            // Connection.
            ("=Connection: upgrade", Ok(())),
            ("=Connection: keep-alive, UPGRADE", Ok(())),
            ("+Connection: keep-alive", Ok(())),
            ("-Connection", Err(E::ResponseConnection)),
            ("=Connection: close", Err(E::ResponseConnection)),
            ("=Connection: close Upgrade", Err(E::ResponseConnection)),
            // Accept.
            (
                "=Sec-WebSocket-Accept:\t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= ",
                Ok(()),
            ),
            ("-Sec-WebSocket-Accept", Err(E::MissingAccept)),
            ("=Sec-WebSocket-Accept:", Err(E::WrongAccept)),
            (
                "=Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp=",
                Err(E::WrongAccept),
            ),
            (
                "=Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                Err(E::WrongAccept),
            ),
            (
                "=Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
                Err(E::WrongAccept),
            ),
            (
                "=Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=x",
                Err(E::WrongAccept),
            ),
            (
                "=Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==",
                Err(E::WrongAccept),
            ),
            (
                "+Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                Err(E::RepeatedAccept),
            ),
            // Extensions.
            (
                "+Sec-WebSocket-Extensions: permessage-deflate",
                Err(E::UnofferedExtension),
            ),
            (
                "+Sec-WebSocket-Extensions: a; b=\"c\"",
                Err(E::UnofferedExtension),
            ),
            ("+Sec-WebSocket-Extensions:", Err(E::InvalidExtensions)),
            ("+Sec-WebSocket-Extensions: a b", Err(E::InvalidExtensions)),
            // The subprotocol.
            ("-Sec-WebSocket-Protocol", Ok(())),
            ("=Sec-WebSocket-Protocol: superchat", Ok(())),
            ("=Sec-WebSocket-Protocol: Chat", Err(E::UnofferedProtocol)),
            ("=Sec-WebSocket-Protocol: other", Err(E::UnofferedProtocol)),
            ("=Sec-WebSocket-Protocol:", Err(E::UnofferedProtocol)),
            (
                "=Sec-WebSocket-Protocol: chat, superchat",
                Err(E::UnofferedProtocol),
            ),
            (
                "+Sec-WebSocket-Protocol: superchat",
                Err(E::SeveralProtocols),
            ),
            // RFC 9112 §6.3: a 1xx has no body, whatever its headers say.
            ("+Content-Length: 0", Ok(())),
            ("+Set-Cookie: a=b & +Set-Cookie: c=d & +Date: now", Ok(())),
            // The head.
            ("+X : y", Err(E::SpaceBeforeColon)),
            ("+X: y\r\n z", Err(E::FoldedLine)),
            ("+X: y\nZ: z", Err(E::BareLf)),
            ("+X: y\0", Err(E::ControlCharacter)),
        ];
        assert!(cases.len() >= 40);
        for (edits, expected) in cases {
            let head = edited(edits);
            let verdict = verify(&mut Scan::new(), head.as_bytes());
            assert_eq!(
                verdict.map(|answer| assert!(answer.is_some())),
                *expected,
                "{edits:?}"
            );
        }
    }

    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

    #[test]
    fn interim_responses_are_skipped_but_not_for_ever() {
        for interim in 0..=8 {
            let head = [CONTINUE, HINTS].repeat(4)[..interim].concat() + &edited("");
            let input = head.clone() + "\u{1}\u{2}";
            let mut scan = Scan::new();
            let (response, len) = verify(&mut scan, input.as_bytes()).unwrap().unwrap();
            assert_eq!((response.status(), len), (101, head.len()));
            assert_eq!(response.protocol(), Some("chat"));
            // The answer stays, and drips give the same.
            assert_eq!(verify(&mut scan, input.as_bytes()).unwrap().unwrap().1, len);
            let mut scan = Scan::new();
            for end in (0..len).step_by(if cfg!(miri) { 29 } else { 1 }) {
                assert!(
                    verify(&mut scan, &input.as_bytes()[..end])
                        .unwrap()
                        .is_none()
                );
            }
            assert_eq!(verify(&mut scan, input.as_bytes()).unwrap().unwrap().1, len);
        }
        let flood = CONTINUE.repeat(9) + &edited("");
        let mut scan = Scan::new();
        for _ in 0..20 {
            let verdict = verify(&mut scan, flood.as_bytes()).map(drop);
            assert_eq!(verdict, Err(E::TooManyInterim));
        }
        assert_eq!(scan.head(), Some(CONTINUE.len() * 8..CONTINUE.len() * 9));
    }

    #[test]
    #[cfg_attr(miri, ignore = "so many bytes take Miri many minutes")]
    fn heads_count_their_own_headers_and_share_a_length() {
        let long =
            "HTTP/1.1 103 x\r\n".chars().collect::<String>() + &"A: b\r\n".repeat(128) + "\r\n";
        let input = long.repeat(8) + &edited("");
        assert!(
            verify(&mut Scan::new(), input.as_bytes())
                .unwrap()
                .is_some()
        );
        let over =
            String::from("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 101 x\r\n") + &"A: b\r\n".repeat(129);
        let verdict = verify(&mut Scan::new(), over.as_bytes()).map(drop);
        assert_eq!(verdict, Err(E::TooManyHeaders));

        let filler = "f".repeat(2000);
        let interim = String::from("HTTP/1.1 103 x\r\nA: ") + &filler + "\r\n\r\n";
        let input = interim.repeat(8) + &edited("");
        assert!(input.len() <= 16_384);
        assert!(
            verify(&mut Scan::new(), input.as_bytes())
                .unwrap()
                .is_some()
        );
        let long = input.replacen("A: ", &(String::from("A: ") + &filler), 1);
        let verdict = verify(&mut Scan::new(), long.as_bytes()).map(drop);
        assert_eq!(verdict, Err(E::HeadTooLong));

        // A buffer that interim responses fill is not left waiting for more.
        let filler = "f".repeat(8178);
        let full =
            String::from("HTTP/1.1 103 x\r\nA: ") + &filler + "\r\nB: " + &filler + "\r\n\r\n";
        assert_eq!(full.len(), 16_384);
        let verdict = verify(&mut Scan::new(), full.as_bytes()).map(drop);
        assert_eq!(verdict, Err(E::HeadTooLong));
    }

    #[test]
    fn a_refusal_can_be_read() {
        let input = [
            HINTS,
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nX: y\r\n\r\n",
            "no!\n",
        ]
        .concat();
        let mut scan = Scan::new();
        let verdict = verify(&mut scan, input.as_bytes()).map(drop);
        assert_eq!(verdict, Err(E::Refused(403)));
        let head = scan.head().unwrap();
        assert_eq!(&input[head.end..], "no!\n");
        let refusal = Response::parse(&input.as_bytes()[head]).unwrap();
        assert_eq!((refusal.status(), refusal.reason()), (403, "Forbidden"));
        assert_eq!(refusal.header("content-length"), Some("4"));
        assert_eq!(refusal.headers().iter().count(), 2);
        assert_eq!(refusal.version(), HttpVersion::Http11);
    }

    #[test]
    fn the_request_is_written_whole() {
        let offer = offer().origin("http://example.com").unwrap();
        let offer = offer.headers(&[("Cookie", "a=b")]).unwrap();
        let key = Key::new(*b"the sample nonce");
        let mut out = [0; 512];
        let len = offer.encode(&key, &mut out).unwrap();
        assert_eq!(
            str::from_utf8(&out[..len]).unwrap(),
            "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\nOrigin: http://example.com\r\n\
             Sec-WebSocket-Protocol: chat, superchat\r\nCookie: a=b\r\n\r\n"
        );
        for short in 0..len {
            let needed = offer.encode(&key, &mut out[..short]);
            assert_eq!(needed, Err(NoRoom { needed: len }));
        }
    }

    #[test]
    fn what_could_break_a_line_is_refused_by_name() {
        let new = |host, target| Offer::new(host, target).map(drop);
        for host in ["a", "a.b:1", "[::1]", "[::1]:80"] {
            assert_eq!(new(host, "/"), Ok(()), "{host:?}");
        }
        for host in [
            "",
            "a\r\nX: y",
            "a b",
            "h\u{e9}",
            "a/b",
            "u@h",
            "a:",
            "a:x",
            "::1",
            "a\0",
        ] {
            assert_eq!(new(host, "/"), Err(E::OwnHost), "{host:?}");
        }
        for target in ["/", "/a?b", "/%0d%0aX", "/?", "//a"] {
            assert_eq!(new("a", target), Ok(()), "{target:?}");
        }
        for target in [
            "",
            "a",
            "?a",
            "*",
            "http://a/",
            "/a b",
            "/a\r\nX: y",
            "/#",
            "/\u{e9}",
            "/\0",
            "/\t",
        ] {
            assert_eq!(new("a", target), Err(E::OwnTarget), "{target:?}");
        }
        let offer = Offer::new("a", "/").unwrap();
        assert_eq!(offer.origin("null").map(drop), Ok(()));
        for origin in [
            "",
            "a",
            "http://a/",
            "http://a\r\nX: y",
            "https://a, https://b",
        ] {
            assert_eq!(
                offer.origin(origin).map(drop),
                Err(E::OwnOrigin),
                "{origin:?}"
            );
        }
        let protocols = |list| offer.protocols(list).map(drop);
        assert_eq!(protocols(&[]), Ok(()));
        assert_eq!(protocols(&["a", "A"]), Ok(()));
        assert_eq!(protocols(&["a", ""]), Err(E::OwnProtocol));
        assert_eq!(protocols(&["a, b"]), Err(E::OwnProtocol));
        assert_eq!(protocols(&["a\r\n"]), Err(E::OwnProtocol));
        assert_eq!(protocols(&["a", "b", "a"]), Err(E::OwnRepeatedProtocol));
        let headers = |list| offer.headers(list).map(drop);
        assert_eq!(headers(&[("A", "b")]), Ok(()));
        assert_eq!(headers(&[("A b", "c")]), Err(E::OwnHeaderName));
        assert_eq!(headers(&[("A", "b\r\n")]), Err(E::OwnHeaderValue));
        assert_eq!(headers(&[("host", "b")]), Err(E::OwnReservedHeader));
        assert_eq!(E::OwnHost.status(), 500);
    }
}
