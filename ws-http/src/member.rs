//! The interface that groups need of an adapter's sender.

use std::task::{Context, Poll};

use ws_proto::{CloseCode, Error, Prepared};

/// An adapter's sender, which can queue without waiting: the kind of member that a [`Group`](crate::Group)
/// has.
///
/// It need not be a connection. A link to another machine, which passes on what the group sends, is
/// a member like any other: it [sends to the others](crate::Membership::send_to_others) what comes
/// from there, so no member gets a message twice.
pub trait Member: Send + Sync + 'static {
    /// Queues a message that was prepared for many, without waiting.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if only this message is lost and the connection stays as it was; any other
    /// error if the connection is over.
    fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error>;

    /// Sends a prepared message, and waits for room in the queue: for [`Slow::Wait`](crate::Slow::Wait). The default,
    /// for adapters in which nothing may wait, only queues it.
    ///
    /// # Errors
    ///
    /// As [`queue_prepared`](Self::queue_prepared).
    fn send_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        self.queue_prepared(prepared)
    }

    /// Returns ready if the next message would be queued, or if the connection is over. Otherwise
    /// wakes the task when that may have changed, while it holds no lock of the adapter.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Starts the closing handshake, after what is queued, and does not wait for it.
    ///
    /// # Errors
    ///
    /// [`Error::Send`].
    fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error>;

    /// Drops the connection at once, without a Close.
    fn abort(&self);
}
