//! One attempt to open a connection: how far it has come, for its error.

use std::io;
use std::time::Duration;

#[cfg(feature = "tls")]
use ws_http::TlsError;
use ws_http::TunnelError;
use ws_proto::handshake::Uri;

use crate::error::{ConnectError, Stage, Tried};

/// An attempt on its way. A caller that stops waiting for it still has this.
pub(crate) struct Trip {
    pub(crate) tried: Tried,
    pub(crate) stage: Stage,
}

impl Trip {
    /// Before it is known where to.
    pub(crate) const fn new() -> Self {
        Self {
            tried: Tried::new(String::new()),
            stage: Stage::Connect,
        }
    }

    /// Begins with the host of a URL.
    pub(crate) fn begin(&mut self, uri: &Uri<'_>, stage: Stage) {
        (self.tried, self.stage) = (Tried::host_of(uri), stage);
    }

    /// The transport failed.
    pub(crate) fn io(&self, error: io::Error) -> ConnectError {
        self.stage.failed(self.tried.clone(), error)
    }

    /// The proxy does not connect.
    pub(crate) fn tunnel(&self, error: TunnelError) -> ConnectError {
        let tried = self.tried.clone();
        ConnectError::Proxy { tried, error }
    }

    /// There is no TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(&self, error: TlsError) -> ConnectError {
        let tried = self.tried.clone();
        ConnectError::Tls { tried, error }
    }

    /// The time is up.
    pub(crate) fn timed_out(self, after: Duration) -> ConnectError {
        let Self { tried, stage } = self;
        ConnectError::Timeout {
            after,
            stage,
            tried,
        }
    }
}
