//! A session as text: who said what, and when. People read it, and `ws replay` plays it.
//!
//! ```text
//! # ws session 1
//! # ws://127.0.0.1:9001/echo
//! 0.000 > text hello
//! 0.012 < text hello
//! 3.250 > binary 00ff
//! 3.251 < binary 00ff
//! 4.000 > close 1000 bye
//! 4.001 < close 1000 bye
//! ```
//!
//! `>` went to the server, `<` came from it. The time is in seconds since the session began. Text is
//! written as it is, with a backslash before what is not seen; bytes are hexadecimal digits. Empty
//! lines, and those that begin with `#`, say nothing; the first line is the version.

use std::fmt;
use std::time::Duration;

use ws_std::{Close, CloseCode, MessageBuf};

use crate::text::{Hex, Quoted, unhex, unquoted};

/// The first line.
pub(crate) const VERSION: &str = "# ws session 1";

/// A line of a session.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Since the session began.
    pub(crate) at: Duration,
    pub(crate) direction: Direction,
    pub(crate) said: Said,
}

/// The way that something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the server.
    Sent,
    /// From the server to the client.
    Received,
}

/// What was said.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Message(MessageBuf),
    /// Without a code, if there was none.
    Close(Option<(CloseCode, String)>),
}

/// A session that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The first line is not the version.
    Version,
    /// The line with this number is not one of a session.
    Line(usize),
}

/// Reads a session.
///
/// # Errors
///
/// The first invalid line.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry>, Unreadable> {
    let mut lines = text.lines().zip(1..);
    if lines
        .next()
        .is_none_or(|(line, _)| line.trim_end() != VERSION)
    {
        return Err(Unreadable::Version);
    }
    lines
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, number)| Entry::parse(line).ok_or(Unreadable::Line(number)))
        .collect()
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let (at, rest) = line.split_once(' ')?;
        let (arrow, rest) = rest.split_once(' ')?;
        Some(Self {
            at: Duration::try_from_secs_f64(at.parse().ok()?).ok()?,
            direction: match arrow {
                ">" => Direction::Sent,
                "<" => Direction::Received,
                _ => return None,
            },
            said: Said::parse(rest)?,
        })
    }
}

impl Said {
    fn parse(text: &str) -> Option<Self> {
        let (kind, payload) = text.split_once(' ').unwrap_or((text, ""));
        Some(match kind {
            "text" => Self::Message(MessageBuf::Text(unquoted(payload)?)),
            "binary" => Self::Message(MessageBuf::Binary(unhex(payload)?)),
            "close" if payload.is_empty() => Self::Close(None),
            "close" => {
                let (code, reason) = payload.split_once(' ').unwrap_or((payload, ""));
                let (code, reason) = (CloseCode::new(code.parse().ok()?)?, unquoted(reason)?);
                Close::new(code, &reason).ok()?;
                Self::Close(Some((code, reason)))
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, said) = (self.at.as_secs_f64(), &self.said);
        write!(f, "{at:.3} {} {said}", self.direction)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => ">",
            Self::Received => "<",
        })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(MessageBuf::Text(text)) if text.is_empty() => f.write_str("text"),
            Self::Message(MessageBuf::Text(text)) => write!(f, "text {}", Quoted(text)),
            Self::Message(MessageBuf::Binary(bytes)) if bytes.is_empty() => f.write_str("binary"),
            Self::Message(MessageBuf::Binary(bytes)) => write!(f, "binary {}", Hex(bytes)),
            Self::Close(None) => f.write_str("close"),
            Self::Close(Some((code, reason))) if reason.is_empty() => write!(f, "close {code}"),
            Self::Close(Some((code, reason))) => write!(f, "close {code} {}", Quoted(reason)),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => write!(f, "the first line is not {VERSION:?}"),
            Self::Line(number) => write!(f, "line {number} is not one of a session"),
        }
    }
}

/// Its kind, and nothing of what was said.
impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => message.fmt(f),
            Self::Close(close) => write!(f, "Close({:?})", close.as_ref().map(|(code, _)| code)),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {:?}", self.at, self.direction, self.said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let lines = [
            "0.000 > text hello",
            "0.012 < text two\\nlines \\\\n \\u{1b}[2J é\\u{20}",
            "1.000 > text",
            "1.500 > binary 00ff",
            "1.500 < binary",
            "2.000 > close 4001 off \\u{202e}to bed",
            "2.001 < close 1000",
            "2.002 < close",
        ];
        let session = format!("{VERSION}\n# a comment\n\n{}\n", lines.join("\n"));
        let entries = parse(&session).unwrap();
        let written: Vec<_> = entries.iter().map(Entry::to_string).collect();
        assert_eq!(written, lines);
        let Said::Message(MessageBuf::Text(text)) = &entries[1].said else {
            panic!("no text");
        };
        assert_eq!(text, "two\nlines \\n \u{1b}[2J é ");
    }

    #[test]
    fn what_is_no_session_is_said() {
        assert_eq!(parse(""), Err(Unreadable::Version));
        assert_eq!(parse("0.000 > text a"), Err(Unreadable::Version));
        for line in [
            "0.000 > txt a",
            "0.000 - text a",
            "soon > text a",
            "-1 > text a",
            "0.000 > text \\x",
            "0.000 > binary 0",
            "0.000 > close 1005",
            "0.000 >",
        ] {
            let session = format!("{VERSION}\n\n{line}\n");
            assert_eq!(parse(&session), Err(Unreadable::Line(3)), "{line}");
        }
    }

    #[test]
    fn payloads_are_not_in_debug() {
        let entries = parse(&format!(
            "{VERSION}\n0 > text s3cret\n0 > close 1000 s3cret"
        ))
        .unwrap();
        assert!(!format!("{entries:?}").contains("s3cret"));
    }
}
