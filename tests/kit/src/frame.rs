//! The naive codec: RFC 6455 §5.2 written a second time, slow and obvious, apart from the core.

/// The opcode of a continuation.
pub const CONTINUATION: u8 = 0x0;
/// The opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// The opcode of a binary frame.
pub const BINARY: u8 = 0x2;
/// The opcode of a Close.
pub const CLOSE: u8 = 0x8;
/// The opcode of a Ping.
pub const PING: u8 = 0x9;
/// The opcode of a Pong.
pub const PONG: u8 = 0xA;

/// The key that tests mask with, which is that of §5.7: no byte of it is zero, and no two are equal.
pub const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame as it travels, valid or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, the reserved bits and the opcode.
    pub first: u8,
    /// The masking key.
    pub mask: Option<[u8; 4]>,
    /// The payload, not masked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The FIN bit.
    pub const FIN: u8 = 0x80;
    /// The first reserved bit, which marks a message that is compressed (RFC 7692 §6).
    pub const RSV1: u8 = 0x40;

    /// Takes the first frame off `bytes`; `None` if it is not whole.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let mut at = 2;
        let length_bytes = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut len = u64::from(second & 0x7F);
        if length_bytes > 0 {
            len = 0;
            for byte in bytes.get(at..at + length_bytes)? {
                len = len << 8 | u64::from(*byte);
            }
            at += length_bytes;
        }
        let mut mask = None;
        if second & 0x80 != 0 {
            mask = Some([
                *bytes.get(at)?,
                *bytes.get(at + 1)?,
                *bytes.get(at + 2)?,
                *bytes.get(at + 3)?,
            ]);
            at += 4;
        }
        let end = at.checked_add(usize::try_from(len).ok()?)?;
        let payload = masked(bytes.get(at..end)?, mask);
        Some((
            Self {
                first,
                mask,
                payload,
            },
            end,
        ))
    }

    /// The bytes, with the length in as few of them as it takes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = head(self.first, self.mask, self.payload.len() as u64);
        bytes.extend(masked(&self.payload, self.mask));
        bytes
    }

    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> u8 {
        self.first & 0x0F
    }

    /// Whether it is a Close.
    #[must_use]
    pub const fn is_close(&self) -> bool {
        self.opcode() == CLOSE
    }
}

/// The bytes of a frame.
#[must_use]
pub fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let payload = payload.into();
    Frame {
        first,
        mask,
        payload,
    }
    .encode()
}

/// The header of a frame, with the length in as few bytes as it takes.
#[must_use]
pub fn head(first: u8, mask: Option<[u8; 4]>, len: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    if let Some(short) = u8::try_from(len).ok().filter(|short| *short < 126) {
        bytes.push(mask_bit | short);
    } else if let Ok(medium) = u16::try_from(len) {
        bytes.push(mask_bit | 126);
        bytes.extend(medium.to_be_bytes());
    } else {
        bytes.push(mask_bit | 127);
        bytes.extend(len.to_be_bytes());
    }
    bytes.extend(mask.iter().flatten());
    bytes
}

/// The payload of a Close: code and reason.
#[must_use]
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Takes a stream apart into frames.
///
/// # Panics
///
/// If it ends within one: what we send never does.
#[must_use]
#[track_caller]
pub fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((frame, len)) = Frame::decode(bytes) {
        frames.push(frame);
        bytes = &bytes[len..];
    }
    assert!(bytes.is_empty(), "cut frame: {bytes:x?}");
    frames
}

/// "transformed-octet-i = original-octet-i XOR masking-key-octet-j" (§5.3)
fn masked(payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let key = mask.unwrap_or_default();
    let bytes = payload.iter().enumerate();
    bytes.map(|(i, byte)| byte ^ key[i % 4]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// §5.7.
    #[test]
    fn the_examples_of_the_rfc() {
        let masked = [
            0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
        ];
        let frame = Frame {
            first: 0x81,
            mask: Some([0x37, 0xFA, 0x21, 0x3D]),
            payload: b"Hello".into(),
        };
        assert_eq!(frame.encode(), masked);
        assert_eq!(Frame::decode(&masked), Some((frame, 11)));
        for (len, head) in [
            (256, &[0x82, 0x7E, 0x01, 0x00][..]),
            (65536, &[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = Frame {
                first: 0x82,
                mask: None,
                payload: vec![0; len],
            };
            let bytes = frame.encode();
            assert!(bytes.starts_with(head) && bytes.len() == head.len() + len);
            assert_eq!(Frame::decode(&bytes), Some((frame, bytes.len())));
            assert_eq!(Frame::decode(&bytes[..bytes.len() - 1]), None);
        }
    }
}
