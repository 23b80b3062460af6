//! Finding the end of a head while it drips in, in O(n) (RFC 9112 §2.2, §5).
//!
//! ```text
//!        start           line     seen            (bytes received so far)
//!          v              v        v              v
//! ---------GET / HTTP/1.1\r\nHost: ex|ample.com\r\n
//!  skipped                           |not looked at yet
//! ```
//!
//! Every byte is looked at once, and the first that cannot be part of a head ends the search. Most
//! bytes of a head are inside a name, a value or the first line, where nothing can change: there
//! the search takes as many at a time as there are.

use core::ops::Range;

use super::error::HeadError;
use super::syntax::is_token_byte;
use crate::limits::Limits;

/// The search for the end of a head. It remembers where it stopped.
///
/// It is stricter than RFC 9112 asks for: it is not lenient even where a recipient MAY be, because
/// two recipients that are lenient in different ways can be made to disagree about where a request
/// ends.
///
/// ```
/// use ws_proto::Limits;
/// use ws_proto::handshake::{HeadError, Scan};
///
/// let input = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\nwhat follows";
/// let limits = Limits::default();
/// let mut scan = Scan::new();
/// assert_eq!(scan.advance(&input[..20], &limits)?, None);
/// assert_eq!(scan.advance(input, &limits)?, Some(37));
///
/// // A TLS client on a plain port is turned away at its first byte.
/// let hello = Scan::new().advance(&[0x16], &limits);
/// assert_eq!(hello, Err(HeadError::ControlCharacter));
/// # Ok::<(), HeadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scan {
    /// The start of the head: after the interim responses that were skipped.
    start: usize,
    /// The start of the current line.
    line: usize,
    /// The start of the first header line, once the first line is complete.
    lines: usize,
    seen: usize,
    headers: usize,
    skipped: u8,
    place: Place,
}

/// The part of a head that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    FirstLine,
    LineStart,
    Name,
    Value,
    /// After the CR of a line: only LF can follow.
    LineEnd,
    /// After the CR of the empty line.
    HeadEnd,
    Complete,
    Failed(HeadError),
}

