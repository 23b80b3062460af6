//! A message for many connections, encoded once.

#[cfg(feature = "deflate")]
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

#[cfg(feature = "deflate")]
use once_cell::race::OnceBox;

#[cfg(feature = "deflate")]
use crate::deflate::{Deflater, Encoding, ask_for};
#[cfg(feature = "deflate")]
use crate::error::SendError;
use crate::message::Message;

/// A message for many connections. It is compressed once for all connections with the same
/// agreement, and their queues refer to a payload of 4 KiB or more instead of copying it. Threads
/// can share it.
///
/// ```
/// use ws_proto::{Config, Message, Prepared, Session};
///
/// let prepared = Prepared::new(Message::Text("to all of you"));
/// let mut sessions = [(); 3].map(|()| Session::server(&Config::default()));
/// for session in &mut sessions {
///     session.send_prepared(&prepared)?;
///     assert!(session.unsent().ends_with(b"to all of you"));
/// }
/// # Ok::<(), ws_proto::SendError>(())
/// ```
pub struct Prepared {
    message: Shared,
    /// Its compressed form for each size of window. Connections of one program have the same level
    /// and memory; one that differs compresses for itself.
    #[cfg(feature = "deflate")]
    deflated: [OnceBox<(Encoding, Arc<[u8]>)>; Encoding::WINDOWS],
}

enum Shared {
    Text(Arc<str>),
    Binary(Arc<[u8]>),
}

impl Prepared {
    /// Copies a message, to be sent with [`Session::send_prepared`](crate::Session::send_prepared).
    #[must_use]
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        Self {
            message: match message.into() {
                Message::Text(text) => Shared::Text(text.into()),
                Message::Binary(bytes) => Shared::Binary(bytes.into()),
            },
            #[cfg(feature = "deflate")]
            deflated: [const { OnceBox::new() }; Encoding::WINDOWS],
        }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        match &self.message {
            Shared::Text(text) => Message::Text(text),
            Shared::Binary(bytes) => Message::Binary(bytes),
        }
    }

    /// Its payload, shared.
    pub(crate) fn payload(&self) -> Arc<[u8]> {
        match &self.message {
            Shared::Text(text) => text.clone().into(),
            Shared::Binary(bytes) => bytes.clone(),
        }
    }

    /// Its payload, compressed as `deflater` does, and shared.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflated(&self, deflater: &mut Deflater) -> Result<Arc<[u8]>, SendError> {
        let encoding = deflater.encoding();
        let message = self.message().as_bytes();
        // Stable Rust has no way of sharing memory that can fail: it is asked for just before.
        let mut compressed = || -> Result<Arc<[u8]>, SendError> {
            let deflated = deflater.compress_alone(message)?;
            ask_for(deflated.len() + SHARED).map_err(|_| SendError::OutOfMemory)?;
            Ok(deflated.into())
        };
        let Some(place) = self.deflated.get(encoding.place()) else {
            return compressed();
        };
        let (kept, deflated) =
            place.get_or_try_init(|| Ok::<_, SendError>(Box::new((encoding, compressed()?))))?;
        if *kept == encoding {
            return Ok(deflated.clone());
        }
        compressed()
    }
}

/// The memory that sharing takes beyond the payload's bytes, rounded up.
#[cfg(feature = "deflate")]
const SHARED: usize = 128;

/// Shows its length, and nothing of its payload.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("kind", &self.message().kind())
            .field("len", &self.message().as_bytes().len())
            .finish_non_exhaustive()
    }
}
