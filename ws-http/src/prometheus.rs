//! What a server counts, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write as _;

use crate::metrics::Metrics;
use crate::response::Response;

impl Metrics {
    /// Returns the numbers as a page in the text format of Prometheus. It is marked as not to be
    /// cached.
    ///
    /// ```
    /// use ws_http::Metrics;
    ///
    /// let page = Metrics::default().page();
    /// let text = String::from_utf8_lossy(page.body());
    /// assert!(text.starts_with("# HELP ws_open "));
    /// ```
    pub fn page(&self) -> Response {
        Response::of("text/plain; version=0.0.4; charset=utf-8", text(self))
            .header("cache-control", "no-store")
    }
}

fn text(metrics: &Metrics) -> String {
    let mut text = Text::default();
    text.gauge("ws_open", "WebSockets that are open now.", metrics.open);
    text.gauge(
        "ws_opening",
        "Connections that are opening now.",
        metrics.opening,
    );
    text.gauge(
        "ws_memory_bytes",
        "What connections hold now, where there is a budget.",
        metrics.memory,
    );
    text.counter(
        "ws_accepted_total",
        "Connections that were accepted.",
        &[("", metrics.accepted)],
    );
    text.counter(
        "ws_opened_total",
        "WebSockets that were opened.",
        &[("", metrics.opened)],
    );
    text.counter(
        "ws_refused_total",
        "Connections that were refused.",
        &[
            ("full", metrics.full),
            ("displaced", metrics.displaced),
            ("crowd", metrics.crowd),
            ("other", metrics.refused),
        ],
    );
    text.counter(
        "ws_exceeded_total",
        "WebSockets that were closed because they were beyond a limit.",
        &[
            ("slow", metrics.slow),
            ("idle", metrics.idle),
            ("frames", metrics.frames),
            ("memory", metrics.out_of_memory),
        ],
    );
    text.counter(
        "ws_short_total",
        "Tries to accept without descriptors or memory.",
        &[("", metrics.short)],
    );
    text.counter(
        "ws_unlogged_total",
        "Refusals that are not in the log.",
        &[("", metrics.unlogged)],
    );
    text.0
}

/// The lines.
#[derive(Default)]
struct Text(String);

impl Text {
    /// What may rise and fall.
    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        let _ = write!(
            self.0,
            "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"
        );
    }

    /// What only rises, by its reason if it has several.
    fn counter(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} counter\n");
        for (reason, value) in values {
            let _ = match *reason {
                "" => writeln!(self.0, "{name} {value}"),
                reason => writeln!(self.0, "{name}{{reason=\"{reason}\"}} {value}"),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number once, and each series under one name, with what it means before it.
    #[test]
    fn every_number_is_there() {
        let mut numbers = Metrics::default();
        (numbers.open, numbers.opening, numbers.memory) = (101, 102, 103);
        (numbers.accepted, numbers.opened, numbers.full) = (104, 105, 106);
        (numbers.displaced, numbers.crowd, numbers.refused) = (107, 108, 109);
        (numbers.unlogged, numbers.short, numbers.slow) = (110, 111, 112);
        (numbers.idle, numbers.frames, numbers.out_of_memory) = (113, 114, 115);
        let text = text(&numbers);
        for number in 101..=115 {
            let ending = format!(" {number}\n");
            assert_eq!(text.matches(&ending).count(), 1, "{number} in {text}");
        }
        let mut name = "";
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                name = help.split(' ').next().unwrap();
            } else {
                assert!(
                    line.trim_start_matches("# TYPE ").starts_with(name),
                    "{line}"
                );
            }
        }
        assert!(
            text.contains("ws_refused_total{reason=\"crowd\"} 108\n"),
            "{text}"
        );
    }
}