impl Scan {
    /// Starts at the first byte of the input.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            start: 0,
            line: 0,
            lines: 0,
            seen: 0,
            headers: 0,
            skipped: 0,
            place: Place::FirstLine,
        }
    }

    /// Continues the search. `input` is everything received so far, from the first byte on; the
    /// result is the length of the head with its empty line, or `None` while it is incomplete.
    ///
    /// It does not look again at bytes that it has searched. Once the end is found or an error
    /// returned, the answer stays the same.
    ///
    /// # Errors
    ///
    /// [`BareLf`](HeadError::BareLf), [`BareCr`](HeadError::BareCr),
    /// [`ControlCharacter`](HeadError::ControlCharacter),
    /// [`EmptyFirstLine`](HeadError::EmptyFirstLine),
    /// [`FoldedLine`](HeadError::FoldedLine),
    /// [`SpaceBeforeColon`](HeadError::SpaceBeforeColon) and
    /// [`HeaderName`](HeadError::HeaderName) at the offending byte, and
    /// [`FirstLineTooLong`](HeadError::FirstLineTooLong),
    /// [`LineTooLong`](HeadError::LineTooLong), [`HeadTooLong`](HeadError::HeadTooLong)
    /// and [`TooManyHeaders`](HeadError::TooManyHeaders) as soon as a limit cannot hold. A
    /// buffer of [`Limits::max_head`] bytes is always enough.
    pub fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, HeadError> {
        self.search(input, &Bounds::from(limits))
    }

    /// The range of the head in the input, once it is complete. There a client finds the response
    /// after [`Refused`](super::ResponseError::Refused). A body starts where it ends.
    #[must_use]
    pub const fn head(&self) -> Option<Range<usize>> {
        match self.place {
            Place::Complete => Some(self.start..self.seen),
            _ => None,
        }
    }

    /// Searches a whole head, the empty line included, and nothing more. No limit but the number of
    /// headers: the caller holds the bytes already.
    pub(super) fn whole(&mut self, head: &[u8]) -> Result<(), HeadError> {
        let bounds = Bounds {
            head: usize::MAX,
            line: usize::MAX,
            headers: Limits::HEADERS,
        };
        match self.search(head, &bounds)? {
            Some(len) if len == head.len() => Ok(()),
            Some(_) => Err(HeadError::TrailingBytes),
            None => Err(HeadError::Truncated),
        }
    }

    /// A complete head, and its header lines without the empty one.
    pub(super) fn parts<'b>(&self, input: &'b [u8]) -> (&'b [u8], &'b [u8]) {
        let head = input.get(self.start..self.seen);
        let lines = input.get(self.lines..self.line);
        debug_assert!(
            head.is_some() && lines.is_some(),
            "the head lies in the input"
        );
        (head.unwrap_or_default(), lines.unwrap_or_default())
    }

    /// Starts over after a complete head: it was an interim response.
    pub(super) const fn skip_head(&mut self) {
        *self = Self {
            start: self.seen,
            line: self.seen,
            seen: self.seen,
            skipped: self.skipped.saturating_add(1),
            ..Self::new()
        };
    }

    /// The number of heads that were skipped.
    pub(super) const fn skipped(&self) -> u8 {
        self.skipped
    }

    fn search(&mut self, input: &[u8], bounds: &Bounds) -> Result<Option<usize>, HeadError> {
        match self.place {
            Place::Complete => return Ok(Some(self.seen)),
            Place::Failed(error) => return Err(error),
            _ => {}
        }
        // A head that fills a buffer of that size without ending is refused right then, so that the
        // caller need not find room for one byte more.
        loop {
            self.run(input, bounds);
            if self.seen >= bounds.head {
                return Err(self.fail(HeadError::HeadTooLong { limit: bounds.head }));
            }
            let Some(&byte) = input.get(self.seen) else {
                return Ok(None);
            };
            #[cfg(test)]
            tests::count(1);
            self.place = match self.step(byte, bounds) {
                Ok(place) => place,
                Err(error) => return Err(self.fail(error)),
            };
            self.seen += 1;
            if self.place == Place::Complete {
                return Ok(Some(self.seen));
            }
        }
    }

    /// Passes over bytes that leave the search where it is, within the limits: those of a name, and
    /// all but control characters in a value or a first line. [`step`](Self::step) judges the byte
    /// that ends them.
    #[inline]
    fn run(&mut self, input: &[u8], bounds: &Bounds) {
        let is_name = match self.place {
            Place::FirstLine | Place::Value => false,
            Place::Name => true,
            _ => return,
        };
        let most = bounds.head.min(self.line.saturating_add(bounds.line));
        let input = input.get(..most).unwrap_or(input);
        let rest = input.get(self.seen..).unwrap_or_default();
        let run = if is_name { token(rest) } else { visible(rest) };
        #[cfg(test)]
        tests::count(run);
        self.seen += run;
        // Nearly always the line ends there, and nothing is wrong with its end.
        if let Some([b'\r', b'\n', ..]) = rest.get(run..)
            && !is_name
            && self.seen > self.start
        {
            #[cfg(test)]
            tests::count(2);
            self.seen += 2;
            self.begin_line(self.seen);
        }
    }

    /// The next line starts there.
    const fn begin_line(&mut self, at: usize) {
        if self.line == self.start {
            self.lines = at;
        }
        self.line = at;
        self.place = Place::LineStart;
    }

    const fn fail(&mut self, error: HeadError) -> HeadError {
        self.place = Place::Failed(error);
        error
    }

    #[inline]
    fn step(&mut self, byte: u8, bounds: &Bounds) -> Result<Place, HeadError> {
        match self.place {
            Place::LineEnd | Place::HeadEnd if byte != b'\n' => {
                return Err(HeadError::BareCr);
            }
            Place::LineEnd => {
                self.begin_line(self.seen + 1);
                return Ok(Place::LineStart);
            }
            Place::HeadEnd => return Ok(Place::Complete),
            _ => {}
        }
        match byte {
            b'\r' => return self.line_ends(),
            b'\n' => return Err(HeadError::BareLf),
            // A tab is allowed in values; where a name should be it has an error of its own.
            b'\t' if self.place != Place::FirstLine => {}
            0..=0x1f | 0x7f => return Err(HeadError::ControlCharacter),
            _ => {}
        }
        if self.seen - self.line >= bounds.line {
            return Err(match self.place {
                Place::FirstLine => HeadError::FirstLineTooLong { limit: bounds.line },
                _ => HeadError::LineTooLong { limit: bounds.line },
            });
        }
        match self.place {
            Place::LineStart => {
                self.headers += 1;
                if self.headers > bounds.headers {
                    return Err(HeadError::TooManyHeaders {
                        limit: bounds.headers,
                    });
                }
                match byte {
                    b' ' | b'\t' => Err(HeadError::FoldedLine),
                    _ if is_token_byte(byte) => Ok(Place::Name),
                    _ => Err(HeadError::HeaderName),
                }
            }
            Place::Name => match byte {
                b':' => Ok(Place::Value),
                b' ' | b'\t' => Err(HeadError::SpaceBeforeColon),
                _ if is_token_byte(byte) => Ok(Place::Name),
                _ => Err(HeadError::HeaderName),
            },
            place => Ok(place),
        }
    }

    /// A CR, and what it ends.
    const fn line_ends(&self) -> Result<Place, HeadError> {
        match self.place {
            Place::LineStart => Ok(Place::HeadEnd),
            Place::FirstLine if self.seen == self.start => Err(HeadError::EmptyFirstLine),
            Place::Name => Err(HeadError::HeaderName),
            _ => Ok(Place::LineEnd),
        }
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self::new()
    }
}

