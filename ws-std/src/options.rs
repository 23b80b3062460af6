//! The settings of a connection, with their defaults.

use std::time::Duration;

#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::handshake::Compression;
use ws_proto::{Limits, Role, Session, Timeouts};

/// What client and server have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    /// From the connection attempt or from accept to the 101, absolute.
    pub(crate) handshake: Duration,
    /// Off unless asked for.
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<Deflate>,
}

impl Options {
    pub(crate) const DEFAULT: Self = Self {
        limits: Limits::DEFAULT,
        timeouts: Timeouts::DEFAULT,
        handshake: Duration::from_secs(10),
        #[cfg(feature = "deflate")]
        deflate: None,
    };

    /// The bounds to agree on compression within; `None` for none.
    #[cfg_attr(
        not(feature = "deflate"),
        expect(unused_variables, reason = "it has none")
    )]
    pub(crate) fn compression(&self, role: Role) -> Option<Compression> {
        #[cfg(feature = "deflate")]
        return self.deflate.map(|deflate| deflate.bounds(role));
        #[cfg(not(feature = "deflate"))]
        None
    }

    /// Has a session do what was agreed on.
    pub(crate) fn agreed(&self, session: Session, agreed: Option<Compression>) -> Session {
        match (agreed, self) {
            #[cfg(feature = "deflate")]
            (
                Some(agreed),
                Self {
                    deflate: Some(deflate),
                    limits,
                    ..
                },
            ) => session.compressed(deflate, &agreed, limits),
            _ => session,
        }
    }
}
