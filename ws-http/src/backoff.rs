//! When to try again, and whether.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use ws_proto::{CloseCode, Error, Failure, Outgoing, ProtocolError, State};

use crate::request::only;
use crate::tunnel::TunnelError;

/// How long to wait before the next attempt.
///
/// The first wait is up to a second; after that the wait doubles, up to a minute, and each is
/// randomly up to half longer or shorter, so that clients which lost the same server do not all
/// return at once. After a connection that lasts, the waits start over.
///
/// ```
/// use std::time::Duration;
/// use ws_http::Backoff;
///
/// let mut backoff = Backoff::default();
/// let random = 1 << 63; // half of what is possible; fresh each time
/// let waits: Vec<_> = (0..4).map(|_| backoff.next(random).as_secs_f64()).collect();
/// assert_eq!(waits, [0.5, 1.0, 2.0, 4.0]);
/// backoff.lasted(Duration::from_secs(5));
/// assert_eq!(backoff.next(random).as_secs_f64(), 0.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The longest wait before the first attempt, which then doubles. Default: 1 s.
    pub first: Duration,
    /// The longest wait. Default: 60 s.
    pub most: Duration,
    /// How long a connection has to last for the waits to start over. Default: 5 s.
    pub reset_after: Duration,
    failures: u32,
}

impl Backoff {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        first: Duration::from_secs(1),
        most: Duration::from_secs(60),
        reset_after: Duration::from_secs(5),
        failures: 0,
    };

    /// The longest that [`retry_after`] tells a client to wait: a day. A mistake in a header must
    /// not keep a client away for ever.
    pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

    /// Returns how long to wait after one more failure. `random` is 64 fresh bits from the
    /// operating system; fixed ones are for tests.
    pub fn next(&mut self, random: u64) -> Duration {
        // From 0 to 1; the 32 bits are more than a clock can tell apart.
        let chance = (random >> 32) as f64 / f64::from(u32::MAX);
        let (base, share) = match self.failures {
            0 => (self.first, chance),
            failures => {
                let doubled = 1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
                (self.first.saturating_mul(doubled), 0.5 + chance)
            }
        };
        self.failures = self.failures.saturating_add(1);
        let wait = base.min(self.most).as_secs_f64() * share;
        let wait = Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX);
        // Half a nanosecond more or less makes no difference.
        Duration::from_micros(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)).min(self.most)
    }

    /// Reports how long a connection was open.
    pub fn lasted(&mut self, time: Duration) {
        if time >= self.reset_after {
            self.failures = 0;
        }
    }

    /// The number of failed attempts since a connection last lasted.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a connection, or an attempt to make one, ended.
///
/// ```
/// use ws_http::{Ended, StatusCode};
/// use ws_proto::CloseCode;
///
/// assert!(Ended::Status(StatusCode::SERVICE_UNAVAILABLE).is_worth_a_retry());
/// assert!(!Ended::Status(StatusCode::UNAUTHORIZED).is_worth_a_retry());
/// assert!(Ended::Closed(CloseCode::GOING_AWAY).is_worth_a_retry());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The transport failed, or no connection could be made.
    Io,
    /// The peer took too long.
    TimedOut,
    /// The stream ended without a Close: what RFC 6455 calls 1006.
    Eof,
    /// The server refused.
    Status(StatusCode),
    /// The peer closed. A Close without a code counts as 1000.
    Closed(CloseCode),
    /// Either side did something that would be just as wrong the next time.
    Fault,
}

impl Ended {
    /// How an open connection has ended, or `None` if it has not: from what its sending half knows
    /// and from the first failure of its transport. A Close from the peer says more than a failure
    /// after it.
    #[must_use]
    pub fn of(outgoing: &Outgoing, failure: Option<Failure>) -> Option<Self> {
        if let Some(close) = outgoing.peer_close() {
            return Some(Self::Closed(close.code()));
        }
        match (outgoing.state(), failure.map(Error::from)) {
            // The peer had no code, or we were the ones who closed.
            (State::Closing | State::Closed, None) => Some(Self::Closed(CloseCode::NORMAL)),
            (State::Failed(ProtocolError::UnexpectedEof), _) => Some(Self::Eof),
            (State::Failed(_), _) => Some(Self::Fault),
            (_, Some(Error::TimedOut(_))) => Some(Self::TimedOut),
            (_, Some(_)) => Some(Self::Io),
            (State::Open, None) => None,
        }
    }

