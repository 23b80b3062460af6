//! The client that the Autobahn testsuite tests: runs every case of its fuzzing server.
//!
//! usage: autobahn_client ws://HOST:PORT
//!
//! `tests/autobahn.sh client` runs it, and judges by the testsuite's report: how a case ends is
//! printed here, and fails nothing.

use std::error::Error;
use std::process::ExitCode;

use ws_std::{Client, Deflate, Direction, Limits, WebSocket};

/// What the testsuite calls us in its report.
const AGENT: &str = "ws-std";

fn main() -> ExitCode {
    let Some(base) = std::env::args().nth(1) else {
        eprintln!("usage: autobahn_client ws://HOST:PORT");
        return ExitCode::from(2);
    };
    match run(base.trim_end_matches('/')) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(base: &str) -> Result<(), Box<dyn Error>> {
    let count: u32 = open(&format!("{base}/getCaseCount"))?
        .recv()?
        .and_then(|count| count.as_text()?.parse().ok())
        .ok_or("the server did not say how many cases there are")?;
    for case in 1..=count {
        let url = format!("{base}/runCase?case={case}&agent={AGENT}");
        match echo(&url) {
            Ok(()) => println!("{case}: closed"),
            Err(error) => println!("{case}: {error}"),
        }
    }
    // The report is written before the server closes.
    open(&format!("{base}/updateReports?agent={AGENT}"))?.for_each(|_, _| Ok(()))
}

fn echo(url: &str) -> Result<(), Box<dyn Error>> {
    open(url)?.for_each(|message, tx| Ok(tx.send(message)?))
}

/// Connects with limits that let every case through.
fn open(url: &str) -> Result<WebSocket, Box<dyn Error>> {
    let mut limits = Limits::DEFAULT;
    // Section 9 has messages of 16 MiB, and of 4 MiB in fragments of 64 bytes.
    limits.max_message = 64 << 20;
    limits.max_fragments = 1 << 17;
    let mut deflate = Deflate::default();
    deflate.send = Direction::FULL;
    let client = Client::new(url).limits(limits).deflate(deflate);
    Ok(client.connect()?)
}
