//! The body of an answer that opens nothing (RFC 9112 §6): a reason, or a page.
//!
//! ```text
//!   Content-Length: 5      hello                       so many bytes
//!   chunked                5 CRLF hello CRLF 0 CRLF …  pieces that say how long they are
//!   neither                hello ⏚                     what comes until the end
//! ```

use http::{HeaderMap, StatusCode, header};
use thiserror::Error;
use ws_proto::Connecting;

use crate::request::elements;

/// Reads the body of a refusal, up to [`MAX`](Self::MAX) bytes.
///
/// ```
/// use ws_http::http::{HeaderMap, HeaderValue, StatusCode};
/// use ws_http::BodyReader;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
/// let mut body = BodyReader::new(StatusCode::SERVICE_UNAVAILABLE, &headers)?;
/// body.push(b"5\r\nsorry\r\n")?;
/// assert!(!body.is_complete());
/// body.push(b"0\r\n\r\n")?;
/// assert!(body.is_complete());
/// assert_eq!(body.into_bytes(), b"sorry");
/// # Ok::<(), ws_http::BodyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct BodyReader {
    stage: Stage,
    bytes: Bytes,
    /// How much of a handshake's was taken.
    taken: usize,
}

/// What is read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// So many bytes, and then the body is complete.
    Len(u64),
    /// All of it, until the stream ends.
    UntilEnd,
    /// The size of a chunk, with as many digits of it.
    Size {
        size: u64,
        digits: u8,
    },
    /// What follows the size on its line, and is of no interest.
    Extension {
        size: u64,
        len: usize,
    },
    /// LF, after the CR of that line.
    SizeLf(u64),
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The CR LF after a chunk.
    ChunkCr,
    ChunkLf,
    Complete,
    Failed(BodyError),
}

/// What was read, of which no more is kept than is allowed; `Debug` shows its length.
#[derive(Clone)]
struct Bytes(Vec<u8>);

/// The body breaks a rule of HTTP. What was read before that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Content-Length is not a number, or there are several that differ.
    #[error("the Content-Length is not a number")]
    Length,
    /// A Transfer-Encoding that is not `chunked` alone.
    #[error("the Transfer-Encoding is not chunked")]
    Encoding,
    /// Both are present, and only one of them can be right.
    #[error("there are a Transfer-Encoding and a Content-Length")]
    Both,
    /// A chunk does not begin with its size in at most 16 hexadecimal digits.
    #[error("a chunk does not begin with its size")]
    Size,
    /// A chunk does not end where it says.
    #[error("a chunk does not end where it says")]
    End,
    /// What follows the size of a chunk is longer than [`BodyReader::MAX_EXTENSION`].
    #[error(
        "the line of a chunk is longer than {} bytes",
        BodyReader::MAX_EXTENSION
    )]
    Extension,
    /// The stream ended before the body did.
    #[error("the body is cut off")]
    Truncated,
}

impl BodyReader {
    /// The most bytes that are kept; the body then counts as complete, whatever follows.
    pub const MAX: usize = 64 << 10;

    /// The longest line with the size of a chunk, in bytes after the size.
    pub const MAX_EXTENSION: usize = 1024;

    /// Begins after the head of an answer.
    ///
    /// # Errors
    ///
    /// [`BodyError::Length`], [`BodyError::Encoding`] and [`BodyError::Both`]: the head does not
    /// say where the body ends.
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Result<Self, BodyError> {
        Ok(Self {
            stage: framing(status, headers)?,
            bytes: Bytes(Vec::new()),
            taken: 0,
        })
    }

    /// Takes the next bytes that were received.
    ///
    /// # Errors
    ///
    /// The body breaks a rule of HTTP; every later call returns the same error.
    pub fn push(&mut self, mut input: &[u8]) -> Result<(), BodyError> {
        while !input.is_empty() && !self.is_complete() {
            input = self.step(input)?;
        }
        self.result()
    }

