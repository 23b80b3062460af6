//! The client's side: sending our handshake, and judging the server's (§4.1; RFC 8441 §4, §5).

use core::fmt;

use super::HttpVersion;
use super::authority::Authority;
use super::deflate::Compression;
use super::error::{ArgumentError, ResponseError};
use super::fields::{Field, Listed};
use super::head::Scan;
use super::key::Key;
use super::origin::Origin;
use super::response::Response;
use super::syntax::{ListFault, check_own_headers, is_token, unique_tokens};
use super::target::Target;
use super::uri::{ResourceName, Uri};
use super::value::{FieldValue, Text, write_fields};
use super::write::Writer;
use crate::error::NoRoom;
use crate::limits::Limits;

/// The most interim responses that are skipped before the answer has to come.
const MAX_INTERIM: u8 = 8;

/// A handshake that we send, and against which we check the server's answer.
///
/// Its parts cannot break a line, so [`encode`](Self::encode) always writes one request. The
/// [`Key`] is not part of it: "The nonce MUST be selected randomly for each connection." (§4.1)
///
/// Where another library writes heads, give it [`fields`](Self::fields), and check the answer that
/// it reads with [`confirm`](Self::confirm); over HTTP/2 and HTTP/3 with
/// [`extended_fields`](Self::extended_fields) and [`confirm_extended`](Self::confirm_extended).
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
/// # Ok::<(), ws_proto::handshake::ArgumentError>(())
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct Offer<'a> {
    host: &'a str,
    target: ResourceName<'a>,
    origin: Option<&'a str>,
    protocols: &'a [&'a str],
    compression: Option<Compression>,
    headers: &'a [(&'a str, &'a str)],
}

impl<'a> Offer<'a> {
    /// Makes an offer to `host[:port]` (an IPv6 address in brackets, the port only if it is not the
    /// scheme's own) for `/path[?query]`: host, port and resource name of §3. Characters that RFC
    /// 3986 does not allow in the latter are percent-encoded as it is sent.
    ///
    /// # Errors
    ///
    /// [`Host`](ArgumentError::Host) or [`Target`](ArgumentError::Target): "If any
    /// of the components are invalid, the client MUST _Fail the WebSocket Connection_" (§4.1).
    pub fn new(host: &'a str, target: &'a str) -> Result<Self, ArgumentError> {
        if Authority::parse(host).is_none() {
            return Err(ArgumentError::Host);
        }
        let Some(Target::Origin { .. }) = Target::parse(target) else {
            return Err(ArgumentError::Target);
        };
        Ok(Self::of(host, ResourceName::of(target)))
    }

    /// Makes an offer to the server that a URI names, for the resource that it names.
    pub const fn to(uri: &Uri<'a>) -> Self {
        Self::of(uri.authority(), uri.resource_name())
    }

