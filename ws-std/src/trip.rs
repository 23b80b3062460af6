//! One attempt to open a connection: how far it has got, and what ended it.

use std::io;
use std::time::Duration;

#[cfg(feature = "tls")]
use ws_http::TlsError;
use ws_http::TunnelError;

use crate::deadline::Deadline;
use crate::error::{ConnectError, Stage, Tried};
use crate::stop::{StopHandle, Stopped};

/// An attempt on its way.
pub(crate) struct Trip<'t> {
    /// One for all of it.
    pub(crate) deadline: Deadline<'t>,
    pub(crate) stop: &'t StopHandle,
    pub(crate) tried: Tried,
    pub(crate) stage: Stage,
}

/// The reason for which an attempt ended, before it is said what was tried.
#[derive(Debug)]
pub(crate) enum Failed {
    Io(io::Error),
    Tunnel(TunnelError),
    #[cfg(feature = "tls")]
    Tls(TlsError),
    /// Another thread ended it.
    Stopped,
    /// It says itself what was tried, or that does not matter.
    Told(ConnectError),
}

impl<'t> Trip<'t> {
    pub(crate) fn new(tried: Tried, deadline: Deadline<'t>, stop: &'t StopHandle) -> Self {
        Self {
            deadline,
            stop,
            tried,
            stage: Stage::Connect,
        }
    }

    /// Says what failed, and what was tried. `patience` is what the deadline was made of.
    pub(crate) fn error(self, failed: Failed, patience: Duration) -> ConnectError {
        let tried = self.tried;
        match failed {
            // No report: the only receiver of one has ended.
            Failed::Stopped => ConnectError::Io {
                tried,
                error: io::ErrorKind::Interrupted.into(),
            },
            Failed::Told(error) => error,
            #[cfg(feature = "tls")]
            Failed::Tls(error) => ConnectError::Tls { tried, error },
            Failed::Tunnel(error) => ConnectError::Proxy { tried, error },
            Failed::Io(error)
                if error.kind() == io::ErrorKind::TimedOut && self.deadline.left().is_err() =>
            {
                ConnectError::Timeout {
                    after: patience,
                    stage: self.stage,
                    tried,
                }
            }
            Failed::Io(error) => self.stage.failed(tried, error),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TunnelError> for Failed {
    fn from(error: TunnelError) -> Self {
        Self::Tunnel(error)
    }
}

#[cfg(feature = "tls")]
impl From<TlsError> for Failed {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<Stopped> for Failed {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<ConnectError> for Failed {
    fn from(error: ConnectError) -> Self {
        Self::Told(error)
    }
}
