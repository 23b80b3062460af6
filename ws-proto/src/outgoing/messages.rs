//! Messages on their way into the outbox: framed, masked, compressed (RFC 6455 §6.1, RFC 7692 §6).
//!
//! Memory is asked for before a frame is begun: a message that is refused leaves no trace.

#[cfg(feature = "deflate")]
use alloc::boxed::Box;

use super::Outgoing;
use crate::buffers;
#[cfg(feature = "deflate")]
use crate::deflate::{Compress, Compressor, Deflater};
#[cfg(feature = "deflate")]
use crate::error::ProtocolError;
use crate::error::SendError;
use crate::header::{Header, Kind, Part};
use crate::message::Message;
use crate::outbox::Outbox;
use crate::prepared::Prepared;
use crate::role::Role;

impl Outgoing {
    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) if too much waits already. Nothing of the message was queued, and
    /// the caller decides whether to wait, to drop it, or to give up on the peer. Otherwise
    /// [`Closed`](SendError::Closed), [`MessageInProgress`](SendError::MessageInProgress) or
    /// [`OutOfMemory`](SendError::OutOfMemory).
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        #[cfg(feature = "deflate")]
        if self.compresses(message.as_bytes().len()) {
            return self.send_deflated(message);
        }
        self.send_plain(message)
    }

    /// Queues a message and says whether it may be compressed: see [`Compress`].
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
        match compress {
            Compress::Auto => self.send(message),
            Compress::Never => self.send_plain(message.into()),
        }
    }

    #[inline(always)]
    fn send_plain(&mut self, message: Message<'_>) -> Result<(), SendError> {
        let needed = self.sender.frame_len_of(message.as_bytes());
        let outbox = buffers::make(&mut self.buffer).ok_or(SendError::OutOfMemory)?;
        admit(outbox, self.max_unsent)?;
        let len = self.sender.send(message, outbox.room(needed)?)?;
        outbox.add(len);
        Ok(())
    }

    /// Queues a message that was prepared for many connections: it is encoded once for all
    /// connections with the same agreement, and a large payload is not copied.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        let message = prepared.message();
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater
            && deflater.wants(message.as_bytes().len(), Compress::Auto)
        {
            self.sender.admit_message()?;
            let outbox = buffers::make(&mut self.buffer).ok_or(SendError::OutOfMemory)?;
            admit(outbox, self.max_unsent)?;
            let deflated = prepared.deflated(deflater)?;
            // The peer's window will hold what ours has not seen.
            deflater.forget();
            let header =
                self.sender
                    .begin_deflated(message.kind(), deflated.len() as u64, Part::Last)?;
            return outbox.add_payload(&header, &deflated);
        }
        if self.sender.role() == Role::Client || message.as_bytes().len() < Outbox::SHARES {
            return self.send_plain(message);
        }
        let outbox = buffers::make(&mut self.buffer).ok_or(SendError::OutOfMemory)?;
        admit(outbox, self.max_unsent)?;
        self.sender.admit_message()?;
        // A server's, of which nothing remains if there is no memory for it.
        let header = self.sender.message_header(message);
        outbox.add_payload(&header, &prepared.payload())
    }

    /// Queues a fragment of a message; the message is its fragments, joined. They are all of one
    /// kind, and no other message comes between them.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). A fragment that continues a compressed message cannot be
    /// compressed again: if there is no memory to queue it in, the connection has failed.
    pub fn send_part(&mut self, kind: Kind, payload: &[u8], part: Part) -> Result<(), SendError> {
        let outbox = buffers::make(&mut self.buffer).ok_or(SendError::OutOfMemory)?;
        admit(outbox, self.max_unsent)?;
        self.sender.admit(kind)?;
        #[cfg(feature = "deflate")]
        if let Some(deflater) = &mut self.deflater {
            let begins = !self.sender.is_within_message();
            // Only its end shows how long it is: a message in parts is taken to be long.
            let wanted = match part {
                Part::More => deflater.wants(usize::MAX, Compress::Auto),
                Part::Last => deflater.wants(payload.len(), Compress::Auto),
            };
            if deflater.is_within() || (begins && wanted) {
                let queued = deflater.compress(payload, part).and_then(|deflated| {
                    // Before the message is begun.
                    outbox.room(self.sender.frame_len(deflated.len()))?;
                    let len = deflated.len() as u64;
                    let header = self.sender.begin_deflated(kind, len, part)?;
                    outbox.add_frame(&header, deflated)
                });
                if queued.is_err() {
                    // The context has seen what the peer will not see.
                    deflater.forget();
                    if !begins {
                        self.fail(ProtocolError::OutOfMemory);
                    }
                }
                return queued;
            }
        }
        outbox.room(self.sender.frame_len(payload.len()))?;
        let header = self.sender.begin(kind, payload.len() as u64, part)?;
        outbox.add_frame(&header, payload)
    }

    /// Whether a message was begun, and is not sent to its end.
    pub(crate) fn is_within_fragments(&self) -> bool {
        self.sender.is_within_message()
    }

    /// Queues a message without copying its payload. Returns what the caller has to write right
    /// after all that is [`unsent`](Self::unsent), in any number of pieces, and report with
    /// [`sent`](Self::sent), before anything else can be queued. This is for adapters that write at
    /// once and wait. A client's payload must be masked, so it is copied after all, and what is
    /// returned is empty.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_by_reference<'m>(&mut self, message: Message<'m>) -> Result<&'m [u8], SendError> {
        let payload = message.as_bytes();
        if self.compresses(payload.len()) || self.sender.role() == Role::Client {
            self.send(message)?;
            return Ok(&[]);
        }
        let outbox = buffers::make(&mut self.buffer).ok_or(SendError::OutOfMemory)?;
        admit(outbox, self.max_unsent)?;
        outbox.room(Header::MAX_LEN)?;
        self.sender.admit_message()?;
        let header = self.sender.message_header(message);
        outbox.add_frame(&header, &[])?;
        outbox.refer(payload.len());
        Ok(payload)
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
    /// that [lends](Self::lend_compressor) it to the next connection that sends.
    #[cfg(feature = "deflate")]
    pub fn take_compressor(&mut self) -> Option<Compressor> {
        self.deflater.as_mut()?.take()
    }

    /// Whether a context compresses as it was agreed on here: connections agree on different
    /// windows, and we must not refer to bytes beyond the peer's window.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn suits_compressor(&self, compressor: &Compressor) -> bool {
        let deflater = self.deflater.as_ref();
        deflater.is_some_and(|deflater| deflater.suits(compressor))
    }

    /// Compresses with a context that was taken from another connection; returns it if it is of no
    /// use here.
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

    /// Compresses only what will be sent: the context must have seen exactly what the peer sees.
    #[cfg(feature = "deflate")]
    fn send_deflated(&mut self, message: Message<'_>) -> Result<(), SendError> {
        self.sender.admit_message()?;
        let outbox = buffers::make(&mut self.buffer).ok_or(SendError::OutOfMemory)?;
        admit(outbox, self.max_unsent)?;
        let Some(deflater) = &mut self.deflater else {
            return Ok(());
        };
        let deflated = deflater.compress(message.as_bytes(), Part::Last);
        let queued = deflated.and_then(|deflated| {
            outbox.room(self.sender.frame_len(deflated.len()))?;
            let len = deflated.len() as u64;
            let header = self
                .sender
                .begin_deflated(message.kind(), len, Part::Last)?;
            outbox.add_frame(&header, deflated)
        });
        if queued.is_err() {
            deflater.forget();
        }
        queued
    }
}

#[inline]
fn admit(outbox: &Outbox, max_unsent: u32) -> Result<(), SendError> {
    if outbox.owes() {
        return Err(SendError::MessageInProgress);
    }
    let limit = max_unsent as usize;
    if outbox.len() < limit {
        Ok(())
    } else {
        Err(SendError::Full { limit })
    }
}
