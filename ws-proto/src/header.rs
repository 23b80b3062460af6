//! Frame headers: RFC 6455 §5.2, "Base Framing Protocol".
//!
//! ```text
//!   0               1               2               3
//!  +-+-+-+-+-------+-+-------------+-------------------------------+
//!  |F|R|R|R| opcode|M| length (7)  |  length, 16 bits if 126,      |
//!  |I|S|S|S|  (4)  |A|             |  64 bits if 127               |
//!  |N|V|V|V|       |S|             |  (absent up to 125)           |
//!  | |1|2|3|       |K|             |                               |
//!  +-+-+-+-+-------+-+-------------+-------------------------------+
//!  |  masking key (32 bits, present if MASK is set)                |
//!  +---------------------------------------------------------------+
//! ```
//!
//! A pure codec: bytes to a [`Header`] and back, with no state. What depends on the role of an
//! endpoint, on the negotiation or on earlier frames, the receiver judges.

use core::fmt;

use crate::error::{HeaderError, ProtocolError};
use crate::mask::Mask;
use crate::quiet::show;

/// The longest payload of a control frame, in bytes (§5.5).
pub const MAX_CONTROL: usize = 125;

/// The purpose of a frame (§5.2, §11.8). The reserved opcodes do not exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message in progress (§5.4).
    Continuation = 0x0,
    /// A text message, or its first fragment (§5.6).
    Text = 0x1,
    /// A binary message, or its first fragment (§5.6).
    Binary = 0x2,
    /// The closing handshake (§5.5.1).
    Close = 0x8,
    /// A request for a [`Pong`](Self::Pong) (§5.5.2).
    Ping = 0x9,
    /// The answer to a [`Ping`](Self::Ping), or an unsolicited heartbeat (§5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// Tells control frames (Close, Ping, Pong) from data frames.
    ///
    /// > Control frames are identified by opcodes where the most significant bit of the opcode
    /// > is 1. (§5.5)
    #[inline]
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    #[inline]
    const fn parse(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }
}

/// The kind of a message, which says how to read its payload (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes, whose meaning is up to the application.
    Binary,
}

impl Kind {
    /// The opcode of the first frame of such a message.
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// Whether a piece of a message is followed by another (§5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// More of the message follows.
    More,
    /// The message ends here.
    Last,
}

/// The header of a frame. One that exists obeys §5.2 and §5.5.
///
/// ```
/// use ws_proto::{Header, Mask, Opcode};
///
/// let header = Header::new(Opcode::Text, 5)?.masked(Some(Mask::new([0x37, 0xFA, 0x21, 0x3D])));
/// assert_eq!(header.encode().as_ref(), [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D]);
///
/// assert_eq!(Header::decode(&[0x81]), Ok(None)); // incomplete
/// assert_eq!(Header::decode(header.encode().as_ref()), Ok(Some((header, 6))));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    opcode: Opcode,
    fin: bool,
    rsv1: bool,
    mask: Option<Mask>,
    len: u64,
}

impl Header {
    /// The longest header, in bytes: two, eight of length, four of masking key.
    pub const MAX_LEN: usize = 14;

    /// Makes the header of an unmasked, final frame with a payload of `len` bytes.
    ///
    /// # Errors
    ///
    /// [`ControlTooLong`](HeaderError::ControlTooLong) for a control frame over 125 bytes
    /// (§5.5), [`LengthTooLarge`](HeaderError::LengthTooLarge) from 2^63 (§5.2).
    pub const fn new(opcode: Opcode, len: u64) -> Result<Self, HeaderError> {
        if opcode.is_control() && len > MAX_CONTROL as u64 {
            return Err(HeaderError::ControlTooLong);
        }
        if len >> 63 != 0 {
            return Err(HeaderError::LengthTooLarge);
        }
        Ok(Self {
            opcode,
            fin: true,
            rsv1: false,
            mask: None,
            len,
        })
    }

    /// Marks the frame as followed by more fragments of its message.
    ///
    /// # Errors
    ///
    /// [`FragmentedControl`](HeaderError::FragmentedControl) for a control frame (§5.5).
    pub const fn unfinished(self) -> Result<Self, HeaderError> {
        if self.opcode.is_control() {
            return Err(HeaderError::FragmentedControl);
        }
        Ok(Self { fin: false, ..self })
    }

