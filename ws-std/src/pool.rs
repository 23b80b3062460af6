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
        if !outgoing.wants_compressor(len) {
            return send(outgoing);
        }
        let compressor = lock(&self.0).take(outgoing);
        if let Some(compressor) = compressor {
            let _ = outgoing.lend_compressor(compressor);
        }
        let result = send(outgoing);
        if let Some(compressor) = outgoing.take_compressor() {
            lock(&self.0).give(compressor);
        }
        result
    }
}
