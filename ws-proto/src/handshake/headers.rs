//! The header lines of a head (RFC 9110 §5), read where they lie.

use core::fmt;
use core::slice;
use core::str;

/// The headers of a head that has been checked, wherever they are kept. The type is a few machine
/// words in size, whatever their number.
///
/// A name is a token. A value has no white space around it and no control characters but tabs;
/// it may be empty, and it need not be UTF-8. Names are compared without regard to ASCII case:
///
/// > Please note that according to \[RFC2616\], all header field names in both HTTP requests and
/// > HTTP responses are case-insensitive. (§4.1)
///
/// Those of a request or a response that came as bytes are read from these bytes. Where another
/// library has taken the head apart, they come from a slice of pairs, or with the feature `http`
/// from a `HeaderMap`: see [`Request::from_parts`](super::Request::from_parts).
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
#[derive(Clone, Copy)]
pub struct Headers<'b>(Source<'b>);

/// The source of the headers.
#[derive(Clone, Copy)]
enum Source<'b> {
    /// The lines of a head that `Scan` found no fault with.
    Lines(&'b [u8]),
    Pairs(&'b [(&'b str, &'b [u8])]),
    #[cfg(feature = "http")]
    Map(&'b http::HeaderMap),
}

impl<'b> Headers<'b> {
    /// Takes the header lines of a head that `Scan` found no fault with, each with its CRLF.
    pub(super) const fn of_lines(lines: &'b [u8]) -> Self {
        Self(Source::Lines(lines))
    }

    /// Goes through the headers, name and value, as they were received.
    #[must_use]
    pub fn iter(self) -> HeaderIter<'b> {
        HeaderIter(match self.0 {
            Source::Lines(lines) => Rest::Lines(lines),
            Source::Pairs(pairs) => Rest::Pairs(pairs.iter()),
            #[cfg(feature = "http")]
            Source::Map(map) => Rest::Map(super::header_map::MapIter::new(map)),
        })
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
}

impl Default for Headers<'_> {
    /// No headers.
    fn default() -> Self {
        Self::of_lines(&[])
    }
}

impl<'b> From<&'b [(&'b str, &'b [u8])]> for Headers<'b> {
    fn from(pairs: &'b [(&'b str, &'b [u8])]) -> Self {
        Self(Source::Pairs(pairs))
    }
}

#[cfg(feature = "http")]
impl<'b> From<&'b http::HeaderMap> for Headers<'b> {
    fn from(map: &'b http::HeaderMap) -> Self {
        Self(Source::Map(map))
    }
}

impl<'b> IntoIterator for Headers<'b> {
    type Item = (&'b str, &'b [u8]);
    type IntoIter = HeaderIter<'b>;

    fn into_iter(self) -> HeaderIter<'b> {
        self.iter()
    }
}

/// Shows the names only: values hold cookies and credentials.
impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().fmt(f)
    }
}

/// The iterator over [`Headers`].
#[derive(Clone)]
pub struct HeaderIter<'b>(Rest<'b>);

#[derive(Clone)]
enum Rest<'b> {
    Lines(&'b [u8]),
    Pairs(slice::Iter<'b, (&'b str, &'b [u8])>),
    #[cfg(feature = "http")]
    Map(super::header_map::MapIter<'b>),
}

impl<'b> Iterator for HeaderIter<'b> {
    type Item = (&'b str, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = match &mut self.0 {
            Rest::Lines(rest) => next_line(rest),
            Rest::Pairs(pairs) => pairs.next().copied(),
            #[cfg(feature = "http")]
            Rest::Map(map) => map.next(),
        }?;
        Some((name, trimmed(value)))
    }
}

impl core::iter::FusedIterator for HeaderIter<'_> {}

impl fmt::Debug for HeaderIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.clone().map(|(name, _)| name))
            .finish()
    }
}

/// Removes the optional white space around a value, which is spaces and tabs (RFC 9110 §5.6.3).
const fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Takes a header from the start of lines that have been checked.
fn next_line<'b>(rest: &mut &'b [u8]) -> Option<(&'b str, &'b [u8])> {
    let end = rest.iter().position(|&byte| byte == b'\r')?;
    let (line, after) = rest.split_at(end);
    debug_assert!(after.starts_with(b"\r\n"), "the lines have been checked");
    *rest = after.get(2..).unwrap_or_default();
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at(colon);
    Some((
        str::from_utf8(name).ok()?,
        value.get(1..).unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{format, vec::Vec};

    use super::*;

    const FIRST: &str = "GET / HTTP/1.1\r\n";
    const LINES: &[u8] = b"A: 1\r\nB:\r\na:\t 2 , x,, y\t \r\nC: \xff:\r\nD:  \t \r\n";

    #[test]
    fn the_same_headers_as_httparse() {
        let head = [FIRST.as_bytes(), LINES, b"\r\n"].concat();
        let mut array = [httparse::EMPTY_HEADER; 8];
        let mut oracle = httparse::Request::new(&mut array);
        assert!(oracle.parse(&head).unwrap().is_complete());
        let oracle: Vec<_> = oracle.headers.iter().map(|h| (h.name, h.value)).collect();
        let ours: Vec<_> = Headers::of_lines(LINES).into_iter().collect();
        assert_eq!(ours, oracle);
        assert_eq!(ours.len(), 5);
        // The same from pairs.
        let pairs: Vec<_> = Headers::from(&*oracle).iter().collect();
        assert_eq!(pairs, oracle);
    }

    #[test]
    fn lookups_ignore_case_and_keep_order() {
        let headers = Headers::of_lines(LINES);
        assert_eq!(headers.get("a"), Some(&b"1"[..]));
        assert_eq!(headers.get("b"), Some(&b""[..]));
        assert_eq!(headers.get("e"), None);
        assert_eq!(
            headers.get_all("A").collect::<Vec<_>>(),
            [&b"1"[..], b"2 , x,, y"]
        );
    }

    #[test]
    fn debug_shows_names_only() {
        let shown = format!("{:?}", Headers::of_lines(LINES));
        assert_eq!(shown, r#"["A", "B", "a", "C", "D"]"#);
    }

    #[test]
    fn a_head_may_have_no_headers() {
        assert_eq!(Headers::of_lines(b"").iter().next(), None);
        assert_eq!(Headers::default().iter().next(), None);
    }
}