    /// Makes what the answer to an offer that was sent is checked against.
    #[cfg(feature = "alloc")]
    pub(crate) const fn sent(protocols: &'a [&'a str], compression: Option<Compression>) -> Self {
        Self {
            protocols,
            compression,
            ..Self::of("", ResourceName::of("/"))
        }
    }

    const fn of(host: &'a str, target: ResourceName<'a>) -> Self {
        Self {
            host,
            target,
            origin: None,
            protocols: &[],
            compression: None,
            headers: &[],
        }
    }

    /// Sets the Origin, for clients that act for a page as browsers do (§4.1 (8)).
    ///
    /// # Errors
    ///
    /// [`Origin`](ArgumentError::Origin) if [`Origin::parse`] refuses it.
    pub fn origin(self, origin: &'a str) -> Result<Self, ArgumentError> {
        Origin::parse(origin)?;
        Ok(Self {
            origin: Some(origin),
            ..self
        })
    }

    /// Offers subprotocols, the preferred one first (§4.1 (10)).
    ///
    /// # Errors
    ///
    /// [`Protocol`](ArgumentError::Protocol),
    /// [`RepeatedProtocol`](ArgumentError::RepeatedProtocol) or
    /// [`TooManyProtocols`](ArgumentError::TooManyProtocols).
    pub fn protocols(self, protocols: &'a [&'a str]) -> Result<Self, ArgumentError> {
        match unique_tokens(protocols.iter().map(|protocol| protocol.as_bytes())) {
            Ok(_) => Ok(Self { protocols, ..self }),
            Err(ListFault::NotAToken) => Err(ArgumentError::Protocol),
            Err(ListFault::Repeated) => Err(ArgumentError::RepeatedProtocol),
            Err(ListFault::TooMany) => Err(ArgumentError::TooManyProtocols),
        }
    }

    /// Offers compression (RFC 7692), and asks the server to keep within these bounds. A server
    /// that cannot may agree without them: [`agreed`](Self::agreed) returns what it agreed to.
    /// Nothing is asked about what the client sends: it keeps to its bounds by itself.
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
    /// [`HeaderName`](ArgumentError::HeaderName),
    /// [`HeaderValue`](ArgumentError::HeaderValue) if one could break its line, and
    /// [`ReservedHeader`](ArgumentError::ReservedHeader) if it is one of the handshake's.
    pub fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Result<Self, ArgumentError> {
        check_own_headers(headers)?;
        Ok(Self { headers, ..self })
    }

    /// The subprotocols.
    #[cfg(feature = "alloc")]
    pub(crate) const fn offered(&self) -> &'a [&'a str] {
        self.protocols
    }

    /// The host, for Host or `:authority`.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// The target, for the request line or `:path`: its `Display` is what is sent.
    #[must_use]
    pub const fn target(&self) -> ResourceName<'a> {
        self.target
    }

    /// The headers of the request, a GET over HTTP/1.1, in the order in which they are sent.
    pub fn fields(&self, key: &Key) -> impl Iterator<Item = (&'a str, FieldValue<'a>)> + use<'a> {
        let upgrade = [
            ("Host", Text::Plain(self.host)),
            ("Upgrade", Text::Plain("websocket")),
            ("Connection", Text::Plain("Upgrade")),
            ("Sec-WebSocket-Key", Text::Key(key.encode())),
        ];
        upgrade
            .into_iter()
            .map(|(name, text)| (name, text.into()))
            .chain(self.extended_fields())
    }

    /// The headers of an extended CONNECT over HTTP/2 or HTTP/3 (RFC 8441, RFC 9220), in the order
    /// in which they are sent. Its `:protocol` is `websocket`, its `:authority` the
    /// [`host`](Self::host) and its `:path` the [`target`](Self::target).
    pub fn extended_fields(&self) -> impl Iterator<Item = (&'a str, FieldValue<'a>)> + use<'a> {
        let list = (!self.protocols.is_empty()).then_some(Text::List(self.protocols));
        let own = [
            Some(("Sec-WebSocket-Version", Text::Plain("13"))),
            self.origin.map(|origin| ("Origin", Text::Plain(origin))),
            list.map(|list| ("Sec-WebSocket-Protocol", list)),
            self.compression
                .map(|offered| ("Sec-WebSocket-Extensions", Text::Offered(offered))),
        ];
        let added = self.headers.iter();
        own.into_iter()
            .flatten()
            .chain(added.map(|&(name, value)| (name, Text::Plain(value))))
            .map(|(name, text)| (name, text.into()))
    }

    /// Writes the request as HTTP/1.1 and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `out` is shorter than the request.
    pub fn encode(&self, key: &Key, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        writer.put("GET ");
        self.target.pieces(|piece| writer.put(piece));
        writer.put(" HTTP/1.1\r\n");
        write_fields(&mut writer, self.fields(key));
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
    /// [`StatusLine`](ResponseError::StatusLine),
    /// [`TooManyInterim`](ResponseError::TooManyInterim),
    /// [`Refused`](ResponseError::Refused) for any final status but 101 ([`Scan::head`] tells
    /// where that response lies, for [`Response::parse`]), and the first rule of §4.1 that a 101
    /// breaks. Close the connection after each of them.
    pub fn verify<'b>(
        &self,
        key: &Key,
        scan: &mut Scan,
        input: &'b [u8],
        limits: &Limits,
    ) -> Result<Option<(Response<'b>, usize)>, ResponseError> {
        while let Some(len) = scan.advance(input, limits)? {
            let response = Response::read(scan, input)?;
            match response.status() {
                100 | 102..=199 if scan.skipped() < MAX_INTERIM => scan.skip_head(),
                100 | 102..=199 => return Err(ResponseError::TooManyInterim),
                _ => {
                    self.confirm(key, &response)?;
                    return Ok(Some((response, len)));
                }
            }
        }
        Ok(None)
    }

    /// Judges the answer to our request over HTTP/1.1, by every rule of §4.1.
    ///
    /// # Errors
    ///
    /// [`Refused`](ResponseError::Refused) for any status but 101, and the first rule that a 101
    /// breaks.
    pub fn confirm(&self, key: &Key, response: &Response<'_>) -> Result<(), ResponseError> {
        let fields = response.fields();
        // "If the status code received from the server is not 101, the client handles the response
        // per HTTP [RFC2616] procedures." (§4.1)
        if response.status() != 101 {
            return Err(ResponseError::Refused(response.status()));
        }
        if response.version() != HttpVersion::Http11 {
            return Err(ResponseError::HttpVersion);
        }
        // "If the response lacks an |Upgrade| header field or the |Upgrade| header field contains
        // a value that is not an ASCII case-insensitive match for the value "websocket"" (§4.1)
        match fields.upgrade().field {
            Field::Value(value) if value.eq_ignore_ascii_case(b"websocket") => {}
            _ => return Err(ResponseError::MissingUpgrade),
        }
        // "If the response lacks a |Connection| header field or the |Connection| header field
        // doesn't contain a token that is an ASCII case-insensitive match for the value
        // "Upgrade"" (§4.1)
        if fields.connection().lists("upgrade", is_token) != Listed::Yes {
            return Err(ResponseError::MissingConnection);
        }
        match fields.accept {
            Field::Value(value) if value == key.accept_token().as_str().as_bytes() => {}
            Field::Value(_) => return Err(ResponseError::WrongAccept),
            Field::Missing => return Err(ResponseError::MissingAccept),
            Field::Repeated => return Err(ResponseError::RepeatedAccept),
        }
        self.confirm_choices(response)
    }

    /// Judges the answer to our extended CONNECT over HTTP/2 or HTTP/3 (RFC 8441 §5).
    ///
    /// # Errors
    ///
    /// [`Refused`](ResponseError::Refused) for any status but 2xx, and the rules of §4.1 about
    /// extensions and subprotocols.
    pub fn confirm_extended(&self, response: &Response<'_>) -> Result<(), ResponseError> {
        match response.status() {
            200..=299 => self.confirm_choices(response),
            status => Err(ResponseError::Refused(status)),
        }
    }

    fn confirm_choices(&self, response: &Response<'_>) -> Result<(), ResponseError> {
        // "this header field indicates the use of an extension that was not present in the
        // client's handshake" (§4.1)
        self.agreed(response)?;
        // "this header field indicates the use of a subprotocol that was not present in the
        // client's handshake" (§4.1)
        match response.fields().protocol().field {
            // One that names none chooses none: some servers always send the header.
            Field::Missing | Field::Value([]) => Ok(()),
            Field::Value(value) if self.protocols.iter().any(|own| own.as_bytes() == value) => {
                Ok(())
            }
            Field::Value(_) => Err(ResponseError::UnofferedProtocol),
            Field::Repeated => Err(ResponseError::SeveralProtocols),
        }
    }

    /// The compression that the server agreed to, if any; [`verify`](Self::verify) has checked it.
    ///
    /// # Errors
    ///
    /// [`UnofferedExtension`](ResponseError::UnofferedExtension),
    /// [`InvalidExtensions`](ResponseError::InvalidExtensions).
    pub fn agreed(&self, response: &Response<'_>) -> Result<Option<Compression>, ResponseError> {
        let mut answers = response.extensions();
        match (self.compression, answers.next()) {
            (_, None) => Ok(None),
            (None, Some(Ok(_))) => Err(ResponseError::UnofferedExtension),
            (None, Some(Err(malformed))) => Err(malformed.into()),
            (Some(_), Some(_)) => Compression::confirm(response.extensions()),
        }
    }
}

