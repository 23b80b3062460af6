//! What an endpoint at the other end of a socket writes.

use core::time::Duration;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex};

/// What the endpoint wrote and was not compared yet.
#[derive(Default)]
pub(crate) struct Written {
    bytes: Mutex<(Vec<u8>, bool)>,
    more: Condvar,
}

impl Written {
    /// Reads until the endpoint ends its side, then ends the peer's.
    pub(crate) fn read(&self, mut peer: &TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let len = peer.read(&mut buffer).unwrap_or_default();
            let mut written = self.bytes.lock().expect("nobody panics with it");
            written.0.extend(&buffer[..len]);
            written.1 = len == 0;
            self.more.notify_all();
            if len == 0 {
                break;
            }
        }
        let _ = peer.shutdown(Shutdown::Write);
    }

    /// Takes the next `len` bytes, or all there are when nothing more comes.
    pub(crate) fn take(&self, len: usize) -> Vec<u8> {
        let written = self.bytes.lock().expect("nobody panics with it");
        let patience = Duration::from_secs(5);
        let enough = |written: &mut (Vec<u8>, bool)| written.0.len() < len && !written.1;
        let waited = self.more.wait_timeout_while(written, patience, enough);
        let (mut written, _) = waited.expect("nobody panics with it");
        let len = len.min(written.0.len());
        written.0.drain(..len).collect()
    }
}
