//! Frames as they travel, one line each, for `--verbose`.
//!
//! ```text
//! > text FIN len=5 "hello"
//! < binary FIN RSV1 len=70000 00 01 02 …
//! < close FIN len=6 1000 "done"
//! ```

use std::fmt;

use ws_proto::{Header, Mask, Opcode, ProtocolError};

use crate::text::Escaped;

/// The number of bytes of a data frame that are shown. Control frames are shown whole.
const SHOWN: usize = 64;

/// The number of them that are shown if they are shown as digits.
const DIGITS: usize = 24;

/// Finds the frames of one direction in its bytes, however they are cut.
#[derive(Debug, Default)]
pub(super) struct Frames {
    state: State,
}

/// A frame: its header and how its payload begins, unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    header: Header,
    start: Vec<u8>,
}

/// A thing that is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Frame(Frame),
    /// Bytes that are not a frame: nothing after them can be told apart.
    Broken(ProtocolError),
}

#[derive(Debug)]
enum State {
    /// Collecting a header.
    Header(Vec<u8>),
    /// Collecting the start of a payload. The mask is the one for the next byte.
    Start {
        frame: Frame,
        mask: Option<Mask>,
    },
    /// Passing over the rest of one.
    Rest(u64),
    Broken,
}

impl Frames {
    /// Looks at the next bytes, and calls `found` with each frame as soon as what is shown of it
    /// is there.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut found: impl FnMut(Found)) {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Broken) {
                State::Header(mut head) => {
                    let Some((byte, rest)) = bytes.split_first() else {
                        self.state = State::Header(head);
                        return;
                    };
                    bytes = rest;
                    head.push(*byte);
                    match Header::decode(&head) {
                        Ok(None) => State::Header(head),
                        Ok(Some((header, _))) => State::Start {
                            mask: header.mask(),
                            frame: Frame {
                                header,
                                start: Vec::new(),
                            },
                        },
                        Err(error) => {
                            found(Found::Broken(error));
                            State::Broken
                        }
                    }
                }
                State::Start { mut frame, mask } => {
                    let (taken, rest) = bytes.split_at(bytes.len().min(frame.missing()));
                    bytes = rest;
                    let from = frame.start.len();
                    frame.start.extend(taken);
                    let mask = mask.map(|mask| mask.apply(&mut frame.start[from..]));
                    if frame.missing() > 0 {
                        self.state = State::Start { frame, mask };
                        return;
                    }
                    let rest = frame.header.payload_len() - frame.start.len() as u64;
                    found(Found::Frame(frame));
                    State::Rest(rest)
                }
                State::Rest(0) => State::Header(Vec::with_capacity(Header::MAX_LEN)),
                State::Rest(left) => {
                    let passed = usize::try_from(left).map_or(bytes.len(), |l| l.min(bytes.len()));
                    bytes = &bytes[passed..];
                    let left = left - passed as u64;
                    if left > 0 {
                        self.state = State::Rest(left);
                        return;
                    }
                    State::Rest(0)
                }
                State::Broken => return,
            }
        }
    }
}

impl Frame {
    /// The payload of a Pong.
    pub(super) fn pong(&self) -> Option<&[u8]> {
        (self.header.opcode() == Opcode::Pong).then_some(&self.start)
    }

    /// The number of bytes that are still to be collected.
    fn missing(&self) -> usize {
        let len = usize::try_from(self.header.payload_len()).unwrap_or(usize::MAX);
        let shown = if self.header.opcode().is_control() {
            len
        } else {
            len.min(SHOWN)
        };
        shown - self.start.len()
    }

