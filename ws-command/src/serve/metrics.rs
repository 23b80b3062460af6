//! `--metrics`: what the server counts, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write as _;

use ws_std::{Metrics, Response};

/// The page.
pub(super) fn page(metrics: &Metrics) -> Response {
    Response::of("text/plain; version=0.0.4; charset=utf-8", text(metrics))
        .header("cache-control", "no-store")
}

fn text(metrics: &Metrics) -> String {
    let mut text = String::new();
    let now = [
        ("ws_open", "WebSockets that are open now.", metrics.open),
        (
            "ws_opening",
            "Connections that are opening now.",
            metrics.opening,
        ),
        (
            "ws_memory_bytes",
            "What connections hold now, with --max-memory.",
            metrics.memory,
        ),
    ];
    for (name, help, value) in now {
        let _ = write!(
            text,
            "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"
        );
    }
    let counted: [(&str, &str, &[(&str, u64)]); 6] = [
        (
            "ws_accepted_total",
            "Connections that were accepted.",
            &[("", metrics.accepted)],
        ),
        (
            "ws_opened_total",
            "WebSockets that were opened.",
            &[("", metrics.opened)],
        ),
        (
            "ws_refused_total",
            "Connections that were refused.",
            &[
                ("full", metrics.full),
                ("displaced", metrics.displaced),
                ("crowd", metrics.crowd),
                ("other", metrics.refused),
            ],
        ),
        (
            "ws_exceeded_total",
            "WebSockets that were closed because they were beyond a limit.",
            &[
                ("slow", metrics.slow),
                ("idle", metrics.idle),
                ("frames", metrics.frames),
                ("memory", metrics.out_of_memory),
            ],
        ),
        (
            "ws_short_total",
            "Tries to accept without descriptors or memory.",
            &[("", metrics.short)],
        ),
        (
            "ws_unlogged_total",
            "Refusals that are not in the log.",
            &[("", metrics.unlogged)],
        ),
    ];
    for (name, help, values) in counted {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
        for (reason, value) in values {
            let _ = match *reason {
                "" => writeln!(text, "{name} {value}"),
                reason => writeln!(text, "{name}{{reason=\"{reason}\"}} {value}"),
            };
        }
    }
    text
}
