//! The sending side of a [`Session`](crate::Session): messages to bytes for the transport.

use alloc::string::String;
use alloc::vec::Vec;

use crate::buffer::Outbox;
use crate::close::{Close, CloseCode};
use crate::connection::{Connection, Shutdown, State};
use crate::error::SendError;
use crate::header::{Header, Opcode};
use crate::limits::Limits;
use crate::liveness::{Instant, Liveness, Timeouts, Verdict};
use crate::message::{Kind, Message, Part};

/// Frames messages and holds them until they are written. Also keeps the [`Connection`], because
/// what is received makes it answer.
#[derive(Debug)]
pub struct Outgoing {
    pub(crate) connection: Connection,
    outbox: Outbox,
    liveness: Option<Liveness>,
    max_unsent: usize,
    peer_close: Option<(CloseCode, String)>,
}

impl Outgoing {
    pub(crate) const fn new(connection: Connection, limits: &Limits) -> Self {
        Self {
            connection,
            outbox: Outbox::new(),
            liveness: None,
            max_unsent: limits.max_unsent,
            peer_close: None,
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) if too much waits already: nothing of it was queued, and the
    /// caller decides whether to wait, to drop it, or to give the peer up. Else
    /// [`Closed`](SendError::Closed) or [`MessageInProgress`](SendError::MessageInProgress).
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let payload = message.as_bytes();
        self.admit(payload.len())?;
        let header = self.connection.begin_whole(message)?;
        self.push(&header, payload);
        Ok(())
    }

