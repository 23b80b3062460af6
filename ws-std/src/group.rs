//! Sending to many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ws_proto::{CloseCode, Message, Prepared, SendError};

use crate::error::Error;
use crate::sync::lock;
use crate::writer::Writer;

/// A set of connections that get the same messages: a room, the subscribers of a feed.
///
/// No member waits for another. A member is closed with 1013 and leaves the group if it takes its
/// messages too slowly, so that more than [`Limits::max_unsent`](ws_proto::Limits::max_unsent) wait
/// for it; if it is being sent [fragments](Writer::send_part) when a message comes; or if there is
/// no memory to queue the message for it. If there is no memory for the Close either, the
/// connection is [dropped](Writer::abort). So no member misses a message without a sign. Clones are
/// the same group.
///
/// ```no_run
/// use ws_std::{Group, Server};
///
/// let everyone = Group::new();
/// Server::bind("127.0.0.1:9001")?
///     .websocket("/chat", move |mut ws, _request| {
///         let _member = everyone.join(ws.writer()); // until it is dropped
///         ws.for_each(|message, _| {
///             everyone.send(message);
///             Ok::<_, ws_std::Error>(())
///         })
///     })
///     .run()
/// # ; Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Group {
    members: Arc<Members>,
}

#[derive(Debug, Default)]
struct Members {
    next: AtomicU64,
    list: Mutex<Vec<(u64, Writer)>>,
}

/// A place in a [`Group`], given up when it is dropped.
#[derive(Debug)]
#[must_use = "the member leaves when this is dropped"]
pub struct Membership {
    id: u64,
    members: Arc<Members>,
}

impl Group {
    /// Makes an empty group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a connection.
    pub fn join(&self, writer: Writer) -> Membership {
        let id = self.members.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.members.list).push((id, writer));
        Membership {
            id,
            members: self.members.clone(),
        }
    }

    /// Queues a message for every member, and returns for how many. Members that cannot take it
    /// leave the group.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> usize {
        // Encoded once for all of those who have agreed on the same.
        let prepared = Prepared::new(message);
        let mut list = lock(&self.members.list);
        list.retain(|(_, writer)| match writer.queue_prepared(&prepared) {
            Ok(()) => true,
            // It is closing or gone: its own thread will see.
            Err(
                Error::Send(SendError::Closed)
                | Error::Protocol(_)
                | Error::TimedOut(_)
                | Error::Io(_),
            ) => false,
            // It is as it was, except for a message that it will never get.
            Err(Error::Send(error)) => {
                dismiss(writer, error);
                false
            }
        });
        list.len()
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.members.list).len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Closes a healthy connection that could not take a message, and says why.
fn dismiss(writer: &Writer, error: SendError) {
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

impl Drop for Membership {
    fn drop(&mut self) {
        lock(&self.members.list).retain(|(id, _)| *id != self.id);
    }
}
