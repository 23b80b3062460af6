//! `Debug` for payloads, which shows only their length: what people write to each other stays out
//! of logs.

use core::fmt;

/// The length of a payload, in its place.
pub(crate) struct Length(pub(crate) usize);

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

/// Shows a payload of `len` bytes, with a name before it.
pub(crate) fn show(f: &mut fmt::Formatter<'_>, name: &str, len: usize) -> fmt::Result {
    f.debug_tuple(name).field(&Length(len)).finish()
}
