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
    }
}
