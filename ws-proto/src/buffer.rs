//! Bytes at rest: what was received and not yet consumed, what is to be sent and was not yet.
//!
//! ```text
//!   Inbox    ┌──────────┬────────────┬──────────────┐     Outbox  ┌────────┬─────────┬────────┐
//!            │ consumed │   unread   │    spare     │             │  sent  │ frame,  │ frames │
//!            └──────────┴────────────┴──────────────┘             │        │ cut     │        │
//!            0        start         end            len            0       sent     boundary   len
//! ```
//!
//! Safe Rust reads only into bytes that have a value. Each byte of a buffer is given one once in
//! the buffer's life, and never again per read.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;

use crate::error::{ProtocolError, SendError};
use crate::header::Header;
use crate::limits::Limits;
use crate::sender::Transmit;

/// What was received.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read took all the room there was: there may be more where it came from.
    filled_up: bool,
}

impl Inbox {
    /// Room for at least one byte more. The buffer is made at first use with a quarter of `size`;
    /// a read that fills it makes it `size`, and one more four times that. What is unread is
    /// moved to the front when little room is left behind it.
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
            // Nobody consumed what is here: a caller that reads without stepping.
            lengthen(&mut self.bytes, self.end + size).map_err(starved)?;
        }
        Ok(&mut self.bytes[self.end..])
    }

    fn grow(&mut self, size: usize) {
        // A frame whose length is a power of two lies whole in the largest.
        let most = size.saturating_mul(4).saturating_add(Header::MAX_LEN);
        let next = if self.bytes.len() < size { size } else { most };
        // What there is no memory for is gone without.
        let _ = lengthen(&mut self.bytes, next);
    }

    /// The first `len` bytes of the spare room were filled.
    pub(crate) fn filled(&mut self, len: usize) {
        self.end += len.min(self.bytes.len() - self.end);
        self.filled_up = self.end == self.bytes.len();
    }

    /// Whether it owns no memory.
    pub(crate) const fn is_released(&self) -> bool {
        self.bytes.is_empty()
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

    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// What is unread, and the cursor to move past what is consumed of it.
    #[inline]
    pub(crate) fn unread_mut(&mut self) -> (&mut [u8], &mut usize) {
        (&mut self.bytes[self.start..self.end], &mut self.start)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Gives the memory back, if nothing is unread.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Moves to another buffer, of which every byte has a value; returns the old one. Stays where
    /// it is if the other is too small and there is no memory to make it larger.
    pub(crate) fn replace(&mut self, mut buffer: Vec<u8>, size: usize) -> Vec<u8> {
        let unread = self.end - self.start;
        if lengthen(&mut buffer, unread + size).is_err() {
            return buffer;
        }
        buffer[..unread].copy_from_slice(&self.bytes[self.start..self.end]);
        (self.start, self.end) = (0, unread);
        core::mem::replace(&mut self.bytes, buffer)
    }
}

/// Fills up with zeroes to at least `len`.
pub(crate) fn lengthen(bytes: &mut Vec<u8>, len: usize) -> Result<(), TryReserveError> {
    bytes.try_reserve(len.saturating_sub(bytes.len()))?;
    bytes.resize(len.max(bytes.len()), 0);
    Ok(())
}

fn starved(_: TryReserveError) -> ProtocolError {
    ProtocolError::OutOfMemory
}

/// A message that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// `bytes[..len]` have been received, of which `bytes[..checked]` went through the receiver.
    bytes: Vec<u8>,
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

    /// Room for payload bytes that come straight into the message: what is left of its memory,
    /// and when that is little, as much again as has arrived, and so at most twice what was
    /// received. What an earlier message left is offered whole: inflating goes faster in one
    /// piece.
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

    /// The first `len` bytes of the spare room, which were inflated to there.
    #[cfg(feature = "deflate")]
    pub(crate) fn spare_head(&self, len: usize) -> &[u8] {
        &self.bytes[self.len..self.len + len]
    }

    /// The first `len` bytes of the spare room are the message's.
    #[cfg(feature = "deflate")]
    pub(crate) const fn inflated(&mut self, len: usize) {
        self.len += len;
        self.checked = self.len;
    }

    /// What was read straight into the message, for the receiver to unmask and check.
    pub(crate) fn unchecked_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.checked..self.len]
    }

    pub(crate) const fn all_checked(&mut self) {
        self.checked = self.len;
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Forgets the message and keeps the memory for the next.
    pub(crate) const fn clear(&mut self) {
        (self.len, self.checked) = (0, 0);
    }

    /// Takes the message out. It goes with its memory, unless an earlier message has left much
    /// more than this one fills: that stays, or short messages that are kept would hold it all.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let is_short = self.len < self.bytes.capacity() / 2;
        // Without memory for the copy it goes as it is.
        if is_short && bytes.try_reserve_exact(self.len).is_ok() {
            bytes.extend_from_slice(self.as_bytes());
        } else {
            bytes = core::mem::take(&mut self.bytes);
            bytes.truncate(self.len);
        }
        self.clear();
        bytes
    }

    pub(crate) fn release(&mut self) {
        if self.len == 0 {
            self.bytes = Vec::new();
        }
    }
}

