//! What a message looks like in the input and in the output.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use ws_std::{Message, MessageBuf};

use crate::text::{Escaped, Hex, OneLine, unhex};
use crate::utc::Utc;

/// How a message is written in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Input {
    /// As it is; with --binary it is sent as a binary message
    Text,
    /// Hexadecimal digits of a binary message
    Hex,
    /// Base64 of a binary message
    Base64,
    /// A JSON string of a text message: "two\nlines"
    Json,
}

/// How a message is written to the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Text with \n and \r for line breaks; hexadecimal digits of a binary message
    Lines,
    /// The payload as it came, and nothing after it, on a terminal too
    Raw,
    /// Hexadecimal digits of every message
    Hex,
    /// Base64 of every message
    Base64,
    /// A JSON string of a text message; {"base64":"…"} of a binary one
    Json,
    /// JSON over several lines, if it is JSON; else as `lines`
    Pretty,
}

/// How messages are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) input: Input,
    /// What is written as it is is a binary message.
    pub(super) is_binary: bool,
}

impl Reading {
    /// The message of a piece of the input.
    ///
    /// # Errors
    ///
    /// What the piece is not, in words.
    pub(super) fn read(self, piece: impl AsRef<[u8]>) -> Result<MessageBuf, &'static str> {
        let piece = piece.as_ref();
        let text = std::str::from_utf8(piece);
        match self.input {
            Input::Text if self.is_binary => Ok(MessageBuf::Binary(piece.into())),
            Input::Text => match text {
                Ok(text) => Ok(MessageBuf::Text(text.into())),
                Err(_) => Err("is not UTF-8: --binary sends it as it is"),
            },
            Input::Hex => {
                let bytes = text.ok().and_then(unhex);
                Ok(MessageBuf::Binary(bytes.ok_or("is not hexadecimal")?))
            }
            Input::Base64 => {
                let bytes = text.ok().and_then(|text| STANDARD.decode(text.trim()).ok());
                Ok(MessageBuf::Binary(bytes.ok_or("is not base64")?))
            }
            Input::Json => {
                let string = serde_json::from_slice(piece);
                Ok(MessageBuf::Text(
                    string.map_err(|_| "is not a JSON string")?,
                ))
            }
        }
    }
}

/// How messages are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) output: Output,
    /// Binary messages that are text are shown as text.
    pub(super) is_binary: bool,
    /// A NUL ends a message, in place of a line break.
    pub(super) is_null: bool,
    /// The time stands before each.
    pub(super) is_timed: bool,
    /// Nothing may control the terminal that it is shown on.
    pub(super) is_careful: bool,
}

impl Shape {
    /// A message as it stands in the output, with what ends it.
    pub(super) fn piece(self, message: Message<'_>) -> Vec<u8> {
        let mut piece = match self.is_timed {
            true => format!("{} ", Utc::now()).into_bytes(),
            false => Vec::new(),
        };
        if self.output == Output::Raw {
            piece.extend(message.as_bytes());
        } else {
            let text = self.text(message);
            match self.is_careful {
                true => piece.extend(careful(&text).as_bytes()),
                false => piece.extend(text.as_bytes()),
            }
        }
        match self.is_null {
            true => piece.push(0),
            false if self.output == Output::Raw => {}
            false => piece.push(b'\n'),
        }
        piece
    }