/// The number of bytes at the start that are not control characters. Eight are looked at together,
/// as a word.
///
/// ```text
/// byte        +0x60, of its low 7 bits   +0x01, of its low 7 bits
/// 0x00..1f    0x60..7f                                              a control: no high bit
/// 0x20..7e    0x80..de                   0x21..7f
/// 0x7f        0xdf                       0x80                       a control: a high bit
/// 0x80..ff    (its own high bit tells)
/// ```
#[inline]
fn visible(text: &[u8]) -> usize {
    const LOW: u64 = u64::from_ne_bytes([0x7F; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = text.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let low = word & LOW;
        let from_space = (low + u64::from_ne_bytes([0x60; 8])) | word;
        let delete = (low + u64::from_ne_bytes([0x01; 8])) & !word;
        let control = (!from_space | delete) & HIGH;
        if control != 0 {
            return index * 8 + control.trailing_zeros() as usize / 8;
        }
    }
    let tail = rest.iter().take_while(|byte| !byte.is_ascii_control());
    text.len() - rest.len() + tail.count()
}

/// The number of bytes at the start that can be in a token.
#[inline]
fn token(text: &[u8]) -> usize {
    text.iter()
        .position(|&byte| !is_token_byte(byte))
        .unwrap_or(text.len())
}

/// The limits that concern a head, in bytes, bytes and lines.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    head: usize,
    line: usize,
    headers: usize,
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        Self {
            head: limits.max_head,
            line: limits.max_head_line,
            headers: limits.max_headers.min(Limits::HEADERS),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::cell::Cell;
    use std::{format, string::String, vec::Vec};

    use super::*;

    std::thread_local! {
        static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts the bytes that the search looks at, on this thread.
    pub(super) fn count(bytes: usize) {
        LOOKED_AT.set(LOOKED_AT.get() + bytes);
    }

    fn limits() -> Limits {
        Limits::default()
    }

    fn whole(input: &[u8]) -> Result<Option<usize>, HeadError> {
        Scan::new().advance(input, &limits())
    }

    /// Feeds the input one byte at a time: the verdict, and after how many bytes it came.
    fn dripped(input: &[u8]) -> (Result<Option<usize>, HeadError>, usize) {
        let mut scan = Scan::new();
        for len in 0..=input.len() {
            match scan.advance(&input[..len], &limits()) {
                Ok(None) => {}
                verdict => return (verdict, len),
            }
        }
        (Ok(None), input.len())
    }

    #[test]
    fn refused_at_the_first_offending_byte() {
        use HeadError::{
            BareCr, BareLf, ControlCharacter, EmptyFirstLine, FoldedLine, HeaderName,
            SpaceBeforeColon,
        };
        // The last byte of each is the one that is refused.
        let cases: &[(&[u8], HeadError)] = &[
            (b"\r", EmptyFirstLine),
            (b"\n", BareLf),
            (b"GET / HTTP/1.1\n", BareLf),
            (b"GET / HTTP/1.1\r\r", BareCr),
            (b"GET / HTTP/1.1\rX", BareCr),
            (b"GET /\0", ControlCharacter),
            (b"GET\t", ControlCharacter),
            (b"\x16", ControlCharacter),
            (b"GET /\x7f", ControlCharacter),
            (b"GET / HTTP/1.1\r\n ", FoldedLine),
            (b"GET / HTTP/1.1\r\n\t", FoldedLine),
            (b"GET / HTTP/1.1\r\na: b\r\n ", FoldedLine),
            (b"GET / HTTP/1.1\r\na: b\r\n\t", FoldedLine),
            (b"GET / HTTP/1.1\r\n:", HeaderName),
            (b"GET / HTTP/1.1\r\na\x80", HeaderName),
            (b"GET / HTTP/1.1\r\n\xc3", HeaderName),
            (b"GET / HTTP/1.1\r\na\r", HeaderName),
            (b"GET / HTTP/1.1\r\na/", HeaderName),
            (b"GET / HTTP/1.1\r\na ", SpaceBeforeColon),
            (b"GET / HTTP/1.1\r\na\t", SpaceBeforeColon),
            (b"GET / HTTP/1.1\r\na\0", ControlCharacter),
            (b"GET / HTTP/1.1\r\na:\0", ControlCharacter),
            (b"GET / HTTP/1.1\r\na: b\x1b", ControlCharacter),
            (b"GET / HTTP/1.1\r\na: b\x0b", ControlCharacter),
            (b"GET / HTTP/1.1\r\na: b\n", BareLf),
            (b"GET / HTTP/1.1\r\na: b\rc", BareCr),
            (b"GET / HTTP/1.1\r\na: b\r\n\n", BareLf),
            (b"GET / HTTP/1.1\r\na: b\r\n\rx", BareCr),
        ];
        for &(input, error) in cases {
            let shown = input.escape_ascii();
            assert_eq!(whole(&input[..input.len() - 1]), Ok(None), "{shown}");
            assert_eq!(whole(input), Err(error), "{shown}");
            assert_eq!(dripped(input), (Err(error), input.len()), "{shown}");
        }
    }

    #[test]
    fn every_split_finds_the_same_end() {
        let input = b"GET /a HTTP/1.1\r\nA: b\r\nC:\r\nD:\t\xff \r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let end = input.len() - 18;
        assert_eq!(whole(input), Ok(Some(end)));
        assert_eq!(dripped(input), (Ok(Some(end)), end));
        for split in 0..input.len() {
            let mut scan = Scan::new();
            let first = scan.advance(&input[..split], &limits());
            assert_eq!(first, Ok((split >= end).then_some(end)));
            assert_eq!(scan.advance(input, &limits()), Ok(Some(end)));
            assert_eq!(scan.head(), Some(0..end));
        }
    }

    #[test]
    fn the_verdict_stays() {
        let mut scan = Scan::new();
        assert_eq!(scan.advance(b"\n", &limits()), Err(HeadError::BareLf));
        assert_eq!(scan.advance(b"G", &limits()), Err(HeadError::BareLf));
        assert_eq!(scan.head(), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "so many bytes take Miri many minutes")]
    fn each_byte_is_looked_at_once() {
        let mut input = Vec::from(*b"GET / HTTP/1.1\r\n");
        while input.len() < 16_000 {
            input.extend_from_slice(format!("h{}: {:>200}\r\n", input.len(), "x").as_bytes());
        }
        input.extend_from_slice(b"\r\n");
        LOOKED_AT.set(0);
        assert_eq!(dripped(&input), (Ok(Some(input.len())), input.len()));
        assert_eq!(LOOKED_AT.get(), input.len());

        // Many bytes after the head cost nothing, and neither do further calls.
        let len = input.len();
        input.resize(1 << 20, 0);
        let mut scan = Scan::new();
        LOOKED_AT.set(0);
        for _ in 0..1000 {
            assert_eq!(scan.advance(&input, &limits()), Ok(Some(len)));
        }
        assert_eq!(LOOKED_AT.get(), len);
    }

    /// Finds the longest `n` for which `input(n)` is a head, and the error of the next one.
    fn edge(input: impl Fn(usize) -> String) -> (usize, HeadError) {
        let mut n = 0;
        loop {
            match whole(input(n).as_bytes()) {
                Ok(Some(_)) => n += 1,
                Ok(None) => panic!("{n} is no head"),
                Err(error) => return (n - 1, error),
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "so many bytes take Miri many minutes")]
    fn limits_are_exact_and_refuse_at_once() {
        let first = edge(|n| format!("GET /{:a<n$} HTTP/1.1\r\n\r\n", ""));
        assert_eq!(
            first,
            (16_384 - 14, HeadError::FirstLineTooLong { limit: 16_384 })
        );

        let line = edge(|n| format!("GET / HTTP/1.1\r\na: {:b<n$}\r\n\r\n", ""));
        assert_eq!(line, (16_384 - 3, HeadError::LineTooLong { limit: 16_384 }));

        let name = edge(|n| format!("GET / HTTP/1.1\r\n{:b<n$}b:\r\n\r\n", ""));
        assert_eq!(name, (16_384 - 2, HeadError::LineTooLong { limit: 16_384 }));

        let count = edge(|n| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n)));
        assert_eq!(count, (128, HeadError::TooManyHeaders { limit: 128 }));

        let head = |n: usize| {
            let filler = "f".repeat(16_000);
            format!(
                "GET / HTTP/1.1\r\na: {filler}\r\nb: {filler}\r\nc: {:c<n$}\r\n\r\n",
                ""
            )
        };
        let (most, error) = edge(head);
        assert_eq!(error, HeadError::HeadTooLong { limit: 32_768 });
        assert_eq!(head(most).len(), 32_768);

        // Refused when the limit is passed, not when the line or the head is complete.
        let (verdict, after) = dripped("G".repeat(20_000).as_bytes());
        assert_eq!(
            (verdict, after),
            (Err(HeadError::FirstLineTooLong { limit: 16_384 }), 16_385)
        );
        let (verdict, after) = dripped(&head(most).as_bytes()[..head(most).len() - 1]);
        assert_eq!((verdict, after), (Ok(None), 32_767));
        let (verdict, after) = dripped(head(most + 9).as_bytes());
        assert_eq!(
            (verdict, after),
            (Err(HeadError::HeadTooLong { limit: 32_768 }), 32_768)
        );
    }

    #[test]
    fn the_callers_limits_count_but_not_past_the_ceiling() {
        let head = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n));
        let mut limits = limits();
        limits.max_headers = 3;
        assert!(Scan::new().advance(head(3).as_bytes(), &limits).is_ok());
        let over = Scan::new().advance(head(4).as_bytes(), &limits);
        assert_eq!(over, Err(HeadError::TooManyHeaders { limit: 3 }));
        limits.max_headers = usize::MAX;
        let over = Scan::new().advance(head(129).as_bytes(), &limits);
        assert_eq!(over, Err(HeadError::TooManyHeaders { limit: 128 }));
    }

    #[test]
    fn a_whole_head_is_one_and_nothing_more() {
        let whole = |head| Scan::new().whole(head);
        let head = b"GET / HTTP/1.1\r\na: b\r\n\r\n";
        assert_eq!(whole(head), Ok(()));
        assert_eq!(whole(&head[..head.len() - 1]), Err(HeadError::Truncated));
        assert_eq!(whole(b""), Err(HeadError::Truncated));
        assert_eq!(
            whole(b"GET / HTTP/1.1\r\n\r\nx"),
            Err(HeadError::TrailingBytes)
        );
    }

    #[test]
    fn the_header_lines_are_where_the_first_line_ends() {
        for (head, lines) in [
            ("G\r\n\r\n", ""),
            ("G\r\na: b\r\n\r\n", "a: b\r\n"),
            ("G\r\na: b\r\nc:\r\n\r\n", "a: b\r\nc:\r\n"),
        ] {
            let input = format!("{head}{head}x");
            let mut scan = Scan::new();
            for _ in 0..2 {
                scan.advance(input.as_bytes(), &limits()).unwrap();
                let parts = scan.parts(input.as_bytes());
                assert_eq!(parts, (head.as_bytes(), lines.as_bytes()));
                scan.skip_head();
            }
        }
    }

    /// Each byte at each place in a word, and on its way through one.
    #[test]
    fn a_run_ends_where_a_walk_byte_by_byte_would() {
        for len in (0..=24).step_by(if cfg!(miri) { 11 } else { 1 }) {
            for at in 0..len {
                for byte in (0..=u8::MAX).step_by(if cfg!(miri) { 31 } else { 1 }) {
                    let mut text = [b'~'; 24];
                    text[at] = byte;
                    for filler in [b' ', 0xFF, 0x80, b'a'] {
                        text.iter_mut().enumerate().for_each(|(i, b)| {
                            if i != at {
                                *b = filler;
                            }
                        });
                        let text = &text[..len];
                        let walked = text.iter().position(u8::is_ascii_control);
                        assert_eq!(visible(text), walked.unwrap_or(len), "{text:x?}");
                    }
                }
            }
        }
    }
}
