//! Numbers as people read them.

use std::fmt;

/// Nanoseconds in the unit that suits them, with three digits.
pub(super) fn time(nanos: u64) -> String {
    Amount::of(
        nanos,
        &[
            ("ns", 1),
            ("µs", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
        ],
    )
    .to_string()
}

/// An amount of something with the unit it is shown in.
pub(super) struct Amount {
    number: f64,
    unit: &'static str,
}

impl Amount {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn of(amount: u64, units: &[(&'static str, u64)]) -> Self {
        // Half a unit of the third digit more would be shown as the next unit's 1.
        let fits = |&&(_, size): &&(&str, u64)| amount as f64 >= size as f64 * 0.9995;
        let (unit, size) = units.iter().rev().find(fits).copied().unwrap_or(units[0]);
        Self {
            number: amount as f64 / size as f64,
            unit,
        }
    }

    pub(super) fn per_second(bytes: f64) -> Self {
        Self::of(
            whole(bytes),
            &[
                ("B/s", 1),
                ("kB/s", 1_000),
                ("MB/s", 1_000_000),
                ("GB/s", 1_000_000_000),
            ],
        )
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.number {
            ..9.995 => 2,
            ..99.95 => 1,
            _ => 0,
        };
        let number = format!("{:.digits$}", self.number);
        let number = match number.split_once('.') {
            Some((whole, part)) if part.bytes().all(|digit| digit == b'0') => whole,
            _ => &*number,
        };
        write!(f, "{number} {}", self.unit)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates and times are positive, and far below 2^64"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// A number with its digits in groups: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (1_250, "1.25 µs"),
            (31_449, "31.4 µs"),
            (99_960, "100 µs"),
            (999_499, "999 µs"),
            (999_600, "1 ms"),
            (2_500_000_000, "2.50 s"),
            (3_600_000_000_000, "3600 s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(time(nanos), text, "{nanos}");
        }
    }
}