    /// How an attempt has ended if its proxy did not connect.
    #[must_use]
    pub const fn at_a_proxy(error: &TunnelError) -> Self {
        match error {
            TunnelError::Refused(status) => Self::Status(*status),
            TunnelError::Eof => Self::Eof,
            // It could not reach the server.
            TunnelError::Socks(_) => Self::Io,
            _ => Self::Fault,
        }
    }

    /// Whether another attempt may succeed with nothing changed. After 429 it may, once the time
    /// that [`retry_after`] gives has passed.
    #[must_use]
    pub fn is_worth_a_retry(self) -> bool {
        match self {
            Self::Io | Self::TimedOut | Self::Eof => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504),
            Self::Closed(code) => matches!(code.get(), 1001 | 1012 | 1013),
            Self::Fault => false,
        }
    }
}

/// Returns how long a server asks clients to wait (Retry-After, RFC 9110 §10.2.3), if it does: at
/// most [`Backoff::MAX_RETRY_AFTER`].
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use ws_http::{Response, retry_after};
///
/// let answer = Response::text("").header("retry-after", "120");
/// let wait = retry_after(answer.headers(), SystemTime::now());
/// assert_eq!(wait, Some(Duration::from_secs(120)));
/// ```
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = only(headers, &header::RETRY_AFTER)?.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let wait = if is_number {
        // More than the type holds is more than the most.
        text.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        let at = httpdate::parse_http_date(text).ok()?;
        at.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(Backoff::MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Response;

    #[test]
    fn waits_double_within_their_bounds() {
        let (mut least, mut most) = (Backoff::default(), Backoff::default());
        // In seconds, at both ends of chance.
        for bounds in [
            (0.0, 1.0),
            (0.5, 1.5),
            (1.0, 3.0),
            (2.0, 6.0),
            (4.0, 12.0),
            (8.0, 24.0),
            (16.0, 48.0),
            (30.0, 60.0),
            (30.0, 60.0),
        ] {
            let got = (
                least.next(0).as_secs_f64(),
                most.next(u64::MAX).as_secs_f64(),
            );
            assert_eq!(got, bounds);
        }
        for _ in 0..100 {
            least.next(0);
        }
        assert_eq!(least.next(0).as_secs(), 30);
        least.lasted(Duration::from_millis(4999));
        assert_eq!(least.failures(), 110);
        least.lasted(Duration::from_secs(5));
        assert_eq!(least.failures(), 0);
        assert_eq!(least.next(u64::MAX).as_secs(), 1);
    }

    #[test]
    fn no_setting_is_too_much() {
        let mut backoff = Backoff {
            first: Duration::MAX,
            most: Duration::MAX,
            ..Backoff::DEFAULT
        };
        for random in [u64::MAX, 0, 1 << 63, u64::MAX] {
            backoff.next(random);
        }
        let mut none = Backoff {
            most: Duration::ZERO,
            ..Backoff::DEFAULT
        };
        assert_eq!([none.next(9), none.next(9)], [Duration::ZERO; 2]);
    }

    #[test]
    fn what_is_tried_again() {
        let table = [
            (Ended::Io, true),
            (Ended::TimedOut, true),
            (Ended::Eof, true),
            (Ended::Fault, false),
        ];
        for (ended, again) in table {
            assert_eq!(ended.is_worth_a_retry(), again, "{ended:?}");
        }
        for status in 100..=999 {
            let ended = Ended::Status(StatusCode::from_u16(status).unwrap());
            let again = [429, 500, 502, 503, 504].contains(&status);
            assert_eq!(ended.is_worth_a_retry(), again, "{status}");
        }
        for code in (1000..5000).filter_map(CloseCode::new) {
            let again = [1001, 1012, 1013].contains(&code.get());
            assert_eq!(Ended::Closed(code).is_worth_a_retry(), again, "{code}");
        }
    }

    #[test]
    fn how_long_a_server_wants_to_be_left_alone() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let table = [
            ("120", Some(120)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("86400", Some(86_400)),
            ("86401", Some(86_400)),
            ("18446744073709551615", Some(86_400)),
            ("99999999999999999999", Some(86_400)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
        ];
        for (value, seconds) in table {
            let answer = Response::text("").header("retry-after", value);
            let wait = retry_after(answer.headers(), now);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
