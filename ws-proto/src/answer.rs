//! From what is received to what is sent: the one direction of influence between the halves.

use crate::error::ProtocolError;
use crate::outgoing::Outgoing;

/// The way to the [`Outgoing`] half, for what is received and needs an answer: a Ping, a Close, a
/// violation. Nothing else uses it, so a lock on that half stays free while messages are received.
///
/// For one thread it is the half itself. For two it is a lock:
///
/// ```
/// use std::sync::{Mutex, PoisonError};
/// use ws_proto::{Answer, Config, Outgoing, Session};
///
/// struct Locked<'a>(&'a Mutex<Outgoing>);
///
/// impl Answer for Locked<'_> {
///     fn with<T>(&mut self, answer: impl FnOnce(&mut Outgoing) -> T) -> T {
///         answer(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
///     }
/// }
///
/// let (mut incoming, outgoing) = Session::server(&Config::default()).split();
/// let outgoing = Mutex::new(outgoing);
/// incoming.push(b"\x89\x80\0\0\0\0"); // a Ping
/// let _ = incoming.step(&mut Locked(&outgoing))?;
/// assert_eq!(outgoing.lock().unwrap().unsent(), b"\x8A\x00"); // the Pong
/// # Ok::<(), ws_proto::ProtocolError>(())
/// ```
pub trait Answer {
    /// Calls `answer` with the other half.
    fn with<T>(&mut self, answer: impl FnOnce(&mut Outgoing) -> T) -> T;

    /// Returns the error that the other half has failed with, if it can be read without waiting for
    /// a lock. The receiving half calls it when there is nothing to receive.
    fn failed(&mut self) -> Option<ProtocolError> {
        None
    }
}

impl Answer for Outgoing {
    #[inline]
    fn with<T>(&mut self, answer: impl FnOnce(&mut Self) -> T) -> T {
        answer(self)
    }

    #[inline]
    fn failed(&mut self) -> Option<ProtocolError> {
        self.failure()
    }
}
