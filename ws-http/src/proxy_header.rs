//! The PROXY protocol, versions 1 and 2: a load balancer announces the client's address before the
//! client's first byte.
//!
//! ```text
//!   1   PROXY TCP4 203.0.113.9 10.0.0.2 50000 443 CR LF
//!   2   0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A │ 21 │ 11 │ len │ addresses and ports │ more
//!       `----------- signature ------------´  version, command; family
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;
use ws_proto::Accepting;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// How many bytes stand before the addresses of version 2.
const FIXED: usize = 16;

/// Reads a header of the PROXY protocol (HAProxy's, version 1 or 2), byte by byte, and not one byte
/// of what follows it.
///
/// ```
/// use ws_http::ProxyHeader;
///
/// let mut header = ProxyHeader::new();
/// let input = b"PROXY TCP4 203.0.113.9 10.0.0.2 50000 443\r\nGET / HTTP/1.1\r\n";
/// let len = header.receive(input)?;
/// assert!(header.is_complete() && input[len..].starts_with(b"GET "));
/// assert_eq!(header.client(), Some("203.0.113.9:50000".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ProxyHeader {
    bytes: [u8; Self::MAX_LINE],
    len: usize,
    /// How much follows what is kept, and is of no interest.
    skip: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Reading,
    Skipping(Option<SocketAddr>),
    Complete(Option<SocketAddr>),
    Failed(ProxyHeaderError),
}

/// The connection does not begin with a valid PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// The connection does not begin with one.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// The line of version 1 is malformed, or longer than [`ProxyHeader::MAX_LINE`].
    #[error("the line of the PROXY header is malformed")]
    Line,
    /// The version or the command of the binary header is unknown.
    #[error("the PROXY header is of an unknown version")]
    Version,
    /// The binary header is too short for the addresses that it announces.
    #[error("the PROXY header is too short for its addresses")]
    Length,
    /// The stream ended within it.
    #[error("the PROXY header is cut off")]
    Truncated,
}

impl ProxyHeader {
    /// The longest line of version 1, its end included, in bytes; version 2 takes less, and what
    /// follows its addresses is not kept.
    pub const MAX_LINE: usize = 107;

    /// Begins at the first byte of a connection.
    pub const fn new() -> Self {
        Self {
            bytes: [0; Self::MAX_LINE],
            len: 0,
            skip: 0,
            stage: Stage::Reading,
        }
    }

    /// Takes received bytes, and returns how many of them belong to the header.
    ///
    /// # Errors
    ///
    /// The header is malformed; every later call returns the same. Close the connection.
    pub fn receive(&mut self, input: &[u8]) -> Result<usize, ProxyHeaderError> {
        let mut taken = 0;
        for &byte in input {
            match self.stage {
                Stage::Complete(_) => break,
                Stage::Failed(error) => return Err(error),
                Stage::Reading => self.read(byte),
                Stage::Skipping(client) => self.skip(client, 1),
            }
            taken += 1;
        }
        match self.stage {
            Stage::Failed(error) => Err(error),
            _ => Ok(taken),
        }
    }

    /// Takes the bytes of one read, and passes those after the header to the opening handshake; an
    /// empty slice is the end of the stream. Returns whether the header is complete.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive) and [`eof`](Self::eof); [`ProxyHeaderError::Truncated`] also if
    /// there is no memory for what follows.
    pub fn introduce(
        &mut self,
        read: &[u8],
        accepting: &mut Accepting,
    ) -> Result<bool, ProxyHeaderError> {
        let taken = self.receive(read)?;
        if self.is_complete() {
            let pushed = accepting.push(read.get(taken..).unwrap_or_default());
            pushed.map_err(|_| ProxyHeaderError::Truncated)?;
        } else if read.is_empty() {
            self.eof()?;
        }
        Ok(self.is_complete())
    }

