//! Moving bytes over a socket until an absolute deadline.

use std::io;
use std::time::Duration;

use ws_proto::Instant;

use crate::clock::Clock;
use crate::stream::{Stream, is_timeout};

/// The moment after which we give up on a peer, however slowly it sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline<'c> {
    clock: &'c Clock,
    /// `None` means never.
    at: Option<Instant>,
}

impl<'c> Deadline<'c> {
    pub(crate) const fn at(clock: &'c Clock, at: Option<Instant>) -> Self {
        Self { clock, at }
    }

    pub(crate) fn after(clock: &'c Clock, patience: Duration) -> Self {
        Self::at(clock, Some(clock.now().after(patience)))
    }

    pub(crate) fn now(self) -> Instant {
        self.clock.now()
    }

    /// The time that is left.
    pub(crate) fn left(self) -> io::Result<Duration> {
        let Some(at) = self.at else {
            return Ok(Duration::MAX);
        };
        let left = at.saturating_duration_since(self.clock.now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }

    /// Makes one read; 0 at the end of the stream.
    pub(crate) fn read(self, stream: &Stream, room: &mut [u8]) -> io::Result<usize> {
        loop {
            stream.set_read_timeout(self.left()?)?;
            match stream.read(room) {
                Ok(len) => return Ok(len),
                // `left` says whether the time is up.
                Err(error) if is_timeout(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes everything within the time that is left, however slowly it is taken.
    pub(crate) fn write(self, stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
        // Nearly always all of it is taken at once, and nothing has to be timed.
        let mut written = stream.write_at_once(&[bytes], bytes.len());
        loop {
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => bytes = &bytes[len..],
                // `left` says whether the time is up.
                Err(error) if is_timeout(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if bytes.is_empty() {
                return Ok(());
            }
            stream.set_write_timeout(self.left()?)?;
            written = stream.write(&[bytes], bytes.len());
        }
    }

    /// The earlier of this and `patience` from now.
    pub(crate) fn at_most(self, patience: Duration) -> Self {
        let soon = self.clock.now().after(patience);
        let at = self.at.map_or(soon, |at| at.min(soon));
        Self::at(self.clock, Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_has_passed_leaves_nothing() {
        let clock = Clock::manual();
        let deadline = Deadline::after(&clock, Duration::from_secs(3600));
        assert_eq!(deadline.left().unwrap(), Duration::from_secs(3600));
        clock.advance(Duration::from_secs(3599));
        assert_eq!(deadline.left().unwrap(), Duration::from_secs(1));
        clock.advance(Duration::from_secs(1));
        let error = deadline.left().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn of_two_deadlines_the_earlier_counts() {
        let (clock, minute) = (Clock::manual(), Duration::from_secs(60));
        for (deadline, left) in [
            (Deadline::after(&clock, minute), 2),
            (Deadline::after(&clock, Duration::from_secs(1)), 1),
            (Deadline::after(&clock, Duration::MAX), 2),
            (Deadline::at(&clock, None), 2),
        ] {
            let sooner = deadline.at_most(Duration::from_secs(2));
            assert_eq!(sooner.left().unwrap(), Duration::from_secs(left));
        }
        assert_eq!(Deadline::at(&clock, None).left().unwrap(), Duration::MAX);
    }
}
