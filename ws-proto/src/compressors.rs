//! Compression contexts that connections share (RFC 7692 §7.1.1): without takeover nothing is kept
//! in one between two messages, so there need be no more of them than messages compressed at a
//! time.

use alloc::vec::Vec;
use core::fmt;

use crate::deflate::Compressor;
use crate::outgoing::Outgoing;

/// A pool of compression contexts that no connection is using: by default at most
/// [`KEPT`](Self::KEPT).
///
/// ```
/// use ws_proto::{Compressors, Config, Session};
///
/// let mut shared = Compressors::default();
/// let mut session = Session::server(&Config::default());
/// let message = "to be compressed, if that was agreed on";
/// shared.lend(session.halves().1, message.len(), |outgoing| outgoing.send(message))?;
/// # Ok::<(), ws_proto::SendError>(())
/// ```
pub struct Compressors {
    kept: Vec<Compressor>,
    most: usize,
}

impl Compressors {
    /// The most contexts that it keeps, of 150 to 380 KiB each. It frees the others.
    pub const KEPT: usize = 16;

    /// Makes a pool that keeps at most `most` contexts: fewer than [`KEPT`](Self::KEPT) where each
    /// thread has some, for example.
    #[must_use]
    pub const fn keeping(most: usize) -> Self {
        let kept = Vec::new();
        Self { kept, most }
    }

    /// Runs `send`, which may compress a message of `len` bytes, with one of these contexts if it
    /// needs one.
    pub fn lend<T>(
        &mut self,
        outgoing: &mut Outgoing,
        len: usize,
        send: impl FnOnce(&mut Outgoing) -> T,
    ) -> T {
        Self::lend_from(|visit| visit(self), outgoing, len, send)
    }

    /// Does the same where a lock has to be taken first: `open` takes the lock and calls its
    /// argument, before `send` and after it. The lock is not held while anything is compressed.
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use ws_proto::{Compressors, Config, Session};
    ///
    /// let shared = Mutex::new(Compressors::default());
    /// let mut session = Session::server(&Config::default());
    /// let message = "to be compressed, if that was agreed on";
    /// Compressors::lend_from(
    ///     |visit| visit(&mut shared.lock().unwrap()),
    ///     session.halves().1,
    ///     message.len(),
    ///     |outgoing| outgoing.send(message),
    /// )?;
    /// # Ok::<(), ws_proto::SendError>(())
    /// ```
    pub fn lend_from<T>(
        mut open: impl FnMut(&mut dyn FnMut(&mut Self)),
        outgoing: &mut Outgoing,
        len: usize,
        send: impl FnOnce(&mut Outgoing) -> T,
    ) -> T {
        if !outgoing.wants_compressor(len) {
            return send(outgoing);
        }
        open(&mut |these| {
            if let Some(compressor) = these.take(outgoing) {
                let _ = outgoing.lend_compressor(compressor);
            }
        });
        let result = send(outgoing);
        let mut used = outgoing.take_compressor();
        if used.is_some() {
            open(&mut |these| {
                if let Some(compressor) = used.take() {
                    these.give(compressor);
                }
            });
        }
        result
    }

    /// Takes out one that compresses as it was agreed on.
    fn take(&mut self, outgoing: &Outgoing) -> Option<Compressor> {
        let suits = |compressor: &Compressor| outgoing.suits_compressor(compressor);
        let at = self.kept.iter().rposition(suits)?;
        Some(self.kept.remove(at))
    }

    /// Keeps one that is not used any more. The oldest makes room: contexts of its kind are asked
    /// for less.
    fn give(&mut self, compressor: Compressor) {
        self.kept.push(compressor);
        if self.kept.len() > self.most {
            self.kept.remove(0);
        }
    }
}

impl Default for Compressors {
    fn default() -> Self {
        Self::keeping(Self::KEPT)
    }
}

impl fmt::Debug for Compressors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressors")
            .field("kept", &self.kept.len())
            .finish()
    }
}
