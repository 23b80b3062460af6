//! Text that arrives in pieces: RFC 6455 §8.1, "Handling of Errors in UTF-8-Encoded Data".
//!
//! > When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is
//! > not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_.
//!
//! It fails at the first impossible byte, not at the end of the frame or message: what follows
//! could be gigabytes.

use core::fmt;
use core::str;

/// The text was not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid UTF-8")]
pub struct InvalidUtf8;

/// A validator of UTF-8 that takes its input in pieces, cut anywhere.
///
/// ```
/// use ws_proto::Utf8;
///
/// let mut text = Utf8::new();
/// text.push(&[0xE4, 0xBD])?; // the first two of the three bytes of 你
/// text.push(&[0xA0])?;
/// text.finish()?;
/// # Ok::<(), ws_proto::InvalidUtf8>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct Utf8 {
    /// The bytes so far of a character that the last piece cut: at most three.
    cut: [u8; 4],
    cut_len: u8,
}

/// The number of bytes of a cut character, and not which.
impl fmt::Debug for Utf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Utf8")
            .field("cut_len", &self.cut_len)
            .finish_non_exhaustive()
    }
}

impl Utf8 {
    /// A validator that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            cut: [0; 4],
            cut_len: 0,
        }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if no continuation could make valid text of what was pushed so far.
    #[inline]
    pub fn push(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = self.complete(piece)?;
        match simdutf8::compat::from_utf8(rest) {
            Ok(_) => Ok(()),
            // An error without a length is a character cut by the end of the piece.
            Err(error) if error.error_len().is_none() => {
                debug_assert!(error.valid_up_to() <= rest.len());
                self.keep(rest.get(error.valid_up_to()..).unwrap_or_default());
                Ok(())
            }
            Err(_) => Err(InvalidUtf8),
        }
    }

    /// Ends the text.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if it ends within a character.
    #[inline]
    pub const fn finish(self) -> Result<(), InvalidUtf8> {
        if self.is_at_boundary() {
            Ok(())
        } else {
            Err(InvalidUtf8)
        }
    }

    /// Whether no character is cut: ASCII may follow unseen.
    #[inline]
    pub(crate) const fn is_at_boundary(self) -> bool {
        self.cut_len == 0
    }

    /// Completes the character that the last piece cut; returns what follows it.
    fn complete<'p>(&mut self, mut piece: &'p [u8]) -> Result<&'p [u8], InvalidUtf8> {
        while !self.is_at_boundary() {
            let [byte, rest @ ..] = piece else {
                return Ok(piece);
            };
            piece = rest;
            let len = usize::from(self.cut_len) + 1;
            // A cut character never has four bytes: with the fourth it is whole or wrong.
            let Some(candidate) = self.cut.get_mut(..len) else {
                return Err(InvalidUtf8);
            };
            candidate[len - 1] = *byte;
            match str::from_utf8(candidate) {
                Ok(_) => self.cut_len = 0,
                Err(error) if error.error_len().is_none() => self.cut_len += 1,
                Err(_) => return Err(InvalidUtf8),
            }
        }
        Ok(piece)
    }

    fn keep(&mut self, cut: &[u8]) {
        for (kept, byte) in self.cut.iter_mut().zip(cut) {
            *kept = *byte;
            self.cut_len += 1;
        }
    }
}

/// Checks text that is whole.
#[inline]
pub(crate) fn validate(text: &[u8]) -> Result<&str, InvalidUtf8> {
    simdutf8::basic::from_utf8(text).map_err(|_| InvalidUtf8)
}