    /// Takes what a client's handshake has received of the body since the last call. Returns
    /// whether to read more: `false` if the body is complete or broken, or the handshake keeps no
    /// more.
    pub fn follow(&mut self, connecting: &Connecting) -> bool {
        let received = connecting.body();
        let pushed = self.push(received.get(self.taken..).unwrap_or_default());
        self.taken = received.len();
        pushed.is_ok() && !self.is_complete() && !connecting.has_body()
    }

    /// Reports that the stream has ended.
    ///
    /// # Errors
    ///
    /// [`BodyError::Truncated`] if more was announced.
    pub fn eof(&mut self) -> Result<(), BodyError> {
        self.stage = match self.stage {
            Stage::UntilEnd | Stage::Complete => Stage::Complete,
            Stage::Failed(error) => Stage::Failed(error),
            _ => Stage::Failed(BodyError::Truncated),
        };
        self.result()
    }

    /// Whether the body is complete: no more follows, or no more is kept.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Complete | Stage::Failed(_))
    }

    /// Returns the bytes that were read.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes.0
    }

    const fn result(&self) -> Result<(), BodyError> {
        match self.stage {
            Stage::Failed(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Deals with some of the input, at least a byte; returns the rest.
    fn step<'i>(&mut self, input: &'i [u8]) -> Result<&'i [u8], BodyError> {
        let Some((&byte, after)) = input.split_first() else {
            return Ok(input);
        };
        let next = match (self.stage, byte) {
            (Stage::Len(left), _) => return Ok(self.copy(left, input, Stage::Len)),
            (Stage::Chunk(left), _) => return Ok(self.copy(left, input, Stage::Chunk)),
            (Stage::UntilEnd, _) => {
                return Ok(self.copy(u64::MAX, input, |_| Stage::UntilEnd));
            }
            (Stage::Size { size, digits }, _) => match (hex(byte), digits) {
                (Some(digit), ..16) => Ok(Stage::Size {
                    size: size << 4 | digit,
                    digits: digits + 1,
                }),
                (Some(_), _) | (None, 0) => Err(BodyError::Size),
                (None, _) => match byte {
                    b'\r' => Ok(Stage::SizeLf(size)),
                    b';' | b' ' | b'\t' => Ok(Stage::Extension { size, len: 1 }),
                    _ => Err(BodyError::Size),
                },
            },
            (Stage::Extension { size, .. }, b'\r') => Ok(Stage::SizeLf(size)),
            (Stage::Extension { .. }, b'\n') => Err(BodyError::Size),
            (Stage::Extension { len, .. }, _) if len == Self::MAX_EXTENSION => {
                Err(BodyError::Extension)
            }
            (Stage::Extension { size, len }, _) => Ok(Stage::Extension { size, len: len + 1 }),
            // Trailers are of no interest.
            (Stage::SizeLf(0), b'\n') => Ok(Stage::Complete),
            (Stage::SizeLf(size), b'\n') => Ok(Stage::Chunk(size)),
            (Stage::SizeLf(_), _) => Err(BodyError::Size),
            (Stage::ChunkCr, b'\r') => Ok(Stage::ChunkLf),
            (Stage::ChunkLf, b'\n') => Ok(Stage::Size { size: 0, digits: 0 }),
            (Stage::ChunkCr | Stage::ChunkLf, _) => Err(BodyError::End),
            (Stage::Complete | Stage::Failed(_), _) => return Ok(&[]),
        };
        self.stage = next.unwrap_or_else(Stage::Failed);
        self.result().map(|()| after)
    }

    /// Keeps as much of the input as is left, and as there is room for; returns the rest.
    fn copy<'i>(&mut self, left: u64, input: &'i [u8], rest: fn(u64) -> Stage) -> &'i [u8] {
        let room = Self::MAX - self.bytes.0.len();
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(room);
        let (taken, after) = input.split_at(most.min(input.len()));
        self.bytes.0.extend_from_slice(taken);
        self.stage = match rest(left - taken.len() as u64) {
            _ if taken.len() == room => Stage::Complete,
            Stage::Len(0) => Stage::Complete,
            Stage::Chunk(0) => Stage::ChunkCr,
            stage => stage,
        };
        after
    }
}

