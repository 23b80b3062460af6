//! Engine.IO without Socket.IO: messages as they are.

use std::fmt;

use sio_proto::Message;
use sio_proto::engine::{SendError, Session};

/// What is done with each message of a session.
pub(super) type RawHandler = dyn Fn(&mut Raw<'_>, Message<'_>) + Send + Sync;

/// A session of Engine.IO, while the application handles one of its messages.
pub struct Raw<'a>(pub(super) &'a mut Session);

impl Raw<'_> {
    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`SendError`]: nothing was queued.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.0.send(message)
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
