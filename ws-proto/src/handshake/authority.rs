//! `host[:port]` (RFC 3986 §3.2), the one grammar of Host, of origins and of absolute targets.

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
        let find = |wanted| text.bytes().position(|byte| byte == wanted);
        let bracket = text.starts_with(['[']).then(|| find(b']')).flatten();
        let end = match bracket {
            Some(bracket) => bracket + 1,
            None => find(b':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at_checked(end)?;
        let port = match rest.strip_prefix([':']) {
            Some(digits) => Some(parse_port(digits)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        let valid = match bracket {
            Some(bracket) => is_ipv6(text.get(1..bracket)?),
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

/// Splits a URI at `://`. The colon is looked for as one of a list: the search of `core` for a text
/// cannot be proven not to panic.
pub(super) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once([':'])?;
    Some((scheme, rest.strip_prefix("//")?))
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

/// `IPv6address` (RFC 3986 §3.2.2): eight groups of digits, of which one `::` stands for one or
/// more, and the last two may be an IPv4 address. The same as `core`'s parser, which cannot be
/// proven not to panic.
fn is_ipv6(text: &str) -> bool {
    let (mut rest, mut gap) = match text.strip_prefix("::") {
        Some("") => return true,
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let mut groups = 0;
    let is_enough = |groups, gap| if gap { groups <= 7 } else { groups == 8 };
    while let Some((group, after)) = rest.split_once([':']) {
        if !is_group(group) || groups == 8 {
            return false;
        }
        groups += 1;
        rest = match after.strip_prefix([':']) {
            Some(_) if gap => return false,
            Some("") => return is_enough(groups, true),
            Some(after) => {
                gap = true;
                after
            }
            None => after,
        };
    }
    match rest {
        last if is_group(last) => is_enough(groups + 1, gap),
        last => is_ipv4(last) && is_enough(groups + 2, gap),
    }
}

/// `h16`: one to four hexadecimal digits.
fn is_group(text: &str) -> bool {
    matches!(text.len(), 1..=4) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Four numbers below 256, without leading zeros.
fn is_ipv4(text: &str) -> bool {
    let is_octet = |octet: &str| {
        octet.bytes().all(|byte| byte.is_ascii_digit())
            && (octet.len() == 1 || !octet.starts_with(['0']))
            && octet.parse::<u8>().is_ok()
    };
    text.split(['.']).count() == 4 && text.split(['.']).all(is_octet)
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
    extern crate std;

    use std::string::String;

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

    /// Every text of up to nine of these characters, and every sequence of up to ten groups.
    #[test]
    #[cfg_attr(miri, ignore = "so many texts take Miri many minutes")]
    fn ipv6_addresses_are_those_of_core() {
        let same = |text: &str| {
            let core = text.parse::<core::net::Ipv6Addr>().is_ok();
            assert_eq!(is_ipv6(text), core, "{text:?}");
        };
        let of = |parts: &[&str], most: u32| {
            for len in 0..=most {
                for number in 0..parts.len().pow(len) {
                    let mut number = number;
                    let mut text = String::new();
                    for _ in 0..len {
                        text += parts[number % parts.len()];
                        number /= parts.len();
                    }
                    same(&text);
                }
            }
        };
        of(&[":", "1", "f", "."], 8);
        of(&["1:", "::", "1", "1.2.3.4"], 9);
        for text in [
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7:8:9",
            "::2:3:4:5:6:7:8",
            "::1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "::255.255.255.255",
            "::256.1.1.1",
            "::01.1.1.1",
            "::1.1.1",
            "::1.1.1.1.1",
            "::+1.1.1.1",
            "::1.1.1.",
            "1.2.3.4",
            "::g",
            "::12345",
            "::ABCD",
            "fe80::1%25lo",
            "::1 ",
            "é::",
        ] {
            same(text);
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
