//! Sending to many: one policy for whoever does not keep up, whatever moves the bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ws_proto::{CloseCode, Error, Message, Prepared, SendError};

/// A sender of an adapter, which can queue without waiting: what a [`Group`] has members of.
pub trait Member {
    /// Queues a message that was prepared for many, without waiting.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the connection is as it was, except for a message that it will not get;
    /// anything else if it is over.
    fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error>;

    /// Starts the closing handshake, after what is queued, and does not wait for it.
    ///
    /// # Errors
    ///
    /// [`Error::Send`].
    fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error>;

    /// Drops the connection at once, without a Close.
    fn abort(&self);
}

/// A set of connections that get the same messages: a room, the subscribers of a feed.
///
/// No member waits for another. A member is closed with 1013 and leaves the group if it takes its
/// messages too slowly, so that more than [`Limits::max_unsent`](ws_proto::Limits::max_unsent) wait
/// for it; if it is being sent fragments when a message comes; or if there is no memory to queue the
/// message for it. If there is no memory for the Close either, the connection is dropped. So no
/// member misses a message without a sign. Clones are the same group.
#[derive(Debug)]
pub struct Group<W> {
    members: Arc<Members<W>>,
}

#[derive(Debug)]
struct Members<W> {
    next: AtomicU64,
    list: Mutex<Vec<(u64, W)>>,
}

/// A place in a [`Group`], given up when it is dropped.
#[derive(Debug)]
#[must_use = "the member leaves when this is dropped"]
pub struct Membership<W> {
    id: u64,
    members: Arc<Members<W>>,
}

impl<W> Group<W> {
    /// Makes an empty group.
    #[must_use]
    pub fn new() -> Self {
        Self {
            members: Arc::new(Members {
                next: AtomicU64::new(0),
                list: Mutex::default(),
            }),
        }
    }

    /// Adds a connection.
    pub fn join(&self, writer: W) -> Membership<W> {
        let id = self.members.next.fetch_add(1, Ordering::Relaxed);
        self.members.list().push((id, writer));
        Membership {
            id,
            members: self.members.clone(),
        }
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.list().len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<W: Member> Group<W> {
    /// Queues a message for every member, and returns for how many. Members that cannot take it
    /// leave the group.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> usize {
        // Encoded once for all of those who have agreed on the same.
        let prepared = Prepared::new(message);
        let mut list = self.members.list();
        list.retain(|(_, writer)| match writer.queue_prepared(&prepared) {
            Ok(()) => true,
            // It is as it was, except for a message that it will never get.
            Err(Error::Send(error)) if error != SendError::Closed => {
                dismiss(writer, error);
                false
            }
            // It is closing or gone: whoever receives from it will see.
            Err(_) => false,
        });
        list.len()
    }
}

/// Closes a healthy connection that could not take a message, and says why.
fn dismiss(writer: &impl Member, error: SendError) {
    let reason = match error {
        SendError::OutOfMemory => "out of memory",
        _ => "too slow",
    };
    // What waits goes first; the deadline of the closing handshake runs.
    let closed = writer.close(CloseCode::TRY_AGAIN_LATER, reason);
    if let Err(Error::Send(SendError::OutOfMemory)) = closed {
        // No memory even for the Close: the end of the stream has to say it.
        writer.abort();
    }
}

impl<W> Members<W> {
    fn list(&self) -> MutexGuard<'_, Vec<(u64, W)>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Clone for Group<W> {
    fn clone(&self) -> Self {
        let members = Arc::clone(&self.members);
        Self { members }
    }
}

impl<W> Default for Group<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> Drop for Membership<W> {
    fn drop(&mut self) {
        self.members.list().retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// A member that queues so, and what became of it.
    struct Fake<'a> {
        queues: Result<(), SendError>,
        closes: Result<(), SendError>,
        became: &'a RefCell<Vec<String>>,
        queued: &'a Cell<usize>,
    }

    impl Member for Fake<'_> {
        fn queue_prepared(&self, _: &Prepared) -> Result<(), Error> {
            self.queues?;
            self.queued.set(self.queued.get() + 1);
            Ok(())
        }

        fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
            let became = format!("{} {reason}", code.get());
            self.became.borrow_mut().push(became);
            Ok(self.closes?)
        }

        fn abort(&self) {
            self.became.borrow_mut().push("aborted".into());
        }
    }

    #[test]
    fn who_cannot_take_a_message_is_dismissed_and_says_why() {
        let none = Err(SendError::OutOfMemory);
        for (queues, closes, becomes) in [
            (Ok(()), Ok(()), &[][..]),
            (
                Err(SendError::Full { limit: 1 }),
                Ok(()),
                &["1013 too slow"],
            ),
            (
                Err(SendError::MessageInProgress),
                Ok(()),
                &["1013 too slow"],
            ),
            (none, Ok(()), &["1013 out of memory"]),
            (none, none, &["1013 out of memory", "aborted"]),
            (Err(SendError::Closed), Ok(()), &[]),
        ] {
            let (became, queued) = (RefCell::default(), Cell::default());
            let fake = |queues, closes| Fake {
                queues,
                closes,
                became: &became,
                queued: &queued,
            };
            let group = Group::new();
            let _it = group.join(fake(queues, closes));
            let other = group.join(fake(Ok(()), Ok(())));
            let left = if queues.is_ok() { 2 } else { 1 };
            assert_eq!(group.clone().send("hello"), left, "{queues:?}");
            // The other got it, whatever became of the first.
            assert_eq!((queued.get(), group.len()), (left, left));
            assert_eq!(*became.borrow(), becomes);
            drop(other);
            assert_eq!(group.is_empty(), left == 1);
        }
    }
}
