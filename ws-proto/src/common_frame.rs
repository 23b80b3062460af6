//! The common frame: a whole message below 64 KiB, neither fragmented nor compressed.
//!
//! ```text
//!   81 or 82 │ len < 126, or 126 and two bytes │ key, from a client │ payload, all of it here
//! ```
//!
//! Its way is short: [`find`](CommonFrame::find) reads the header, [`hand_out`] unmasks and checks.
//! `receiver.rs` says when it is taken, and why in two steps.

use crate::header::{Kind, MAX_SHORT};
use crate::mask::Mask;
use crate::message::Message;
use crate::payload::hand_out;
use crate::utf8::InvalidUtf8;

/// The place of such a frame, at the start of the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommonFrame {
    kind: Kind,
    mask: Option<Mask>,
    /// The length of its header.
    header: u8,
    len: u16,
}

impl CommonFrame {
    /// Finds such a frame whose MASK bit equals `mask_bit` (0x80 or 0), and whose payload lies in
    /// `input` and has at most `max` bytes. `None` is no verdict:
    /// [`Header::decode`](crate::Header::decode) gives one, and takes three times as long.
    #[inline(always)]
    pub(crate) fn find(input: &[u8], mask_bit: u8, max: u64) -> Option<Self> {
        let found = Self::header(input, mask_bit)?;
        (found.size() <= input.len() && u64::from(found.len) <= max).then_some(found)
    }

    /// Reads its header.
    #[inline(always)]
    fn header(input: &[u8], mask_bit: u8) -> Option<Self> {
        let [first, second, rest @ ..] = input else {
            return None;
        };
        #[cfg(test)]
        tests::DECODED.set(tests::DECODED.get() + 1);
        let kind = match *first {
            0x81 => Kind::Text,
            0x82 => Kind::Binary,
            _ => return None,
        };
        // The place of the key: a number, not what is left of the input, so that the next header
        // can be looked for before this one is checked.
        let (len, key_at, rest) = match *second ^ mask_bit {
            short @ 0..=125 => (u16::from(short), 2, rest),
            126 => {
                let (bytes, rest) = rest.split_first_chunk()?;
                let len = u16::from_be_bytes(*bytes);
                if u64::from(len) <= MAX_SHORT {
                    return None;
                }
                (len, 4, rest)
            }
            _ => return None,
        };
        let (mask, header) = if mask_bit == 0 {
            (None, key_at)
        } else {
            (Some(Mask::new(*rest.first_chunk()?)), key_at + 4)
        };
        Some(Self {
            kind,
            mask,
            header,
            len,
        })
    }

    /// The length of the frame in the input, header and payload.
    #[inline(always)]
    pub(crate) const fn size(&self) -> usize {
        self.header as usize + self.len as usize
    }

    /// Hands out what was [found](Self::find) at the start of `input`.
    #[inline(always)]
    pub(crate) fn message<'b>(&self, input: &'b mut [u8]) -> Result<Message<'b>, InvalidUtf8> {
        let payload = input.get_mut(self.header as usize..self.size());
        debug_assert!(payload.is_some(), "the input still begins with the frame");
        hand_out(self.kind, self.mask, payload.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;
    use crate::header::{Header, MAX_MEDIUM, Opcode};

    std::thread_local! {
        /// How many headers were looked at, on this thread.
        pub(super) static DECODED: Cell<usize> = const { Cell::new(0) };
    }

    /// What `ready` has found, `message` does not look for again.
    #[cfg(feature = "alloc")]
    #[test]
    fn ready_and_message_decode_a_header_once() {
        use crate::message::MessageBuf;
        use crate::{Config, Ready, Session};

        type Take = fn(&mut Session) -> MessageBuf;
        let take: [Take; 2] = [
            |session| session.message().unwrap().unwrap().to_owned(),
            |session| session.take_message().unwrap().unwrap(),
        ];
        for take in take {
            let mut session = Session::server(&Config::default());
            session.push(b"\x81\x82\0\0\0\0hi");
            DECODED.set(0);
            assert_eq!(session.ready(), Ok(Ready::Message));
            assert_eq!(take(&mut session), MessageBuf::Text("hi".into()));
            assert_eq!(DECODED.get(), 1);
            assert_eq!(session.ready(), Ok(Ready::NeedData));
            assert_eq!(DECODED.get(), 1, "nothing is left to be looked at");
        }
    }

    /// 65,536 × 3 lengths × 2 directions × every cut: the short way finds what the long way
    /// finds, and all of what it is for.
    #[test]
    fn the_common_header_is_read_as_any_other() {
        let all = (0..=u16::MAX).step_by(if cfg!(miri) { 509 } else { 1 });
        for [first, second] in all.map(u16::to_be_bytes) {
            for [a, b] in [[0, 125], [0, 126], [0x12, 0x34]] {
                let input = [first, second, a, b, 5, 6, 7, 8, 9];
                for (cut, masked) in (0..=input.len()).flat_map(|cut| [(cut, false), (cut, true)]) {
                    let input = &input[..cut];
                    let expected = match Header::decode(input) {
                        Ok(Some((header, size)))
                            if header.is_final()
                                && !header.rsv1()
                                && header.mask().is_some() == masked
                                && header.payload_len() <= MAX_MEDIUM =>
                        {
                            match header.opcode() {
                                Opcode::Text => Some((Kind::Text, header, size)),
                                Opcode::Binary => Some((Kind::Binary, header, size)),
                                _ => None,
                            }
                        }
                        _ => None,
                    };
                    let found = CommonFrame::header(input, u8::from(masked) << 7);
                    let found = found.map(|it| (it.kind, it.mask, it.len.into(), it.header.into()));
                    let expected = expected.map(|(kind, header, size)| {
                        (kind, header.mask(), header.payload_len(), size)
                    });
                    assert_eq!(found, expected, "{input:?}, masked: {masked}");
                }
            }
        }
    }

    #[test]
    fn a_frame_is_found_when_all_of_it_is_there_and_within_the_limit() {
        let input = b"\x82\x05hello\x82";
        for cut in 0..input.len() {
            let found = CommonFrame::find(&input[..cut], 0, 5);
            assert_eq!(found.is_some(), cut >= 7, "{cut}");
        }
        assert!(CommonFrame::find(input, 0, 4).is_none());
    }
}
