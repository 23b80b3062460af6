//! Memory that is lent: an event loop has one pair of buffers, and thousands of connections.
//!
//! ```text
//!   attach                          while it is attached            detach
//!   the loop ──▶ lent ──▶ session   lent: what was left, then       lent ──▶ the loop
//!                 own: 7 bytes        what is read;  own: empty      own: 9 bytes, or nothing
//! ```
//!
//! What is left over when a buffer is taken back (a cut header, an unfinished message, unsent
//! bytes) stays with the session in a buffer of its own. That one is kept while it is in use, so
//! that a frame that is cut at each turn asks for no memory at each turn.

use alloc::vec::Vec;
use core::ops::Range;

use crate::assembly::Assembly;
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::try_box::{TryBox, new_box, try_box};

/// A pair of buffers, to be [attached](crate::Session::attach) to a session for a while: one to
/// receive into, one to send from.
///
/// ```
/// use ws_proto::{Buffers, Config, Message, Session, Step};
///
/// let mut buffers = Buffers::new(64 << 10); // one pair for all
/// let mut sessions = [(); 3].map(|()| Session::server(&Config::default()));
/// for session in &mut sessions {
///     session.attach(buffers);
///     session.spare_mut()?[..8].copy_from_slice(b"\x81\x82\0\0\0\0hi"); // one read
///     session.filled(8);
///     let (incoming, outgoing) = session.halves();
///     while let Step::Message(message) = incoming.step(outgoing)? {
///         outgoing.send(message)?;
///     }
///     assert_eq!(session.unsent(), b"\x81\x02hi"); // one write
///     session.sent(4);
///     buffers = session.detach().expect("memory for what is left over: nothing is");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Buffers {
    pub(crate) read: Place<ReadBuffer>,
    pub(crate) write: Place<Outbox>,
}

/// The bytes received, and the message that they continue.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    pub(crate) inbox: Inbox,
    pub(crate) message: Assembly,
}

impl Buffers {
    /// Makes a pair that receives up to `read` bytes at a time, at least [`Limits::MIN_READ`]. The
    /// buffer to send from grows as it is needed.
    #[must_use]
    pub fn new(read: usize) -> Self {
        Self::received(alloc::vec![0; read.max(Limits::MIN_READ)], 0..0)
    }

    /// Makes a pair that holds received bytes already, at `filled` in `bytes`. So a runtime that
    /// owns the buffer while the system fills it can hand it in, and the bytes after the head of a
    /// handshake need not be copied. Leave room for [`Limits::LEFT_OVER`] bytes before them, and
    /// nothing moves after a frame that was cut.
    #[must_use]
    pub fn received(bytes: Vec<u8>, filled: Range<usize>) -> Self {
        let read = ReadBuffer {
            inbox: Inbox::received(bytes, filled),
            message: Assembly::default(),
        };
        Self {
            read: Some(new_box(Held {
                buffer: read,
                aside: Aside::None,
            })),
            write: Some(new_box(Held::default())),
        }
    }

    /// Fills `to` with the pieces to write that [`Outgoing::swap`](crate::Outgoing::swap) has put
    /// here, as many as `to` holds. Returns how many.
    pub fn unsent_slices<'a>(&'a self, to: &mut [&'a [u8]]) -> usize {
        match &self.write {
            Some(held) => held.buffer.unsent_slices(to),
            None => 0,
        }
    }

    /// Reports that the transport has taken the first `len` bytes of [those](Self::unsent_slices).
    pub fn sent(&mut self, len: usize) {
        if let Some(held) = &mut self.write {
            held.buffer.sent(len);
        }
    }

    /// The number of bytes to write.
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.write.as_ref().map_or(0, |held| held.buffer.len())
    }

    /// The memory to send from, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.write.as_ref().map_or(0, |held| held.buffer.memory())
    }

    /// Whether the buffers hold any memory.
    #[must_use]
    pub const fn has_memory(&self) -> bool {
        self.read.is_some() || self.write.is_some()
    }

    /// These buffers, if there are any.
    pub(crate) fn if_any(self) -> Option<Self> {
        self.has_memory().then_some(self)
    }

    /// Takes the memory of the buffer to receive into, for a system that fills it: see
    /// [`received`](Self::received). Empty if there is no buffer.
    #[must_use]
    pub fn take_bytes(&mut self) -> Vec<u8> {
        let Some(read) = self.read.as_mut() else {
            return Vec::new();
        };
        core::mem::take(&mut read.buffer.inbox).into_bytes()
    }
}

/// A buffer in use, and the other one.
#[derive(Debug, Default)]
pub(crate) struct Held<T> {
    pub(crate) buffer: T,
    aside: Aside<T>,
}

