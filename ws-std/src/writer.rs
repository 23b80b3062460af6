//! The sending half of a connection.

use std::sync::Arc;

use ws_http::Ended;
use ws_proto::{Close, CloseCode, Kind, Message, Part, Prepared, SendError};
#[cfg(feature = "deflate")]
use ws_proto::{Compress, Outgoing};

use crate::error::Error;
use crate::shared::{BY_REFERENCE, Shared};

/// The sending half of a connection: see [`WebSocket::split`](crate::WebSocket::split). Its
/// clones send on the same connection, from any thread.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Sends a message, waiting until the transport has taken it.
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) if a Close is on its way; [`TimedOut`](Error::TimedOut) if the peer
    /// takes no bytes within the pong timeout; [`Io`](Error::Io). After the latter two the
    /// connection is over.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.shared.send(message.into())
    }

    /// Sends a message and says whether it may be compressed: see [`Compress`](crate::Compress).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub fn send_with<'m>(
        &self,
        message: impl Into<Message<'m>>,
        compress: Compress,
    ) -> Result<(), Error> {
        let message = message.into();
        self.shared
            .queue_and_wait(message.as_bytes().len(), |outgoing| {
                outgoing.send_with(message, compress)
            })
    }

    /// Sends a message that was prepared for many connections, without waiting: see
    /// [`queue`](Self::queue).
    ///
    /// # Errors
    ///
    /// As [`queue`](Self::queue).
    pub fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        let len = prepared.message().as_bytes().len();
        self.shared
            .queue(len, |outgoing| outgoing.send_prepared(prepared))
    }

    /// Sends a message that was prepared for many connections, waiting until the transport has
    /// taken it: see [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        let len = prepared.message().as_bytes().len();
        self.shared
            .queue_and_wait(len, |outgoing| outgoing.send_prepared(prepared))
    }

    /// Sends a message without waiting. It keeps what the peer does not take at once, up to
    /// [`Limits::max_unsent`](ws_proto::Limits::max_unsent), and writes it when the peer takes it.
    /// For sending to many connections, one of which may have stalled: see [`Group`](crate::Group).
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) with [`SendError::Full`] if too much waits already: nothing of the
    /// message was kept. Otherwise as [`send`](Self::send).
    pub fn queue<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        self.shared
            .queue(message.as_bytes().len(), |outgoing| outgoing.send(message))
    }

    /// Sends a piece of a message as one fragment, waiting until the transport has taken it. The
    /// message ends with [`Part::Last`]; no other may be sent before.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_part(&self, kind: Kind, payload: &[u8], part: Part) -> Result<(), Error> {
        self.shared.queue_and_wait(payload.len(), |outgoing| {
            outgoing.send_part(kind, payload, part)
        })
    }

    /// Sends a Ping with at most 125 bytes of payload. Keepalive does not need it: it sends Pings
    /// of its own.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::ControlTooLong`].
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.shared
            .queue_and_wait(payload.len(), |outgoing| outgoing.ping(payload))
    }

    /// Starts the closing handshake and does not wait for it: the [`Reader`](crate::Reader) sees
    /// its end.
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) if the reason is over 123 bytes, a Close is on its way already, or
    /// there is no memory for one.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.shared.close(Close::new(code, reason)?)
    }

    /// Drops the connection at once, without a Close. The peer sees its stream end, and every
    /// thread that waits on the connection wakes with an error.
    pub fn abort(&self) {
        self.shared.abort();
    }

    /// How the connection ended, if it has: for a log.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.shared.ended()
    }

    /// The number of bytes of messages that wait in the queue, after those that are being written.
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.shared.outgoing().unsent_len()
    }
}

/// The sending half, within [`for_each`](crate::WebSocket::for_each). What you send leaves in one
/// write, after every message that has arrived has been handled.
#[derive(Debug)]
pub struct Corked<'a> {
    shared: &'a Arc<Shared>,
    /// A write failed.
    lost: bool,
}

impl<'a> Corked<'a> {
    pub(crate) const fn new(shared: &'a Arc<Shared>) -> Self {
        let lost = false;
        Self { shared, lost }
    }

    /// Whether a write failed: the application probably returned just that error.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Sends a message: a large one at once, after those that wait, and others with the next
    /// write.
    ///
    /// # Errors
    ///
    /// As [`Writer::send`].
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        // A large one is not copied to wait: it leaves now, after those that waited.
        if len >= BY_REFERENCE {
            return self.send_now(message);
        }
        let queued = self
            .shared
            .with_context(len, |outgoing| outgoing.send(message));
        match queued {
            Err(SendError::Full { .. }) => self.send_now(message),
            queued => Ok(self.queued(queued)?),
        }
    }

    /// Leaves it to be written when the reader has nothing else to do.
    fn queued(&self, queued: Result<(), SendError>) -> Result<(), SendError> {
        self.shared.has_queued();
        queued
    }

    fn send_now(&mut self, message: Message<'_>) -> Result<(), Error> {
        let sent = self.shared.send(message);
        self.noted(sent)
    }

    fn noted(&mut self, sent: Result<(), Error>) -> Result<(), Error> {
        self.lost |= matches!(sent, Err(Error::Io(_) | Error::TimedOut(_)));
        sent
    }

    /// Sends a message with the next write, and says whether it may be compressed: see
    /// [`Writer::send_with`].
    ///
    /// # Errors
    ///
    /// As [`Writer::send`].
    #[cfg(feature = "deflate")]
    pub fn send_with<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
        compress: Compress,
    ) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        let send = |outgoing: &mut Outgoing| outgoing.send_with(message, compress);
        match self.shared.with_context(len, send) {
            Err(SendError::Full { .. }) => {
                let sent = self.shared.queue_and_wait(len, send);
                self.noted(sent)
            }
            queued => Ok(self.queued(queued)?),
        }
    }

    /// Sends a Ping, with the next write.
    ///
    /// # Errors
    ///
    /// As [`Writer::ping`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        let queued = self.shared.outgoing().ping(payload);
        Ok(self.queued(queued)?)
    }

    /// Starts the closing handshake. Messages that the peer sent before it saw the Close still
    /// arrive.
    ///
    /// # Errors
    ///
    /// As [`Writer::close`].
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Ok(self.shared.queue_close(Close::new(code, reason)?)?)
    }
}
