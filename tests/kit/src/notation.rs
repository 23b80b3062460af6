//! The notation of `transcripts/README.md`: words, and the bytes they stand for.

use crate::frame::{BINARY, CLOSE, CONTINUATION, Frame, KEY, PING, PONG, TEXT};

/// The words of a line. One holds no space outside of quotes, and none begins with `#` there.
#[derive(Clone, Debug)]
pub(crate) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// The words of `line`.
    #[must_use]
    pub(crate) const fn of(line: &'a str) -> Self {
        Self { rest: line }
    }

    /// Takes the next word if it is this one.
    pub(crate) fn eat(&mut self, word: &str) -> bool {
        let mut ahead = self.clone();
        let found = ahead.next() == Some(word);
        if found {
            *self = ahead;
        }
        found
    }

    /// The next word, which has to be there.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(crate) fn expect(&mut self, what: &str) -> Result<&'a str, String> {
        self.next().ok_or_else(|| format!("{what} is missing"))
    }

    /// Checks that no word is left.
    ///
    /// # Errors
    ///
    /// The first that is.
    pub(crate) fn end(mut self) -> Result<(), String> {
        self.next()
            .map_or(Ok(()), |word| Err(format!("{word} is too much")))
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() || self.rest.starts_with('#') {
            return None;
        }
        let mut quoted = false;
        let end = self.rest.find(|char: char| {
            quoted ^= char == '"';
            char.is_whitespace() && !quoted
        });
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(word)
    }
}

/// The bytes that `words` stand for, up to the word `frame` or the end.
///
/// # Errors
///
/// The word that means nothing.
pub(crate) fn payload(words: &mut Words<'_>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        let mut ahead = words.clone();
        match ahead.next() {
            None | Some("frame") => return Ok(bytes),
            Some(word) => bytes.extend(item(word)?),
        }
        *words = ahead;
    }
}

/// The bytes on the wire that `words` stand for: bytes, frames, or some of both. `mask` is the
/// key of frames that do not say `masked` or `unmasked`.
///
/// # Errors
///
/// The word that means nothing.
pub(crate) fn wire(mut words: Words<'_>, mask: Option<[u8; 4]>) -> Result<Vec<u8>, String> {
    let mut bytes = payload(&mut words)?;
    while words.eat("frame") {
        bytes.extend(frame(&mut words, mask)?.encode());
    }
    words.end()?;
    Ok(bytes)
}

/// The key that the peer of an endpoint masks with, if it is the one to mask.
pub(crate) const fn peer_mask(role: ws_proto::Role) -> Option<[u8; 4]> {
    match role {
        ws_proto::Role::Server => Some(KEY),
        ws_proto::Role::Client => None,
    }
}

fn frame(words: &mut Words<'_>, mut mask: Option<[u8; 4]>) -> Result<Frame, String> {
    let mut first = Frame::FIN;
    let opcode = loop {
        match words.expect("the kind of frame")? {
            "more" => first &= !Frame::FIN,
            "rsv1" => first |= 0x40,
            "rsv2" => first |= 0x20,
            "rsv3" => first |= 0x10,
            "masked" => mask = Some(KEY),
            "unmasked" => mask = None,
            "continuation" => break CONTINUATION,
            "text" => break TEXT,
            "binary" => break BINARY,
            "close" => break CLOSE,
            "ping" => break PING,
            "pong" => break PONG,
            word => match number(word, "opcode:") {
                Some(opcode @ 0..=15) => break opcode.to_be_bytes()[1],
                _ => return Err(format!("{word} is no frame")),
            },
        }
    };
    Ok(Frame {
        first: first | opcode,
        mask,
        payload: payload(words)?,
    })
}

/// One of `"text"`, `0a1b`, `code:1000`, and any of these with `count*` before it.
fn item(word: &str) -> Result<Vec<u8>, String> {
    if let Some((count, item)) = word.split_once('*')
        && let Ok(count) = count.parse()
    {
        return Ok(self::item(item)?.repeat(count));
    }
    if let Some(text) = word
        .strip_prefix('"')
        .and_then(|word| word.strip_suffix('"'))
    {
        return Ok(text.into());
    }
    if let Some(code) = number(word, "code:") {
        return Ok(code.to_be_bytes().into());
    }
    let hex = |pair: &[u8]| {
        let digits = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
        u8::from_str_radix(str::from_utf8(pair).ok().filter(|_| digits)?, 16).ok()
    };
    let pairs = word.as_bytes().chunks(2).map(hex);
    pairs
        .collect::<Option<Vec<u8>>>()
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| format!("{word} is neither hex nor text"))
}

fn number(word: &str, prefix: &str) -> Option<u16> {
    word.strip_prefix(prefix)?.parse().ok()
}

/// The line without the comment at its end.
pub(crate) fn code(line: &str) -> &str {
    let mut words = Words::of(line);
    while words.next().is_some() {}
    &line[..line.len() - words.rest.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(line: &str) -> Result<Vec<u8>, String> {
        wire(Words::of(line), Some([0; 4]))
    }

    #[test]
    fn bytes_are_hex_text_codes_and_repetitions() {
        assert_eq!(bytes("81 05 \"Hello\""), Ok(b"\x81\x05Hello".into()));
        assert_eq!(bytes("# nothing"), Ok(vec![]));
        assert_eq!(bytes("\"a b # c\" # d"), Ok(b"a b # c".into()));
        assert_eq!(
            bytes("3*\"ab\" 2*0dF0"),
            Ok(b"ababab\x0D\xF0\x0D\xF0".into())
        );
        assert_eq!(bytes("code:1000"), Ok(vec![0x03, 0xE8]));
        for wrong in [
            "8",
            "8g",
            "+1",
            "hello",
            "\"a",
            "3*",
            "code:65536",
            "frame",
            "frame 81",
        ] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn frames_are_masked_as_the_role_asks() {
        assert_eq!(
            bytes("frame text \"Hi\" frame more masked binary"),
            Ok(b"\x81\x82\0\0\0\0Hi\x02\x80\x37\xFA\x21\x3D".into())
        );
        assert_eq!(bytes("frame rsv1 unmasked ping 01"), Ok(vec![0xC9, 1, 1]));
        assert_eq!(bytes("frame unmasked opcode:11"), Ok(vec![0x8B, 0]));
    }
}
