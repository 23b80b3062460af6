//! The work of a server to open and close a connection, and its memory for an idle one.

use std::io;
use std::thread;
use std::time::Duration;

use crate::Plan;
use crate::idle::{CONNECTIONS, Idle};
use crate::process::Server;
use crate::turns::compare;

/// As many are open at a time when they come and go.
const AT_A_TIME: usize = 20;

/// The length of their messages.
const SIZE: usize = 16;

/// How long connections say nothing before they are called silent: past half of the time for
/// which a thread of `ws-std` waits, and before the first Ping.
const SILENCE: Duration = Duration::from_secs(8);

/// CPU time for each connection: to open it, and to open and close it.
pub(crate) fn times(plan: &Plan) -> io::Result<()> {
    if plan.wants("opening") {
        compare(plan, "opening", "ns", |name| {
            let server = Server::start(plan, name, SIZE)?;
            let before = server.cpu()?;
            let open = Idle::open(server.port, CONNECTIONS)?;
            let took = server.cpu()? - before;
            drop(open);
            Ok(took.as_nanos() as f64 / CONNECTIONS as f64)
        })?;
    }
    if plan.wants("open and close") {
        compare(plan, "open and close", "ns", |name| {
            let server = Server::start(plan, name, SIZE)?;
            let before = server.cpu()?;
            for _ in 0..CONNECTIONS / AT_A_TIME {
                Idle::open(server.port, AT_A_TIME)?.close()?;
            }
            let took = server.cpu()? - before;
            Ok(took.as_nanos() as f64 / CONNECTIONS as f64)
        })?;
    }
    Ok(())
}

/// Resident bytes for each connection that is idle: having said nothing, having echoed once, and
/// after some silence.
pub(crate) fn memory(plan: &Plan) -> io::Result<()> {
    if !plan.wants("idle") {
        return Ok(());
    }
    for name in &plan.servers {
        let server = Server::start(plan, name, SIZE)?;
        let empty = server.resident()?;
        let each = || -> io::Result<u64> {
            Ok(server.resident()?.saturating_sub(empty) / CONNECTIONS as u64)
        };
        let idle = Idle::open(server.port, CONNECTIONS)?;
        let opened = each()?;
        idle.echo()?;
        let echoed = each()?;
        thread::sleep(SILENCE);
        let silent = each()?;
        println!(
            "{:14} {name:17} {opened:9} B opened {echoed:9} B echoed {silent:9} B silent",
            "idle"
        );
    }
    Ok(())
}
