//! The sending half of a [`Session`](crate::Session): messages to bytes for the transport.
//!
//! ```text
//!   send, close ───────────────▶ Sender ──▶ outbox ──▶ unsent, sent ──▶ transport
//!   what the other half answers ──▶ │  slots   ▲
//!   clock ──▶ liveness ── Ping ─────┴──────────┘
//! ```

#[cfg(feature = "deflate")]
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::buffers::{self, Buffers, Place};
use crate::close::Close;
use crate::closing::{self, Linger, Peer, Shutdown, State};
use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::Deflater;
use crate::error::{ProtocolError, SendError};
use crate::header::Opcode;
use crate::liveness::{Instant, Liveness, TimedOut, Timeouts, Verdict};
use crate::outbox::{Outbox, Taken};
use crate::quiet::show;
use crate::role::Role;
use crate::sender::Sender;
use crate::try_box::{TryBox, try_box};

mod messages;

/// Frames messages and holds them until they are written; answers for the other half, and watches
/// the peer.
#[derive(Debug)]
pub struct Outgoing {
    sender: Sender,
    buffer: Place<Outbox>,
    liveness: Liveness,
    peer: Peer,
    /// The reason of the peer's Close, if it has one.
    peer_reason: Option<TryBox<Reason>>,
    linger: Linger,
    max_unsent: u32,
    #[cfg(feature = "deflate")]
    deflater: Option<Box<Deflater>>,
}

/// The payload of a peer's Close.
struct Reason(String);

/// Shows its length, and nothing of what it says.
impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "Reason", self.0.len())
    }
}

impl Outgoing {
    pub(crate) fn new(sender: Sender, config: &Config) -> Self {
        Self {
            sender,
            buffer: None,
            liveness: Liveness::new(&config.timeouts),
            peer: Peer::Open,
            peer_reason: None,
            linger: Linger::NONE,
            max_unsent: u32::try_from(config.limits.max_unsent.max(1)).unwrap_or(u32::MAX),
            #[cfg(feature = "deflate")]
            deflater: None,
        }
    }

