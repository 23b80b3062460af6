//! The time of day, in numbers and as RFC 3339 text.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, shown as `2025-11-13T02:13:20.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Utc {
    since_epoch: Duration,
}

impl Utc {
    pub(crate) fn now() -> Self {
        // A clock set before 1970 shows 1970.
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self { since_epoch }
    }

    /// Milliseconds since 1970.
    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    /// The time to the next full second.
    pub(crate) fn to_next_second(self) -> Duration {
        Duration::from_secs(1) - Duration::from_nanos(self.since_epoch.subsec_nanos().into())
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.since_epoch.as_secs();
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            second / 3600,
            second / 60 % 60,
            second % 60,
            self.since_epoch.subsec_millis(),
        )
    }
}

/// The date of the day that is `days` after 1970-01-01.
///
/// Years begin in March here, so that the leap day is the last of its year; an era is the 400
/// years after which the calendar repeats.
const fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + 719_468; // since 0000-03-01
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let new_year = (month <= 2) as u64;
    (400 * era + year + new_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_as_text() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
            (1_763_000_000_000, "2025-11-13T02:13:20.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (millis, text) in cases {
            let since_epoch = Duration::from_millis(millis);
            assert_eq!(Utc { since_epoch }.to_string(), text);
        }
    }

    /// Every day of two eras, against a calendar that counts.
    #[test]
    fn every_date_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..2 * 146_097 {
            assert_eq!(date(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let len = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > len {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }

    #[test]
    fn the_next_second_is_near() {
        let at = |millis| Utc {
            since_epoch: Duration::from_millis(millis),
        };
        assert_eq!(at(1000).to_next_second(), Duration::from_secs(1));
        assert_eq!(at(1999).to_next_second(), Duration::from_millis(1));
    }
}
