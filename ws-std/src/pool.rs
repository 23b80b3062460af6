//! Compression contexts that the threads of connections share.

use std::sync::Mutex;

use ws_proto::{Compressors, Outgoing};

use crate::sync::lock;

#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Compressors>);

impl Pool {
    /// Runs `send`, which may compress a message of `len` bytes, with one of our contexts if it
    /// needs one. The lock is not held while it compresses.
    pub(crate) fn lend<T>(
        &self,
        outgoing: &mut Outgoing,
        len: usize,
        send: impl FnOnce(&mut Outgoing) -> T,
    ) -> T {
        Compressors::lend_from(|visit| visit(&mut lock(&self.0)), outgoing, len, send)
    }
}
