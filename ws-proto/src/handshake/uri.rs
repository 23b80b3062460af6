//! WebSocket URIs (§3): where to connect, and what to ask for there.
//!
//! ```text
//!   wss :// server.example.com : 9001 /chat?room=7
//!   scheme  `----- host -----´   port `- resource name -´
//!           `------- authority -----´
//! ```

use core::fmt;
use core::net::Ipv6Addr;
use core::str;

use thiserror::Error;

use super::authority::{is_reg_name, parse_port};
use super::target::Redacted;

/// A `ws` or `wss` URI, read in place: nothing is copied, so it fits wherever its text does.
///
/// In a path or a query it accepts any visible character, as browsers do. Characters that RFC 3986
/// does not allow there, `"` or `张` for example, are percent-encoded as they are
/// [sent](Self::resource_name). `Display` and `Debug` leave the query out: it often holds a
/// password.
///
/// ```
/// use ws_proto::handshake::{Scheme, Uri};
///
/// let uri = Uri::parse("ws://example.com:9001/chat?name=张三")?;
/// assert_eq!(uri.scheme(), Scheme::Ws);
/// assert_eq!((uri.host(), uri.port()), ("example.com", 9001)); // for the look-up
/// assert_eq!(uri.authority(), "example.com:9001"); // for the Host header
/// assert_eq!(uri.resource_name().to_string(), "/chat?name=%E5%BC%A0%E4%B8%89");
/// assert_eq!(uri.to_string(), "ws://example.com:9001/chat?…");
/// # Ok::<(), ws_proto::handshake::UriError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Uri<'a> {
    scheme: Scheme,
    /// Without brackets.
    host: &'a str,
    port: u16,
    /// The host, in brackets if it is an IPv6 address, and the port unless it is the scheme's own.
    authority: &'a str,
    resource: ResourceName<'a>,
}

impl<'a> Uri<'a> {
    /// Parses `ws://host[:port][/path][?query]`, or the same with `wss`.
    ///
    /// # Errors
    ///
    /// The first fault found. A client that was asked to connect there cannot (§4.1): "If any of
    /// the components are invalid, the client MUST _Fail the WebSocket Connection_ and abort these
    /// steps."
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        // They would end the request line, or the word in it.
        if text.chars().any(|char| char == ' ' || char.is_control()) {
            return Err(UriError::Character);
        }
        let (scheme, rest) = text.split_once([':']).ok_or(UriError::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(UriError::Scheme)?;
        let rest = rest.strip_prefix("//").ok_or(UriError::NoHost)?;
        // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be
        // used on these URIs." (§3)
        if rest.contains(['#']) {
            return Err(UriError::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (written, resource) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if written.contains(['@']) {
            return Err(UriError::UserInfo);
        }
        let (bracketed, port) = split_port(written)?;
        let port = port.unwrap_or_else(|| scheme.default_port());
        Ok(Self {
            scheme,
            host: look_up_name(bracketed)?,
            port,
            authority: if port == scheme.default_port() {
                bracketed
            } else {
                written
            },
            resource: ResourceName(resource),
        })
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host as a look-up wants it: a name as it was written, or an IP address, one of version
    /// 6 without brackets.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// The port: "The port component is OPTIONAL; the default for "ws" is port 80, while the
    /// default for "wss" is port 443." (§3)
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The value of the Host header: the host as it was written, an IPv6 address in brackets,
    /// followed by the port "(when not using the default port)" (§4.1 (4)).
    #[must_use]
    pub const fn authority(&self) -> &'a str {
        self.authority
    }

    /// The resource asked for: path and query.
    #[must_use]
    pub const fn resource_name(&self) -> ResourceName<'a> {
        self.resource
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = self.resource.split();
        let hidden = query.map_or("", |_| "?…");
        let path = ResourceName(path);
        write!(f, "{}://{}{path}{hidden}", self.scheme, self.authority)
    }
}

impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({self})")
    }
}

/// Whether a connection is made over TLS (§3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `ws`: over TCP.
    Ws,
    /// `wss`: over TLS.
    Wss,
}

impl Scheme {
    /// In any case: "schemes are case-insensitive" (RFC 3986 §3.1).
    fn parse(text: &str) -> Option<Self> {
        [Self::Ws, Self::Wss]
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(text))
    }

    /// The name of the scheme, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The port that it implies.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Path and query: the target of the request (§3).
///
/// > The "resource-name" […] can be constructed by concatenating the following: "/" if the path
/// > component is empty; the path component; "?" if the query component is non-empty; the query
/// > component
///
/// `Display` writes it as it is sent, percent-encoded where it has to be; `Debug` leaves out the
/// values of the query's parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResourceName<'a>(&'a str);

