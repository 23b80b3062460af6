//! A message that arrives in pieces.
//!
//! ```text
//!   ┌────────────┬───────────────────┬───────────────────┬────────────────────┐
//!   │ taken      │ through receiver  │ read, unchecked   │ spare, all zeroes  │
//!   └────────────┴───────────────────┴───────────────────┴────────────────────┘
//!   0          start              checked              len           bytes.len()
//! ```
//!
//! Nothing is taken of a message that is handed out whole: `start` is 0.
//!
//! Safe Rust reads only into bytes that have a value. Each byte of a buffer is given one once in
//! the buffer's life, and never again per read.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::fmt;

use crate::error::ProtocolError;

/// The pieces so far, joined.
#[derive(Default)]
pub(crate) struct Assembly {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
    checked: usize,
}

impl Assembly {
    /// Adds a piece that has been through the receiver.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), ProtocolError> {
        let end = self.len + piece.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(piece);
        } else {
            self.bytes.truncate(self.len);
            self.bytes.try_reserve(piece.len()).map_err(starved)?;
            self.bytes.extend_from_slice(piece);
        }
        (self.len, self.checked) = (end, end);
        Ok(())
    }

    /// Makes room for payload bytes that come straight into the message: the rest of its memory,
    /// or, when that is little, as much again as has arrived, so that it takes at most twice what
    /// was received. Memory that an earlier message left is offered whole: inflating is faster in
    /// one piece.
    pub(crate) fn spare_mut(
        &mut self,
        remaining: u64,
        size: usize,
    ) -> Result<&mut [u8], ProtocolError> {
        let remaining = usize::try_from(remaining).unwrap_or(usize::MAX);
        let left = self.bytes.len() - self.len;
        // Not for less than half a read: a message that drips would grow at each drop.
        let room = if left < remaining.min(size / 2).max(1) {
            remaining.min(self.len.max(size))
        } else {
            remaining.min(left)
        };
        let end = self.len + room;
        self.bytes
            .try_reserve_exact(end.saturating_sub(self.bytes.len()))
            .map_err(starved)?;
        self.bytes.resize(end.max(self.bytes.len()), 0);
        Ok(&mut self.bytes[self.len..end])
    }

    pub(crate) fn filled(&mut self, len: usize) {
        self.len += len.min(self.bytes.len() - self.len);
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The memory that it holds, in bytes.
    pub(crate) const fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// The first `len` bytes of the spare room, which zlib has written.
    #[cfg(feature = "deflate")]
    pub(crate) fn spare_head(&self, len: usize) -> &[u8] {
        &self.bytes[self.len..self.len + len]
    }

    /// Adds the first `len` bytes of the spare room to the message.
    #[cfg(feature = "deflate")]
    pub(crate) const fn inflated(&mut self, len: usize) {
        self.len += len;
        self.checked = self.len;
    }

    /// The bytes that were read straight into the message, for the receiver to unmask and check.
    pub(crate) fn unchecked_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.checked..self.len]
    }

    /// The number of those bytes.
    pub(crate) const fn unchecked(&self) -> usize {
        self.len - self.checked
    }

    pub(crate) const fn all_checked(&mut self) {
        self.checked = self.len;
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.len]
    }

    /// Takes as many bytes from the front as go into `room`, of a message that is read in parts.
    /// Returns how many.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> usize {
        let bytes = self.as_bytes();
        let len = bytes.len().min(room.len());
        room[..len].copy_from_slice(&bytes[..len]);
        self.start += len;
        if self.start == self.len {
            self.clear();
        }
        len
    }

    /// Forgets the message and keeps the memory for the next.
    pub(crate) const fn clear(&mut self) {
        (self.start, self.len, self.checked) = (0, 0, 0);
    }

    /// Takes the message out, with its memory, unless an earlier message has left much more than
    /// this one fills: that stays, or short messages that the application keeps would hold it all.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Without memory for the copy it goes as it is.
        if self.is_short() && bytes.try_reserve_exact(self.len).is_ok() {
            bytes.extend_from_slice(self.as_bytes());
        } else {
            bytes = core::mem::take(&mut self.bytes);
            bytes.truncate(self.len);
        }
        self.clear();
        bytes
    }

    /// Moves the message in `other` here, where no message is. It comes with its memory, unless it
    /// fills little of that: a lent buffer goes back to its lender.
    pub(crate) fn take_over(&mut self, other: &mut Self) {
        let needed = other.len.saturating_sub(self.bytes.len());
        // Without memory for the copy it comes as it is.
        if other.is_short() && self.bytes.try_reserve_exact(needed).is_ok() {
            self.bytes.truncate(0);
            self.bytes.extend_from_slice(other.as_bytes());
            self.len = other.len - other.start;
            self.checked = other.checked - other.start;
            other.clear();
        } else {
            core::mem::swap(self, other);
        }
    }

    /// Exchanges the memory with that of `other` if that is more; neither holds a message.
    pub(crate) fn keep_larger(&mut self, other: &mut Self) {
        if other.bytes.capacity() > self.bytes.capacity() {
            core::mem::swap(self, other);
        }
    }

    /// Whether the message fills less than half of the memory: then a copy is worth while.
    fn is_short(&self) -> bool {
        self.len < self.bytes.capacity() / 2
    }

    /// Whether no part of a message is here.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Frees the memory, if no message is in it.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
        }
    }
}