/// Checks text that is whole, and keeps it where it is.
#[cfg(feature = "alloc")]
pub(crate) fn validate_owned(
    text: alloc::vec::Vec<u8>,
) -> Result<alloc::string::String, InvalidUtf8> {
    alloc::string::String::from_utf8(text).map_err(|_| InvalidUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    /// The oracle: can any continuation make `bytes` valid?
    fn possible(bytes: &[u8]) -> bool {
        match str::from_utf8(bytes) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(),
        }
    }

    fn fails_at(bytes: &[u8], cuts: &[usize]) -> Option<usize> {
        let mut utf8 = Utf8::new();
        let mut from = 0;
        for &to in cuts.iter().chain([&bytes.len()]) {
            if utf8.push(&bytes[from..to]).is_err() {
                return Some(to);
            }
            from = to;
        }
        utf8.finish().is_err().then_some(bytes.len() + 1)
    }

    /// All strings of one, two and three bytes, byte by byte: the first impossible byte fails.
    #[test]
    fn early_fails_at_the_first_impossible_byte_of_every_short_string() {
        // Miri is slow: some of the second and third bytes.
        const STEP: usize = if cfg!(miri) { 51 } else { 1 };
        for first in 0..=255 {
            let mut one = Utf8::new();
            assert_eq!(one.push(&[first]).is_ok(), possible(&[first]));
            if !possible(&[first]) {
                continue;
            }
            for second in (0..=255).step_by(STEP) {
                let mut two = one;
                let ok = possible(&[first, second]);
                assert_eq!(two.push(&[second]).is_ok(), ok);
                if !ok {
                    continue;
                }
                for third in (0..=255).step_by(STEP) {
                    let mut three = two;
                    let bytes = [first, second, third];
                    assert_eq!(three.push(&[third]).is_ok(), possible(&bytes), "{bytes:x?}");
                    if possible(&bytes) {
                        assert_eq!(three.finish().is_ok(), str::from_utf8(&bytes).is_ok());
                    }
                }
            }
        }
    }

    /// Whatever has been checked is gone: there is nothing to begin again with.
    #[test]
    fn a_cut_character_is_all_that_is_kept() {
        assert_eq!(size_of::<Utf8>(), 5);
    }

    /// Every four-byte string whose first byte begins a four-byte character, at the edges of
    /// each range, split at every point.
    #[test]
    fn early_four_byte_characters_split_anywhere() {
        let edges = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xED, 0xF0, 0xF4,
            0xF5, 0xFF,
        ];
        // Miri is slow: some of them.
        let edges = if cfg!(miri) { &edges[6..9] } else { &edges };
        for first in (0xEE..=0xFF).step_by(if cfg!(miri) { 6 } else { 1 }) {
            for (second, third, fourth) in edges
                .iter()
                .flat_map(|&b| edges.iter().map(move |&c| (b, c)))
                .flat_map(|(b, c)| edges.iter().map(move |&d| (b, c, d)))
            {
                let bytes = [first, second, third, fourth];
                let valid = str::from_utf8(&bytes).is_ok();
                for cuts in [
                    &[][..],
                    &[1],
                    &[2],
                    &[3],
                    &[1, 2],
                    &[1, 3],
                    &[2, 3],
                    &[1, 2, 3],
                ] {
                    assert_eq!(
                        fails_at(&bytes, cuts).is_none(),
                        valid,
                        "{bytes:x?} {cuts:?}"
                    );
                }
                let bytewise = (1..=4).find(|&n| !possible(&bytes[..n]));
                assert_eq!(
                    fails_at(&bytes, &[1, 2, 3]),
                    bytewise.or(if valid { None } else { Some(5) }),
                    "{bytes:x?}"
                );
            }
        }
    }

    #[test]
    fn split_of_long_text_at_every_byte_is_valid() {
        let text = "κόσμε, 你好，世界 🌍🏴‍☠️ plain words between".repeat(3);
        for cut in 0..=text.len() {
            assert_eq!(fails_at(text.as_bytes(), &[cut]), None, "{cut}");
        }
        let every: Vec<usize> = (0..text.len()).collect();
        assert_eq!(fails_at(text.as_bytes(), &every), None);
    }

    #[test]
    fn finish_refuses_a_cut_character_and_a_fresh_validator_accepts_nothing() {
        assert_eq!(Utf8::new().finish(), Ok(()));
        let mut cut = Utf8::new();
        assert_eq!(cut.push(&[0xF0, 0x9F, 0x92]), Ok(()));
        assert_eq!(cut.push(&[]), Ok(()));
        assert_eq!(cut.finish(), Err(InvalidUtf8));
    }
}
