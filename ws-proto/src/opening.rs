//! The part that both ends of an opening handshake share: bytes each way, and a deadline (§4).
//!
//! ```text
//!   Received  ┌────────────┬─────────────────┬─────────┐   Unsent  ┌────────┬─────────┐
//!             │    head    │ frames after it │  spare  │           │  sent  │  to be  │
//!             └────────────┴─────────────────┴─────────┘           └────────┴─────────┘
//!             0                            filled     len          0      sent       len
//! ```
//!
//! A head is short and comes once, so its bytes stay where they are until it has been dealt with.
//! Each of the three is a field of its own in [`Connecting`](crate::Connecting) and
//! [`Accepting`](crate::Accepting): what was received is borrowed by what was parsed from it while
//! the answer is written.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Config;
use crate::error::NoRoom;
use crate::handshake::Compression;
use crate::liveness::{Instant, TimedOut, Verdict};
use crate::session::Session;

/// The room to read into at first, in bytes: nearly all heads are shorter.
const PIECE: usize = 2 << 10;

/// The bytes received.
#[derive(Debug, Default)]
pub(crate) struct Received {
    bytes: Vec<u8>,
    filled: usize,
    ended: bool,
}

impl Received {
    /// Makes room for at least one byte, and for `most` at most in all.
    pub(crate) fn spare_mut(&mut self, most: usize) -> Result<&mut [u8], TryReserveError> {
        let room = most.saturating_sub(self.filled).clamp(1, PIECE);
        if self.filled == self.bytes.len() {
            self.bytes.try_reserve(room)?;
            self.bytes.resize(self.filled + room, 0);
        }
        let (_, spare) = self.bytes.split_at_mut(self.filled);
        let room = room.min(spare.len());
        Ok(spare.split_at_mut(room).0)
    }

    pub(crate) fn filled(&mut self, len: usize) {
        self.filled += len.min(self.bytes.len() - self.filled);
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        self.bytes.truncate(self.filled);
        self.bytes.try_reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        self.filled = self.bytes.len();
        Ok(())
    }

    pub(crate) const fn eof(&mut self) {
        self.ended = true;
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        debug_assert!(self.filled <= self.bytes.len(), "only room is filled");
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// The bytes after the first `len`; none if there are no more.
    pub(crate) fn after(&self, len: usize) -> &[u8] {
        self.as_slice().get(len..).unwrap_or_default()
    }

    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        self.bytes.truncate(self.filled);
        self.bytes
    }
}

/// The bytes to send.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Unsent {
    /// Takes what `encode` writes, in a buffer of just that size.
    pub(crate) fn encoded(
        encode: impl Fn(&mut [u8]) -> Result<usize, NoRoom>,
    ) -> Result<Self, TryReserveError> {
        let mut bytes = Vec::new();
        while let Err(short) = encode(&mut bytes) {
            bytes.try_reserve_exact(short.needed)?;
            bytes.resize(short.needed, 0);
        }
        Ok(Self { bytes, sent: 0 })
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        debug_assert!(
            self.sent <= self.bytes.len(),
            "no more is sent than there is"
        );
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(crate) fn sent(&mut self, len: usize) {
        self.sent += len.min(self.bytes.len() - self.sent);
    }
}

impl From<Vec<u8>> for Unsent {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, sent: 0 }
    }
}

/// An absolute deadline: however slowly the peer sends, it is not put off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    timeout: Duration,
    /// Time begins with the first look at the clock.
    deadline: Option<Instant>,
}

impl Patience {
    pub(crate) const fn new(timeout: Duration) -> Self {
        let deadline = None;
        Self { timeout, deadline }
    }

    pub(crate) fn check(&mut self, now: Instant) -> Verdict {
        let deadline = *self.deadline.get_or_insert_with(|| now.after(self.timeout));
        if now >= deadline {
            return Verdict::Dead(TimedOut::Handshake);
        }
        Verdict::Alive {
            wake: Some(deadline),
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Gives as much time again, from the next look at the clock on.
    pub(crate) const fn restart(&mut self) {
        self.deadline = None;
    }
}

/// Makes the session do what the two ends agreed on, and gives it what followed the head.
pub(crate) fn opened(
    session: Session,
    config: &Config,
    agreed: Option<Compression>,
    rest: &[u8],
) -> Session {
    let mut session = match (config, agreed) {
        #[cfg(feature = "deflate")]
        (
            Config {
                deflate: Some(deflate),
                ..
            },
            Some(agreed),
        ) => session.compressed(deflate, &agreed),
        _ => session,
    };
    session.push(rest);
    session
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_gets_just_the_room_it_needs() {
        for len in [0, 1, 511, 512, 513, 100_000] {
            let encoded = Unsent::encoded(|out| match out.get_mut(..len) {
                Some(out) => {
                    out.fill(7);
                    Ok(len)
                }
                None => Err(NoRoom { needed: len }),
            });
            let encoded = encoded.expect("there is memory");
            assert_eq!(encoded.unsent(), alloc::vec![7; len]);
            assert_eq!(encoded.bytes.capacity(), len);
        }
    }

    #[test]
    fn room_is_used_to_its_end_before_more_is_made() {
        let mut received = Received::default();
        assert_eq!(received.spare_mut(10_000).expect("memory").len(), PIECE);
        received.filled(10);
        assert_eq!(
            received.spare_mut(10_000).expect("memory").len(),
            PIECE - 10
        );
        assert_eq!(received.bytes.len(), PIECE);
        assert_eq!(received.spare_mut(11).expect("memory").len(), 1);
        assert_eq!(
            received.spare_mut(10).expect("memory").len(),
            1,
            "never empty"
        );
        received.push(b"abc").expect("memory");
        assert_eq!(received.as_slice().len(), 13);
        assert_eq!(received.after(10), b"abc");
        assert_eq!(received.after(14), b"");
        assert_eq!(received.spare_mut(20).expect("memory").len(), 7);
        received.filled(7);
        assert_eq!(received.spare_mut(10_000).expect("memory").len(), PIECE);
        assert_eq!(received.into_vec().len(), 20);
    }
}