/// Shows its length, and nothing of its payload.
impl fmt::Debug for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly").field("len", &self.len).finish()
    }
}

/// Fills up with zeroes to at least `len`.
pub(crate) fn lengthen(bytes: &mut Vec<u8>, len: usize) -> Result<(), TryReserveError> {
    bytes.try_reserve_exact(len.saturating_sub(bytes.len()))?;
    bytes.resize(len.max(bytes.len()), 0);
    Ok(())
}

pub(crate) fn starved(_: TryReserveError) -> ProtocolError {
    ProtocolError::OutOfMemory
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than the room was filled, says the caller: no more than the room is believed.
    #[test]
    fn assembly_does_not_believe_more_than_the_room() {
        let mut assembly = Assembly::default();
        assembly.push(b"abc").unwrap();
        let room = assembly.spare_mut(100, 16).unwrap().len();
        assembly.filled(room + 1000);
        assert_eq!(assembly.len(), 3 + room);
    }

    #[test]
    fn assembly_of_pieces_pushed_and_read_straight() {
        let mut assembly = Assembly::default();
        for round in 0..3 {
            assembly.push(b"pushed ").unwrap();
            let spare = assembly.spare_mut(1000, 16).unwrap();
            assert_eq!(
                spare.len(),
                16,
                "the size of a read, for little has arrived"
            );
            spare[..5].copy_from_slice(b"read ");
            assembly.filled(5);
            assert_eq!(assembly.unchecked_mut(), b"read ");
            assembly.all_checked();
            assembly.push(b"pushed again").unwrap();
            assert_eq!(assembly.as_bytes(), b"pushed read pushed again");
            if round == 1 {
                assert_eq!(assembly.take(), b"pushed read pushed again");
            }
            assembly.clear();
            assembly.release();
            assert!(assembly.as_bytes().is_empty());
        }
    }

    /// A short message does not take the memory with it that a long one has left.
    #[test]
    fn assembly_is_taken_with_its_memory_if_it_fills_half_of_it() {
        for (len, moves) in [(0, false), (499, false), (500, true), (1000, true)] {
            let mut assembly = Assembly::default();
            assembly.push(&[0; 1000]).unwrap();
            assembly.clear();
            assembly.push(&[7; 1000][..len]).unwrap();
            let taken = assembly.take();
            assert_eq!(taken, [7; 1000][..len]);
            assert_eq!(taken.capacity(), if moves { 1000 } else { len });
            assert_eq!(assembly.bytes.is_empty(), moves, "{len}");
            assert!(assembly.as_bytes().is_empty());
        }
    }

    /// Room for what is still to come, but never for more than has come before.
    #[test]
    fn no_trust_assembly_grows_with_what_has_arrived() {
        let mut assembly = Assembly::default();
        let mut len = 0;
        for expected in [16, 16, 32, 64, 128, 256] {
            let room = assembly.spare_mut(u64::MAX, 16).unwrap().len();
            assert_eq!(room, expected);
            assembly.filled(room);
            len += room;
        }
        assert_eq!(
            assembly.spare_mut(5, 16).unwrap().len(),
            5,
            "no more than is to come"
        );
        assert_eq!(assembly.as_bytes().len(), len);
    }

    /// Half a read is the least that is worth asking for.
    #[test]
    fn assembly_offers_what_an_earlier_message_left() {
        let mut assembly = Assembly::default();
        assembly.push(&[0; 100]).unwrap();
        assembly.clear();
        assembly.push(&[0; 50]).unwrap();
        assert_eq!(assembly.spare_mut(1000, 100).unwrap().len(), 50);
        assert_eq!(assembly.spare_mut(40, 100).unwrap().len(), 40);
        assert_eq!(assembly.spare_mut(1000, 102).unwrap().len(), 102);
    }
}
