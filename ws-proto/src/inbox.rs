//! The bytes received and not yet consumed.
//!
//! ```text
//!   ┌──────────┬────────────┬──────────────┐
//!   │ consumed │   unread   │    spare     │
//!   └──────────┴────────────┴──────────────┘
//!   0        start         end       bytes.len()
//! ```
//!
//! Each byte of the buffer is given a value once: see `assembly.rs`.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::assembly::{lengthen, starved};
use crate::error::ProtocolError;
use crate::header::Header;
use crate::limits::Limits;

/// The bytes received.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read took all the room there was: there may be more where it came from.
    filled_up: bool,
}

impl Inbox {
    /// A buffer of which every byte has a value, and what was received in it.
    pub(crate) fn received(bytes: Vec<u8>, filled: Range<usize>) -> Self {
        let end = filled.end.min(bytes.len());
        Self {
            start: filled.start.min(end),
            end,
            filled_up: false,
            bytes,
        }
    }

    /// Makes room for at least one byte more. The buffer is made at first use with a quarter of
    /// `size`; a read that fills it makes it `size`, and one more four times that. Unread bytes are
    /// moved to the front when little room is left after them.
    pub(crate) fn spare_mut(&mut self, size: usize) -> Result<&mut [u8], ProtocolError> {
        if self.bytes.is_empty() {
            let first = (size / 4).max(Limits::MIN_READ).min(size);
            lengthen(&mut self.bytes, first).map_err(starved)?;
        }
        if core::mem::take(&mut self.filled_up) {
            self.grow(size);
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.bytes.len() - self.end < self.bytes.len() / 4 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            // Nothing here was consumed: a caller that reads without stepping.
            lengthen(&mut self.bytes, self.end + size).map_err(starved)?;
        }
        Ok(&mut self.bytes[self.end..])
    }

    /// Whether all of the buffer is room, and the last read did not fill it.
    #[inline]
    pub(crate) const fn has_room(&self) -> bool {
        self.start == self.end && !self.filled_up && !self.bytes.is_empty()
    }

    /// All of the buffer, if that [is room](Self::has_room).
    #[inline]
    pub(crate) const fn room(&mut self) -> &mut [u8] {
        (self.start, self.end) = (0, 0);
        self.bytes.as_mut_slice()
    }

    fn grow(&mut self, size: usize) {
        // A frame whose length is a power of two lies whole in the largest.
        let most = size.saturating_mul(4).saturating_add(Header::MAX_LEN);
        let next = if self.bytes.len() < size { size } else { most };
        // It continues with what it has if there is no memory.
        let _ = lengthen(&mut self.bytes, next);
    }

    /// Reports that the first `len` bytes of the spare room were filled.
    #[inline]
    pub(crate) fn filled(&mut self, len: usize) {
        self.end += len.min(self.bytes.len() - self.end);
        self.filled_up = self.end == self.bytes.len();
    }