/// Shows the host and the names of the headers: values hold credentials, and subprotocols hold
/// tokens.
impl fmt::Debug for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("host", &self.host)
            .field("target", &self.target)
            .field("headers", &Names(self))
            .finish()
    }
}

struct Names<'s, 'a>(&'s Offer<'a>);

impl fmt::Debug for Names<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.extended_fields().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::super::HeadError;
    use super::ResponseError as E;
    use super::*;

    /// The example of §1.2.
    const UPGRADED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: chat\r\n\r\n";

    fn offer() -> Offer<'static> {
        let offer = Offer::new("server.example.com", "/chat").unwrap();
        offer.protocols(&["chat", "superchat"]).unwrap()
    }

    fn verify<'b>(scan: &mut Scan, input: &'b [u8]) -> Result<Option<(Response<'b>, usize)>, E> {
        let key = Key::new(*b"the sample nonce");
        offer().verify(&key, scan, input, &Limits::default())
    }

    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

    #[test]
    fn an_empty_subprotocol_is_none() {
        let head = UPGRADED.replace("chat", " ");
        let (response, _) = verify(&mut Scan::new(), head.as_bytes()).unwrap().unwrap();
        assert_eq!(response.protocol(), None);
    }

    #[test]
    fn interim_responses_are_skipped_but_not_for_ever() {
        for interim in 0..=8 {
            let head = [CONTINUE, HINTS].repeat(4)[..interim].concat() + UPGRADED;
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
        let flood = CONTINUE.repeat(9) + UPGRADED;
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
        let input = long.repeat(8) + UPGRADED;
        assert!(
            verify(&mut Scan::new(), input.as_bytes())
                .unwrap()
                .is_some()
        );
        let over =
            String::from("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 101 x\r\n") + &"A: b\r\n".repeat(129);
        let verdict = verify(&mut Scan::new(), over.as_bytes()).map(drop);
        assert_eq!(
            verdict,
            Err(E::Head(HeadError::TooManyHeaders { limit: 128 }))
        );

        let filler = "f".repeat(4000);
        let interim = String::from("HTTP/1.1 103 x\r\nA: ") + &filler + "\r\n\r\n";
        let input = interim.repeat(8) + UPGRADED;
        assert!(input.len() <= 32_768);
        assert!(
            verify(&mut Scan::new(), input.as_bytes())
                .unwrap()
                .is_some()
        );
        let long = input.replacen("A: ", &(String::from("A: ") + &filler), 1);
        let verdict = verify(&mut Scan::new(), long.as_bytes()).map(drop);
        assert_eq!(
            verdict,
            Err(E::Head(HeadError::HeadTooLong { limit: 32_768 }))
        );

        // A buffer that interim responses fill is not left waiting for more.
        let filler = "f".repeat(16_370);
        let full =
            String::from("HTTP/1.1 103 x\r\nA: ") + &filler + "\r\nB: " + &filler + "\r\n\r\n";
        assert_eq!(full.len(), 32_768);
        let verdict = verify(&mut Scan::new(), full.as_bytes()).map(drop);
        assert_eq!(
            verdict,
            Err(E::Head(HeadError::HeadTooLong { limit: 32_768 }))
        );
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
            assert_eq!(new(host, "/"), Err(ArgumentError::Host), "{host:?}");
        }
        for target in [
            "/", "/a?b", "/%0d%0aX", "/?", "//a", "/\u{e9}", "/?\"", "/<>",
        ] {
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
            "/\u{85}",
            "/\0",
            "/\t",
        ] {
            assert_eq!(new("a", target), Err(ArgumentError::Target), "{target:?}");
        }
        let offer = Offer::new("a", "/").unwrap();
        for origin in ["null", "file://", "https://a:1"] {
            assert_eq!(offer.origin(origin).map(drop), Ok(()));
        }
        for origin in [
            "",
            "a",
            "http://a/",
            "http://a\r\nX: y",
            "https://a, https://b",
        ] {
            assert_eq!(
                offer.origin(origin).map(drop),
                Err(ArgumentError::Origin),
                "{origin:?}"
            );
        }
        let protocols = |list| offer.protocols(list).map(drop);
        assert_eq!(protocols(&[]), Ok(()));
        assert_eq!(protocols(&["a", "A"]), Ok(()));
        assert_eq!(protocols(&["a", ""]), Err(ArgumentError::Protocol));
        assert_eq!(protocols(&["a, b"]), Err(ArgumentError::Protocol));
        assert_eq!(protocols(&["a\r\n"]), Err(ArgumentError::Protocol));
        assert_eq!(
            protocols(&["a", "b", "a"]),
            Err(ArgumentError::RepeatedProtocol)
        );
        let headers = |list| offer.headers(list).map(drop);
        assert_eq!(headers(&[("A", "b")]), Ok(()));
        assert_eq!(headers(&[("A b", "c")]), Err(ArgumentError::HeaderName));
        assert_eq!(headers(&[("A", "b\r\n")]), Err(ArgumentError::HeaderValue));
        assert_eq!(
            headers(&[("host", "b")]),
            Err(ArgumentError::ReservedHeader)
        );
    }
}