    /// Text if it is, else digits; three dots where more follows.
    fn fmt_payload(&self, f: &mut fmt::Formatter<'_>, payload: &[u8]) -> fmt::Result {
        let is_cut = self.start.len() as u64 != self.header.payload_len();
        let text = match std::str::from_utf8(payload) {
            Ok(text) => Some(text),
            // A character that the cut goes through.
            Err(error) if is_cut && error.error_len().is_none() => {
                std::str::from_utf8(&payload[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        match text {
            Some(text) if self.header.opcode() != Opcode::Binary && !self.header.rsv1() => {
                write!(f, " \"{}\"", Escaped(text))?;
                if is_cut {
                    f.write_str("…")?;
                }
            }
            _ => {
                for byte in payload.iter().take(DIGITS) {
                    write!(f, " {byte:02x}")?;
                }
                if is_cut || payload.len() > DIGITS {
                    f.write_str(" …")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(frame) => frame.fmt(f),
            Self::Broken(error) => write!(f, "no frame: {error}"),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.header.opcode() {
            Opcode::Continuation => "continuation",
            Opcode::Text => "text",
            Opcode::Binary => "binary",
            Opcode::Close => "close",
            Opcode::Ping => "ping",
            Opcode::Pong => "pong",
        })?;
        if self.header.is_final() {
            f.write_str(" FIN")?;
        }
        if self.header.rsv1() {
            f.write_str(" RSV1")?;
        }
        write!(f, " len={}", self.header.payload_len())?;
        match (self.header.opcode(), &*self.start) {
            (_, []) => Ok(()),
            (Opcode::Close, [high, low, reason @ ..]) => {
                write!(f, " {}", u16::from_be_bytes([*high, *low]))?;
                match reason {
                    [] => Ok(()),
                    reason => self.fmt_payload(f, reason),
                }
            }
            (_, payload) => self.fmt_payload(f, payload),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Rest(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(pieces: &[&[u8]]) -> Vec<String> {
        let mut frames = Frames::default();
        let mut lines = Vec::new();
        for piece in pieces {
            frames.push(piece, |found| lines.push(found.to_string()));
        }
        lines
    }

    /// A conversation with a bit of everything, and what is shown of it.
    fn conversation() -> (Vec<u8>, Vec<&'static str>) {
        let mut bytes = Vec::new();
        let mut frame = |header: Header, payload: &[u8]| {
            bytes.extend(header.encode().as_ref());
            let from = bytes.len();
            bytes.extend(payload);
            if let Some(mask) = header.mask() {
                let _ = mask.apply(&mut bytes[from..]);
            }
        };
        let header = |opcode, payload: &[u8]| Header::new(opcode, payload.len() as u64).unwrap();
        let mask = Some(Mask::new([0x37, 0xFA, 0x21, 0x3D]));
        frame(header(Opcode::Text, b"hello"), b"hello");
        frame(header(Opcode::Text, b"hello").masked(mask), b"hello");
        frame(header(Opcode::Text, b""), b"");
        frame(header(Opcode::Ping, b"\x1b[2J").masked(mask), b"\x1b[2J");
        let part = "é".as_bytes();
        frame(
            header(Opcode::Text, &part[..1]).unfinished().unwrap(),
            &part[..1],
        );
        frame(header(Opcode::Continuation, b"!"), b"!");
        let long = "ä".repeat(40_000);
        frame(
            header(Opcode::Text, long.as_bytes()).masked(mask),
            long.as_bytes(),
        );
        frame(header(Opcode::Binary, &[7; 100]), &[7; 100]);
        frame(header(Opcode::Close, b"\x03\xE8done"), b"\x03\xE8done");
        let lines = vec![
            "text FIN len=5 \"hello\"",
            "text FIN len=5 \"hello\"",
            "text FIN len=0",
            "ping FIN len=4 \"\\u{1b}[2J\"",
            "text len=1 c3",
            "continuation FIN len=1 \"!\"",
            "text FIN len=80000 \"ääääääääääääääääääääääääääääääää\"…",
            "binary FIN len=100 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 …",
            "close FIN len=6 1000 \"done\"",
        ];
        (bytes, lines)
    }

    #[test]
    fn each_frame_is_a_line() {
        let (bytes, lines) = conversation();
        assert_eq!(trace(&[&bytes]), lines);
    }

    #[test]
    fn cuts_change_nothing() {
        let (bytes, lines) = conversation();
        let singly: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(trace(&singly), lines, "byte by byte");
        // The long frame is the same all through.
        for at in (0..400).chain(bytes.len() - 400..bytes.len()) {
            let (left, right) = bytes.split_at(at);
            assert_eq!(trace(&[left, right]), lines, "cut at {at}");
        }
    }

    #[test]
    fn a_large_frame_is_shown_when_it_begins() {
        let header = Header::new(Opcode::Binary, 1 << 40).unwrap();
        let start = [header.encode().as_ref(), &[1; SHOWN]].concat();
        assert_eq!(trace(&[&start]).len(), 1);
        assert_eq!(trace(&[&start[..start.len() - 1]]).len(), 0);
    }

    #[test]
    fn what_is_no_frame_ends_the_trace() {
        let lines = trace(&[b"\x81\x01a", b"\x83", b"\x81\x01a"]);
        assert_eq!(lines, ["text FIN len=1 \"a\"", "no frame: reserved opcode"]);
    }

    #[test]
    fn compressed_text_is_not_text() {
        assert_eq!(trace(&[b"\xC1\x01a"]), ["text FIN RSV1 len=1 61"]);
    }

    #[test]
    fn pongs_are_found() {
        let mut frames = Frames::default();
        let mut pongs = Vec::new();
        frames.push(b"\x8A\x02hi\x89\x02hi", |found| {
            if let Found::Frame(frame) = found {
                pongs.push(frame.pong().map(<[u8]>::to_vec));
            }
        });
        assert_eq!(pongs, [Some(b"hi".to_vec()), None]);
    }
}
