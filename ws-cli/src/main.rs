//! The command `ws`: a WebSocket server to try things against, and a client for the terminal and
//! for pipes.

#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "what stands above arguments is their help, which is read in a terminal"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod args;
mod chat;
mod connect;
mod serve;
mod signals;
mod text;
mod utc;

/// WebSockets from the command line: a server to try things against, and a client.
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
}

const EXAMPLES: &str = "\
Examples:
  ws serve                                            then open http://127.0.0.1:9001/
  ws connect 'ws://127.0.0.1:9001/chat?name=Ada'      chats from the terminal
  echo hello | ws connect ws://127.0.0.1:9001/echo    prints hello

`ws serve --help` and `ws connect --help` say more.";

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Connect(args) => connect::run(&args),
    }
}

/// Says what went wrong, on one line, and returns the exit status for it.
fn fail(status: u8, what: impl std::fmt::Display) -> ExitCode {
    eprintln!("ws: {what}");
    ExitCode::from(status)
}