/// The other one.
#[derive(Debug, Default)]
enum Aside<T> {
    #[default]
    None,
    /// A lent one is in use: the session's own is empty and waits for what will be left over.
    Own(TryBox<Held<T>>),
    /// The session's own is in use, because there is too much in it to be moved twice: the lent one
    /// waits to be taken back.
    Lent(TryBox<Held<T>>),
}

/// A session's place for a buffer: empty while it is idle.
pub(crate) type Place<T> = Option<TryBox<Held<T>>>;

/// The operations on a buffer that can be lent.
pub(crate) trait Lend: Default {
    /// Whether nothing is in it.
    fn is_empty(&self) -> bool;

    /// Whether so little is in it that it may be copied at each turn.
    fn is_little(&self) -> bool;

    /// Moves all that is in `other` here, before what is here; `false` if there is no memory or it
    /// cannot go there, and then nothing moves.
    fn take_over(&mut self, other: &mut Self) -> bool;

    /// Goes back to its lender, while `other` is dropped; both are empty.
    fn keep_larger(&mut self, _other: &mut Self) {}
}

/// The most that may be copied at each turn, in bytes.
const LITTLE: usize = 4096;

impl Lend for ReadBuffer {
    fn is_empty(&self) -> bool {
        self.inbox.is_empty() && self.message.is_empty()
    }

    fn is_little(&self) -> bool {
        self.inbox.unread().len() <= LITTLE
    }

    fn take_over(&mut self, other: &mut Self) -> bool {
        let moved = self.inbox.take_over(&mut other.inbox).is_ok();
        if moved && !other.message.is_empty() {
            self.message.take_over(&mut other.message);
        }
        moved
    }

    fn keep_larger(&mut self, other: &mut Self) {
        self.message.keep_larger(&mut other.message);
    }
}

impl Lend for Outbox {
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_little(&self) -> bool {
        self.own_len() <= LITTLE
    }

    fn take_over(&mut self, other: &mut Self) -> bool {
        // Bytes that were swapped out of a session and not written belong to no other.
        self.is_empty() && self.take_over(other).is_ok()
    }
}

/// The buffer that is kept at `place`, made if it is not there.
pub(crate) fn make<T: Default>(place: &mut Place<T>) -> Option<&mut T> {
    if place.is_none() {
        *place = Some(try_box(Held::default())?);
    }
    place.as_mut().map(|held| &mut held.buffer)
}

/// Puts a lent buffer to use; `false` if what was received in it is lost for want of memory.
#[inline]
pub(crate) fn attach<T: Lend>(place: &mut Place<T>, lent: TryBox<Held<T>>) -> bool {
    // The common case: nothing was left over.
    if place.is_none() {
        *place = Some(lent);
        return true;
    }
    attach_before(place, lent)
}

/// Puts a lent buffer to use, before which something was left over.
#[inline(never)]
fn attach_before<T: Lend>(place: &mut Place<T>, mut lent: TryBox<Held<T>>) -> bool {
    let Some(mut own) = place.take() else {
        return false;
    };
    // Of an earlier pair that was not taken back: nothing is in it.
    own.aside = Aside::None;
    let received = !lent.buffer.is_empty();
    let moves = received || own.buffer.is_little();
    let (used, kept) = if moves && lent.buffer.take_over(&mut own.buffer) {
        lent.aside = Aside::Own(own);
        (lent, true)
    } else {
        own.aside = Aside::Lent(lent);
        (own, !received)
    };
    *place = Some(used);
    kept
}

/// Takes back what was lent, or whatever is in use. `None` if there is nothing, or no memory for
/// what is left over: then it stays.
#[inline]
pub(crate) fn detach<T: Lend>(place: &mut Place<T>) -> Place<T> {
    // The common case: nothing is left over, and nothing was.
    let nothing = |held: &Held<T>| matches!(held.aside, Aside::None) && held.buffer.is_empty();
    if place.as_ref().is_some_and(|held| nothing(held)) {
        return place.take();
    }
    detach_any(place)
}

#[inline(never)]
fn detach_any<T: Lend>(place: &mut Place<T>) -> Place<T> {
    let mut used = place.take()?;
    let own = match core::mem::take(&mut used.aside) {
        Aside::Lent(lent) => {
            if !used.buffer.is_empty() {
                *place = Some(used);
            }
            return Some(lent);
        }
        Aside::Own(mut own) if used.buffer.is_empty() => {
            used.buffer.keep_larger(&mut own.buffer);
            return Some(used);
        }
        _ if used.buffer.is_empty() => return Some(used),
        Aside::Own(own) => Some(own),
        Aside::None => try_box(Held::default()),
    };
    let Some(mut own) = own else {
        *place = Some(used);
        return None;
    };
    if own.buffer.take_over(&mut used.buffer) {
        *place = Some(own);
        return Some(used);
    }
    used.aside = Aside::Own(own);
    *place = Some(used);
    None
}
