//! `ws connect`: a client, for a terminal and for pipes.

#[cfg(unix)]
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::args::seconds;
use crate::reach::ReachArgs;
use crate::record::Recorder;

#[cfg(unix)]
mod colours;
#[cfg(unix)]
mod commands;
#[cfg(unix)]
mod editor;
mod encoding;
mod heads;
#[cfg(unix)]
mod history;
#[cfg(unix)]
mod keys;
mod link;
mod opening;
mod pipe;
#[cfg(unix)]
mod screen;
#[cfg(unix)]
mod terminal;
mod trace;
mod tunnel;

use encoding::{Input, Output, Reading, Shape};

/// Connect to a server: each line is a message, and each message a line
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Where to connect: [ws://|wss://]host[:port]/path?query
    url: String,

    /// Send these, each as a message, in place of the input
    message: Vec<String>,

    /// Send this as soon as it is connected, and with --reconnect each time; repeatable
    #[arg(short = 'x', long, value_name = "MESSAGE")]
    execute: Vec<String>,

    /// Send a file as one message, in place of the input; `-` is all of the input; repeatable
    #[arg(long, value_name = "FILE")]
    send_file: Vec<PathBuf>,

    /// Write the first message to a file as it came, and close; `-` is the output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["count", "output"])]
    receive_file: Option<PathBuf>,

    /// Send binary messages, and show binary messages that are text as text
    #[arg(short, long)]
    binary: bool,

    /// How messages are written in the input
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    input: Input,

    /// How messages are written to the output
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "lines"
    )]
    output: Output,

    /// End messages with NUL in place of line breaks, in the input and in the output
    #[arg(short = '0', long)]
    null: bool,

    /// Close after this many messages received; the end of the input then does not close
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Go on receiving for this long after the end of the input, and then close
    #[arg(short, long, value_name = "SECONDS", default_value = "0", hide_default_value = true,
        value_parser = seconds)]
    wait: Duration,

    /// Stay open after the end of the input, until the server closes
    #[arg(long, conflicts_with = "wait")]
    stay: bool,

    /// Connect again when the connection is lost; what was typed is kept, and sent then
    #[arg(long)]
    reconnect: bool,

    /// Carry each TCP connection that comes to this address by a WebSocket of its own; port 0 picks
    /// a free one
    #[arg(long, value_name = "ADDRESS:PORT",
        conflicts_with_all = ["message", "execute", "send_file", "receive_file", "count", "wait",
        "stay", "reconnect", "verbose"])]
    tcp_listen: Option<String>,

    /// Write the time before each message
    #[arg(long)]
    times: bool,

    /// Trace the handshake and every frame on standard error; credentials are hidden
    #[arg(short, long)]
    verbose: bool,

    /// When the prompt has colours
    #[cfg(unix)]
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto", help_heading = PROMPT)]
    color: colours::When,

    /// Keep the lines of the prompt here [default: $XDG_STATE_HOME/ws/history]
    #[cfg(unix)]
    #[arg(long, value_name = "FILE", help_heading = PROMPT)]
    history: Option<PathBuf>,

    /// Keep no lines
    #[cfg(unix)]
    #[arg(long, conflicts_with = "history", help_heading = PROMPT)]
    no_history: bool,

    #[command(flatten)]
    reach: ReachArgs,
}

#[cfg(unix)]
const PROMPT: &str = "Prompt";

const HELP: &str = "\
On a terminal there is a prompt with a history, and messages appear above it:
  TEXT                    sends it; //TEXT sends /TEXT
  /ping [PAYLOAD]         measures the way there and back
  /close [CODE [REASON]]  closes with a code
  /quit, Ctrl-D           closes with 1000
  Up, Down, Ctrl-R        finds a line that was typed before; one that begins with a space is not
                          kept
  Ctrl-C                  drops the line; on an empty one closes (1001), and a second time ends
Control characters in messages are shown as \\u{1b}.

With a pipe, or with messages as arguments, each line of the input is sent as a message, and each
message received is one line of the output, which has nothing else in it:
  - a line break within a message is written as \\n or \\r, everything else as it came; --null or
    --output json tells it from a message with \\n in it
  - a binary message is written as hexadecimal digits; with --binary, as text if it is UTF-8
  - at the end of the input the connection is closed (1000), and what still arrives is written;
    with --count it stays open until so many messages have arrived, with --wait for so long, with
    --stay until the server closes

With --tcp-listen it prints `listening on ADDRESS:PORT`, and goes on until a signal. The end of
either connection is the end of both. `ws serve --tcp` is the other end.

Ctrl-C closes (1001); a second one ends at once.

The exit status is 0 after a close with 1000 or 1001, or with the code of one's own /close; 1 after
any other end, and 2 if there was no connection.

Examples:
  ws connect 'ws://127.0.0.1:9001/chat?name=Ada'
  ws connect ws://127.0.0.1:9001/echo hello
  echo hello | ws connect ws://127.0.0.1:9001/echo
  ws connect -n 3 ws://127.0.0.1:9001/clock < /dev/null
  ws connect --binary --send-file photo.jpg --receive-file small.jpg wss://example.com/resize
  ws connect --reconnect -x '{\"subscribe\":\"ticker\"}' -o pretty wss://example.com/feed
  ws connect --ca ca.pem --connect-to 10.0.0.7:8443 wss://chat.example/
  ws connect --tcp-listen 127.0.0.1:2222 wss://example.com/ssh
  ws connect -v -H 'X-Room: 7' -s chat.v2 ws://127.0.0.1:9001/chat";

/// Connects; what is said goes to `recorder`, too.
pub(crate) fn run(args: &Args, recorder: Option<Recorder>) -> ExitCode {
    if let Some(address) = &args.tcp_listen {
        return tunnel::run(args, address);
    }
    // Elsewhere there is no prompt: lines come and go as through a pipe.
    #[cfg(unix)]
    if io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && std::env::var_os("TERM").is_some_and(|kind| kind != "dumb")
        && args.is_for_a_prompt()
    {
        return terminal::run(args, recorder);
    }
    pipe::run(args, recorder)
}

impl Args {
    /// The URL as it was given.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether somebody is to type.
    #[cfg(unix)]
    fn is_for_a_prompt(&self) -> bool {
        self.message.is_empty()
            && self.send_file.is_empty()
            && self.receive_file.is_none()
            && !self.null
    }

    /// The number of messages after which it closes.
    fn count(&self) -> Option<u64> {
        self.receive_file.as_ref().map(|_| 1).or(self.count)
    }

    /// How messages are shown, on a terminal or not.
    fn shape(&self, is_careful: bool) -> Shape {
        Shape {
            output: self.output,
            is_binary: self.binary,
            is_null: self.null,
            is_timed: self.times,
            is_careful,
        }
    }

    /// How messages are read.
    const fn reading(&self) -> Reading {
        Reading {
            input: self.input,
            is_binary: self.binary,
        }
    }

    #[cfg(unix)]
    fn is_coloured(&self) -> bool {
        self.color.is_now(std::env::var_os("NO_COLOR").as_deref())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
