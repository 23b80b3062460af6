//! Bytes to send to a proxy.

use std::fmt;

use super::error::TunnelError;

/// Bytes that wait to be written, which may hold a password.
pub(super) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Unsent {
    pub(super) const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, sent: 0 }
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn sent(&mut self, len: usize) {
        self.sent = self.sent.saturating_add(len).min(self.bytes.len());
    }

    /// Checks that the proxy can have read it.
    pub(super) fn check(&self) -> Result<(), TunnelError> {
        match self.rest() {
            [] => Ok(()),
            _ => Err(TunnelError::Unasked),
        }
    }
}

impl fmt::Debug for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.rest().len())
    }
}
