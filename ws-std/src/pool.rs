//! Compression contexts that connections share: without takeover nothing is kept in one between
//! two messages, so there need be no more of them than messages compressed at a time.

use std::fmt;
use std::sync::Mutex;

use ws_proto::{Compressor, Outgoing};

use crate::sync::lock;

/// The contexts that nobody uses, at most [`KEPT`].
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Compressor>>);

/// More are given back to the allocator: 150 to 380 KiB each.
const KEPT: usize = 16;

impl Pool {
    /// Runs `send`, which may compress a message of `len` bytes, with one of our contexts if it
    /// needs one.
    pub(crate) fn lend<T>(
        &self,
        outgoing: &mut Outgoing,
        len: usize,
        send: impl FnOnce(&mut Outgoing) -> T,
    ) -> T {
        if !outgoing.wants_compressor(len) {
            return send(outgoing);
        }
        if let Some(compressor) = self.take(outgoing) {
            let _ = outgoing.lend_compressor(compressor);
        }
        let result = send(outgoing);
        if let Some(compressor) = outgoing.take_compressor() {
            self.give(compressor);
        }
        result
    }

    /// Takes out one that compresses as it was agreed on.
    fn take(&self, outgoing: &Outgoing) -> Option<Compressor> {
        let mut kept = lock(&self.0);
        let suits = |compressor: &Compressor| outgoing.suits_compressor(compressor);
        let at = kept.iter().rposition(suits)?;
        Some(kept.remove(at))
    }

    /// The oldest makes room: contexts of its kind are asked for less.
    fn give(&self, compressor: Compressor) {
        let mut kept = lock(&self.0);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(compressor);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