/// What is to be sent: whole frames, of which the first may have been sent in part.
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    /// Where some frame begins, at or before the first that has not been begun.
    boundary: usize,
    /// Where the control frames end that were put before the messages.
    urgent: usize,
    /// Payload bytes of the last frame that the caller writes from where they are.
    lent: usize,
}

impl Outbox {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            sent: 0,
            boundary: 0,
            urgent: 0,
            lent: 0,
        }
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() - self.sent + self.lent
    }

    /// The first `len` unsent bytes have been sent, lent ones behind the others.
    pub(crate) fn sent(&mut self, len: usize) {
        let own = len.min(self.bytes.len() - self.sent);
        self.sent += own;
        self.lent -= (len - own).min(self.lent);
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            (self.sent, self.boundary, self.urgent) = (0, 0, 0);
        }
    }

    /// Puts a frame, or a part of one, behind all others.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.make_room(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Puts a frame behind all others: `payload` as it is, or masked if the header says so.
    #[inline]
    pub(crate) fn push_frame(&mut self, header: &Header, payload: &[u8]) -> Result<(), SendError> {
        self.make_room_for_frame(payload.len())?;
        header.encode().push_to(&mut self.bytes);
        match header.mask() {
            Some(mask) => mask.push_to(payload, &mut self.bytes),
            None => self.bytes.extend_from_slice(payload),
        }
        Ok(())
    }

    /// Makes sure that a frame with a payload of this length can be put without asking for memory.
    #[inline]
    pub(crate) fn make_room_for_frame(&mut self, payload: usize) -> Result<(), SendError> {
        self.make_room(Header::MAX_LEN + payload)
    }

    /// Makes sure that `len` bytes can be put without asking for memory.
    #[inline]
    pub(crate) fn make_room(&mut self, len: usize) -> Result<(), SendError> {
        if self.bytes.capacity() - self.bytes.len() < len {
            return self.make_more_room(len);
        }
        Ok(())
    }

    #[cold]
    fn make_more_room(&mut self, len: usize) -> Result<(), SendError> {
        // As much can be put now as is moved: each byte moves once on average, and there is room
        // for twice what waits.
        self.compact();
        self.bytes
            .try_reserve_exact(len.max(self.bytes.len()))
            .map_err(|_| SendError::OutOfMemory)
    }

    /// The caller will write `len` more bytes from elsewhere, right behind what is here.
    pub(crate) const fn lend(&mut self, len: usize) {
        self.lent = len;
    }

    /// Whether lent bytes are still to be written: nothing may come before them.
    pub(crate) const fn owes(&self) -> bool {
        self.lent > 0
    }

    /// Whether a control frame may go before the messages: one batch at a time, so that a peer
    /// that pings and does not read can not make the outbox grow.
    pub(crate) const fn takes_urgent(&self) -> bool {
        self.sent >= self.urgent && self.lent == 0
    }

    /// Whether a Pong may join the control frames that wait: it costs nothing to put it behind
    /// them while no message is there, and they stay few.
    pub(crate) const fn takes_answer(&self) -> bool {
        /// In bytes: some ten Pongs of full length.
        const ANSWERS: usize = 1024;
        self.boundary == self.bytes.len() && self.lent == 0 && self.boundary < ANSWERS
    }

    /// Puts a control frame, for which there is [room](Self::make_room), before the messages, at
    /// the next frame boundary. What is before the boundary moves into the room of what was sent,
    /// and what is behind it stays: one batch is put at a boundary, so however often the peer
    /// pings, a byte moves for the frame that it is in, and no more.
    pub(crate) fn push_urgent(&mut self, control: &Transmit) {
        let frame = control.as_ref();
        let mut at = self.next_boundary();
        if at == self.bytes.len() {
            self.bytes.extend_from_slice(frame);
            at += frame.len();
        } else {
            if self.sent < frame.len() {
                // Little or nothing of this queue was sent, and as much as was will be: all of it
                // moves, for one batch only.
                let end = self.bytes.len();
                self.bytes.resize(end + Transmit::MAX_LEN, 0);
                self.bytes
                    .copy_within(self.sent..end, self.sent + Transmit::MAX_LEN);
                self.sent += Transmit::MAX_LEN;
                at += Transmit::MAX_LEN;
            }
            self.bytes
                .copy_within(self.sent..at, self.sent - frame.len());
            self.sent -= frame.len();
            self.bytes[at - frame.len()..at].copy_from_slice(frame);
        }
        (self.boundary, self.urgent) = (at, at);
    }

    /// Where the first frame begins that has not been begun to be sent. The frames are our own,
    /// and so their headers decode.
    fn next_boundary(&mut self) -> usize {
        while self.boundary < self.sent {
            let Ok(Some((header, size))) = Header::decode(&self.bytes[self.boundary..]) else {
                return self.bytes.len();
            };
            let payload = usize::try_from(header.payload_len()).unwrap_or(usize::MAX);
            self.boundary = self
                .boundary
                .saturating_add(size)
                .saturating_add(payload)
                .min(self.bytes.len());
        }
        self.boundary
    }

    fn compact(&mut self) {
        self.boundary = self.next_boundary() - self.sent;
        self.urgent = self.urgent.saturating_sub(self.sent);
        self.bytes.drain(..self.sent);
        self.sent = 0;
    }

    /// Moves everything unsent to `to`, whose old bytes are dropped and whose memory is kept.
    pub(crate) fn swap(&mut self, to: &mut Vec<u8>) {
        to.clear();
        self.bytes.drain(..self.sent);
        core::mem::swap(&mut self.bytes, to);
        (self.sent, self.boundary, self.urgent) = (0, 0, 0);
    }

    pub(crate) fn release(&mut self) {
        if self.len() == 0 {
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Opcode;
    use crate::sender::Sender;

    /// A binary frame as a server writes it.
    fn data(len: usize, fill: u8) -> Vec<u8> {
        let header = Header::new(Opcode::Binary, len as u64).unwrap().encode();
        let mut frame = header.as_ref().to_vec();
        frame.resize(frame.len() + len, fill);
        frame
    }

    fn pong(fill: u8) -> Transmit {
        let mut sender = Sender::server();
        sender.pong(&[fill; 3]).unwrap();
        sender.poll_transmit().unwrap()
    }

    /// The oracle: a list of frames, and how much of the first was sent.
    #[derive(Default)]
    struct Naive {
        frames: Vec<Vec<u8>>,
        sent: usize,
    }

    impl Naive {
        /// Behind the frame that is cut and the control frames that were put there before.
        fn push_urgent(&mut self, frame: &[u8]) {
            let cut = usize::from(self.sent > 0);
            let before = self.frames.iter().skip(cut).take_while(|f| f[0] == 0x8A);
            let at = cut + before.count();
            self.frames.insert(at, frame.to_vec());
        }

        fn sent(&mut self, len: usize) {
            self.sent += len;
            while let Some(first) = self.frames.first()
                && self.sent >= first.len()
            {
                self.sent -= first.len();
                self.frames.remove(0);
            }
        }

        fn unsent(&self) -> Vec<u8> {
            self.frames.concat().split_off(self.sent)
        }
    }

    #[test]
    fn outbox_equals_a_list_of_frames() {
        let (mut urgent, mut seed) = (0, 1_u32);
        let mut random = |bound: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(seed >> 8).unwrap() % bound
        };
        const ROUNDS: u32 = if cfg!(miri) { 2 } else { 300 };
        for _ in 0..ROUNDS {
            let (mut outbox, mut naive) = (Outbox::new(), Naive::default());
            for step in 0..(if cfg!(miri) { 40_u8 } else { 200 }) {
                match random(8) {
                    0..=2 => {
                        let len = [0, 1, 125, 126, 300, 2000][random(6)];
                        let frame = data(len, step);
                        // A frame may be pushed in two parts: its header and its payload.
                        let (head, payload) = frame.split_at(2);
                        outbox.push(head).unwrap();
                        outbox.push(payload).unwrap();
                        naive.frames.push(frame);
                    }
                    3 if outbox.takes_urgent() => {
                        outbox.push_urgent(&pong(step));
                        naive.push_urgent(pong(step).as_ref());
                        urgent += 1;
                    }
                    4 if random(20) == 0 => {
                        let mut to = alloc::vec![0xEE; 5];
                        outbox.swap(&mut to);
                        assert_eq!(to, naive.unsent());
                        naive = Naive::default();
                        // What was swapped out in the middle of a frame goes on elsewhere.
                    }
                    5 => outbox.release(),
                    _ => {
                        let len = random(700).min(outbox.len());
                        outbox.sent(len);
                        naive.sent(len);
                    }
                }
                assert_eq!(outbox.unsent(), naive.unsent(), "{step}");
                assert_eq!(outbox.len(), naive.unsent().len());
                let urgent_waits = naive.frames.iter().any(|frame| frame[0] == 0x8A);
                assert_eq!(outbox.takes_urgent(), !urgent_waits, "one batch at a time");
            }
        }
        assert!(urgent > 3 * ROUNDS || cfg!(miri), "{urgent}");
    }

    /// What was sent makes room: a queue that is never empty does not grow for ever.
    #[test]
    fn outbox_reuses_the_room_of_what_was_sent() {
        let mut outbox = Outbox::new();
        let frame = data(1000, 7);
        outbox.push(&frame).unwrap();
        for _ in 0..if cfg!(miri) { 500 } else { 10_000 } {
            outbox.push(&frame).unwrap();
            outbox.sent(frame.len());
        }
        assert_eq!(outbox.unsent(), frame);
        assert!(outbox.bytes.capacity() < 8 * frame.len());
    }

    /// What waits moves when there is no room behind it; as much can be put then before it moves
    /// again, and no more.
    #[test]
    fn outbox_moves_what_waits_once_for_as_much_as_is_put() {
        let mut outbox = Outbox::new();
        outbox.push(&[1; 600]).unwrap();
        outbox.sent(200);
        outbox.push(&[2]).unwrap();
        assert_eq!((outbox.sent, outbox.len()), (0, 401));
        assert_eq!(outbox.bytes.capacity(), 800, "twice what waited");
        outbox.sent(1);
        outbox.push(&[3; 399]).unwrap();
        assert_eq!((outbox.sent, outbox.len()), (1, 799));
        outbox.sent(500);
        outbox.push(&[4; 500]).unwrap();
        assert_eq!((outbox.sent, outbox.len()), (0, 799));
        assert_eq!(outbox.bytes.capacity(), 800, "what was sent is room enough");
        outbox.push(&[5; 5000]).unwrap();
        assert_eq!(outbox.bytes.capacity(), 5799, "or what is put");
    }

    /// A Pong of five bytes, before a frame that waits: where five bytes were sent, and where fewer.
    #[test]
    fn outbox_puts_control_frames_where_as_much_was_sent() {
        for (len, moved) in [(3, 0), (2, Transmit::MAX_LEN)] {
            let mut outbox = Outbox::new();
            outbox.push(&data(len, 1)).unwrap();
            outbox.push(&data(100, 2)).unwrap();
            let end = outbox.bytes.len();
            outbox.sent(2 + len);
            outbox.push_urgent(&pong(3));
            assert_eq!(outbox.bytes.len(), end + moved);
            assert_eq!(outbox.unsent()[..5], *pong(3).as_ref());
            assert_eq!(outbox.unsent()[5..], data(100, 2));
        }
    }

    #[test]
    fn outbox_takes_no_more_memory_for_a_frame_than_it_has_bytes() {
        let mut outbox = Outbox::new();
        outbox.make_room_for_frame(10_000).unwrap();
        let room = outbox.bytes.capacity();
        assert!((10_000 + Header::MAX_LEN..11_000).contains(&room), "{room}");
    }

    #[test]
    fn outbox_lends_behind_everything_and_lets_nothing_between() {
        let mut outbox = Outbox::new();
        outbox.push(&[0x82, 5]).unwrap();
        outbox.lend(5);
        assert!(outbox.owes() && !outbox.takes_urgent());
        assert_eq!((outbox.len(), outbox.unsent()), (7, &[0x82, 5][..]));
        outbox.sent(1);
        outbox.sent(3); // one of ours, two of the lent
        assert_eq!((outbox.len(), outbox.unsent()), (3, &[][..]));
        assert!(outbox.owes() && !outbox.takes_urgent());
        outbox.release();
        assert_eq!(outbox.len(), 3, "what is owed is not forgotten");
        outbox.sent(3);
        assert!(!outbox.owes() && outbox.takes_urgent());
    }

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
                inbox.release();
            }
            if step % 101 == 0 {
                let _ = inbox.replace(alloc::vec![0xEE; step % 300], 64);
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
        let mut assembly = Assembly::default();
        assembly.push(b"abc").unwrap();
        let room = assembly.spare_mut(100, 16).unwrap().len();
        assembly.filled(room + 1000);
        assert_eq!(assembly.len(), 3 + room);
    }

    /// However much is unread each time: what is left of it moves to the front while there is
    /// little room behind it, and only then.
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

    fn consume(inbox: &mut Inbox) {
        let (unread, start) = inbox.unread_mut();
        *start += unread.len();
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
        inbox.release();
        assert!(inbox.is_released());
        assert_eq!(inbox.spare_mut(4096).unwrap().len(), 1024);
        inbox.filled(1023);
        assert_eq!(
            inbox.spare_mut(4096).unwrap().len(),
            1,
            "a read that left room"
        );
        inbox.release();
        assert!(!inbox.is_released(), "something is unread");
        assert_eq!(Inbox::default().spare_mut(64).unwrap().len(), 64);
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