    /// Queues a Ping with at most 125 bytes of payload.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong),
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.ping(payload)?;
        self.move_control();
        Ok(())
    }

    /// Queues a Pong that answers no Ping.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong),
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.pong(payload)
    }

    /// Starts the closing handshake, after the messages that are queued.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed) if a Close is on its way already,
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn close(&mut self, close: Option<Close<'_>>) -> Result<(), SendError> {
        self.sender.close(close)
    }

    /// The bytes to write next, in one piece. Control frames go before messages of which no byte
    /// was written yet, and the Close after all of them. If there is no memory for a control frame,
    /// the connection has failed; the next step says so.
    #[inline]
    pub fn unsent(&mut self) -> &[u8] {
        self.move_control();
        match &mut self.buffer {
            Some(held) => held.buffer.unsent(),
            None => &[],
        }
    }

    /// The bytes to write, if they lie in one piece, and empty if there are none. `None` if
    /// [`unsent_slices`](Self::unsent_slices) would give several pieces.
    #[inline]
    pub fn unsent_whole(&mut self) -> Option<&[u8]> {
        self.move_control();
        match &self.buffer {
            Some(held) => held.buffer.unsent_whole(),
            None => Some(&[]),
        }
    }

    /// Fills `to` with the bytes to write, in several pieces, for a system that writes them at once
    /// (`writev`). Returns how many pieces there are.
    pub fn unsent_slices<'a>(&'a mut self, to: &mut [&'a [u8]]) -> usize {
        self.move_control();
        match &self.buffer {
            Some(held) => held.buffer.unsent_slices(to),
            None => 0,
        }
    }

    /// Reports that the transport has taken the first `len` unsent bytes; with 0, that it took
    /// none.
    #[inline]
    pub fn sent(&mut self, len: usize) {
        if len == 0 {
            if self.wants_write() {
                self.on_blocked();
            }
            return;
        }
        match self.buffer.as_mut().map(|held| held.buffer.sent(len)) {
            Some(Taken::Part) => self.liveness.on_written(),
            Some(Taken::Whole) | None => self.liveness.on_taken(),
        }
        if !self.wants_write() {
            self.liveness.on_flushed();
        }
    }

    /// Moves everything that is unsent into `buffers`, for a program that writes without holding
    /// this. `buffers` must have nothing to write. After each write call
    /// [`on_written`](Self::on_written).
    pub fn swap(&mut self, buffers: &mut Buffers) {
        self.move_control();
        core::mem::swap(&mut self.buffer, &mut buffers.write);
    }

    /// Reports that the transport has taken some of what was [swapped](Self::swap) out, and that
    /// `left` bytes of that are still to be written. If it takes no more,
    /// [`on_blocked`](Self::on_blocked) says so.
    #[inline]
    pub fn on_written(&mut self, left: usize) {
        self.liveness.on_taken();
        if left == 0 && !self.wants_write() {
            self.liveness.on_flushed();
        }
    }

    /// Reports that the transport took nothing of what is to be written: what it takes after that
    /// is a sign of life. What it takes right after another piece does not count.
    pub const fn on_blocked(&mut self) {
        self.liveness.on_blocked();
    }

    /// Whether bytes wait to be written.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.unsent_len() > 0 || self.sender.wants_transmit()
    }

    /// The number of bytes of messages that wait to be written.
    #[inline]
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.buffer.as_ref().map_or(0, |held| held.buffer.len())
    }

    /// Whether the next message will not be [`Full`](SendError::Full), whatever its length.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.unsent_len() < self.max_unsent as usize
    }

    /// The moment when [`check`](crate::Incoming::check) will have something to do. One that has
    /// passed means now: a Close was queued since the last check, for example. `None` if only
    /// sending or receiving can change anything.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.liveness.due(self.is_open())
    }

    /// The timeouts of the connection: for an adapter that blocks in a read or a write.
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        self.liveness.timeouts()
    }

    /// Counts the time of the closing handshake from `now`, if one has begun: for a thread that
    /// closes while the one that checks sleeps, and for one that ends the transport.
    ///
    /// It does not judge a peer whose Close we still await: [`check`](crate::Incoming::check) does.
    /// Once only the transport is left to be ended, it says [`Dead`](Verdict::Dead) when the time
    /// for that is over.
    pub fn time_close(&mut self, now: Instant) -> Verdict {
        if !self.is_open() && self.liveness.time_close(now) && self.lingers() {
            self.linger.ended();
            return Verdict::Dead(TimedOut::Close);
        }
        Verdict::Alive {
            wake: self.deadline(),
        }
    }

    /// Returns what to do about the transport (§7.1.1).
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        if self.unsent_len() > 0 {
            return Shutdown::NotYet;
        }
        closing::shutdown(self.peer, &self.sender, self.linger)
    }

    /// Reports that the sending side of the transport was shut down, as [`Shutdown::Write`] asks
    /// for.
    pub const fn write_shut(&mut self) {
        self.linger.write_shut();
    }

    /// Reports that `len` bytes were read and dropped, as [`Shutdown::Drain`] asks for. After 16
    /// MiB it asks for no more.
    pub fn dropped(&mut self, len: usize) {
        self.linger.dropped(len);
    }

    /// The role: server or client.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.sender.role()
    }

    /// The state of the connection.
    #[must_use]
    pub const fn state(&self) -> State {
        closing::state(self.peer, &self.sender)
    }

    /// The code and reason of the peer's Close, once it was received: `None` before, and if it had
    /// none.
    #[must_use]
    pub fn peer_close(&self) -> Option<Close<'_>> {
        let (Peer::Closed(code) | Peer::Ended(code)) = self.peer else {
            return None;
        };
        let reason = self.peer_reason.as_ref().map_or("", |reason| &reason.0);
        Close::new(code?, reason).ok()
    }

    /// Uses `buffers` to send from until they are taken back. What is left over from before goes
    /// first. What was [swapped](Self::swap) into `buffers` and is not written stays there, to be
    /// written.
    #[inline(always)]
    pub fn attach(&mut self, buffers: &mut Buffers) {
        if let Some(lent) = buffers.write.take_if(|held| held.buffer.is_empty()) {
            let _ = buffers::attach(&mut self.buffer, lent);
        }
    }

    /// Takes back what was [attached](Self::attach), into `buffers`. What is left over stays here;
    /// if there is no memory for it, the buffer stays too.
    #[inline(always)]
    pub fn detach(&mut self, buffers: &mut Buffers) {
        buffers.write = buffers::detach(&mut self.buffer);
    }

    /// The memory that it holds, in bytes: what waits to be sent, and, with compression, what our
    /// messages refer to. A payload that is [shared](crate::Prepared) by many connections counts
    /// for each.
    #[must_use]
    pub fn memory(&self) -> usize {
        let buffer = self.buffer.as_ref().map_or(0, |held| held.buffer.memory());
        #[cfg(feature = "deflate")]
        let buffer = buffer
            + self
                .deflater
                .as_ref()
                .map_or(0, |deflater| deflater.memory());
        buffer
    }

    /// Frees the memory that is not in use.
    pub fn release(&mut self) {
        self.sender.release();
        if self.unsent_len() == 0 {
            self.buffer = None;
        }
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            deflater.release();
        }
    }

    /// Answers a Ping. Its Pong leaves the slot at once, so that each of a few Pings in one read
    /// gets its own answer (Autobahn 2.10 counts them). In a flood only the latest does.
    pub(crate) fn on_ping(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        self.sender.answer_ping(payload)?;
        let outbox = self.buffer.as_ref();
        if outbox.is_none_or(|held| held.buffer.takes_answer()) {
            self.push_control();
        }
        self.failure().map_or(Ok(()), Err)
    }

    /// Answers a Close.
    pub(crate) fn on_close(&mut self, close: Option<Close<'_>>) -> Result<(), ProtocolError> {
        self.peer = Peer::Closed(close.map(|close| close.code()));
        let said = close.map_or("", |close| close.reason());
        let mut reason = String::new();
        // Without memory for the reason, the code is enough.
        if !said.is_empty() && reason.try_reserve_exact(said.len()).is_ok() {
            reason.push_str(said);
            self.peer_reason = try_box(Reason(reason));
        }
        self.sender.answer_close(close)
    }

    /// Notes that the stream has ended, after a Close or without one.
    pub(crate) fn on_end(&mut self, peer: Peer) {
        self.linger.ended();
        match (peer, self.peer) {
            (Peer::Failed(error), _) => self.fail(error),
            (Peer::Ended(_), Peer::Closed(code)) => self.peer = Peer::Ended(code),
            (peer, _) => self.peer = peer,
        }
    }

    /// Fails the connection, with a Close that says why.
    #[cold]
    pub(crate) fn fail(&mut self, error: ProtocolError) {
        if self.failure().is_none() {
            self.peer = Peer::Failed(error);
        }
        self.sender.fail(error);
    }

    /// Goes on with what something else had to send.
    pub(crate) fn resume(&mut self, unsent: &[u8], peer: Peer) {
        self.peer = peer;
        if unsent.is_empty() {
            return;
        }
        let outbox = buffers::make(&mut self.buffer);
        let resumed = outbox.is_some_and(|outbox| outbox.resume(unsent).is_ok());
        if !resumed {
            self.fail(ProtocolError::OutOfMemory);
        }
    }

    /// Whether a message was begun to be sent, or is compressed with what was sent before, or is to
    /// be written from where it is.
    pub(crate) fn is_within_message(&self) -> bool {
        #[cfg(feature = "deflate")]
        if self.deflater.is_some() {
            return true;
        }
        let owes = self.buffer.as_ref().is_some_and(|held| held.buffer.owes());
        owes || self.sender.is_within_message()
    }

    pub(crate) fn into_sender(self) -> Sender {
        self.sender
    }

    /// The error that the connection has failed with.
    #[inline]
    pub(crate) const fn failure(&self) -> Option<ProtocolError> {
        match self.peer {
            Peer::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Looks at the clock.
    pub(crate) fn look(&mut self, now: Instant, received: bool) -> Verdict {
        if received {
            self.liveness.on_received();
        }
        let is_open = self.is_open();
        let sender = &mut self.sender;
        let verdict = self.liveness.look(now, is_open, || sender.keep_alive());
        if matches!(verdict, Verdict::Dead(_)) && self.lingers() {
            self.linger.ended();
        }
        verdict
    }

    /// Whether the peer is pinged. A stream that ends without a Close, for want of memory, is closed.
    fn is_open(&self) -> bool {
        self.state() == State::Open && !self.linger.is_write_shut()
    }

    /// Whether only the transport has to be ended: nothing that the peer sends counts any more.
    const fn lingers(&self) -> bool {
        self.linger.is_write_shut() || !matches!(self.peer, Peer::Open)
    }

    /// Moves control frames from their slots to the outbox.
    #[inline]
    fn move_control(&mut self) {
        if self.sender.wants_transmit() {
            let outbox = self.buffer.as_ref();
            if outbox.is_none_or(|held| held.buffer.takes_controls()) {
                self.push_control();
            }
        }
    }

    #[inline(never)]
    fn push_control(&mut self) {
        while self.sender.wants_transmit() {
            let room = buffers::make(&mut self.buffer)
                .and_then(|outbox| outbox.make_room_for_control().ok().map(|()| outbox));
            let Some(outbox) = room else {
                self.peer = Peer::Failed(self.failure().unwrap_or(ProtocolError::OutOfMemory));
                return self.sender.abandon();
            };
            let Some(control) = self.sender.poll_transmit() else {
                return;
            };
            // There is room.
            let _ = match control.opcode() {
                Opcode::Close => outbox.add_close(&control),
                _ => outbox.add_control(&control),
            };
        }
    }
}
