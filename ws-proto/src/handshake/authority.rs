//! `host[:port]` (RFC 3986 §3.2), the one grammar of Host, of origins and of absolute targets.

use core::net::Ipv6Addr;

/// A host, in brackets if it is an IPv6 address, and the port if one is written.
///
/// Not accepted: user information (no HTTP authority has any, RFC 9110 §4.2.4), an empty host, an
/// empty port, and addresses of future IP versions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let bracket = text.starts_with('[').then(|| text.find(']')).flatten();
        let end = match bracket {
            Some(bracket) => bracket + 1,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at(end);
        let port = match rest.strip_prefix(':') {
            Some(digits) => Some(parse_port(digits)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        let valid = match bracket {
            Some(bracket) => text.get(1..bracket)?.parse::<Ipv6Addr>().is_ok(),
            None => is_reg_name(host.as_bytes()),
        };
        valid.then_some(Self { host, port })
    }

    /// The same host without regard to case, and the same port once `default` stands for one
    /// that is not written.
    pub(super) fn is_same(&self, other: &Self, default: Option<u16>) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.or(default) == other.port.or(default)
    }
}

/// The port that a scheme implies (§3, RFC 9110 §4.2).
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    const PORTS: [(&str, u16); 4] = [("http", 80), ("https", 443), ("ws", 80), ("wss", 443)];
    PORTS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(scheme))
        .map(|&(_, port)| port)
}

/// `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )` (RFC 3986 §3.1).
pub(super) fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

pub(super) fn parse_port(digits: &str) -> Option<u16> {
    // `u16::from_str` would take a sign.
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}

/// `*( unreserved / pct-encoded / sub-delims )` (RFC 3986 §3.2.2), but not empty.
pub(super) fn is_reg_name(mut rest: &[u8]) -> bool {
    if rest.is_empty() {
        return false;
    }
    loop {
        rest = match rest {
            [] => return true,
            [b'%', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            [byte, after @ ..] if is_host_byte(*byte) => after,
            _ => return false,
        };
    }
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        type Parts = (&'static str, Option<u16>);
        let cases: [(&str, Option<Parts>); 31] = [
            ("a", Some(("a", None))),
            ("Example.com", Some(("Example.com", None))),
            ("example.com.", Some(("example.com.", None))),
            ("a_b-c.d~", Some(("a_b-c.d~", None))),
            ("a%20b", Some(("a%20b", None))),
            ("a:0", Some(("a", Some(0)))),
            ("a:80", Some(("a", Some(80)))),
            ("a:00080", Some(("a", Some(80)))),
            ("127.0.0.1:65535", Some(("127.0.0.1", Some(65535)))),
            ("[::1]", Some(("[::1]", None))),
            ("[2001:db8::1]:9001", Some(("[2001:db8::1]", Some(9001)))),
            ("", None),
            (":80", None),
            ("a:", None),
            ("a:65536", None),
            ("a:+80", None),
            ("a:-1", None),
            ("a:8 0", None),
            ("a:80:80", None),
            ("a b", None),
            ("a/b", None),
            ("a@b", None),
            ("a?b", None),
            ("a#b", None),
            ("a%2", None),
            ("a%zz", None),
            ("é", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[fe80::1%25eth0]", None),
        ];
        for (text, expected) in cases {
            let parsed = Authority::parse(text).map(|authority| (authority.host, authority.port));
            assert_eq!(parsed, expected, "{text:?}");
        }
    }

    #[test]
    fn schemes() {
        for good in ["http", "HTTPS", "moz-extension", "a1+.-"] {
            assert!(is_scheme(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a b", "a:", "ä"] {
            assert!(!is_scheme(bad), "{bad}");
        }
        assert_eq!(default_port("HTTPS"), Some(443));
        assert_eq!(default_port("ftp"), None);
    }
}
