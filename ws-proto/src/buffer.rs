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

use alloc::vec::Vec;

use crate::error::ProtocolError;
use crate::header::Header;
use crate::sender::Transmit;

/// What was received.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// Room for at least one byte more: the buffer is made at first use with `size` bytes. What
    /// is unread is moved to the front when little room is left behind it.
    pub(crate) fn spare_mut(&mut self, size: usize) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes.resize(size, 0);
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.bytes.len() - self.end < self.bytes.len() / 4 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            // Nobody consumed what is here: a caller that reads without stepping.
            self.bytes.resize(self.end + size, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// The first `len` bytes of the spare room were filled.
    pub(crate) fn filled(&mut self, len: usize) {
        self.end += len.min(self.bytes.len() - self.end);
    }

    /// Takes bytes that were received elsewhere.
    pub(crate) fn push(&mut self, mut bytes: &[u8], size: usize) {
        while !bytes.is_empty() {
            let spare = self.spare_mut(size);
            let len = spare.len().min(bytes.len());
            spare[..len].copy_from_slice(&bytes[..len]);
            self.filled(len);
            bytes = &bytes[len..];
        }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// What is unread, and the cursor to move past what is consumed of it.
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

    /// Moves to another buffer, of which every byte has a value; returns the old one.
    pub(crate) fn replace(&mut self, mut buffer: Vec<u8>, size: usize) -> Vec<u8> {
        let unread = self.end - self.start;
        if buffer.len() < unread + size {
            buffer.resize(unread + size, 0);
        }
        buffer[..unread].copy_from_slice(&self.bytes[self.start..self.end]);
        (self.start, self.end) = (0, unread);
        core::mem::replace(&mut self.bytes, buffer)
    }
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
        if self.bytes.len() < end {
            self.bytes.truncate(self.len);
            self.bytes
                .try_reserve(piece.len())
                .map_err(|_| ProtocolError::OutOfMemory)?;
            self.bytes.extend_from_slice(piece);
        } else {
            self.bytes[self.len..end].copy_from_slice(piece);
        }
        (self.len, self.checked) = (end, end);
        Ok(())
    }

    /// Room for payload bytes that are read straight into the message: as many as are still to
    /// come, but never more than have arrived before, and so at most twice what was received.
    pub(crate) fn spare_mut(
        &mut self,
        remaining: u64,
        size: usize,
    ) -> Result<&mut [u8], ProtocolError> {
        let room = usize::try_from(remaining)
            .unwrap_or(usize::MAX)
            .min(self.len.max(size));
        let end = self.len + room;
        if self.bytes.len() < end {
            self.bytes
                .try_reserve_exact(end - self.bytes.len())
                .map_err(|_| ProtocolError::OutOfMemory)?;
            self.bytes.resize(end, 0);
        }
        Ok(&mut self.bytes[self.len..end])
    }

    pub(crate) fn filled(&mut self, len: usize) {
        self.len += len.min(self.bytes.len() - self.len);
    }

    #[cfg(feature = "deflate")]
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

    pub(crate) const fn has_unchecked(&self) -> bool {
        self.checked < self.len
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Forgets the message and keeps the memory for the next.
    pub(crate) const fn clear(&mut self) {
        (self.len, self.checked) = (0, 0);
    }

    /// Takes the message out, without a copy.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.truncate(self.len);
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
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let full = self.bytes.capacity() - self.bytes.len() < bytes.len();
        // Not before half of it is sent, so that each byte moves once on average.
        if full && self.sent > self.bytes.len() / 2 {
            self.compact();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts a frame behind all others: `payload` as it is, or masked if the header says so.
    #[inline]
    pub(crate) fn push_frame(&mut self, header: &Header, payload: &[u8]) {
        /// Copied and masked at a time, so that the second pass finds the bytes in cache.
        const BLOCK: usize = 16 << 10;
        self.push(header.encode().as_ref());
        let Some(mut mask) = header.mask() else {
            return self.push(payload);
        };
        for block in payload.chunks(BLOCK) {
            self.push(block);
            let at = self.bytes.len() - block.len();
            mask = mask.apply(&mut self.bytes[at..]);
        }
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
        const ANSWERS: usize = 1 << 10;
        self.boundary == self.bytes.len() && self.lent == 0 && self.boundary < ANSWERS
    }

    /// Puts a control frame before the messages, at the next frame boundary.
    pub(crate) fn push_urgent(&mut self, control: &Transmit) {
        let frame = control.as_ref();
        let at = self.next_boundary();
        self.bytes.extend_from_slice(frame);
        self.bytes[at..].rotate_right(frame.len());
        self.boundary = at + frame.len();
        self.urgent = self.boundary;
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
        if self.sent == 0 {
            core::mem::swap(&mut self.bytes, to);
        } else {
            to.extend_from_slice(self.unsent());
        }
        self.bytes.clear();
        (self.sent, self.boundary, self.urgent) = (0, 0, 0);
    }

    pub(crate) fn release(&mut self) {
        if self.len() == 0 {
            *self = Self::new();
        }
    }
}