    /// Drops what is unread.
    pub(crate) const fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
        self.filled_up = false;
    }

    /// Takes bytes that were received elsewhere.
    pub(crate) fn push(&mut self, mut bytes: &[u8], size: usize) -> Result<(), ProtocolError> {
        while !bytes.is_empty() {
            let spare = self.spare_mut(size)?;
            let len = spare.len().min(bytes.len());
            spare[..len].copy_from_slice(&bytes[..len]);
            self.filled(len);
            bytes = &bytes[len..];
        }
        Ok(())
    }

    /// The memory that it holds, in bytes.
    pub(crate) const fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The unread bytes, and the cursor to move past those that are consumed.
    #[inline]
    pub(crate) fn unread_mut(&mut self) -> (&mut [u8], &mut usize) {
        (&mut self.bytes[self.start..self.end], &mut self.start)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes the unread bytes of `other`, which come before those here. If there is no memory for
    /// them, nothing moves.
    pub(crate) fn take_over(&mut self, other: &mut Self) -> Result<(), TryReserveError> {
        let (theirs, ours) = (other.end - other.start, self.end - self.start);
        if theirs > self.start {
            // No room before ours, so they move.
            lengthen(&mut self.bytes, theirs + ours)?;
            self.bytes.copy_within(self.start..self.end, theirs);
            (self.start, self.end) = (theirs, theirs + ours);
        }
        self.bytes[self.start - theirs..self.start].copy_from_slice(other.unread());
        self.start -= theirs;
        (other.start, other.end) = (0, 0);
        Ok(())
    }

    /// The buffer, of which every byte has a value. What is unread in it is lost.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Shows the lengths, and none of what was received.
impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("unread", &self.unread().len())
            .field("size", &self.bytes.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_keeps_what_is_unread_and_always_has_room() {
        let mut inbox = Inbox::default();
        let mut expected = Vec::new();
        for step in 0..(if cfg!(miri) { 200_usize } else { 2000 }) {
            let fill = u8::try_from(step % 251).unwrap();
            let spare = inbox.spare_mut(64).unwrap();
            assert!(!spare.is_empty());
            let len = (step * 7 % 90).min(spare.len());
            spare[..len].fill(fill);
            inbox.filled(len);
            expected.resize(expected.len() + len, fill);
            assert_eq!(inbox.unread(), expected);
            let (unread, start) = inbox.unread_mut();
            let consumed = (step * 11 % 70).min(unread.len());
            *start += consumed;
            expected.drain(..consumed);
            if step % 97 == 0 {
                let mut other = Inbox::received(alloc::vec![0xEE; step % 300], 100..100);
                other.take_over(&mut inbox).unwrap();
                inbox = other;
            }
            assert_eq!(inbox.unread(), expected);
        }
    }

    /// More than the room was filled, says the caller: no more than the room is believed.
    #[test]
    fn inbox_does_not_believe_more_than_the_room() {
        let mut inbox = Inbox::default();
        let room = inbox.spare_mut(64).unwrap().len();
        inbox.filled(room / 2);
        let left = inbox.spare_mut(64).unwrap().len();
        inbox.filled(left + 1000);
        assert_eq!(inbox.unread().len(), room);
    }

    /// However much is unread each time: what is left of it moves to the front while there is
    /// little room after it, and only then.
    #[test]
    fn inbox_moves_what_is_unread_instead_of_growing() {
        let size = Limits::MIN_READ;
        for leave in [1, 10, 127, 128, 139] {
            let mut inbox = Inbox::default();
            for _ in 0..100 {
                let room = inbox.spare_mut(size).unwrap().len();
                inbox.filled(room);
                let unread = inbox.unread().len();
                *inbox.unread_mut().1 += unread - leave;
                assert!(inbox.bytes.len() <= 4 * size + Header::MAX_LEN);
            }
        }
        let mut inbox = Inbox::default();
        inbox.spare_mut(size).unwrap();
        inbox.filled(size - size / 4);
        *inbox.unread_mut().1 += 1;
        let room = inbox.spare_mut(size).unwrap().len();
        assert_eq!((inbox.start, room), (1, size / 4), "a quarter is enough");
        inbox.filled(1);
        let room = inbox.spare_mut(size).unwrap().len();
        assert_eq!((inbox.start, room), (0, size / 4), "less is not");
    }

    /// A caller that reads without stepping gets what one read takes, each time.
    #[test]
    fn inbox_has_room_for_a_read_when_nobody_steps() {
        let mut inbox = Inbox::default();
        let size = Limits::MIN_READ;
        for expected in [size, 4 * size + Header::MAX_LEN - size, size, size] {
            let room = inbox.spare_mut(size).unwrap().len();
            assert_eq!(room, expected);
            inbox.filled(room);
        }
    }

    /// A buffer is given its zeroes once, and not for each read.
    #[test]
    fn inbox_is_not_filled_with_zeroes_again() {
        let mut inbox = Inbox::default();
        inbox.spare_mut(64).unwrap().fill(0xEE);
        inbox.filled(63);
        consume(&mut inbox);
        assert_eq!(inbox.spare_mut(64).unwrap(), [0xEE; 64]);
    }

    #[test]
    fn inbox_grows_while_reads_fill_it_and_no_further_than_four_times() {
        let mut inbox = Inbox::default();
        for expected in [1024, 4096, 4 * 4096 + 14, 4 * 4096 + 14] {
            let room = inbox.spare_mut(4096).unwrap().len();
            assert_eq!(room, expected);
            inbox.filled(room);
            consume(&mut inbox);
        }
        let mut inbox = Inbox::default();
        assert_eq!(inbox.spare_mut(4096).unwrap().len(), 1024);
        inbox.filled(1023);
        let room = inbox.spare_mut(4096).unwrap().len();
        assert_eq!(room, 1, "a read that left room");
        assert_eq!(Inbox::default().spare_mut(64).unwrap().len(), 64);
    }

    /// What was left comes before what was received, wherever in its buffer that lies.
    #[test]
    fn inbox_takes_over_what_is_unread_elsewhere() {
        for start in 0..10 {
            for left in 0..10 {
                let mut bytes = alloc::vec![0xEE; start];
                bytes.extend(b"received");
                let mut inbox = Inbox::received(bytes, start..start + 8);
                let mut rest = Inbox::received(b"left over.."[..].into(), 0..left);
                inbox.take_over(&mut rest).unwrap();
                let expected = [&b"left over.."[..left], b"received"].concat();
                assert_eq!(inbox.unread(), expected, "{start} {left}");
                assert!(rest.is_empty());
            }
        }
    }

    fn consume(inbox: &mut Inbox) {
        let (unread, start) = inbox.unread_mut();
        *start += unread.len();
    }
}