impl<'a> ResourceName<'a> {
    /// Takes `/path[?query]`. The caller has seen that nothing in it ends the request line.
    pub(super) const fn of(text: &'a str) -> Self {
        Self(text)
    }

    /// The path as it was written, at least `/`.
    #[must_use]
    pub fn path(self) -> &'a str {
        match self.split().0 {
            "" => "/",
            path => path,
        }
    }

    /// The query as it was written, without the question mark.
    #[must_use]
    pub fn query(self) -> Option<&'a str> {
        self.split().1
    }

    fn split(self) -> (&'a str, Option<&'a str>) {
        match self.0.split_once(['?']) {
            Some((path, query)) => (path, Some(query)),
            None => (self.0, None),
        }
    }

    /// Hands it piece by piece to `put`: characters that RFC 3986 allows there as they are, and
    /// every other byte percent-encoded.
    ///
    /// It does not use `core::fmt`, which cannot be proven not to panic.
    pub(super) fn pieces(self, mut put: impl FnMut(&str)) {
        if !self.0.starts_with(['/']) {
            put("/");
        }
        let mut rest = self.0.as_bytes();
        loop {
            let (plain, after) = rest
                .split_at_checked(plain_len(rest))
                .unwrap_or((rest, &[]));
            debug_assert!(plain.is_ascii());
            put(str::from_utf8(plain).unwrap_or_default());
            let Some((&byte, after)) = after.split_first() else {
                return;
            };
            let encoded = [b'%', digit(byte >> 4), digit(byte & 15)];
            debug_assert!(encoded.is_ascii());
            put(str::from_utf8(&encoded).unwrap_or_default());
            rest = after;
        }
    }
}

impl fmt::Display for ResourceName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        self.pieces(|piece| result = result.and_then(|()| f.write_str(piece)));
        result
    }
}

impl fmt::Debug for ResourceName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Redacted(self.0).fmt(f)
    }
}

/// The reason why a text is not a URI that a client can connect to (§3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum UriError {
    /// A space or a control character: percent-encoded, it is welcome in a path or a query.
    #[error("URL contains a space or a control character")]
    Character,
    /// The scheme is missing, or is neither `ws` nor `wss` (§3).
    #[error("the scheme is neither ws:// nor wss://")]
    Scheme,
    /// A fragment: "the character "#", when not indicating the start of a fragment, MUST be
    /// escaped as %23." (§3)
    #[error("URL has a fragment (#)")]
    Fragment,
    /// The URI contains a user or a password (RFC 9110 §4.2.4).
    #[error("credentials go into an Authorization header, not into the URL")]
    UserInfo,
    /// There is no host.
    #[error("URL has no host")]
    NoHost,
    /// The host is neither a name nor an IP address (RFC 3986 §3.2.2).
    #[error("the host is neither a name nor an IP address")]
    Host,
    /// The name of the host is not ASCII (RFC 5890 §2.3.2.1: an A-label is).
    #[error("host name is not ASCII: use its xn-- form")]
    HostNotAscii,
    /// A colon that no port follows.
    #[error("the port is not a number from 0 to 65535")]
    Port,
}

/// The host, in brackets if it is an IPv6 address, and the port if one is written.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), UriError> {
    let end = match authority.starts_with(['[']) {
        true => authority.find([']']).map_or(authority.len(), |at| at + 1),
        false => authority.find([':']).unwrap_or(authority.len()),
    };
    match authority.split_at_checked(end) {
        Some((host, "")) => Ok((host, None)),
        Some((host, rest)) => match rest.strip_prefix(':') {
            Some(digits) => Ok((host, Some(parse_port(digits).ok_or(UriError::Port)?))),
            None => Err(UriError::Host),
        },
        None => Err(UriError::Host),
    }
}

/// The host without its brackets.
fn look_up_name(host: &str) -> Result<&str, UriError> {
    if host.is_empty() {
        return Err(UriError::NoHost);
    }
    if let Some(bracketed) = host.strip_prefix('[') {
        let address = bracketed.strip_suffix(']').ok_or(UriError::Host)?;
        return match address.parse::<Ipv6Addr>() {
            Ok(_) => Ok(address),
            Err(_) => Err(UriError::Host),
        };
    }
    if !host.is_ascii() {
        return Err(UriError::HostNotAscii);
    }
    // A percent-encoded name would have to be decoded for the look-up, and no host name has a byte
    // that needs it.
    if !is_reg_name(host.as_bytes()) || host.contains(['%']) {
        return Err(UriError::Host);
    }
    Ok(host)
}

/// The number of bytes at the start that are sent as they are.
fn plain_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    loop {
        rest = match rest {
            [b'%', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            [byte, after @ ..] if is_plain(*byte) => after,
            _ => return bytes.len() - rest.len(),
        };
    }
}

