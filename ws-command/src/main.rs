//! The command `ws`: a WebSocket server to try things against, a client for the terminal and for
//! pipes, and a load generator.

#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "what stands above arguments is their help, which is read in a terminal"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod args;
mod bench;
mod chat;
mod connect;
mod log;
mod serve;
mod signals;
mod text;
mod utc;

/// WebSockets from the command line: a server to try things against, a client, and load.
#[derive(Debug, Parser)]
#[command(name = "ws", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Connect(connect::Args),
    Bench(bench::Args),
}

const EXAMPLES: &str = "\
Examples:
  ws serve                                            then open http://127.0.0.1:9001/
  ws connect 'ws://127.0.0.1:9001/chat?name=Ada'      chats from the terminal
  echo hello | ws connect ws://127.0.0.1:9001/echo    prints hello
  ws bench -c 100 ws://127.0.0.1:9001/echo            measures throughput and latencies

`ws serve --help`, `ws connect --help` and `ws bench --help` say more.";

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Bench(args) => bench::run(&args),
    }
}

/// Reports an error on one line, and returns its exit status.
fn fail(status: u8, what: impl std::fmt::Display) -> ExitCode {
    eprintln!("ws: {what}");
    ExitCode::from(status)
}
