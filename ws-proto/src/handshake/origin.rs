//! The Origin header, which says whose page connects (§4.1 (8), §10.2, RFC 6454).

use super::authority::{Authority, default_port, is_scheme, split_scheme};
use super::error::InvalidOrigin;

/// A serialized origin: scheme, host and port (RFC 6454 §6.2).
///
/// A browser sends it to say whose script opens the connection; nothing else keeps a foreign page
/// from using a visitor's cookies. Two origins are equal if all three parts are: schemes and hosts
/// without regard to ASCII case, and a port that is not written is the scheme's own. There is no
/// prefix, suffix or pattern to get wrong.
///
/// `null`, of sandboxed pages, and `file://`, of devices and local pages, are origins that equal
/// only themselves: anybody can send them, so they have no host to compare.
///
/// ```
/// use ws_proto::handshake::Origin;
///
/// let origin = Origin::parse("https://good.example")?;
/// assert_eq!(origin, Origin::parse("https://GOOD.example:443")?);
/// assert_ne!(origin, Origin::parse("https://good.example.evil.com")?);
/// assert!(origin.same_host("good.example"));
///
/// let null = Origin::parse("null")?;
/// assert_eq!(null, Origin::parse("null")?);
/// assert!(!null.same_host("null"));
/// # Ok::<(), ws_proto::handshake::InvalidOrigin>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    scheme: &'a str,
    /// `None` of `null` and of `file://`.
    authority: Option<Authority<'a>>,
}

impl<'a> Origin<'a> {
    /// Parses `scheme://host[:port]`, `null` or `file://`, with nothing before or after it.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`] for everything else, several origins included.
    pub fn parse(text: &'a str) -> Result<Self, InvalidOrigin> {
        if text == "null" {
            return Ok(Self {
                scheme: "",
                authority: None,
            });
        }
        let (scheme, rest) = split_scheme(text).ok_or(InvalidOrigin)?;
        let authority = match rest {
            "" if scheme.eq_ignore_ascii_case("file") => None,
            _ if is_scheme(scheme) => Some(Authority::parse(rest).ok_or(InvalidOrigin)?),
            _ => return Err(InvalidOrigin),
        };
        Ok(Self { scheme, authority })
    }

    /// The scheme, as it was written; of `null` it is empty.
    #[must_use]
    pub const fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// The host, as it was written; an IPv6 address is in brackets. Of `null` and of `file://` it
    /// is empty.
    #[must_use]
    pub fn host(&self) -> &'a str {
        self.authority.map_or("", |authority| authority.host)
    }

    /// The port: the one that was written, or the default of the scheme if it is known.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.authority?.port.or_else(|| default_port(self.scheme))
    }

    /// Returns whether this is a page from the server that a request with this Host went to: an
    /// http or https origin with the same host and port. A port that Host leaves out is the default
    /// of the origin's scheme.
    #[must_use]
    pub fn same_host(&self, host_header: &str) -> bool {
        let web = ["http", "https"]
            .iter()
            .any(|scheme| scheme.eq_ignore_ascii_case(self.scheme));
        let (Some(own), Some(host)) = (self.authority, Authority::parse(host_header)) else {
            return false;
        };
        web && own.is_same(&host, default_port(self.scheme))
    }
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && match (self.authority, other.authority) {
                (Some(own), Some(other)) => own.is_same(&other, default_port(self.scheme)),
                (None, None) => true,
                _ => false,
            }
    }
}

