//! What was measured, for people and as JSON.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::histogram::Rows;

/// The result of a run. Its fields, with those of the setup, are those of the JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    setup: Setup,
    seconds: f64,
    messages: u64,
    messages_per_second: f64,
    /// Of payload, each way.
    bytes_per_second: f64,
    latency_us: Latency,
    errors: u64,
}

/// What was run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setup {
    pub(crate) url: String,
    pub(crate) connections: usize,
    pub(crate) in_flight: u64,
    pub(crate) size: usize,
    pub(crate) kind: &'static str,
    /// Whether it was agreed on.
    pub(crate) deflate: bool,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    min: f64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl Report {
    #[expect(clippy::cast_precision_loss, reason = "rates are not exact anyway")]
    pub(crate) fn new(
        setup: Setup,
        time: Duration,
        latencies: &Histogram<u64>,
        errors: u64,
    ) -> Self {
        let seconds = time.as_secs_f64();
        let messages = latencies.len();
        let messages_per_second = messages as f64 / seconds.max(1e-9);
        Self {
            seconds,
            messages,
            messages_per_second,
            bytes_per_second: messages_per_second * setup.size as f64,
            latency_us: Latency::of(latencies),
            errors,
            setup,
        }
    }

    /// Shows it with a histogram, in so many columns.
    pub(crate) const fn shown<'a>(
        &'a self,
        latencies: &'a Histogram<u64>,
        columns: usize,
    ) -> impl fmt::Display + 'a {
        Shown {
            report: self,
            latencies,
            columns,
        }
    }
}

impl Latency {
    #[expect(clippy::cast_precision_loss, reason = "three digits of them count")]
    fn of(latencies: &Histogram<u64>) -> Self {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let at = |quantile| micros(latencies.value_at_quantile(quantile));
        Self {
            min: micros(latencies.min()),
            mean: latencies.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: micros(latencies.max()),
        }
    }
}

struct Shown<'a> {
    report: &'a Report,
    latencies: &'a Histogram<u64>,
    columns: usize,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            messages,
            seconds,
            messages_per_second: rate,
            bytes_per_second: bytes,
            latency_us: latency,
            ..
        } = self.report;
        writeln!(
            f,
            "messages    {} in {seconds:.2} s\n\
             throughput  {} messages/s, {} each way\n",
            grouped(*messages),
            grouped(whole(*rate)),
            Amount::per_second(*bytes),
        )?;
        let named = [
            ("min", latency.min),
            ("p50", latency.p50),
            ("p90", latency.p90),
            ("p99", latency.p99),
            ("p99.9", latency.p99_9),
            ("max", latency.max),
            ("mean", latency.mean),
        ];
        write!(f, "latency   ")?;
        for (name, _) in named {
            write!(f, "{name:>9}")?;
        }
        write!(f, "\n          ")?;
        for (_, micros) in named {
            write!(f, "{:>9}", time(whole(micros * 1e3)))?;
        }
        let values: Vec<_> = self
            .latencies
            .iter_recorded()
            .map(|value| (value.value_iterated_to(), value.count_at_value()))
            .collect();
        write!(f, "\n\n{}", Rows::new(&values, self.columns))
    }
}

/// Nanoseconds in the unit that suits them, with three digits.
pub(crate) fn time(nanos: u64) -> String {
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
struct Amount {
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

    fn per_second(bytes: f64) -> Self {
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
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// A number with its digits in groups: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
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

    fn report(latencies: &Histogram<u64>) -> Report {
        let setup = Setup {
            url: "ws://h/\"".into(),
            connections: 2,
            in_flight: 3,
            size: 16,
            kind: "binary",
            deflate: false,
        };
        Report::new(setup, Duration::from_millis(500), latencies, 0)
    }

    #[test]
    fn json_holds_what_was_measured() {
        let mut latencies = Histogram::new(3).unwrap();
        latencies.record_n(1_000, 99).unwrap();
        latencies.record(2_000).unwrap();
        let json = serde_json::to_value(report(&latencies)).unwrap();
        let expected = serde_json::json!({
            "url": "ws://h/\"", "connections": 2, "in_flight": 3, "size": 16, "kind": "binary",
            "deflate": false, "seconds": 0.5, "messages": 100, "messages_per_second": 200.0,
            "bytes_per_second": 3200.0,
            "latency_us": {"min": 1.0, "mean": 1.01, "p50": 1.0, "p90": 1.0, "p99": 1.0,
                "p99_9": 2.0, "max": 2.0},
            "errors": 0,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn people_get_a_page() {
        let mut latencies = Histogram::new(3).unwrap();
        latencies.record_n(1_000, 99).unwrap();
        latencies.record(2_000).unwrap();
        let shown = report(&latencies).shown(&latencies, 60).to_string();
        for part in [
            "100 in 0.50 s",
            "200 messages/s, 3.20 kB/s each way",
            " p99.9",
            "up to    2 µs",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}