    /// Reports that the stream has ended.
    ///
    /// # Errors
    ///
    /// [`ProxyHeaderError::Truncated`], unless the header is complete or has failed before.
    pub const fn eof(&mut self) -> Result<(), ProxyHeaderError> {
        match self.stage {
            Stage::Complete(_) => return Ok(()),
            Stage::Failed(error) => return Err(error),
            _ => self.stage = Stage::Failed(ProxyHeaderError::Truncated),
        }
        Err(ProxyHeaderError::Truncated)
    }

    /// Whether the whole header was received.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Complete(_))
    }

    /// The address that the client connected from, once this is complete. `None` if the proxy
    /// connects on its own behalf, for a health check for example, or does not know.
    #[must_use]
    pub const fn client(&self) -> Option<SocketAddr> {
        match self.stage {
            Stage::Complete(client) => client,
            _ => None,
        }
    }

    fn read(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
        let read = self.bytes.get(..self.len).unwrap_or_default();
        let step = match read {
            _ if b"PROXY ".starts_with(read) || SIGNATURE.starts_with(read) => return,
            [b'P', b'R', b'O', b'X', b'Y', b' ', rest @ ..] => line(rest),
            _ if read.starts_with(&SIGNATURE) => binary(read),
            _ => Err(ProxyHeaderError::Missing),
        };
        match step {
            Ok(None) => {}
            Ok(Some((client, skip))) => {
                self.skip = skip;
                self.skip(client, 0);
            }
            Err(error) => self.stage = Stage::Failed(error),
        }
    }

    const fn skip(&mut self, client: Option<SocketAddr>, len: usize) {
        self.skip -= len;
        self.stage = match self.skip {
            0 => Stage::Complete(client),
            _ => Stage::Skipping(client),
        };
    }
}

impl Default for ProxyHeader {
    fn default() -> Self {
        Self::new()
    }
}

/// The client, and how much follows; `None` while more is needed.
type Step = Result<Option<(Option<SocketAddr>, usize)>, ProxyHeaderError>;

/// What follows `PROXY `.
fn line(rest: &[u8]) -> Step {
    let malformed = ProxyHeaderError::Line;
    let Some(line) = rest.strip_suffix(b"\r\n") else {
        let is_full = rest.len() + b"PROXY ".len() == ProxyHeader::MAX_LINE;
        return if is_full || rest.contains(&b'\n') {
            Err(malformed)
        } else {
            Ok(None)
        };
    };
    let line = str::from_utf8(line).map_err(|_| malformed)?;
    let client = match line.split(' ').collect::<Vec<_>>()[..] {
        ["UNKNOWN", ..] => None,
        ["TCP4", from, to, port, own] => {
            Some(parsed::<Ipv4Addr>([from, to], [port, own]).ok_or(malformed)?)
        }
        ["TCP6", from, to, port, own] => {
            Some(parsed::<Ipv6Addr>([from, to], [port, own]).ok_or(malformed)?)
        }
        _ => return Err(malformed),
    };
    Ok(Some((client, 0)))
}

fn parsed<A: std::str::FromStr + Into<IpAddr>>(
    addresses: [&str; 2],
    ports: [&str; 2],
) -> Option<SocketAddr> {
    let [from, _] = [addresses[0].parse::<A>().ok()?, addresses[1].parse().ok()?];
    let number = |port: &str| {
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| port.parse::<u16>().ok()).flatten()
    };
    let [port, _] = [number(ports[0])?, number(ports[1])?];
    Some(SocketAddr::new(from.into(), port))
}

