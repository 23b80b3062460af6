//! A message that is written in parts, as they come (RFC 6455 §5.4, §6.1): one that is longer than the
//! memory it may take.

use alloc::vec::Vec;
use core::fmt;

use crate::close::Close;
use crate::close_code::CloseCode;
use crate::error::SendError;
use crate::header::{Kind, Part};
use crate::outgoing::Outgoing;
use crate::utf8::Utf8;

/// Collects what is written of a message until there is enough for a fragment: for adapters through
/// which an application writes a message like a file.
///
/// ```
/// use ws_proto::{Config, Draft, Kind, Part, Session};
///
/// let mut session = Session::server(&Config::default());
/// let (_, outgoing) = session.halves();
/// let mut draft = Draft::new(Kind::Text);
/// for word in ["never ", "mind"] {
///     assert_eq!(draft.write(word.as_bytes())?, word.len());
/// }
/// draft.send(outgoing, Part::Last)?;
/// assert_eq!(session.unsent(), b"\x81\x0Anever mind");
/// # Ok::<(), ws_proto::SendError>(())
/// ```
///
/// Once a fragment has been sent, the message cannot be taken back. A message that you will not
/// finish has to be [abandoned](Self::abandon).
pub struct Draft {
    kind: Kind,
    bytes: Vec<u8>,
    utf8: Utf8,
    state: State,
}

/// How much of it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Nothing,
    Begun,
    All,
}

impl Draft {
    /// The most that it collects, in bytes: the length of the fragments of a long message. 65,536
    /// fragments, which most peers accept, make 16 GiB.
    pub const MAX: usize = 256 << 10;

    /// Starts a message.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            bytes: Vec::new(),
            utf8: Utf8::new(),
            state: State::Nothing,
        }
    }

    /// Takes as much of `bytes` as there is room for, and returns how many: 0 if it [is
    /// full](Self::is_full).
    ///
    /// # Errors
    ///
    /// [`NotUtf8`](SendError::NotUtf8), [`OutOfMemory`](SendError::OutOfMemory): nothing was taken.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, SendError> {
        let len = bytes.len().min(Self::MAX - self.bytes.len());
        let taken = bytes.get(..len).unwrap_or_default();
        let mut utf8 = self.utf8;
        if self.kind == Kind::Text {
            utf8.push(taken).map_err(|_| SendError::NotUtf8)?;
        }
        let reserved = self.bytes.try_reserve(len);
        reserved.map_err(|_| SendError::OutOfMemory)?;
        self.bytes.extend_from_slice(taken);
        self.utf8 = utf8;
        Ok(len)
    }

    /// Queues the collected bytes as a fragment: the last of the message, or one that more may
    /// follow.
    ///
    /// # Errors
    ///
    /// As [`Outgoing::send_part`]: nothing was queued, and everything is still here.
    /// [`NotUtf8`](SendError::NotUtf8) if a text ends within a character.
    pub fn send(&mut self, outgoing: &mut Outgoing, part: Part) -> Result<(), SendError> {
        if part == Part::Last {
            self.utf8.finish().map_err(|_| SendError::NotUtf8)?;
        }
        if self.state == State::Nothing && outgoing.is_within_fragments() {
            // Its fragments would continue the other message.
            return Err(SendError::MessageInProgress);
        }
        outgoing.send_part(self.kind, &self.bytes, part)?;
        self.bytes.clear();
        self.state = match part {
            Part::More => State::Begun,
            Part::Last => State::All,
        };
        Ok(())
    }

    /// Abandons an unfinished message. If no fragment of it was sent, returns `None`; otherwise
    /// returns the Close (1011) that has to end the connection with it: half a message must not
    /// look like a whole one.
    #[must_use]
    pub fn abandon(&mut self) -> Option<Close<'static>> {
        self.bytes = Vec::new();
        match core::mem::replace(&mut self.state, State::All) {
            State::Begun => Close::new(CloseCode::INTERNAL, "message not finished").ok(),
            State::Nothing | State::All => None,
        }
    }

    /// The number of bytes that were collected and not sent.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no collected byte waits to be sent.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether it takes nothing more until its bytes are [sent](Self::send).
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.bytes.len() == Self::MAX
    }
}

/// Shows how long it is, and nothing of what it says.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("kind", &self.kind)
            .field("len", &self.bytes.len())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