/// `pchar / "/" / "?"` (RFC 3986 §3.3, §3.4): what paths and queries consist of.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' // unreserved
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
            | b':' | b'@' | b'/' | b'?'
        )
}

/// Upper case: "For consistency, URI producers and normalizers should use uppercase hexadecimal
/// digits for all percent-encodings." (RFC 3986 §2.1)
const fn digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + (nibble & 15) - 10,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::string::{String, ToString as _};

    use super::*;

    type Parts = (String, u16, String, String);

    fn parts(text: &str) -> Result<Parts, UriError> {
        let uri = Uri::parse(text)?;
        let resource = uri.resource_name().to_string();
        Ok((
            uri.host().into(),
            uri.port(),
            uri.authority().into(),
            resource,
        ))
    }

    #[test]
    fn uris_in_parts() {
        let cases = [
            ("ws://example.com", ("example.com", 80, "example.com", "/")),
            (
                "ws://example.com:80/",
                ("example.com", 80, "example.com", "/"),
            ),
            (
                "ws://example.com:9001/chat?room=1&name=%E4%BD%A0",
                (
                    "example.com",
                    9001,
                    "example.com:9001",
                    "/chat?room=1&name=%E4%BD%A0",
                ),
            ),
            (
                "WS://EXAMPLE.com/A",
                ("EXAMPLE.com", 80, "EXAMPLE.com", "/A"),
            ),
            ("ws://h?q=1", ("h", 80, "h", "/?q=1")),
            ("ws://127.0.0.1:1/", ("127.0.0.1", 1, "127.0.0.1:1", "/")),
            ("ws://[::1]:9001/x", ("::1", 9001, "[::1]:9001", "/x")),
            ("ws://[::1]/x", ("::1", 80, "[::1]", "/x")),
            ("ws://[::1]", ("::1", 80, "[::1]", "/")),
            (
                "ws://[2001:db8::1]:80?a",
                ("2001:db8::1", 80, "[2001:db8::1]", "/?a"),
            ),
            // The scheme's own port is not said, the other's is.
            ("wss://h", ("h", 443, "h", "/")),
            ("WSS://h:443/", ("h", 443, "h", "/")),
            ("wss://h:80/", ("h", 80, "h:80", "/")),
            ("ws://h:443/", ("h", 443, "h:443", "/")),
            ("ws://h:0080/", ("h", 80, "h", "/")),
            ("ws://h:65535", ("h", 65535, "h:65535", "/")),
            ("ws://h:0", ("h", 0, "h:0", "/")),
            // What ends the host, and what does not.
            ("ws://h/a@b:c//d", ("h", 80, "h", "/a@b:c//d")),
            ("ws://h/?a@b:1/c?d", ("h", 80, "h", "/?a@b:1/c?d")),
            ("ws://h?", ("h", 80, "h", "/?")),
            ("ws://h//", ("h", 80, "h", "//")),
            ("ws://a_b-c.d~.", ("a_b-c.d~.", 80, "a_b-c.d~.", "/")),
        ];
        for (text, (host, port, authority, resource)) in cases {
            let expected = (host.into(), port, authority.into(), resource.into());
            assert_eq!(parts(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn uris_refused() {
        let cases = [
            ("", UriError::Scheme),
            ("example.com", UriError::Scheme),
            ("/chat", UriError::Scheme),
            ("//h/chat", UriError::Scheme),
            ("127.0.0.1:9001/echo", UriError::Scheme),
            ("http://example.com/", UriError::Scheme),
            ("wsss://example.com/", UriError::Scheme),
            ("://example.com/", UriError::Scheme),
            ("ws", UriError::Scheme),
            ("ws:", UriError::NoHost),
            ("ws:h", UriError::NoHost),
            ("ws:/h", UriError::NoHost),
            ("ws:///chat", UriError::NoHost),
            ("ws://", UriError::NoHost),
            ("wss://?a", UriError::NoHost),
            ("ws://:80/", UriError::NoHost),
            ("ws://h/#top", UriError::Fragment),
            ("ws://h#", UriError::Fragment),
            ("ws://h/?a#b?c", UriError::Fragment),
            ("ws://u:p@h/", UriError::UserInfo),
            ("ws://u@h/", UriError::UserInfo),
            ("ws://@h", UriError::UserInfo),
            ("ws://h:80@evil.example/", UriError::UserInfo),
            ("ws://h:/", UriError::Port),
            ("ws://h:99999/", UriError::Port),
            ("ws://h:65536", UriError::Port),
            ("ws://h:x/", UriError::Port),
            ("ws://h:+1/", UriError::Port),
            ("ws://h:-1/", UriError::Port),
            ("ws://h:8\u{660}/", UriError::Port),
            ("ws://h:80:80/", UriError::Port),
            ("ws://::1/", UriError::Port),
            ("ws://h:1[::1]:2", UriError::Port),
            ("ws://h[::1]:2/", UriError::Port),
            ("ws://h[1]", UriError::Host),
            ("ws://[::1]2:3/", UriError::Host),
            ("ws://[::1/", UriError::Host),
            ("ws://[]/", UriError::Host),
            ("ws://[h]/", UriError::Host),
            ("ws://[127.0.0.1]/", UriError::Host),
            ("ws://[::1%25lo]/", UriError::Host),
            ("ws://[::1]:", UriError::Port),
            ("ws://a%20b/", UriError::Host),
            ("ws://a\\b/", UriError::Host),
            ("ws://a\"b/", UriError::Host),
            ("ws://münchen.example/", UriError::HostNotAscii),
            ("ws://h\u{3002}example/", UriError::HostNotAscii),
            // They would break the request line, wherever they are.
            ("ws://h/a b", UriError::Character),
            ("ws://h/ ", UriError::Character),
            (" ws://h/", UriError::Character),
            ("ws://h/\r\nX: y", UriError::Character),
            ("ws://h\r\nX: y/", UriError::Character),
            ("ws://h/?a\nb", UriError::Character),
            ("ws://h/\t", UriError::Character),
            ("ws://h/\0", UriError::Character),
            ("ws://h/\x7f", UriError::Character),
            ("ws://h/\u{85}", UriError::Character),
            ("ws://a b/", UriError::Character),
        ];
        for (text, error) in cases {
            assert_eq!(parts(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_rfc_3986_has_no_place_for_is_percent_encoded() {
        let cases = [
            ("/?name=张三", "/?name=%E5%BC%A0%E4%B8%89"),
            ("/é/\u{a0}\u{2028}", "/%C3%A9/%C2%A0%E2%80%A8"),
            ("/?filter={\"a\":1}", "/?filter=%7B%22a%22:1%7D"),
            ("/<>[]\\^`|", "/%3C%3E%5B%5D%5C%5E%60%7C"),
            // Percent-encoded already, or a percent sign that stands for itself.
            ("/%E4%bd%a0", "/%E4%bd%a0"),
            ("/?100%", "/?100%25"),
            ("/%%41%4", "/%25%41%254"),
            ("/%zz%2", "/%25zz%252"),
            ("/%é", "/%25%C3%A9"),
            ("?é", "/?%C3%A9"),
            ("/-._~!$&'()*+,;=:@/?", "/-._~!$&'()*+,;=:@/?"),
        ];
        for (resource, sent) in cases {
            let text = format!("ws://h{resource}");
            assert_eq!(parts(&text).unwrap().3, sent, "{resource}");
        }
        // Each byte that is sent as it is has a place in RFC 3986.
        for byte in 0..=u8::MAX {
            let places = b"-._~!$&'()*+,;=:@/?";
            let expected = byte.is_ascii_alphanumeric() || places.contains(&byte);
            assert_eq!(is_plain(byte), expected, "{byte:#04x}");
        }
    }

    #[test]
    fn paths_and_queries_are_told_as_they_were_written() {
        let cases = [
            ("ws://h", "/", None),
            ("ws://h?", "/", Some("")),
            ("ws://h/a?b?c", "/a", Some("b?c")),
            ("ws://h/é?张三", "/é", Some("张三")),
        ];
        for (text, path, query) in cases {
            let resource = Uri::parse(text).unwrap().resource_name();
            assert_eq!((resource.path(), resource.query()), (path, query), "{text}");
        }
    }

    #[test]
    fn quiet_what_is_shown_of_a_uri_has_no_query() {
        let uri = Uri::parse("wss://h:1/a\u{202e}?token=s3cret&s3cret").unwrap();
        for shown in [format!("{uri}"), format!("{uri:?}")] {
            assert!(shown.contains("/a%E2%80%AE?…"), "{shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        let shown = format!("{:?}", uri.resource_name());
        assert!(!shown.contains("s3cret"), "{shown}");
        let uri = Uri::parse("WS://h:80").unwrap();
        assert_eq!(format!("{uri} {uri:?}"), "ws://h/ Uri(ws://h/)");
    }

    #[test]
    fn a_uri_is_a_view_of_its_text() {
        assert!(size_of::<Uri<'_>>() <= 7 * size_of::<usize>());
        const HERE: &str = "ws://h:1/";
        let uri: Uri<'static> = Uri::parse(HERE).unwrap();
        assert!(
            HERE.as_bytes()
                .as_ptr_range()
                .contains(&uri.host().as_ptr())
        );
    }
}
