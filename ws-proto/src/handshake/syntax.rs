//! The small grammars that HTTP headers are made of (RFC 9110 §5.5, §5.6), and what the
//! application may put into them.

use super::error::ArgumentError;

/// The most subprotocols in an offer. Uniqueness is checked by pairs, so the square of this
/// bounds the work a peer can ask for.
pub(crate) const MAX_PROTOCOLS: usize = 64;

/// A list of subprotocols that breaks a rule of §4.1 (10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListFault {
    NotAToken,
    Repeated,
    TooMany,
}

/// Checks a list of subprotocols and counts it.
///
/// > The elements that comprise this value MUST be non-empty strings with characters in the
/// > range U+0021 to U+007E not including separator characters as defined in \[RFC2616\] and MUST
/// > all be unique strings. (§4.1)
pub(super) fn unique_tokens<'a>(
    elements: impl Iterator<Item = &'a [u8]>,
) -> Result<usize, ListFault> {
    let mut seen: [&[u8]; MAX_PROTOCOLS] = [&[]; MAX_PROTOCOLS];
    let mut count = 0;
    for element in elements {
        if !is_token(element) {
            return Err(ListFault::NotAToken);
        }
        if seen.iter().take(count).any(|&other| other == element) {
            return Err(ListFault::Repeated);
        }
        let place = seen.get_mut(count).ok_or(ListFault::TooMany)?;
        *place = element;
        count += 1;
    }
    Ok(count)
}

/// Checks headers of the application: names are tokens, no value can end its line, and none is
/// the handshake's own.
pub(super) fn check_own_headers(headers: &[(&str, &str)]) -> Result<(), ArgumentError> {
    for (name, value) in headers {
        if !is_token(name.as_bytes()) {
            return Err(ArgumentError::HeaderName);
        }
        if is_reserved(name) {
            return Err(ArgumentError::ReservedHeader);
        }
        if !value.bytes().all(is_field_byte) {
            return Err(ArgumentError::HeaderValue);
        }
    }
    Ok(())
}

/// The elements of a comma-separated list. Empty ones do not count (RFC 9110 §5.6.1.2).
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value
        .split(|&byte| byte == b',')
        // A value has no control characters but tabs, so ASCII white space is OWS.
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// `1*tchar` (RFC 9110 §5.6.2); RFC 2616's `token` is the same set.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

#[inline]
pub(super) const fn is_token_byte(byte: u8) -> bool {
    // A table of 256: as a `match` it is a chain of comparisons, which a head pays for each byte of
    // its names.
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 0x7F {
            table[byte as usize] = matches!(byte,
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
                | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
                | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
            byte += 1;
        }
        table
    };
    TOKEN[byte as usize]
}

/// A value as it may be received: no control characters but tabs (RFC 9110 §5.5).
pub(super) fn is_field_value(value: &[u8]) -> bool {
    value
        .iter()
        .all(|&byte| byte == b'\t' || !byte.is_ascii_control())
}

/// A value as we may send it. Narrower than what is accepted: nothing above ASCII.
const fn is_field_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}

fn is_reserved(name: &str) -> bool {
    const PREFIX: &str = "sec-websocket-";
    const NAMES: [&str; 6] = [
        "connection",
        "content-length",
        "host",
        "origin",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|own| own.eq_ignore_ascii_case(name))
        || name
            .get(..PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn tokens_are_what_rfc_2616_leaves_of_ascii() {
        const SEPARATORS: &[u8] = b"()<>@,;:\\\"/[]?={} \t";
        for byte in 0..=u8::MAX {
            let expected = (0x21..=0x7e).contains(&byte) && !SEPARATORS.contains(&byte);
            assert_eq!(is_token_byte(byte), expected, "{byte:#04x}");
        }
        assert!(!is_token(b""));
    }

    #[test]
    fn lists_have_different_tokens_and_at_most_64() {
        let list = |value: &'static [u8]| unique_tokens(elements(value));
        assert_eq!(list(b"a, b ,\tc,,"), Ok(3));
        assert_eq!(list(b""), Ok(0));
        assert_eq!(list(b"a, b, a"), Err(ListFault::Repeated));
        assert_eq!(list(b"a, A"), Ok(2), "subprotocols are case-sensitive");
        assert_eq!(list(b"a b"), Err(ListFault::NotAToken));

        let ascii: Vec<u8> = (b'!'..=b'~').collect();
        let tokens = ascii.chunks(1).filter(|text| is_token(text));
        assert_eq!(unique_tokens(tokens.clone().take(64)), Ok(64));
        assert_eq!(unique_tokens(tokens.take(65)), Err(ListFault::TooMany));
    }

    #[test]
    fn own_headers_cannot_break_a_line_or_replace_the_handshakes() {
        use ArgumentError::{HeaderName, HeaderValue, ReservedHeader};
        let cases: [(&str, &str, Result<(), ArgumentError>); 18] = [
            ("Cookie", "a=b; c=\"d\"\t", Ok(())),
            ("X-Empty", "", Ok(())),
            ("Sec-WebSocket", "x", Ok(())),
            ("", "x", Err(HeaderName)),
            ("a b", "x", Err(HeaderName)),
            ("a:", "x", Err(HeaderName)),
            ("a\r\nb", "x", Err(HeaderName)),
            ("ä", "x", Err(HeaderName)),
            ("a", "x\r\nb: c", Err(HeaderValue)),
            ("a", "x\n", Err(HeaderValue)),
            ("a", "\0", Err(HeaderValue)),
            ("a", "\x7f", Err(HeaderValue)),
            ("a", "é", Err(HeaderValue)),
            ("UPGRADE", "h2c", Err(ReservedHeader)),
            ("content-Length", "5", Err(ReservedHeader)),
            ("Transfer-Encoding", "chunked", Err(ReservedHeader)),
            ("sec-websocket-accept", "x", Err(ReservedHeader)),
            ("Sec-WebSocket-New", "x", Err(ReservedHeader)),
        ];
        for (name, value, expected) in cases {
            assert_eq!(
                check_own_headers(&[("Ok", "ok"), (name, value)]),
                expected,
                "{name:?} {value:?}"
            );
        }
    }
}
