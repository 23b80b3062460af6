//! `ws bench`: load for a server that echoes, from one thread.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ws_proto::Kind;
use ws_std::Deflate;

use crate::args::{DeflateArgs, bytes, plain, seconds};
use crate::ask::AskArgs;
use crate::descriptors::allow_all;
use crate::fail;
use crate::signals::on_signal;

mod format;
mod histogram;
mod load;
mod opening;
mod payload;
mod peer;
mod progress;
mod report;
mod schedule;
mod target;

use format::grouped;
use load::{Load, Plan, Span};
use payload::Payload;
use progress::Progress;
use report::{Report, Setup};
use target::Target;

/// Load a server that echoes: throughput, latencies, and a histogram of them
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The echo: ws://host[:port]/path?query
    url: String,

    /// How many connections
    #[arg(short, long, value_name = "N", default_value = "1",
        value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,

    /// How many messages are under way at a time on each of them
    #[arg(short = 'p', long, value_name = "N", default_value = "1",
        value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,

    /// The length of a message, such as 16, 64KiB or 1MiB
    #[arg(short = 'S', long, value_name = "BYTES", default_value = "16", value_parser = size)]
    size: usize,

    /// Send text instead of binary messages
    #[arg(long)]
    text: bool,

    #[command(flatten)]
    deflate: DeflateArgs,

    #[command(flatten)]
    ask: AskArgs,

    /// How long to measure
    #[arg(short, long, value_name = "SECONDS", default_value = "10", value_parser = duration)]
    duration: Duration,

    /// Measure this many messages instead, from the first on
    #[arg(long, value_name = "N", conflicts_with = "duration",
        value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,

    /// Send this many messages a second over all connections, whether or not the server keeps up:
    /// an open loop, in which a latency counts from when its message was due
    #[arg(long, value_name = "PER SECOND", value_parser = rate,
        conflicts_with_all = ["messages", "in_flight"])]
    rate: Option<f64>,

    /// Make the connections evenly over this time
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    ramp: Duration,

    /// Print one JSON object instead, times in microseconds
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Each connection sends its messages, and a new one for each that comes back: more load than the
server takes does not pile up, but a server that stalls is asked less while it does. With --rate it is
not: messages are due at their times, and what a stall holds up is in the latencies.

Every echo is checked: its kind, its length and the number in its first 8 bytes; all of it if it is
the first of its connection or up to 128 bytes long. The messages are English words in no order;
with --deflate they are compressed at level 1, which leaves the work to the server.

A latency is the time from handing a message over to be sent, until the read that brought the rest
of its echo. The clock is read once for each such read, so that echoes which come together have one
time. The load goes on for a tenth of the duration, one second at most, before it is measured; with
--messages everything is measured.

MB is 1,000,000 bytes of payload, and goes both ways. Times are exact to three digits.

Ctrl-C ends the run early and prints what was measured.

The exit status is 0 if every echo was right, and 1 if there was no connection or one failed; what
was measured until then is printed.

Examples:
  ws bench ws://127.0.0.1:9001/echo
  ws bench -c 200 -p 16 ws://127.0.0.1:9001/echo
  ws bench -c 10 -S 64KiB --text --deflate -d 30 ws://127.0.0.1:9001/echo
  ws bench -c 1000 --ramp 5 --rate 20000 ws://127.0.0.1:9001/echo
  ws bench --messages 100000 --json ws://127.0.0.1:9001/echo";

/// The time to wait for a server that does nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time that closing may take.
const CLOSING: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args) -> ExitCode {
    match bench(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => fail(1, line),
    }
}

fn bench(args: &Args) -> Result<(), String> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    let listening = on_signal(move |signal| {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(128 + signal);
        }
    });
    listening.map_err(|error| format!("cannot handle signals: {}", plain(&error)))?;
    allow_all();

    let target = Target::find(&args.url, &args.ask, args.deflate())?;
    let payload = Payload::new(args.kind(), args.size);
    let mut load = Load::new(args.plan(), &target, payload, &stop)?;
    let progress = Progress::new();
    let ran = load.run(&progress);
    progress.clear();
    let measured = args.print(&load, ran.is_err());
    load.close();
    ran.and(measured)
}

impl Args {
    const fn kind(&self) -> Kind {
        if self.text { Kind::Text } else { Kind::Binary }
    }

    const fn kind_name(&self) -> &'static str {
        match self.kind() {
            Kind::Text => "text",
            Kind::Binary => "binary",
        }
    }

    /// We compress fast, because it is the server that is measured. It agrees to the same either
    /// way.
    fn deflate(&self) -> Option<Deflate> {
        let mut deflate = self.deflate.settings()?;
        deflate.level = 1;
        Some(deflate)
    }

    fn plan(&self) -> Plan {
        let span = match self.messages {
            Some(messages) => Span::Messages(messages),
            None => Span::Time {
                warm_up: (self.duration / 10).min(Duration::from_secs(1)),
                measured: self.duration,
            },
        };
        Plan {
            connections: usize::try_from(self.connections).unwrap_or(usize::MAX),
            in_flight: self.in_flight.into(),
            span,
            rate: self.rate,
            ramp: self.ramp,
        }
    }

    /// Prints the measurements; if there are none, it says so.
    fn print(&self, load: &Load<'_>, has_failed: bool) -> Result<(), String> {
        let latencies = &load.work.latencies;
        let Some(time) = load.measured() else {
            return Err("it ended before anything was measured".into());
        };
        if latencies.is_empty() {
            return Err("no message came back".into());
        }
        let Plan {
            connections,
            in_flight,
            ..
        } = *load.plan();
        let setup = Setup {
            url: self.url.clone(),
            connections,
            in_flight,
            rate: self.rate,
            size: self.size,
            kind: self.kind_name(),
            deflate: load.is_compressed,
        };
        let report = Report::new(setup, time, latencies, has_failed.into());
        let mut out = io::stdout();
        let written = if self.json {
            let json = serde_json::to_string(&report).map_err(|error| error.to_string())?;
            writeln!(out, "{json}")
        } else {
            let words = self.words(load.is_compressed);
            writeln!(out, "{words}\n")
                .and_then(|()| write!(out, "{}", report.shown(latencies, columns())))
        };
        written.map_err(|error| format!("cannot write the output: {}", plain(&error)))
    }

    /// The task, in words.
    fn words(&self, is_compressed: bool) -> String {
        let s = if self.connections == 1 { "" } else { "s" };
        let kind = self.kind_name();
        let compressed = match (is_compressed, self.deflate.settings()) {
            (true, Some(deflate)) if self.size < deflate.min_len => ", too short to compress",
            (true, _) => ", compressed",
            (false, Some(_)) => ", not compressed: the server does not do that",
            (false, None) => "",
        };
        let load = match self.rate {
            Some(rate) => format!("{rate} messages a second"),
            None => format!("{} in flight on each", grouped(self.in_flight.into())),
        };
        format!(
            "{}\n{} connection{s}, {load}, {} B {kind}{compressed}",
            self.url,
            grouped(self.connections.into()),
            grouped(self.size as u64),
        )
    }
}

/// The width of the terminal.
fn columns() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
        && size.ws_col > 0
    {
        return size.ws_col.min(120).into();
    }
    80
}

fn size(text: &str) -> Result<usize, String> {
    usize::try_from(bytes(text)?).map_err(|_| "more than there can be".into())
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e9).contains(&rate) => Ok(rate),
        _ => Err("not a number of messages a second, such as 1000 or 0.5".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("no time to measure anything in".into()),
        duration => Ok(duration),
    }
}
