//! The header lines of a head (RFC 9110 §5), read where they lie.

use core::fmt;
use core::str;

use super::syntax::elements;

/// The header lines of a head that has been checked: two words, whatever their number.
///
/// A name is a token. A value has no white space around it and no control characters but tabs;
/// it may be empty, and it need not be UTF-8. Names are compared without regard to ASCII case:
///
/// > Please note that according to \[RFC2616\], all header field names in both HTTP requests and
/// > HTTP responses are case-insensitive. (§4.1)
///
/// ```
/// use ws_proto::handshake::Request;
///
/// let request = Request::parse(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: b=1\r\ncookie: c=2\r\n\r\n")?;
/// let headers = request.headers();
/// assert_eq!(headers.get("host"), Some(&b"a"[..]));
/// assert_eq!(headers.get_all("Cookie").count(), 2);
/// assert_eq!(headers.iter().last(), Some(("cookie", &b"c=2"[..])));
/// # Ok::<(), ws_proto::handshake::RequestError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Headers<'b> {
    lines: &'b [u8],
}

impl<'b> Headers<'b> {
    /// Takes the header lines of a head that `Scan` found no fault with.
    pub(crate) fn of(head: &'b [u8]) -> Self {
        let first = head.iter().position(|&byte| byte == b'\n');
        let lines = first.and_then(|lf| head.get(lf + 1..head.len().checked_sub(2)?));
        Self {
            lines: lines.unwrap_or_default(),
        }
    }

    /// Goes through the headers, name and value, as they were received.
    #[must_use]
    pub const fn iter(self) -> HeaderIter<'b> {
        HeaderIter { rest: self.lines }
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'b [u8]> {
        self.get_all(name).next()
    }

    /// The values of all headers of that name, in order.
    pub fn get_all<'n>(
        self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'b, 'n> {
        self.iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The value of the only header of that name.
    pub(super) fn only(self, name: &str) -> Only<'b> {
        let mut values = self.get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Only::Missing,
            (Some(value), None) => Only::Value(value),
            (Some(_), Some(_)) => Only::Repeated,
        }
    }

    /// Looks for an element, in any case, in a list whose elements are all `valid`.
    pub(super) fn listed(self, name: &str, wanted: &str, valid: impl Fn(&[u8]) -> bool) -> Listed {
        let mut listed = Listed::No;
        for element in self.list(name) {
            if !valid(element) {
                return Listed::Malformed;
            }
            if element.eq_ignore_ascii_case(wanted.as_bytes()) {
                listed = Listed::Yes;
            }
        }
        listed
    }

    /// The elements of a list that may be spread over several headers of that name.
    pub(crate) fn list<'n>(
        self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'b, 'n> {
        self.get_all(name).flat_map(elements)
    }
}

impl<'b> IntoIterator for Headers<'b> {
    type Item = (&'b str, &'b [u8]);
    type IntoIter = HeaderIter<'b>;

    fn into_iter(self) -> HeaderIter<'b> {
        self.iter()
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, Escaped(value))))
            .finish()
    }
}

/// The iterator over [`Headers`].
#[derive(Clone)]
pub struct HeaderIter<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for HeaderIter<'b> {
    type Item = (&'b str, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.rest.iter().position(|&byte| byte == b'\r')?;
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(2..).unwrap_or_default();
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = line.split_at(colon);
        // ASCII white space in a value is spaces and tabs: the OWS of RFC 9110 §5.6.3.
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        Some((str::from_utf8(name).ok()?, value))
    }
}

impl core::iter::FusedIterator for HeaderIter<'_> {}

impl fmt::Debug for HeaderIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Headers { lines: self.rest }.fmt(f)
    }
}

/// What there is of a header that may come once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only<'b> {
    Missing,
    Value(&'b [u8]),
    Repeated,
}

/// Whether a list has an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Yes,
    No,
    Malformed,
}

/// Shows a value without letting it steer a terminal.
struct Escaped<'b>(&'b [u8]);

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{format, vec::Vec};

    use super::*;

    const HEAD: &[u8] =
        b"GET / HTTP/1.1\r\nA: 1\r\nB:\r\na:\t 2 , x,, y\t \r\nC: \xff:\r\nD:  \t \r\n\r\n";

    #[test]
    fn the_same_headers_as_httparse() {
        let mut array = [httparse::EMPTY_HEADER; 8];
        let mut oracle = httparse::Request::new(&mut array);
        assert!(oracle.parse(HEAD).unwrap().is_complete());
        let oracle: Vec<_> = oracle.headers.iter().map(|h| (h.name, h.value)).collect();
        let ours: Vec<_> = Headers::of(HEAD).into_iter().collect();
        assert_eq!(ours, oracle);
        assert_eq!(ours.len(), 5);
    }

    #[test]
    fn lookups_ignore_case_and_keep_order() {
        let headers = Headers::of(HEAD);
        assert_eq!(headers.get("a"), Some(&b"1"[..]));
        assert_eq!(headers.get("b"), Some(&b""[..]));
        assert_eq!(headers.get("e"), None);
        assert_eq!(
            headers.get_all("A").collect::<Vec<_>>(),
            [&b"1"[..], b"2 , x,, y"]
        );
        assert_eq!(
            headers.list("A").collect::<Vec<_>>(),
            [&b"1"[..], b"2", b"x", b"y"]
        );
        assert_eq!(headers.only("A"), Only::Repeated);
        assert_eq!(headers.only("c"), Only::Value(b"\xff:"));
        assert_eq!(headers.only("E"), Only::Missing);
    }

    #[test]
    fn a_list_has_an_element_as_a_whole_or_not() {
        let listed = |wanted| Headers::of(HEAD).listed("a", wanted, |element| element != b"?");
        assert_eq!(listed("X"), Listed::Yes);
        assert_eq!(listed("x,"), Listed::No);
        assert_eq!(listed(""), Listed::No);
        let strict = Headers::of(HEAD).listed("a", "x", |element| element != b"y");
        assert_eq!(
            strict,
            Listed::Malformed,
            "also behind the element that is wanted"
        );
    }

    #[test]
    fn debug_shows_no_raw_bytes() {
        let shown = format!("{:?}", Headers::of(HEAD));
        assert!(shown.contains(r#""C": "\xff:""#), "{shown}");
        assert!(shown.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn a_head_may_have_no_headers() {
        let headers = Headers::of(b"GET / HTTP/1.0\r\n\r\n");
        assert_eq!(headers.iter().next(), None);
    }
}