    /// A message as text, over several lines if it is pretty.
    pub(super) fn text(self, message: Message<'_>) -> String {
        let text = match message {
            Message::Text(text) => Some(text),
            Message::Binary(bytes) if self.is_binary => std::str::from_utf8(bytes).ok(),
            Message::Binary(_) => None,
        };
        let bytes = message.as_bytes();
        if self.output == Output::Pretty
            && let Some(pretty) = text.and_then(pretty)
        {
            return pretty;
        }
        match (self.output, text) {
            (Output::Base64, _) => STANDARD.encode(bytes),
            (Output::Hex, _) => Hex(bytes).to_string(),
            (Output::Json, Some(text)) => serde_json::Value::from(text).to_string(),
            (Output::Json, None) => format!(r#"{{"base64":"{}"}}"#, STANDARD.encode(bytes)),
            (_, None) => Hex(bytes).to_string(),
            // A NUL ends it, and so a line break does not.
            (_, Some(text)) if self.is_null => text.into(),
            (_, Some(text)) => OneLine(text).to_string(),
        }
    }
}

/// JSON over several lines, with its members in their order; `None` of what is not JSON.
pub(super) fn pretty(text: &str) -> Option<String> {
    // A number or a word is no prettier than it was.
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    Some(indented(text))
}

/// JSON that is known to be valid, laid out: nothing in it is changed, and no number rounded.
fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut before = ' ';
    for c in text.chars() {
        if in_string {
            out.push(c);
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            before = c;
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(c, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        let opened = matches!(before, '{' | '[');
        if (opened && !closes) || (closes && !opened) || before == ',' {
            let _ = write!(out, "\n{:1$}", "", depth * 2);
        }
        out.push(c);
        match c {
            '"' => in_string = true,
            ':' => out.push(' '),
            '{' | '[' => depth += 1,
            _ => {}
        }
        before = c;
    }
    out
}

/// Lines from elsewhere, each made safe to show.
pub(super) fn careful(text: &str) -> String {
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| Escaped(line).to_string())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(output: Output) -> Shape {
        Shape {
            output,
            is_binary: false,
            is_null: false,
            is_timed: false,
            is_careful: false,
        }
    }

    #[test]
    fn a_message_in_each_format() {
        let (text, bytes) = (
            Message::Text("a\n\"é\""),
            Message::Binary(&[0, 0xFF, b'\n']),
        );
        let cases = [
            (Output::Lines, "a\\n\"é\"\n", "00ff0a\n"),
            (Output::Hex, "610a22c3a922\n", "00ff0a\n"),
            (Output::Base64, "YQoiw6ki\n", "AP8K\n"),
            (
                Output::Json,
                "\"a\\n\\\"é\\\"\"\n",
                "{\"base64\":\"AP8K\"}\n",
            ),
            (Output::Pretty, "a\\n\"é\"\n", "00ff0a\n"),
        ];
        for (output, of_text, of_bytes) in cases {
            let shape = shape(output);
            assert_eq!(shape.piece(text), of_text.as_bytes(), "{output:?}");
            assert_eq!(shape.piece(bytes), of_bytes.as_bytes(), "{output:?}");
        }
        assert_eq!(shape(Output::Raw).piece(bytes), [0, 0xFF, b'\n']);
        let null = Shape {
            is_null: true,
            ..shape(Output::Lines)
        };
        assert_eq!(null.piece(text), "a\n\"é\"\0".as_bytes());
    }

    #[test]
    fn pretty_json_is_the_same_json() {
        let cases = [
            (
                r#"{"b":1,"a":[1,2.50,{}],"c":""}"#,
                "{\n  \"b\": 1,\n  \"a\": [\n    1,\n    2.50,\n    {}\n  ],\n  \"c\": \"\"\n}",
            ),
            (r#" [ "a\\\"{,", [] ] "#, "[\n  \"a\\\\\\\"{,\",\n  []\n]"),
            ("{}", "{}"),
            (
                "[123456789012345678901234567890]",
                "[\n  123456789012345678901234567890\n]",
            ),
        ];
        for (text, laid_out) in cases {
            assert_eq!(pretty(text).as_deref(), Some(laid_out), "{text}");
        }
        for text in ["", "1", "\"a\"", "{", "[1,]", "hello"] {
            assert_eq!(pretty(text), None, "{text}");
        }
    }

    #[test]
    fn the_input_in_each_format() {
        let text = |text: &str| Ok(MessageBuf::Text(text.into()));
        let binary = |bytes: &[u8]| Ok(MessageBuf::Binary(bytes.into()));
        let read = |input, piece: &[u8], is_binary| Reading { input, is_binary }.read(piece);
        assert_eq!(read(Input::Text, b"a", false), text("a"));
        assert_eq!(read(Input::Text, b"a\xFF", true), binary(b"a\xFF"));
        assert_eq!(read(Input::Hex, b"00 fF", false), binary(&[0, 0xFF]));
        assert_eq!(read(Input::Base64, b"AP8K ", false), binary(&[0, 0xFF, 10]));
        assert_eq!(read(Input::Json, br#""a\nb""#, false), text("a\nb"));
        for (input, piece) in [
            (Input::Text, &b"\xFF"[..]),
            (Input::Hex, b"0"),
            (Input::Base64, b"A"),
            (Input::Json, b"a"),
            (Input::Json, b"1"),
        ] {
            assert!(read(input, piece, false).is_err(), "{input:?}");
        }
    }
}
