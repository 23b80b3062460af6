//! The floor: WebSocket without a rule.
//!
//! The work that is left when every frame is taken to be right: a header is read as far as it must be, the
//! payload unmasked where it lies, text checked. No role, no limit, no state, no error. Written
//! plainly, in safe code.

use ws_proto::Opcode;

use crate::messages::Random;

/// A frame that is taken to be final, masked, and whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The lower half of its first byte.
    pub opcode: u8,
    /// Where its payload begins.
    pub start: usize,
    /// Where it ends, and the next frame begins.
    pub end: usize,
}

/// Decodes the frame that begins at `at`, and unmasks it.
#[inline]
pub fn decode(bytes: &mut [u8], at: usize) -> Frame {
    let head = &bytes[at..];
    let opcode = head[0] & 0x0F;
    let (len, header) = match head[1] & 0x7F {
        126 => (usize::from(u16::from_be_bytes([head[2], head[3]])), 4),
        127 => {
            let mut len = [0; 8];
            len.copy_from_slice(&head[2..10]);
            let len = u64::from_be_bytes(len);
            (usize::try_from(len).expect("a frame in memory"), 10)
        }
        len => (usize::from(len), 2),
    };
    let mut key = [0; 4];
    key.copy_from_slice(&head[header..header + 4]);
    let start = at + header + 4;
    let end = start + len;
    xor(&mut bytes[start..end], key);
    Frame { opcode, start, end }
}

/// Appends a frame to `out`; masked, if there is a key.
#[inline]
pub fn encode(first: u8, key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    let masked = if key.is_some() { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ ..126), _) => out.extend_from_slice(&[first, masked | len]),
        (_, Ok(len)) => {
            let [high, low] = len.to_be_bytes();
            out.extend_from_slice(&[first, masked | 126, high, low]);
        }
        _ => {
            out.extend_from_slice(&[first, masked | 127]);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    if let Some(key) = key {
        out.extend_from_slice(&key);
    }
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        xor(&mut out[start..], key);
    }
}

/// Masks with `key` from its start: fast enough, for few bytes too.
#[inline]
pub fn xor(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let word = u64::from_ne_bytes(word) ^ wide;
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// A frame as a client sends it, with a key of its own. `first` is its first byte.
#[must_use]
pub fn client_frame(first: u8, payload: &[u8], random: &mut Random) -> Vec<u8> {
    let mut frame = Vec::new();
    let key = random.bits().to_ne_bytes();
    encode(first, Some(key), payload, &mut frame);
    frame
}

/// The first byte of a frame that is not followed by another fragment.
#[must_use]
pub const fn last(opcode: Opcode) -> u8 {
    0x80 | opcode as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_proto::{Connection, Event, Limits, Message};

    /// The floor writes and reads real WebSocket frames.
    #[test]
    fn the_floor_speaks_websocket() {
        let mut random = Random::default();
        for len in [0, 1, 7, 8, 125, 126, 1000, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let frame = client_frame(last(Opcode::Text), &payload, &mut random);
            let mut floor = [&[0][..], &frame].concat();
            let decoded = decode(&mut floor, 1);
            assert_eq!((decoded.opcode, decoded.end), (1, floor.len()));
            assert_eq!(&floor[decoded.start..], payload);

            let mut server = Connection::server(&Limits::DEFAULT);
            let mut ours = frame.clone();
            let received = server.receive(&mut ours).unwrap();
            let text = str::from_utf8(&payload).unwrap();
            assert_eq!(received.event, Some(Event::Message(Message::Text(text))));
            assert_eq!(received.consumed, frame.len());
        }
    }
}
