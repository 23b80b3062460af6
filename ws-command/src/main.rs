//! The command `ws`: a WebSocket server to try things against, a client for the terminal and for
//! pipes, sessions that are recorded and played again, and a load generator.

#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "what stands above arguments is their help, which is read in a terminal"
)]

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

mod args;
mod ask;
mod bench;
mod bridge;
mod chat;
mod connect;
mod descriptors;
mod log;
mod manual;
mod reach;
mod record;
mod replay;
mod serve;
mod signals;
mod text;
mod utc;

/// WebSockets from the command line: a server to try things against, a client, sessions that are
/// recorded and played again, and load.
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
    Record(record::Args),
    Replay(replay::Args),
    Bench(bench::Args),
    Completions(manual::Completions),
    Man(manual::Man),
}

const EXAMPLES: &str = "\
Examples:
  ws serve                                            then open http://127.0.0.1:9001/
  ws connect 'ws://127.0.0.1:9001/chat?name=Ada'      chats from the terminal
  echo hello | ws connect ws://127.0.0.1:9001/echo    prints hello
  ws record s.txt ws://127.0.0.1:9001/echo            writes down who says what, and when
  ws replay s.txt ws://127.0.0.1:9001/echo            says it again, and shows what differs
  ws bench -c 100 ws://127.0.0.1:9001/echo            measures throughput and latencies

`ws serve --help` and so on say more, each with examples; `ws man` makes manual pages of it.";

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Connect(args) => connect::run(&args, None),
        Command::Record(args) => record::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => manual::completions(&args, Cli::command()),
        Command::Man(args) => manual::man(&args, Cli::command()),
    }
}

/// Reports an error on one line, and returns its exit status.
fn fail(status: u8, what: impl std::fmt::Display) -> ExitCode {
    eprintln!("ws: {what}");
    ExitCode::from(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_all_commands_agree_with_one_another() {
        Cli::command().debug_assert();
    }
}