impl Eq for Origin<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: bool = true;
    const OTHER: bool = false;

    #[test]
    fn the_same_host_or_not() {
        let cases: [(&str, &str, bool); 48] = [
            ("http://good.example", "good.example", SAME),
            ("https://good.example", "good.example", SAME),
            ("https://good.example", "GOOD.Example", SAME),
            ("HTTPS://GOOD.EXAMPLE", "good.example", SAME),
            ("https://good.example:443", "good.example", SAME),
            ("https://good.example", "good.example:443", SAME),
            ("http://good.example", "good.example:80", SAME),
            ("http://good.example:8080", "good.example:8080", SAME),
            ("http://127.0.0.1:9001", "127.0.0.1:9001", SAME),
            ("http://[::1]:9001", "[::1]:9001", SAME),
            ("http://localhost", "localhost", SAME),
            // Another host.
            ("https://good.example.evil.com", "good.example", OTHER),
            ("https://evilgood.example", "good.example", OTHER),
            ("https://evil.com", "good.example", OTHER),
            ("https://www.good.example", "good.example", OTHER),
            ("https://good.example", "www.good.example", OTHER),
            ("https://good.example.", "good.example", OTHER),
            ("https://good-example", "good.example", OTHER),
            ("https://xn--god-sna.example", "good.example", OTHER),
            ("http://localhost", "127.0.0.1", OTHER),
            ("http://[::2]", "[::1]", OTHER),
            // Another port.
            ("http://good.example", "good.example:443", OTHER),
            ("https://good.example", "good.example:80", OTHER),
            ("http://good.example:8080", "good.example", OTHER),
            ("http://good.example:8080", "good.example:8081", OTHER),
            ("http://good.example", "good.example:8080", OTHER),
            // No page.
            ("ftp://good.example", "good.example", OTHER),
            ("chrome-extension://good.example", "good.example", OTHER),
            ("app://good.example:1", "good.example:1", OTHER),
            ("file://good.example", "good.example", OTHER),
            // No origin.
            ("null", "null", OTHER),
            ("null", "good.example", OTHER),
            ("null", "", OTHER),
            ("file://", "good.example", OTHER),
            ("file://", "", OTHER),
            ("", "good.example", OTHER),
            ("good.example", "good.example", OTHER),
            ("//good.example", "good.example", OTHER),
            ("https:good.example", "good.example", OTHER),
            ("https://good.example/", "good.example", OTHER),
            ("https://good.example/x", "good.example", OTHER),
            ("https://good.example?x", "good.example", OTHER),
            ("https://good.example#x", "good.example", OTHER),
            ("https://good.example@evil.com", "good.example", OTHER),
            ("https://evil.com@good.example", "good.example", OTHER),
            (
                "https://good.example https://evil.com",
                "good.example",
                OTHER,
            ),
            (" https://good.example", "good.example", OTHER),
            ("https://good.example\0", "good.example", OTHER),
        ];
        for (origin, host, expected) in cases {
            let same = Origin::parse(origin).is_ok_and(|origin| origin.same_host(host));
            assert_eq!(same, expected, "{origin:?} {host:?}");
        }
    }

    #[test]
    fn a_malformed_host_matches_nothing() {
        let origin = Origin::parse("https://good.example").unwrap();
        for host in [
            "",
            "good.example:",
            "good.example:x",
            "a@good.example",
            "good.example/",
        ] {
            assert!(!origin.same_host(host), "{host:?}");
        }
    }

    #[test]
    fn equality_is_scheme_host_and_port() {
        let equal = |a, b| Origin::parse(a) == Origin::parse(b);
        assert!(equal("https://a", "HTTPS://A:443"));
        assert!(equal("http://a:80", "http://a"));
        assert!(equal("app://a", "app://a"));
        assert!(!equal("http://a", "https://a"));
        assert!(
            !equal("http://a:443", "https://a"),
            "the scheme counts, not only the port"
        );
        assert!(!equal("https://a", "https://a:444"));
        assert!(!equal("https://a", "https://a.b"));
        assert!(!equal("https://b.a", "https://a"));
        assert!(!equal("app://a", "app://a:80"));
    }

    #[test]
    fn null_and_file_equal_only_themselves() {
        const ALL: [&str; 6] = [
            "null",
            "file://",
            "http://null",
            "file://null",
            "null://a",
            "https://a",
        ];
        for (this, a) in ALL.iter().enumerate() {
            for (that, b) in ALL.iter().enumerate() {
                let equal = Origin::parse(a).unwrap() == Origin::parse(b).unwrap();
                assert_eq!(equal, this == that, "{a} {b}");
            }
            assert!(*a == "http://null" || !Origin::parse(a).unwrap().same_host("null"));
        }
        assert_eq!(Origin::parse("FILE://"), Origin::parse("file://"));
        for text in [
            "NULL",
            "null ",
            "null,null",
            "file:",
            "file:///",
            "://",
            "http://",
        ] {
            assert_eq!(Origin::parse(text), Err(InvalidOrigin), "{text:?}");
        }
        let null = Origin::parse("null").unwrap();
        assert_eq!((null.scheme(), null.host(), null.port()), ("", "", None));
    }

    #[test]
    fn parts() {
        let origin = Origin::parse("https://[::1]:8443").unwrap();
        assert_eq!(origin.scheme(), "https");
        assert_eq!(origin.host(), "[::1]");
        assert_eq!(origin.port(), Some(8443));
        assert_eq!(Origin::parse("https://a").unwrap().port(), Some(443));
        assert_eq!(Origin::parse("app://a").unwrap().port(), None);
    }
}
