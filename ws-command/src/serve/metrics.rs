//! `--metrics`: what the server counts, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write as _;

use ws_std::{Metrics, Response};

/// The page.
pub(super) fn page(metrics: &Metrics) -> Response {
    Response::of("text/plain; version=0.0.4; charset=utf-8", text(metrics))
        .header("cache-control", "no-store")
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
        "What connections hold now, with --max-memory.",
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