    /// Marks the message that the frame begins as compressed (RFC 7692 §6).
    ///
    /// # Errors
    ///
    /// [`NotFirst`](HeaderError::NotFirst) for a continuation or a control frame: RSV1 is set on
    /// the first frame of a message only.
    pub const fn compressed(self) -> Result<Self, HeaderError> {
        match self.opcode {
            Opcode::Text | Opcode::Binary => Ok(Self { rsv1: true, ..self }),
            _ => Err(HeaderError::NotFirst),
        }
    }

    /// The header of a data frame without a mask, or `None` from 2^63 bytes: what a sender makes,
    /// which knows that `opcode` is one of data.
    #[inline(always)]
    pub(crate) const fn data(opcode: Opcode, len: u64, part: Part) -> Option<Self> {
        if len >> 63 != 0 {
            return None;
        }
        Some(Self {
            opcode,
            fin: matches!(part, Part::Last),
            rsv1: false,
            mask: None,
            len,
        })
    }

    /// The header of a message in one frame, without a mask: no slice has 2^63 bytes.
    #[inline(always)]
    pub(crate) const fn message(kind: Kind, payload: &[u8]) -> Self {
        Self {
            opcode: kind.opcode(),
            fin: true,
            rsv1: false,
            mask: None,
            len: payload.len() as u64,
        }
    }

    /// Sets the masking key, or takes it away.
    #[inline]
    #[must_use]
    pub const fn masked(self, mask: Option<Mask>) -> Self {
        Self { mask, ..self }
    }

    /// Reads a header from the start of `input`: the header and its length in bytes, or `None`
    /// if `input` ends before the header does.
    ///
    /// # Errors
    ///
    /// The first rule of §5.2 or §5.5 that the bytes break, as soon as they do: RSV2 or RSV3, a
    /// reserved opcode, a control frame that is fragmented or over 125 bytes, a length that is
    /// not minimal or has its highest bit set. RSV1 is reported, not judged: whether it may be
    /// set depends on what was negotiated (§9, RFC 7692 §6).
    #[inline]
    pub const fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let [first, rest @ ..] = input else {
            return Ok(None);
        };
        let first = *first;
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero
        // values." (§5.2) None defines RSV2 or RSV3.
        if first & 0x30 != 0 {
            return Err(ProtocolError::ReservedBit);
        }
        let Some(opcode) = Opcode::parse(first & 0x0F) else {
            return Err(ProtocolError::ReservedOpcode);
        };
        let fin = first & 0x80 != 0;
        // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
        // fragmented." (§5.5)
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }
        let [second, rest @ ..] = rest else {
            return Ok(None);
        };
        let second = *second;
        let short = second & 0x7F;
        if opcode.is_control() && short as usize > MAX_CONTROL {
            return Err(ProtocolError::ControlTooLong);
        }
        // "Note that in all cases, the minimal number of bytes MUST be used to encode the
        // length." (§5.2)
        let (len, rest) = match short {
            126 => {
                let Some((bytes, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let len = u16::from_be_bytes(*bytes) as u64;
                if len <= MAX_SHORT {
                    return Err(ProtocolError::NonMinimalLength);
                }
                (len, rest)
            }
            127 => {
                let Some((bytes, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let len = u64::from_be_bytes(*bytes);
                if len >> 63 != 0 {
                    return Err(ProtocolError::LengthTooLarge);
                }
                if len <= MAX_MEDIUM {
                    return Err(ProtocolError::NonMinimalLength);
                }
                (len, rest)
            }
            _ => (short as u64, rest),
        };
        let (mask, rest) = if second & 0x80 != 0 {
            let Some((key, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (Some(Mask::new(*key)), rest)
        } else {
            (None, rest)
        };
        let header = Self {
            opcode,
            fin,
            rsv1: first & 0x40 != 0,
            mask,
            len,
        };
        Ok(Some((header, input.len() - rest.len())))
    }

    /// The length in bytes of the header of a frame with a payload of `len` bytes.
    #[inline]
    pub(crate) const fn size(len: u64, is_masked: bool) -> usize {
        let length = match len {
            0..=MAX_SHORT => 2,
            126..=MAX_MEDIUM => 4,
            _ => 10,
        };
        if is_masked { length + 4 } else { length }
    }

    /// The header as it travels, its length in as few bytes as §5.2 asks for.
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a header has at most 14 bytes"
    )]
    pub const fn encode(&self) -> HeaderBytes {
        let mut bytes = [0; Self::MAX_LEN];
        let len = match self.write(&mut bytes) {
            Some(rest) => Self::MAX_LEN - rest.len(),
            None => 0,
        };
        HeaderBytes {
            bytes,
            len: len as u8,
        }
    }

    /// Writes the header to the start of `out`; returns what is after it, or `None` if `out` is
    /// too short. Each copy has a length known beforehand: a store or two.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each cast is in the arm whose pattern bounds the length"
    )]
    pub(crate) const fn write<'o>(&self, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
        let first = self.opcode as u8 | (self.fin as u8) << 7 | (self.rsv1 as u8) << 6;
        let masked = (self.mask.is_some() as u8) << 7;
        let rest = match self.len {
            0..=MAX_SHORT => put(out, [first, masked | self.len as u8]),
            126..=MAX_MEDIUM => {
                let [a, b] = (self.len as u16).to_be_bytes();
                put(out, [first, masked | 126, a, b])
            }
            _ => {
                let [a, b, c, d, e, f, g, h] = self.len.to_be_bytes();
                put(out, [first, masked | 127, a, b, c, d, e, f, g, h])
            }
        };
        match (rest, self.mask) {
            (Some(rest), Some(mask)) => put(rest, mask.key()),
            (rest, _) => rest,
        }
    }

    /// Writes the header, then `payload`, masked if the header says so; `None` if `out` is too
    /// short.
    #[inline(always)]
    pub(crate) fn write_frame(&self, payload: &[u8], out: &mut [u8]) -> Option<()> {
        let room = self.write(out)?.get_mut(..payload.len())?;
        match self.mask {
            Some(mask) => {
                let _ = mask.apply_to(payload, room);
            }
            None => room.copy_from_slice(payload),
        }
        Some(())
    }

    /// The purpose of the frame.
    #[inline]
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// Whether this is the last fragment of its message: true for every control frame.
    #[inline]
    #[must_use]
    pub const fn is_final(&self) -> bool {
        self.fin
    }

    /// Whether RSV1 is set: the message is compressed (RFC 7692 §6).
    #[inline]
    #[must_use]
    pub const fn rsv1(&self) -> bool {
        self.rsv1
    }

    /// The masking key, if the payload is masked.
    #[inline]
    #[must_use]
    pub const fn mask(&self) -> Option<Mask> {
        self.mask
    }

    /// The length of the payload in bytes, below 2^63. Not yet a size in memory: check it first.
    #[inline]
    #[must_use]
    pub const fn payload_len(&self) -> u64 {
        self.len
    }
}

