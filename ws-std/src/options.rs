//! The settings of a connection, with their defaults.

use std::time::Duration;

use ws_proto::{Limits, Timeouts};

/// What client and server have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    /// From the connection attempt or from accept to the 101, absolute.
    pub(crate) handshake: Duration,
}

impl Options {
    pub(crate) const DEFAULT: Self = Self {
        limits: Limits::DEFAULT,
        timeouts: Timeouts::DEFAULT,
        handshake: Duration::from_secs(10),
    };
}
