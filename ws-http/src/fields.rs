//! Headers, in the types of the `http` crate.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use ws_proto::handshake::Headers;

/// The names of headers, for `Debug`: values hold cookies and credentials.
pub(crate) struct Names<'h>(pub(crate) &'h HeaderMap);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Returns the headers of a head that the core has read, in the types of the `http` crate. Leaves
/// out headers whose names are too long for that crate (64 KiB).
///
/// ```
/// let head = b"HTTP/1.1 101 Switching Protocols\r\nSet-Cookie: a=1\r\n\r\n";
/// let response = ws_proto::handshake::Response::parse(head)?;
/// let headers = ws_http::header_map(response.headers());
/// assert_eq!(headers["set-cookie"], "a=1");
/// # Ok::<(), ws_proto::handshake::ResponseError>(())
/// ```
#[must_use]
pub fn header_map(headers: Headers<'_>) -> HeaderMap {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        })
        .fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_proto::handshake::Request;

    #[test]
    fn headers_keep_their_order_and_repetitions() {
        let head = b"GET / HTTP/1.1\r\nA: 1\r\nb:  x y \r\na: 2\r\nC: caf\xe9\r\nd:\r\n\r\n";
        let map = header_map(Request::parse(head).unwrap().headers());
        assert_eq!(map.len(), 5);
        let a: Vec<_> = map.get_all("a").iter().collect();
        assert_eq!(a, ["1", "2"]);
        assert_eq!(map["b"], "x y");
        assert_eq!(map["c"].as_bytes(), b"caf\xe9");
        assert_eq!(map["d"], "");
    }
}