    /// Queues a fragment of a message: the whole of it is what its fragments are, joined. They
    /// are all of one kind, and no other message comes between them.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_part(&mut self, kind: Kind, payload: &[u8], part: Part) -> Result<(), SendError> {
        self.admit(payload.len())?;
        let header = self.connection.begin(kind, payload.len() as u64, part)?;
        self.push(&header, payload);
        Ok(())
    }

    /// Queues a message without copying its payload, and returns what the caller has to write
    /// right behind [`unsent`](Self::unsent), and to report with [`sent`](Self::sent), before
    /// anything else can be queued. A client's payload must be masked: it is copied after all,
    /// and what is returned is empty.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_lent<'m>(&mut self, message: Message<'m>) -> Result<&'m [u8], SendError> {
        let payload = message.as_bytes();
        self.admit(payload.len())?;
        let header = self.connection.begin_whole(message)?;
        if header.mask().is_some() {
            self.push(&header, payload);
            return Ok(&[]);
        }
        self.outbox.push(header.encode().as_ref());
        self.outbox.lend(payload.len());
        Ok(payload)
    }

    /// Queues a Ping with at most 125 bytes of payload.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.connection.ping(payload)?;
        self.flush_control();
        Ok(())
    }

    /// Queues a Pong that answers no Ping.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.connection.pong(payload)
    }

    /// Starts the closing handshake, behind the messages that are queued.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed) if a Close is on its way already.
    pub fn close(&mut self, close: Option<Close<'_>>) -> Result<(), SendError> {
        self.connection.close(close)
    }

    /// What is to be written next. Control frames go before messages that were not begun to be
    /// written, and the Close behind all.
    #[inline]
    pub fn unsent(&mut self) -> &[u8] {
        self.flush_control();
        self.outbox.unsent()
    }

    /// The first `len` unsent bytes were written.
    #[inline]
    pub fn sent(&mut self, len: usize) {
        self.outbox.sent(len);
        if len > 0 {
            self.flushed();
        }
    }

    /// Moves everything that is unsent to `to`, for a program that writes without holding this.
    /// What was in `to` is dropped, its memory reused. When it has been written, say so with
    /// [`flushed`](Self::flushed).
    pub fn take_unsent(&mut self, to: &mut Vec<u8>) {
        self.flush_control();
        self.outbox.swap(to);
    }

    /// What [`take_unsent`](Self::take_unsent) took has been written.
    pub fn flushed(&mut self) {
        let all = !self.wants_write();
        if let Some(liveness) = &mut self.liveness {
            liveness.wrote();
            if all {
                liveness.flushed();
            }
        }
    }

    /// Whether there is something to be written.
    #[inline]
    #[must_use]
    pub const fn wants_write(&self) -> bool {
        self.outbox.len() > 0 || self.connection.wants_transmit()
    }

    /// How many bytes of messages wait to be written.
    #[must_use]
    pub const fn unsent_len(&self) -> usize {
        self.outbox.len()
    }

    /// Looks at the clock: see [`Liveness::check`]. All is well if nobody watches.
    pub fn check(&mut self, now: Instant) -> Verdict {
        match &mut self.liveness {
            Some(liveness) => liveness.check(now, &mut self.connection),
            None => Verdict::Alive { wake: None },
        }
    }

    /// When to close the TCP connection (RFC 6455 §7.1.1).
    #[must_use]
    pub const fn shutdown(&self) -> Shutdown {
        if self.outbox.len() > 0 {
            return Shutdown::NotYet;
        }
        self.connection.shutdown()
    }

    /// Where the connection stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.connection.state()
    }

    /// What the peer's Close said, once it was received: `None` before, and if it said nothing.
    #[must_use]
    pub fn peer_close(&self) -> Option<Close<'_>> {
        let (code, reason) = self.peer_close.as_ref()?;
        Close::new(*code, reason).ok()
    }

    /// Gives back what memory is not in use.
    pub fn release(&mut self) {
        self.outbox.release();
    }

    pub(crate) fn watch(&mut self, timeouts: Timeouts, now: Instant) {
        self.liveness = Some(Liveness::new(timeouts, now));
    }

    pub(crate) fn heard(&mut self) {
        if let Some(liveness) = &mut self.liveness {
            liveness.heard();
        }
    }

    /// Has the Pong leave its slot at once, so that every Ping of a handful in one read is
    /// answered: some peers count (Autobahn 2.10). Of a flood only the latest is.
    pub(crate) fn answer(&mut self) {
        if self.outbox.takes_answer() {
            self.push_control();
        }
    }

    pub(crate) fn answered(&mut self) {
        if let Some(liveness) = &mut self.liveness {
            liveness.answered();
        }
    }

    pub(crate) fn keep_close(&mut self, close: &Close<'_>) {
        self.peer_close = Some((close.code(), close.reason().into()));
    }

    /// Whether a frame with `len` bytes of payload may be queued: one always may if nothing
    /// waits.
    #[inline]
    fn admit(&self, len: usize) -> Result<(), SendError> {
        if self.outbox.owes() {
            return Err(SendError::MessageInProgress);
        }
        let waiting = self.outbox.len();
        let frame = self.connection.frame_len(len);
        if waiting > 0 && frame > self.max_unsent.saturating_sub(waiting) {
            let limit = self.max_unsent;
            return Err(SendError::Full { limit });
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, header: &Header, payload: &[u8]) {
        /// Copied and masked at a time, so that the second pass finds the bytes in cache.
        const BLOCK: usize = 16 << 10;
        self.outbox.push(header.encode().as_ref());
        let Some(mut mask) = header.mask() else {
            return self.outbox.push(payload);
        };
        for block in payload.chunks(BLOCK) {
            self.outbox.push(block);
            let at = self.outbox.len() - block.len();
            mask = mask.apply(self.outbox.tail_mut(at));
        }
    }

    /// Moves control frames from their slots to the outbox.
    #[inline]
    fn flush_control(&mut self) {
        if self.connection.wants_transmit() && self.outbox.takes_urgent() {
            self.push_control();
        }
    }

    fn push_control(&mut self) {
        while let Some(control) = self.connection.poll_transmit() {
            match control.opcode() {
                Opcode::Close => self.outbox.push(control.as_ref()),
                _ => self.outbox.push_urgent(&control),
            }
        }
    }
}
