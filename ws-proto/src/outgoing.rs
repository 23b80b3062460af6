//! The sending side of a [`Session`](crate::Session): messages to bytes for the transport.

#[cfg(feature = "deflate")]
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::buffer::Outbox;
use crate::close::{Close, CloseCode};
use crate::connection::{Connection, Shutdown, State};
#[cfg(feature = "deflate")]
use crate::deflate::{Compress, Compressor, Deflater};
#[cfg(feature = "deflate")]
use crate::error::ProtocolError;
use crate::error::SendError;
use crate::header::{Header, Opcode};
use crate::limits::Limits;
use crate::liveness::{Instant, Liveness, Timeouts, Verdict};
use crate::message::{Kind, Message, Part};
use crate::prepared::Prepared;
use crate::sender::Transmit;

/// Frames messages and holds them until they are written. Also keeps the [`Connection`], because
/// what is received makes it answer.
#[derive(Debug)]
pub struct Outgoing {
    pub(crate) connection: Connection,
    outbox: Outbox,
    liveness: Option<Liveness>,
    max_unsent: usize,
    peer_close: Option<(CloseCode, String)>,
    #[cfg(feature = "deflate")]
    deflater: Option<Box<Deflater>>,
}

impl Outgoing {
    pub(crate) const fn new(connection: Connection, limits: &Limits) -> Self {
        Self {
            connection,
            outbox: Outbox::new(),
            liveness: None,
            max_unsent: limits.max_unsent,
            peer_close: None,
            #[cfg(feature = "deflate")]
            deflater: None,
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) if too much waits already: nothing of it was queued, and the
    /// caller decides whether to wait, to drop it, or to give the peer up. Else
    /// [`Closed`](SendError::Closed), [`MessageInProgress`](SendError::MessageInProgress) or
    /// [`OutOfMemory`](SendError::OutOfMemory).
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let payload = message.as_bytes();
        self.admit(payload.len())?;
        #[cfg(feature = "deflate")]
        if self.compresses(payload.len()) {
            return self.send_deflated(message);
        }
        let header = self.connection.begin_whole(message)?;
        self.outbox.push_frame(&header, payload)
    }

