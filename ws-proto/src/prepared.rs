//! A message for many connections, encoded once.

#[cfg(feature = "deflate")]
use alloc::vec::Vec;

#[cfg(feature = "deflate")]
use crate::deflate::{Deflater, Encoding};
#[cfg(feature = "deflate")]
use crate::error::SendError;
use crate::message::{Message, MessageBuf};

/// A message for many connections: it is compressed once for all of those whose agreement is the
/// same, and not for each.
///
/// ```
/// use ws_proto::{Config, Message, Prepared, Session};
///
/// let mut prepared = Prepared::new(Message::Text("to all of you"));
/// let mut sessions = [(); 3].map(|()| Session::server(&Config::default()));
/// for session in &mut sessions {
///     session.halves().1.send_prepared(&mut prepared)?;
///     assert!(session.unsent().ends_with(b"to all of you"));
/// }
/// # Ok::<(), ws_proto::SendError>(())
/// ```
#[derive(Debug)]
pub struct Prepared {
    message: MessageBuf,
    /// For each agreement that was met, what it looks like compressed.
    #[cfg(feature = "deflate")]
    deflated: Vec<(Encoding, Vec<u8>)>,
}

impl Prepared {
    /// A copy of a message, to be sent with
    /// [`Outgoing::send_prepared`](crate::Outgoing::send_prepared).
    #[must_use]
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        Self {
            message: message.into().to_owned(),
            #[cfg(feature = "deflate")]
            deflated: Vec::new(),
        }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        self.message.as_message()
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn deflated(&mut self, deflater: &mut Deflater) -> Result<&[u8], SendError> {
        let encoding = deflater.encoding();
        let met = self.deflated.iter().position(|(with, _)| *with == encoding);
        let at = match met {
            Some(at) => at,
            None => {
                let message = self.message.as_message().as_bytes();
                let alone = deflater.compress_alone(message)?;
                self.deflated
                    .try_reserve(1)
                    .map_err(|_| SendError::OutOfMemory)?;
                self.deflated.push((encoding, alone));
                self.deflated.len() - 1
            }
        };
        Ok(&self.deflated[at].1)
    }
}
