//! The interface that groups need of an adapter's sender.

use std::task::{Context, Poll};

use ws_proto::{CloseCode, Error, Prepared};

/// A sender of an adapter, which can queue without waiting: what a [`Group`](crate::Group) has members of.
///
/// It need not be a connection. A way to another machine, to which it passes on what it is given, is
/// a member as any: what comes from there it [sends to the others](crate::Membership::send_to_others),
/// and so to nobody twice.
pub trait Member: Send + Sync + 'static {
    /// Queues a message that was prepared for many, without waiting.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the connection is as it was, except for a message that it will not get;
    /// anything else if it is over.
    fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error>;

    /// Sends such a message, and waits for room in the queue: for [`Slow::Wait`](crate::Slow::Wait). The default, for
    /// adapters of which nothing may wait, queues it.
    ///
    /// # Errors
    ///
    /// As [`queue_prepared`](Self::queue_prepared).
    fn send_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        self.queue_prepared(prepared)
    }

    /// Whether the next message would be queued, or the connection is over. Otherwise the task is
    /// woken when that may have changed, while no lock of the adapter is held.
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