fn binary(read: &[u8]) -> Step {
    let (Some(&[.., high, low]), addresses) = (read.first_chunk::<FIXED>(), read.get(FIXED..))
    else {
        // The version and the command are known as soon as they are there.
        return match read.get(SIGNATURE.len()) {
            Some(0x20 | 0x21) | None => Ok(None),
            Some(_) => Err(ProxyHeaderError::Version),
        };
    };
    let (command, family) = (read[12], read[13]);
    let len = usize::from(u16::from_be_bytes([high, low]));
    // A family that is not one of TCP over IP says nothing that is of use.
    let wanted = match (command, family) {
        (0x21, 0x11) => 12,
        (0x21, 0x21) => 36,
        _ => return Ok(Some((None, len))),
    };
    if len < wanted {
        return Err(ProxyHeaderError::Length);
    }
    let addresses = addresses.unwrap_or_default();
    if addresses.len() < wanted {
        return Ok(None);
    }
    let client = match addresses {
        [a, b, c, d, _, _, _, _, high, low, ..] if wanted == 12 => {
            let ip = Ipv4Addr::new(*a, *b, *c, *d);
            SocketAddr::new(ip.into(), u16::from_be_bytes([*high, *low]))
        }
        _ => match (addresses.first_chunk::<16>(), addresses.get(32..34)) {
            (Some(ip), Some(&[high, low])) => {
                let ip = Ipv6Addr::from(*ip);
                SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]))
            }
            _ => return Err(ProxyHeaderError::Length),
        },
    };
    Ok(Some((Some(client), len - wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of the input in pieces: the client, and how many bytes were the header's.
    fn read(input: &[u8], piece: usize) -> String {
        let mut header = ProxyHeader::new();
        let mut taken = 0;
        for piece in input.chunks(piece) {
            match header.receive(piece) {
                Ok(len) => taken += len,
                Err(error) => {
                    assert_eq!(header.receive(b"x"), Err(error), "it stays so");
                    assert_eq!(header.eof(), Err(error), "it stays so");
                    return error.to_string();
                }
            }
        }
        match (header.eof(), header.client()) {
            (Ok(()), Some(client)) => format!("{client} after {taken}"),
            (Ok(()), None) => format!("nobody after {taken}"),
            (Err(error), _) => error.to_string(),
        }
    }

    #[test]
    fn what_follows_a_header_is_the_handshake_s() {
        const HEADER: &[u8] = b"PROXY TCP4 203.0.113.9 10.0.0.2 50000 443\r\n";
        let all = [HEADER, b"GET"].concat();
        for cut in 0..all.len() {
            let mut accepting = Accepting::new(&ws_proto::Config::default());
            let mut header = ProxyHeader::new();
            let (first, rest) = all.split_at(cut);
            let is_complete = cut >= HEADER.len();
            if cut > 0 {
                assert_eq!(header.introduce(first, &mut accepting), Ok(is_complete));
            }
            if !is_complete {
                assert_eq!(header.introduce(rest, &mut accepting), Ok(true));
            }
            let expected = if is_complete {
                &first[HEADER.len()..]
            } else {
                b"GET"
            };
            assert_eq!(accepting.into_received(), expected);
        }
        let mut accepting = Accepting::new(&ws_proto::Config::default());
        let ended = ProxyHeader::new().introduce(b"", &mut accepting);
        assert_eq!(ended, Err(ProxyHeaderError::Truncated));
    }

    #[test]
    fn lines_of_version_1() {
        let missing = ProxyHeaderError::Missing.to_string();
        let line = ProxyHeaderError::Line.to_string();
        let cut = ProxyHeaderError::Truncated.to_string();
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
        let table = [
            (
                "PROXY TCP4 203.0.113.9 10.0.0.2 50000 443\r\nGET",
                "203.0.113.9:50000 after 43",
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
                "[2001:db8::1]:1 after 36",
            ),
            ("PROXY UNKNOWN\r\n", "nobody after 15"),
            ("PROXY UNKNOWN what ever\r\nGET", "nobody after 25"),
            (&longest, "nobody after 107"),
            (&long, &line),
            ("PROXY TCP4 203.0.113.9 10.0.0.2 50000 65536\r\n", &line),
            ("PROXY TCP4 203.0.113.9 10.0.0.2 +1 443\r\n", &line),
            ("PROXY TCP4 203.0.113.9 10.0.0.2 50000\r\n", &line),
            ("PROXY TCP4 203.0.113.9 10.0.0.2 50000 443 \r\n", &line),
            ("PROXY TCP4 203.0.113.9  10.0.0.2 50000 443\r\n", &line),
            ("PROXY TCP4 2001:db8::1 ::1 1 2\r\n", &line),
            ("PROXY TCP6 203.0.113.9 10.0.0.2 1 2\r\n", &line),
            ("PROXY UDP4 203.0.113.9 10.0.0.2 1 2\r\n", &line),
            ("PROXY TCP4 203.0.113.9 10.0.0.2 50000 443\n", &line),
            ("PROXY \r\n", &line),
            ("PROXY TCP4 \u{e9}", &cut),
            ("PROXY TCP4 \u{e9}\r\n", &line),
            ("PROXY TCP4 203.0", &cut),
            ("PROX", &cut),
            ("", &cut),
            ("GET / HTTP/1.1\r\n", &missing),
            ("proxy TCP4 1.1.1.1 1.1.1.1 1 2\r\n", &missing),
            ("PROXY\tTCP4", &missing),
            ("\r\n\r\nGET", &missing),
        ];
        for (input, expected) in table {
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(read(input.as_bytes(), piece), expected, "{input:?} {piece}");
            }
        }
    }

    #[test]
    fn headers_of_version_2() {
        let [version, length, cut] = [
            ProxyHeaderError::Version,
            ProxyHeaderError::Length,
            ProxyHeaderError::Truncated,
        ]
        .map(|error| error.to_string());
        let v4 = [203, 0, 113, 9, 10, 0, 0, 2, 0xc3, 0x50, 1, 0xbb];
        let v6 = [
            &[0x20, 1, 0xd, 0xb8][..],
            &[0; 11],
            &[1],
            &[0; 16],
            &[0, 7, 1, 0xbb],
        ]
        .concat();
        // (command, family, announced length, what follows, what is read)
        #[rustfmt::skip]
        let table: &[(u8, u8, u16, &[u8], &str)] = &[
            (0x21, 0x11, 12, &v4, "203.0.113.9:50000 after 28"),
            (0x21, 0x11, 15, &[&v4[..], b"\x01\0\0", b"GET"].concat(), "203.0.113.9:50000 after 31"),
            (0x21, 0x21, 36, &v6, "[2001:db8::1]:7 after 52"),
            (0x21, 0x21, 0xffff, &[&v6[..], &[9; 0xffff - 36], b"GET"].concat(), "[2001:db8::1]:7 after 65551"),
            (0x20, 0x00, 0, b"GET", "nobody after 16"),
            (0x20, 0x11, 12, &v4, "nobody after 28"),
            (0x21, 0x00, 3, b"abcGET", "nobody after 19"),
            (0x21, 0x12, 12, &v4, "nobody after 28"),
            (0x21, 0x31, 216, &[0; 216], "nobody after 232"),
            (0x21, 0x11, 11, &v4, &length),
            (0x21, 0x21, 12, &v4, &length),
            (0x21, 0x11, 12, &v4[..11], &cut),
            (0x21, 0x11, 13, &v4, &cut),
            (0x22, 0x11, 12, &v4, &version),
            (0x11, 0x11, 12, &v4, &version),
            (0x31, 0x11, 12, &v4, &version),
        ];
        for &(command, family, len, rest, expected) in table {
            let fixed = [&SIGNATURE[..], &[command, family], &len.to_be_bytes()].concat();
            let input = [&fixed, rest].concat();
            for piece in [1, 2, 3, 7, 1000, 100_000] {
                assert_eq!(
                    read(&input, piece),
                    expected,
                    "{command:x} {family:x} {len} {piece}"
                );
            }
        }
        for len in 0..16 {
            assert_eq!(
                read(
                    &SIGNATURE
                        .iter()
                        .chain(&[0x21, 0x11, 0, 12])
                        .copied()
                        .take(len)
                        .collect::<Vec<_>>(),
                    1
                ),
                cut
            );
        }
    }
}
