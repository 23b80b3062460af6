//! Text from others, made safe to show, and errors on one line.

use std::error::Error;
use std::fmt::{self, Write};
use std::iter;

/// Shows text on a terminal: characters that would move its cursor, colour it, or turn the text
/// around are escaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_control(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Shows text on one line of output: line breaks are escaped, and nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.0.split_inclusive(['\n', '\r']) {
            match piece.as_bytes() {
                [.., b'\n'] => write!(f, "{}\\n", &piece[..piece.len() - 1])?,
                [.., b'\r'] => write!(f, "{}\\r", &piece[..piece.len() - 1])?,
                _ => f.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// Text on one line from which it can be [read again](unquoted): a backslash, whatever controls a
/// terminal, and a space at the end are escaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Editors take spaces at the end of a line away.
        let (text, space) = match self.0.strip_suffix(' ') {
            Some(text) => (text, "\\u{20}"),
            None => (self.0, ""),
        };
        for c in text.chars() {
            if c == '\\' || is_control(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        f.write_str(space)
    }
}

/// Reads what [`Quoted`] writes; `None` if a backslash begins nothing that it writes.
pub(crate) fn unquoted(text: &str) -> Option<String> {
    let mut read = String::with_capacity(text.len());
    let mut pieces = text.split('\\');
    read.push_str(pieces.next().unwrap_or_default());
    while let Some(piece) = pieces.next() {
        let Some(letter) = piece.chars().next() else {
            // Two of them, and what stands after the second.
            read.push('\\');
            read.push_str(pieces.next()?);
            continue;
        };
        let rest = &piece[letter.len_utf8()..];
        let (c, rest) = match letter {
            'n' => ('\n', rest),
            'r' => ('\r', rest),
            't' => ('\t', rest),
            'u' => {
                let (digits, rest) = rest.strip_prefix('{')?.split_once('}')?;
                (char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, rest)
            }
            _ => return None,
        };
        read.push(c);
        read.push_str(rest);
    }
    Some(read)
}

/// An error and its causes: `cannot connect to a:1: connection refused`.
pub(crate) fn chain(error: &dyn Error) -> String {
    let all: Vec<_> = iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect();
    all.join(": ")
}

/// Shows bytes as hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads bytes from hexadecimal digits, with spaces between them or not.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

/// Whether a character does something besides being seen: C0, C1 and DEL, the separators of lines
/// and paragraphs, and those that change the direction of the text around them (`Bidi_Control`).
pub(crate) fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061C}'
                | '\u{200E}'
                | '\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_safe_from_text() {
        let cases = [
            ("plain é 你好 👋🏽", "plain é 你好 👋🏽"),
            ("\x1b[31mred", "\\u{1b}[31mred"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{9b}31m\x7f", "\\u{9b}31m\\u{7f}"),
            ("\u{202e}txt.exe\u{2069}", "\\u{202e}txt.exe\\u{2069}"),
            ("a\u{2028}b\u{200f}", "a\\u{2028}b\\u{200f}"),
            ("back\\slash \"quoted\"", "back\\slash \"quoted\""),
        ];
        for (text, shown) in cases {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }

    #[test]
    fn a_message_is_one_line() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("a\nb", "a\\nb"),
            ("\r\n", "\\r\\n"),
            ("C:\\new\t\x1b", "C:\\new\t\x1b"),
            ("é\né", "é\\né"),
        ];
        for (text, line) in cases {
            assert_eq!(OneLine(text).to_string(), line);
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = ws_std::connect("http://h/").expect_err("not a WebSocket");
        assert_eq!(
            chain(&error),
            "invalid URL: the scheme is neither ws:// nor wss://"
        );
    }

    #[test]
    fn bytes_as_digits() {
        assert_eq!(Hex(&[0, 0x0F, 0xFF]).to_string(), "000fff");
        assert_eq!(unhex("000fFF"), Some(vec![0, 0x0F, 0xFF]));
        assert_eq!(unhex("00 0f ff"), Some(vec![0, 0x0F, 0xFF]));
        assert_eq!(unhex(""), Some(vec![]));
        for text in ["0", "0g", "é0", "+1"] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_quoted_can_be_read_again() {
        let cases = [
            ("", ""),
            ("plain é 👋🏽", "plain é 👋🏽"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\\n", "\\\\n"),
            ("\\", "\\\\"),
            ("\\\\\n", "\\\\\\\\\\n"),
            ("\u{1b}[2J\u{202e}", "\\u{1b}[2J\\u{202e}"),
            (" a  ", " a \\u{20}"),
        ];
        for (text, quoted) in cases {
            assert_eq!(Quoted(text).to_string(), quoted);
            assert_eq!(unquoted(quoted).as_deref(), Some(text), "{quoted}");
        }
        for wrong in ["\\", "\\x", "a\\", "\\u", "\\u{110000}", "\\u{41"] {
            assert_eq!(unquoted(wrong), None, "{wrong}");
        }
    }
}
