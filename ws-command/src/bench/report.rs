//! The measurements, for people and as JSON.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::format::{Amount, grouped, time, whole};
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

/// The setup of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setup {
    pub(crate) url: String,
    pub(crate) connections: usize,
    pub(crate) in_flight: u64,
    /// Of an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    pub(crate) size: usize,
    pub(crate) kind: &'static str,
    /// Whether compression was agreed on.
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

/// The columns of a row with all latencies.
const ROW: usize = 10 + 7 * 9;

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
        let shown = named.map(|(name, micros)| (name, time(whole(micros * 1e3))));
        if self.columns < ROW {
            // One below the other: a row would be broken.
            writeln!(f, "latency")?;
            for (name, time) in &shown {
                writeln!(f, "  {name:<6}{time:>9}")?;
            }
        } else {
            write!(f, "latency   ")?;
            for (name, _) in &shown {
                write!(f, "{name:>9}")?;
            }
            write!(f, "\n          ")?;
            for (_, time) in &shown {
                write!(f, "{time:>9}")?;
            }
            writeln!(f)?;
        }
        let values: Vec<_> = self
            .latencies
            .iter_recorded()
            .map(|value| (value.value_iterated_to(), value.count_at_value()))
            .collect();
        write!(f, "\n{}", Rows::new(&values, self.columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(latencies: &Histogram<u64>) -> Report {
        let setup = Setup {
            url: "ws://h/\"".into(),
            connections: 2,
            in_flight: 3,
            rate: None,
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
    fn a_narrow_terminal_breaks_no_line() {
        let mut latencies = Histogram::new(3).unwrap();
        latencies.record_n(1_000, 99).unwrap();
        for columns in [50, 60, ROW - 1, ROW, 100] {
            let shown = report(&latencies).shown(&latencies, columns).to_string();
            let widest = shown.lines().map(|line| line.chars().count()).max();
            assert!(widest.unwrap() <= columns, "{columns}: {shown}");
            assert!(shown.contains("p99.9"), "{shown}");
        }
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