/// Puts `bytes` at the start of `out`; returns what is after them.
#[inline]
const fn put<const N: usize>(out: &mut [u8], bytes: [u8; N]) -> Option<&mut [u8]> {
    let Some((start, rest)) = out.split_first_chunk_mut() else {
        return None;
    };
    *start = bytes;
    Some(rest)
}

/// The longest payload whose length fits the second byte.
pub(crate) const MAX_SHORT: u64 = 125;
/// The longest payload whose length fits 16 bits.
pub(crate) const MAX_MEDIUM: u64 = 0xFFFF;

/// A header as it travels: 2 to 14 bytes.
#[derive(Clone, Copy)]
pub struct HeaderBytes {
    bytes: [u8; Header::MAX_LEN],
    len: u8,
}

/// The number of bytes, the key's included.
impl fmt::Debug for HeaderBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "HeaderBytes", usize::from(self.len))
    }
}

#[cfg(feature = "alloc")]
impl HeaderBytes {
    /// Writes the header to the end of `frames`: all 14 bytes, and takes back what is too much,
    /// because a copy of a fixed length is a store or two.
    #[inline]
    pub(crate) fn push_to(self, frames: &mut alloc::vec::Vec<u8>) {
        let len = frames.len() + usize::from(self.len);
        frames.extend_from_slice(&self.bytes);
        frames.truncate(len);
    }
}

impl AsRef<[u8]> for HeaderBytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        debug_assert!(
            usize::from(self.len) <= self.bytes.len(),
            "at most 14 bytes"
        );
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_written_to_what_it_fits() {
        for (len, size) in [(5, 2), (300, 4), (1 << 20, 10)] {
            for (mask, size) in [(None, size), (Some(Mask::new([1, 2, 3, 4])), size + 4)] {
                let header = Header::new(Opcode::Binary, len).unwrap().masked(mask);
                for room in 0..=Header::MAX_LEN {
                    let mut out = [0xEE; Header::MAX_LEN];
                    let rest = header.write(&mut out[..room]).map(|rest| rest.len());
                    assert_eq!(rest, room.checked_sub(size), "{len} {mask:?} {room}");
                    if rest.is_some() {
                        assert_eq!(&out[..size], header.encode().as_ref());
                    }
                }
            }
        }
    }
}
