//! The last bytes of a connection that does not become a WebSocket.

use std::net::Shutdown;
use std::time::{Duration, SystemTime};

use ws_http::{Answer, Body, Refusal};

use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::stream::{Stream, TICK};

/// What is said last, and how long the client has to take it, and again to end its side.
#[derive(Debug)]
pub(super) struct LastWord {
    bytes: Vec<u8>,
    patience: Duration,
}

impl LastWord {
    /// An answer to somebody who waits for it: a page, or a refusal.
    pub(super) const fn answer(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            patience: Answer::PATIENCE,
        }
    }

    /// What is said to somebody for whom nobody waits any more, who has said nothing for too long or
    /// gives way. What is there already is read, so that it destroys no answer.
    pub(super) const fn farewell(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            patience: TICK,
        }
    }

    /// A refusal to somebody who is not let in.
    pub(super) fn refusal(refusal: &Refusal) -> Self {
        Self {
            bytes: refused(refusal),
            patience: REFUSAL,
        }
    }

    /// Writes it, and lets the peer read it.
    pub(super) fn say(&self, stream: &Stream) {
        let clock = Clock::system();
        let written = Deadline::after(&clock, self.patience)
            .write(stream, &self.bytes)
            .and_then(|()| stream.shutdown(Shutdown::Write));
        if written.is_ok() {
            let deadline = Deadline::after(&clock, self.patience);
            let mut dropped = 0;
            stream.linger(|len| {
                dropped += len?;
                let left = deadline.left().ok();
                left.filter(|_| dropped < Answer::DROPPED)
            });
        }
    }
}

/// A refusal to a client of whom nothing was read: written at once or not at all. Keep the socket
/// for a moment, or what the client sends destroys the answer.
pub(super) fn turn_away(stream: &Stream, refusal: &Refusal) {
    let bytes = refused(refusal);
    // There is room in a socket that nothing was written to.
    let _ = stream.write_at_once(&[&bytes], bytes.len());
    let _ = stream.shutdown(Shutdown::Write);
}

/// A refusal as it travels now.
pub(super) fn refused(refusal: &Refusal) -> Vec<u8> {
    refusal.response().encode(Body::Send, SystemTime::now())
}

/// The time that a refused client has to read its answer.
pub(super) const REFUSAL: Duration = Duration::from_secs(1);
