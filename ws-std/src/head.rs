//! Reading the head of a request or response from a socket, within an absolute deadline.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use ws_proto::handshake::Headers;

use crate::stream::{Stream, is_timeout};

/// How much of a head is read at a time, in bytes: nearly all are shorter.
const PIECE: usize = 2 << 10;

/// A moment after which the opening handshake is given up, however slowly it drips.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// What is left of it.
    pub(crate) fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }

    /// Appends what one read gives to `buffer`; how much that was, 0 at the end of the stream.
    pub(crate) fn read(self, stream: &Stream, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let start = buffer.len();
        // On the heap, where it is given back: what a thread's stack has touched it keeps.
        buffer.resize(start + PIECE, 0);
        let read = self.read_into(stream, &mut buffer[start..]);
        buffer.truncate(start + read.as_ref().map_or(0, |len| *len));
        read
    }

    fn read_into(self, stream: &Stream, room: &mut [u8]) -> io::Result<usize> {
        loop {
            stream.set_read_timeout(self.left()?)?;
            match stream.read(room) {
                Ok(len) => return Ok(len),
                // `left` says whether the time is up.
                Err(error) if is_timeout(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes all of it, however slowly it is taken, within the time that is left.
    pub(crate) fn write(self, stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
        // Nearly always all of it is taken at once, and nothing has to be timed.
        let mut written = stream.write_at_once(bytes);
        loop {
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => bytes = &bytes[len..],
                // `left` says whether the time is up.
                Err(error) if is_timeout(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if bytes.is_empty() {
                return Ok(());
            }
            stream.set_write_timeout(self.left()?)?;
            written = stream.write(bytes, &[], bytes.len());
        }
    }

    /// The earlier of this and `patience` from now.
    pub(crate) fn at_most(self, patience: Duration) -> Self {
        Self(self.0.min(Self::after(patience).0))
    }
}

/// Encodes into a buffer of the length it turns out to take.
pub(crate) fn encoded(encode: impl Fn(&mut [u8]) -> Result<usize, ws_proto::NoRoom>) -> Vec<u8> {
    let mut out = vec![0; 512];
    loop {
        match encode(&mut out) {
            Ok(len) => {
                out.truncate(len);
                return out;
            }
            Err(short) => out.resize(short.needed, 0),
        }
    }
}

/// The names of headers, for `Debug`: values hold cookies and credentials.
pub(crate) struct Names<'h>(pub(crate) &'h HeaderMap);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// The headers in the types of the `http` crate. Those it does not take are left out: a value
/// with a byte that is no text.
pub(crate) fn header_map(headers: Headers<'_>) -> HeaderMap {
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
    use ws_proto::NoRoom;
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

    #[test]
    fn what_is_encoded_gets_the_room_it_needs() {
        for len in [0, 1, 511, 512, 513, 100_000] {
            let out = encoded(|out| match out.get_mut(..len) {
                Some(out) => {
                    out.fill(7);
                    Ok(len)
                }
                None => Err(NoRoom { needed: len }),
            });
            assert_eq!(out, vec![7; len]);
        }
    }

    #[test]
    fn a_deadline_that_has_passed_leaves_nothing() {
        let deadline = Deadline::after(Duration::ZERO);
        let error = deadline.left().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let left = Deadline::after(Duration::from_secs(3600)).left().unwrap();
        assert!(left > Duration::from_secs(3000) && left <= Duration::from_secs(3600));
    }
}
