//! Keys, from the bytes that a terminal sends for them.

/// A key, or what was pasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Paste(String),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    /// To the line before in the history, and to the one after.
    Up,
    Down,
    KillToStart,
    KillToEnd,
    KillWord,
    /// To an older line with what is typed next in it.
    Search,
    ClearScreen,
    /// Ctrl-C, Ctrl-D, Ctrl-Z.
    Interrupt,
    EndOfInput,
    Suspend,
}

/// Finds the keys in bytes, however they are cut. Other sequences are dropped.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// Within a character.
    Utf8(Vec<u8>),
    /// After ESC, and after ESC O.
    Escape,
    EscapeO,
    /// After ESC [: the parameters.
    Control(Vec<u8>),
    /// Within what is pasted: all of it up to now.
    Paste(Vec<u8>),
}

/// The marks that terminals send around a paste, once asked to.
const PASTE: &[u8] = b"200~";
const PASTE_END: &[u8] = b"\x1b[201~";

impl Keys {
    /// Takes the next byte, and returns the key that it completes.
    pub(super) fn push(&mut self, byte: u8) -> Option<Key> {
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte),
            State::Utf8(mut bytes) => {
                bytes.push(byte);
                self.utf8(bytes)
            }
            State::Escape => match byte {
                b'[' => self.then(State::Control(Vec::new())),
                b'O' => self.then(State::EscapeO),
                0x1B => self.then(State::Escape),
                b'b' => Some(Key::WordLeft),
                b'f' => Some(Key::WordRight),
                0x7F => Some(Key::KillWord),
                _ => None,
            },
            State::EscapeO => arrow(byte),
            State::Control(mut bytes) => {
                bytes.push(byte);
                match byte {
                    _ if bytes == PASTE => self.then(State::Paste(Vec::new())),
                    0x40..=0x7E => control(&bytes),
                    0x20..=0x3F if bytes.len() < 16 => self.then(State::Control(bytes)),
                    _ => None,
                }
            }
            State::Paste(mut bytes) => {
                bytes.push(byte);
                match bytes.strip_suffix(PASTE_END) {
                    Some(pasted) => {
                        let text = String::from_utf8_lossy(pasted);
                        Some(Key::Paste(text.replace("\r\n", "\n").replace('\r', "\n")))
                    }
                    None => self.then(State::Paste(bytes)),
                }
            }
        }
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        Some(match byte {
            b'\r' | b'\n' => Key::Enter,
            0x01 => Key::Home,
            0x02 => Key::Left,
            0x03 => Key::Interrupt,
            0x04 => Key::EndOfInput,
            0x05 => Key::End,
            0x06 => Key::Right,
            0x08 | 0x7F => Key::Backspace,
            b'\t' => Key::Char('\t'),
            0x0B => Key::KillToEnd,
            0x0C => Key::ClearScreen,
            0x0E => Key::Down,
            0x10 => Key::Up,
            0x12 => Key::Search,
            0x15 => Key::KillToStart,
            0x17 => Key::KillWord,
            0x1A => Key::Suspend,
            0x1B => return self.then(State::Escape),
            0x20..=0x7E => Key::Char(byte.into()),
            0x80.. => return self.utf8(vec![byte]),
            _ => return None,
        })
    }

    fn utf8(&mut self, bytes: Vec<u8>) -> Option<Key> {
        match (std::str::from_utf8(&bytes), &*bytes) {
            (Ok(text), _) => text.chars().next().map(Key::Char),
            (Err(error), _) if error.error_len().is_none() => self.then(State::Utf8(bytes)),
            // What broke the character off may be a key.
            (Err(_), [_, .., last]) => self.ground(*last),
            (Err(_), _) => None,
        }
    }

    fn then(&mut self, state: State) -> Option<Key> {
        self.state = state;
        None
    }
}

/// The key of a sequence after ESC [.
fn control(bytes: &[u8]) -> Option<Key> {
    Some(match bytes {
        [letter] => return arrow(*letter),
        b"3~" => Key::Delete,
        b"1~" | b"7~" => Key::Home,
        b"4~" | b"8~" => Key::End,
        b"1;3D" | b"1;5D" => Key::WordLeft,
        b"1;3C" | b"1;5C" => Key::WordRight,
        _ => return None,
    })
}

fn arrow(letter: u8) -> Option<Key> {
    Some(match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        bytes.iter().filter_map(|byte| keys.push(*byte)).collect()
    }

    #[test]
    fn bytes_are_keys() {
        let cases: [(&[u8], &[Key]); 12] = [
            (b"a~", &[Key::Char('a'), Key::Char('~')]),
            (
                "é你👋".as_bytes(),
                &[Key::Char('é'), Key::Char('你'), Key::Char('👋')],
            ),
            (b"\r\n", &[Key::Enter, Key::Enter]),
            (
                b"\x03\x04\x1a",
                &[Key::Interrupt, Key::EndOfInput, Key::Suspend],
            ),
            (
                b"\x1b[A\x1b[B\x1bOC\x1bOD",
                &[Key::Up, Key::Down, Key::Right, Key::Left],
            ),
            (b"\x1b[H\x1b[4~\x1b[3~", &[Key::Home, Key::End, Key::Delete]),
            (b"\x1b[1;5D\x1bf", &[Key::WordLeft, Key::WordRight]),
            // Unknown ones, whole.
            (
                b"\x1b[15~\x1b[<0;1;1Ma\x1b\x1b[A",
                &[Key::Char('a'), Key::Up],
            ),
            (b"\x00\x1f\x07a", &[Key::Char('a')]),
            (b"\xFFa\xC3b", &[Key::Char('a'), Key::Char('b')]),
            (
                b"\x1b[200~a\r\n\x1b[A\rb\x1b[201~c",
                &[Key::Paste("a\n\x1b[A\nb".into()), Key::Char('c')],
            ),
            (b"\x1b[200~\x1b[201~", &[Key::Paste(String::new())]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(keys(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
