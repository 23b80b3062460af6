//! Watching the bytes of a connection, for traces.

use std::fmt;
use std::sync::Arc;

/// Bytes that a connection carries, in the order in which they do. Bytes that we send appear here
/// when we give them to the system, and so before any answer to them. If the connection is lost,
/// the last of them may not have left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tapped<'a> {
    /// The head that was sent in the opening handshake.
    HeadSent(&'a [u8]),
    /// The head that was received in the opening handshake.
    HeadReceived(&'a [u8]),
    /// Bytes sent after it: frames, cut anywhere.
    Sent(&'a [u8]),
    /// Bytes received after it: frames, cut anywhere.
    Received(&'a [u8]),
}

/// Its length, and nothing of what goes over the connection.
impl fmt::Debug for Tapped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, bytes) = match self {
            Self::HeadSent(head) => ("HeadSent", head),
            Self::HeadReceived(head) => ("HeadReceived", head),
            Self::Sent(bytes) => ("Sent", bytes),
            Self::Received(bytes) => ("Received", bytes),
        };
        write!(f, "{what}({} bytes)", bytes.len())
    }
}

#[derive(Clone)]
pub(crate) struct Tap(Arc<dyn Fn(Tapped<'_>) + Send + Sync>);

impl Tap {
    pub(crate) fn new(tap: impl Fn(Tapped<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tap))
    }

    pub(crate) fn call(&self, what: Tapped<'_>) {
        if !matches!(what, Tapped::Sent([]) | Tapped::Received([])) {
            (self.0)(what);
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}
