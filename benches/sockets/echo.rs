//! The time that a server computes for each message, and how often it calls the kernel.

use std::collections::HashMap;
use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::Plan;
use crate::process::Server;
use crate::turns::compare;

/// A load: so many connections with so many messages in flight on each.
#[derive(Clone, Copy, Debug)]
struct Load {
    name: &'static str,
    size: usize,
    connections: usize,
    in_flight: usize,
}

const LOADS: [Load; 7] = [
    Load::new("16B c200p1", 16, 200, 1),
    Load::new("16B c200p16", 16, 200, 16),
    Load::new("1K c200p1", 1 << 10, 200, 1),
    Load::new("1K c200p16", 1 << 10, 200, 16),
    Load::new("64K c10p1", 64 << 10, 10, 1),
    Load::new("64K c10p16", 64 << 10, 10, 16),
    Load::new("1M c10p1", 1 << 20, 10, 1),
];

/// Where system calls are counted.
const COUNTED: [Load; 2] = [
    Load::new("calls c1p16", 16, 1, 16),
    Load::new("calls c200p16", 16, 200, 16),
];

/// How long each turn lasts, about, in seconds.
const TURN: u64 = 2;

/// CPU time for each message.
pub(crate) fn times(plan: &Plan) -> io::Result<()> {
    for load in LOADS.iter().filter(|load| plan.wants(load.name)) {
        load.compare(plan, "ns", |server, messages| {
            let before = server.cpu()?;
            load.run(server, messages)?;
            Ok((server.cpu()? - before).as_nanos() as f64)
        })?;
    }
    Ok(())
}

/// System calls for a thousand messages, as `perf` counts them without slowing the server down.
pub(crate) fn calls(plan: &Plan) -> io::Result<()> {
    for load in COUNTED.iter().filter(|load| plan.wants(load.name)) {
        load.compare(plan, "calls for 1000", |server, messages| {
            let mut perf = Command::new("perf");
            perf.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p"])
                .args([&server.pid().to_string(), "--"])
                .arg(command());
            let said = load.ask(perf, server, messages)?;
            let counted = String::from_utf8_lossy(&said.stderr);
            let calls = counted.split(',').next().unwrap_or_default().trim();
            let calls: f64 = calls.parse().map_err(|_| io::Error::other(&*counted))?;
            Ok(calls * 1000.0)
        })?;
    }
    Ok(())
}

impl Load {
    const fn new(name: &'static str, size: usize, connections: usize, in_flight: usize) -> Self {
        Self {
            name,
            size,
            connections,
            in_flight,
        }
    }

    /// Compares what servers take for each message: what many messages take beyond a few, so that
    /// connections can be opened and closed at no charge.
    fn compare(
        self,
        plan: &Plan,
        unit: &str,
        measure: impl Fn(&Server, u64) -> io::Result<f64>,
    ) -> io::Result<()> {
        let few = (self.connections * self.in_flight) as u64;
        let mut many = HashMap::new();
        compare(plan, self.name, unit, |name| {
            let server = Server::start(plan, name, self.size)?;
            let many = match many.get(name) {
                Some(many) => *many,
                None => {
                    let second = self.run(&server, 10 * few)?;
                    let count = few + second * TURN;
                    *many.entry(name.to_owned()).or_insert(count)
                }
            };
            let opening = measure(&server, few)?;
            let all = measure(&server, many)?;
            Ok((all - opening) / (many - few) as f64)
        })
    }

    /// Makes `ws bench` send so many messages, and returns how many came back in a second.
    fn run(self, server: &Server, messages: u64) -> io::Result<u64> {
        let said = self.ask(Command::new(command()), server, messages)?;
        let json = String::from_utf8_lossy(&said.stdout);
        let [sent, errors, rate] =
            ["messages", "errors", "messages_per_second"].map(|name| number(&json, name));
        match (sent, errors, rate) {
            (Some(sent), Some(0), Some(rate)) if sent == messages => Ok(rate),
            _ => Err(io::Error::other(String::from_utf8_lossy(&said.stderr))),
        }
    }

    fn ask(self, mut ws: Command, server: &Server, messages: u64) -> io::Result<Output> {
        let ws = ws
            .arg("bench")
            .arg(format!("ws://127.0.0.1:{}/", server.port))
            .args(["-c", &self.connections.to_string()])
            .args(["-p", &self.in_flight.to_string()])
            .args(["-s", &self.size.to_string()])
            .args(["--messages", &messages.to_string(), "--json"]);
        ws.output()
            .map_err(|error| io::Error::other(format!("{ws:?}: {error}")))
    }
}

/// The command `ws`: beside this program, unless `WS` says where.
fn command() -> PathBuf {
    env::var_os("WS").map_or_else(
        || env::current_exe().unwrap_or_default().with_file_name("ws"),
        PathBuf::from,
    )
}

/// A number in a flat JSON object, without its fraction.
fn number(json: &str, name: &str) -> Option<u64> {
    let (_, value) = json.split_once(&format!("\"{name}\":"))?;
    value.split([',', '}', '.']).next()?.trim().parse().ok()
}