    /// Queues a message that is not to be compressed, whatever was agreed on: see [`Compress`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub fn send_with<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
        compress: Compress,
    ) -> Result<(), SendError> {
        let message = message.into();
        let payload = message.as_bytes();
        if compress == Compress::Auto {
            return self.send(message);
        }
        self.admit(payload.len())?;
        let header = self.connection.begin_whole(message)?;
        self.outbox.push_frame(&header, payload)
    }

    /// Queues a message that was prepared for many connections: what it takes to encode it is
    /// spent once for all of those that have agreed on the same.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &mut Prepared) -> Result<(), SendError> {
        let message = prepared.message();
        self.admit(message.as_bytes().len())?;
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater
            && deflater.wants(message.as_bytes().len(), Compress::Auto)
        {
            self.connection.admit_whole()?;
            let kind = message.kind();
            let deflated = prepared.deflated(deflater)?;
            let len = deflated.len() as u64;
            let header = self.connection.begin_deflated(kind, len, Part::Last)?;
            deflater.forget();
            return self.outbox.push_frame(&header, deflated);
        }
        let header = self.connection.begin_whole(message)?;
        self.outbox.push_frame(&header, message.as_bytes())
    }

    /// Queues a fragment of a message: the whole of it is what its fragments are, joined. They
    /// are all of one kind, and no other message comes between them.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). A fragment that continues a compressed message can not be
    /// compressed again: if there is no memory to queue it in, the connection has failed.
    pub fn send_part(&mut self, kind: Kind, payload: &[u8], part: Part) -> Result<(), SendError> {
        self.admit(payload.len())?;
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            let begins = !self.connection.is_within_message();
            // How long it will be only its end tells: what comes in parts is taken to be long.
            let wanted = match part {
                Part::More => deflater.wants(usize::MAX, Compress::Auto),
                Part::Last => deflater.wants(payload.len(), Compress::Auto),
            };
            if deflater.is_within() || (begins && wanted) {
                self.connection.admit(kind)?;
                let queued = deflater.compress(payload, part).and_then(|deflated| {
                    // Before the message is begun.
                    self.outbox.make_room_for_frame(deflated.len())?;
                    let len = deflated.len() as u64;
                    let header = self.connection.begin_deflated(kind, len, part)?;
                    self.outbox.push_frame(&header, deflated)
                });
                if queued.is_err() {
                    // The context has seen what the peer will not see.
                    deflater.forget();
                    if !begins {
                        let _ = self.connection.fail(ProtocolError::OutOfMemory);
                    }
                }
                return queued;
            }
        }
        self.connection.admit(kind)?;
        self.outbox.make_room_for_frame(payload.len())?;
        let header = self.connection.begin(kind, payload.len() as u64, part)?;
        self.outbox.push_frame(&header, payload)
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
        #[cfg(feature = "deflate")]
        if self.compresses(payload.len()) {
            self.send_deflated(message)?;
            return Ok(&[]);
        }
        let header = self.connection.begin_whole(message)?;
        if header.mask().is_some() {
            self.outbox.push_frame(&header, payload)?;
            return Ok(&[]);
        }
        self.outbox.push(header.encode().as_ref())?;
        self.outbox.lend(payload.len());
        Ok(payload)
    }

    /// Queues a Ping with at most 125 bytes of payload.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong),
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.connection.ping(payload)?;
        self.flush_control();
        Ok(())
    }

    /// Queues a Pong that answers no Ping.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong),
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.connection.pong(payload)
    }

    /// Starts the closing handshake, behind the messages that are queued.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed) if a Close is on its way already,
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn close(&mut self, close: Option<Close<'_>>) -> Result<(), SendError> {
        self.connection.close(close)
    }

    /// What is to be written next. Control frames go before messages that were not begun to be
    /// written, and the Close behind all. If there is no memory for a control frame, the connection
    /// has failed, as the next step says.
    #[inline]
    pub fn unsent(&mut self) -> &[u8] {
        self.flush_control();
        self.outbox.unsent()
    }

    /// The first `len` unsent bytes were written; none if the transport takes nothing for now.
    #[inline]
    pub fn sent(&mut self, len: usize) {
        self.outbox.sent(len);
        if len > 0 {
            self.flushed();
        } else if self.wants_write()
            && let Some(liveness) = &mut self.liveness
        {
            liveness.on_blocked();
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
            liveness.on_written();
            if all {
                liveness.on_flushed();
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
        self.connection.release();
        self.outbox.release();
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            deflater.release();
        }
    }

    /// Whether a message of `len` bytes would be compressed.
    #[must_use]
    #[cfg_attr(
        not(feature = "deflate"),
        expect(unused_variables, reason = "nothing is compressed then")
    )]
    pub fn compresses(&self, len: usize) -> bool {
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &self.deflater {
            return deflater.wants(len, Compress::Auto);
        }
        false
    }

    /// Whether a message of `len` bytes would be compressed with a context that has to be made,
    /// or [lent](Self::lend_compressor).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn wants_compressor(&self, len: usize) -> bool {
        let deflater = self.deflater.as_ref();
        deflater.is_some_and(|deflater| deflater.lacks() && deflater.wants(len, Compress::Auto))
    }

    /// Takes out the compression context, if nothing is kept in it between messages: for a pool
    /// that [lends](Self::lend_compressor) it to whoever sends next.
    #[cfg(feature = "deflate")]
    pub fn take_compressor(&mut self) -> Option<Compressor> {
        self.deflater.as_mut()?.take()
    }

    /// Whether a context compresses as it was agreed on here: connections agree on different
    /// windows, and to refer beyond that of the peer would be an error of ours.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn suits_compressor(&self, compressor: &Compressor) -> bool {
        let deflater = self.deflater.as_ref();
        deflater.is_some_and(|deflater| deflater.suits(compressor))
    }

    /// Compresses with a context that was taken from another connection; gives it back if it is
    /// not of use here.
    #[cfg(feature = "deflate")]
    pub fn lend_compressor(&mut self, compressor: Compressor) -> Option<Compressor> {
        match &mut self.deflater {
            Some(deflater) => deflater.lend(compressor),
            None => Some(compressor),
        }
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn deflate_with(&mut self, deflater: Deflater) {
        self.deflater = Some(Box::new(deflater));
    }

    /// Compresses only what will be sent: the context has seen what the peer sees.
    #[cfg(feature = "deflate")]
    fn send_deflated(&mut self, message: Message<'_>) -> Result<(), SendError> {
        self.connection.admit_whole()?;
        let Some(deflater) = &mut self.deflater else {
            return Ok(());
        };
        let deflated = deflater.compress(message.as_bytes(), Part::Last);
        let queued = deflated.and_then(|deflated| {
            let len = deflated.len() as u64;
            let kind = message.kind();
            let header = self.connection.begin_deflated(kind, len, Part::Last)?;
            self.outbox.push_frame(&header, deflated)
        });
        if queued.is_err() {
            deflater.forget();
        }
        queued
    }

    pub(crate) fn watch(&mut self, timeouts: &Timeouts) {
        self.liveness = Some(Liveness::new(timeouts));
    }

    pub(crate) fn heard(&mut self) {
        if let Some(liveness) = &mut self.liveness {
            liveness.on_received();
        }
    }

    /// Has the Pong leave its slot at once, so that every Ping of a handful in one read is
    /// answered: some peers count (Autobahn 2.10). Of a flood only the latest is.
    pub(crate) fn answer(&mut self) {
        if self.outbox.takes_answer() {
            self.push_control();
        }
    }

    pub(crate) fn keep_close(&mut self, close: &Close<'_>) {
        let mut reason = String::new();
        // Without memory for the reason the code will do.
        if reason.try_reserve_exact(close.reason().len()).is_ok() {
            reason.push_str(close.reason());
        }
        self.peer_close = Some((close.code(), reason));
    }

    /// Whether a frame with `len` bytes of payload may be queued: one always may if nothing
    /// waits.
    #[inline]
    fn admit(&self, len: usize) -> Result<(), SendError> {
        if self.outbox.owes() {
            return Err(SendError::MessageInProgress);
        }
        let waiting = self.outbox.len();
        let room = self.max_unsent.saturating_sub(waiting);
        // The length of the frame is looked at only if the longest header would not fit.
        if waiting == 0 || len.saturating_add(Header::MAX_LEN) <= room {
            return Ok(());
        }
        if self.connection.frame_len(len) > room {
            let limit = self.max_unsent;
            return Err(SendError::Full { limit });
        }
        Ok(())
    }

    /// Moves control frames from their slots to the outbox.
    #[inline]
    fn flush_control(&mut self) {
        if self.connection.wants_transmit() && self.outbox.takes_urgent() {
            self.push_control();
        }
    }

    fn push_control(&mut self) {
        while self.connection.wants_transmit() {
            if self.outbox.make_room(Transmit::MAX_LEN).is_err() {
                return self.connection.abandon();
            }
            let Some(control) = self.connection.poll_transmit() else {
                return;
            };
            match control.opcode() {
                // There is room.
                Opcode::Close => drop(self.outbox.push(control.as_ref())),
                _ => self.outbox.push_urgent(&control),
            }
        }
    }
}
