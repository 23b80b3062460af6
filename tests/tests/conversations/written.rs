//! What an endpoint at the other end of a socket writes.

use core::time::Duration;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex};

use ws_testkit::Frame;

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

    /// Looks at the end: nothing more may have been written than what was stated, but for the Close
    /// of one that was open and takes its leave.
    pub(crate) fn nothing_left(&self, was_open: bool) -> Result<(), String> {
        let left = self.take(usize::MAX);
        let is_leave = |frame: &Frame| frame.is_close() && frame.payload == [0x03, 0xE9];
        match Frame::decode(&left) {
            None if left.is_empty() => Ok(()),
            Some((frame, len)) if len == left.len() && is_leave(&frame) && was_open => Ok(()),
            _ => Err(format!("the script does not say out {left:x?}")),
        }
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