/// How the head of an answer gives the length of its body (RFC 9112 §6.3).
fn framing(status: StatusCode, headers: &HeaderMap) -> Result<Stage, BodyError> {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Stage::Complete);
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // "Such a message might indicate an attempt to perform request smuggling or response
        // splitting and ought to be handled as an error." (RFC 9112 §6.3)
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err(BodyError::Both);
        }
        let mut codings = elements(headers, &header::TRANSFER_ENCODING);
        return match (codings.next(), codings.next()) {
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
                Ok(Stage::Size { size: 0, digits: 0 })
            }
            _ => Err(BodyError::Encoding),
        };
    }
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return Ok(Stage::UntilEnd);
    }
    // The same, said several times, is one (RFC 9112 §6.3).
    let mut lengths = elements(headers, &header::CONTENT_LENGTH).map(|length| {
        let digits = str::from_utf8(length).ok()?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u64>().ok()).flatten()
    });
    match lengths.next().flatten() {
        Some(len) if lengths.all(|other| other == Some(len)) => Ok(match len {
            0 => Stage::Complete,
            len => Stage::Len(len),
        }),
        _ => Err(BodyError::Length),
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Response;

    /// What becomes of a body that comes in pieces of this size, and ends.
    fn read(status: u16, head: &[(&str, &str)], input: &[u8], piece: usize) -> (String, String) {
        let headers = head
            .iter()
            .fold(Response::text(""), |response, (name, value)| {
                response.header(*name, *value)
            });
        let status = StatusCode::from_u16(status).unwrap();
        let mut body = match BodyReader::new(status, headers.headers()) {
            Ok(body) => body,
            Err(error) => return (String::new(), error.to_string()),
        };
        let pushed = input.chunks(piece).try_for_each(|piece| body.push(piece));
        let ended = pushed.and_then(|()| body.eof());
        assert!(body.is_complete());
        assert_eq!(ended, body.push(b"more"), "it stays as it is");
        let text = String::from_utf8(body.into_bytes()).unwrap();
        (
            text,
            ended.map_or_else(|error| error.to_string(), |()| "ok".into()),
        )
    }

    /// Status, headers, what comes until the end, the body, what became of it.
    type Row<'t> = (u16, &'t [(&'t str, &'t str)], &'t str, &'t str, &'t str);

    const CHUNKED: &[(&str, &str)] = &[("transfer-encoding", "chunked")];

    #[test]
    fn a_body_is_read_as_http_says_however_it_drips() {
        let long = format!(
            "1{}\r\n{}",
            ";".repeat(BodyReader::MAX_EXTENSION + 1),
            "a\r\n0\r\n"
        );
        let just = format!(
            "1{}\r\n{}",
            ";".repeat(BodyReader::MAX_EXTENSION),
            "a\r\n0\r\n"
        );
        let length = |value| [("content-length", value)];
        #[rustfmt::skip]
        let table: &[Row<'_>] = &[
            (401, &length("5"), "hello", "hello", "ok"),
            (401, &length("5"), "hello and more", "hello", "ok"),
            (401, &length("5"), "hell", "hell", "the body is cut off"),
            (401, &length("0"), "hello", "", "ok"),
            (401, &length("5, 5"), "hello", "hello", "ok"),
            (401, &length("5, 6"), "hello", "", "the Content-Length is not a number"),
            (401, &length("+5"), "hello", "", "the Content-Length is not a number"),
            (401, &length(""), "hello", "", "the Content-Length is not a number"),
            (401, &length("18446744073709551616"), "a", "", "the Content-Length is not a number"),
            (401, &length("18446744073709551615"), "a", "a", "the body is cut off"),
            (401, &[], "hello", "hello", "ok"),
            (401, &[], "", "", "ok"),
            (204, &[], "hello", "", "ok"),
            (304, &length("5"), "hello", "", "ok"),
            (503, CHUNKED, "5\r\nhello\r\n0\r\n\r\n", "hello", "ok"),
            (503, CHUNKED, "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "hello", "ok"),
            (503, CHUNKED, "00a\r\n0123456789\r\n0\r\n", "0123456789", "ok"),
            (503, CHUNKED, "A;x=\"y\"\r\n0123456789\r\n0;z\r\n", "0123456789", "ok"),
            (503, CHUNKED, "1 \r\na\r\n0\r\nTrailer: x\r\n\r\n", "a", "ok"),
            (503, CHUNKED, &just, "a", "ok"),
            (503, CHUNKED, &long, "", "the line of a chunk is longer than 1024 bytes"),
            (503, CHUNKED, "", "", "the body is cut off"),
            (503, CHUNKED, "5\r\nhel", "hel", "the body is cut off"),
            (503, CHUNKED, "5\r\nhello", "hello", "the body is cut off"),
            (503, CHUNKED, "5\r\nhello6\r\n", "hello", "a chunk does not end where it says"),
            (503, CHUNKED, "5\r\nhello\n0", "hello", "a chunk does not end where it says"),
            (503, CHUNKED, "5\nhello", "", "a chunk does not begin with its size"),
            (503, CHUNKED, "5;x\nhello", "", "a chunk does not begin with its size"),
            (503, CHUNKED, "5\rhello", "", "a chunk does not begin with its size"),
            (503, CHUNKED, "\r\nhello", "", "a chunk does not begin with its size"),
            (503, CHUNKED, "-1\r\nhello", "", "a chunk does not begin with its size"),
            (503, CHUNKED, "0x5\r\nhello", "", "a chunk does not begin with its size"),
            (503, CHUNKED, "hello", "", "a chunk does not begin with its size"),
            (503, CHUNKED, "ffffffffffffffff\r\nhello", "hello", "the body is cut off"),
            (503, CHUNKED, "00000000000000001\r\na", "", "a chunk does not begin with its size"),
            (503, &[("transfer-encoding", "Chunked")], "1\r\na\r\n0\r\n", "a", "ok"),
            (503, &[("transfer-encoding", "chunked"), ("content-length", "1")], "1\r\na\r\n0\r\n", "", "there are a Transfer-Encoding and a Content-Length"),
            (503, &[("transfer-encoding", "gzip, chunked")], "a", "", "the Transfer-Encoding is not chunked"),
            (503, &[("transfer-encoding", "chunked, chunked")], "a", "", "the Transfer-Encoding is not chunked"),
            (503, &[("transfer-encoding", "")], "a", "", "the Transfer-Encoding is not chunked"),
        ];
        for &(status, head, input, body, end) in table {
            for piece in [1, 2, 3, 7, 10_000] {
                let got = read(status, head, input.as_bytes(), piece);
                assert_eq!(got, (body.into(), end.into()), "{head:?} {input:?} {piece}");
            }
        }
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let much = "a".repeat(BodyReader::MAX + 1);
        let chunks = "3e8\r\n".to_owned() + &"a".repeat(1000) + "\r\n";
        let length = much.len().to_string();
        for (head, input) in [
            (&[("content-length", &*length)][..], much.clone()),
            (&[], much),
            (CHUNKED, chunks.repeat(100)),
        ] {
            for piece in [1, 1000, 1_000_000] {
                let (body, end) = read(500, head, input.as_bytes(), piece);
                assert_eq!((body.len(), &*end), (BodyReader::MAX, "ok"), "{head:?}");
            }
        }
    }
}
