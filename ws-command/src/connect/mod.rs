//! `ws connect`: a client, for a terminal and for pipes.

use std::fmt::Write as _;
use std::io;
#[cfg(unix)]
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ws_std::{
    Client, CloseCode, ConnectError, Error, Message, ProtocolError, Reader, Tapped, Timeouts,
    Writer,
};

use crate::args::{DeflateArgs, bytes, seconds, unless_zero, without_number};
use crate::log::Lines;
use crate::signals::on_signal;
use crate::text::{Escaped, chain};

#[cfg(unix)]
mod commands;
#[cfg(unix)]
mod editor;
mod heads;
#[cfg(unix)]
mod keys;
mod pipe;
#[cfg(unix)]
mod screen;
#[cfg(unix)]
mod terminal;
mod trace;

use trace::{Found, Frame, Frames};

/// Connect to a server: each line is a message, and each message a line
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Where to connect: ws://host[:port]/path?query
    url: String,

    /// Send lines as binary messages, and show binary messages that are text as text
    #[arg(short, long)]
    binary: bool,

    /// Add a header to the request, such as 'Authorization: Bearer …'; repeatable
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,

    /// Offer a subprotocol; repeatable, the preferred one first
    #[arg(short, long, value_name = "NAME")]
    subprotocol: Vec<String>,

    /// Set the page on whose behalf this connects, such as https://example.com
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,

    /// Close after this many messages received; the end of the input then does not close
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// How long connecting may take, up to the server's answer; an open connection has no limit
    #[arg(short, long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,

    /// The longest message accepted, such as 4096, 64KiB or 16MiB
    #[arg(long, value_name = "BYTES", default_value = "16MiB", value_parser = bytes)]
    max_message: u64,

    #[command(flatten)]
    deflate: DeflateArgs,

    /// How often to ping the server; 0 for never
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    ping_interval: Duration,

    /// Trace the handshake and every frame on standard error; credentials are hidden
    #[arg(short, long)]
    verbose: bool,
}

const HELP: &str = "\
On a terminal there is a prompt with a history, and messages appear above it:
  TEXT                    sends it; //TEXT sends /TEXT
  /ping [PAYLOAD]         measures the way there and back
  /close [CODE [REASON]]  closes with a code
  /quit, Ctrl-D           closes with 1000
Control characters in messages are shown as \\u{1b}.

With a pipe, each line of the input is sent as a message, and each message received is one line of
the output, which has nothing else in it:
  - a line break within a message is written as \\n or \\r, everything else as it came
  - a binary message is written as hexadecimal digits; with --binary, as text if it is UTF-8
  - at the end of the input the connection is closed (1000), and what still arrives is written;
    with --count it stays open until so many messages have arrived

Ctrl-C closes (1001); a second one ends at once.

The exit status is 0 after a close with 1000 or 1001, 1 after any other end, and 2 if there was no
connection.

Examples:
  ws connect 'ws://127.0.0.1:9001/chat?name=Ada'
  echo hello | ws connect ws://127.0.0.1:9001/echo
  ws connect -n 3 ws://127.0.0.1:9001/clock < /dev/null
  ws connect -v -H 'Authorization: Bearer 1234' -s chat.v2 ws://127.0.0.1:9001/chat";

pub(crate) fn run(args: &Args) -> ExitCode {
    // Elsewhere there is no prompt: lines come and go as through a pipe.
    #[cfg(unix)]
    if io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && std::env::var_os("TERM").is_some_and(|kind| kind != "dumb")
    {
        return terminal::run(args);
    }
    pipe::run(args)
}

impl Args {
    /// Connects. `line` gets the trace, `pong` what Pongs hold; neither may use the connection.
    fn connect(
        &self,
        line: impl Fn(String) + Send + Sync + 'static,
        pong: impl Fn(&[u8]) + Send + Sync + 'static,
    ) -> Result<(Reader, Link), String> {
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.ping_interval = unless_zero(self.ping_interval);
        let mut client = Client::new(&*self.url)
            .handshake_timeout(self.timeout)
            .timeouts(timeouts)
            .max_message(self.max_message);
        if let Some(deflate) = self.deflate.settings() {
            client = client.deflate(deflate);
        }
        for (name, value) in &self.header {
            client = client.header(name, value);
        }
        for name in &self.subprotocol {
            client = client.subprotocol(name);
        }
        if let Some(origin) = &self.origin {
            client = client.origin(origin);
        }
        let verbose = self.verbose;
        let directions = Mutex::new((Frames::default(), Frames::default()));
        client = client.tap(move |tapped| {
            let line = |arrow: char, what: &dyn std::fmt::Display| {
                if verbose {
                    line(format!("{arrow} {what}"));
                }
            };
            let (sent, received) = &mut *lock(&directions);
            match tapped {
                Tapped::HeadSent(head) => heads::lines(head).iter().for_each(|l| line('>', l)),
                Tapped::HeadReceived(head) => heads::lines(head).iter().for_each(|l| line('<', l)),
                Tapped::Sent(bytes) => sent.push(bytes, |found| line('>', &found)),
                Tapped::Received(bytes) => received.push(bytes, |found| {
                    line('<', &found);
                    if let Found::Frame(frame) = &found
                        && let Some(payload) = Frame::pong(frame)
                    {
                        pong(payload);
                    }
                }),
            }
        });
        let ws = client
            .connect()
            .map_err(|error| self.no_connection(&error))?;
        let (reader, writer) = ws.split();
        let link = Link {
            writer,
            ours: Arc::default(),
            failure: Arc::default(),
        };
        Ok((reader, link))
    }

    /// Waits for the last of the trace, but for nobody who does not read it.
    fn end_trace(&self) {
        if self.verbose {
            Lines::standard().end();
        }
    }

    /// The reason why there is no connection, on one line.
    fn no_connection(&self, error: &ConnectError) -> String {
        let mut line = match error {
            ConnectError::Url(_) | ConnectError::NoTls => {
                format!("{} in {:?}", chain(error), self.url)
            }
            _ => without_number(&chain(error)),
        };
        if let ConnectError::Refused(answer) = error {
            let body = String::from_utf8_lossy(answer.body());
            let location = answer.headers().get("location");
            if let Some(location) = location.and_then(|location| location.to_str().ok()) {
                let _ = write!(line, ", and points to {location}");
            } else if let Some(first) = body.lines().next()
                && answer
                    .headers()
                    .get("content-type")
                    .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
            {
                let _ = write!(line, ": {}", first.chars().take(200).collect::<String>());
            }
        }
        Escaped(&line).to_string()
    }
}

/// The sending side, as the threads share it. Clones are the same connection.
#[derive(Clone, Debug)]
struct Link {
    writer: Writer,
    /// The code that we closed with, if we were the first.
    ours: Arc<Mutex<Option<CloseCode>>>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Link {
    /// Starts the closing handshake, and returns whether it was not under way yet.
    fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let mut ours = lock(&self.ours);
        self.writer.close(code, reason)?;
        *ours = Some(code);
        Ok(())
    }

    /// Closes because of a failure of our own, which decides about the exit status.
    fn close_failed(&self, what: String) {
        lock(&self.failure).get_or_insert(what);
        let _ = self.close(CloseCode::GOING_AWAY, "");
    }

    /// SIGINT and SIGTERM close; the next one ends at once.
    fn close_on_signal(&self, before_exit: impl Fn() + Send + 'static) -> io::Result<()> {
        let link = self.clone();
        on_signal(move |signal| link.interrupt(signal, &before_exit))
    }

    /// Closes, or ends at once if that is under way: with the exit status of shells.
    fn interrupt(&self, signal: i32, before_exit: impl Fn()) {
        if self.close(CloseCode::GOING_AWAY, "").is_err() {
            before_exit();
            std::process::exit(128 + signal);
        }
    }

    /// Receives until the connection is over. `show` gets the messages, up to `count` of them.
    fn receive(
        &self,
        reader: &mut Reader,
        count: Option<u64>,
        mut show: impl FnMut(Message<'_>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut left = count;
        let mut is_shown = true;
        loop {
            match reader.recv()? {
                Some(message) if is_shown => {
                    let shown = show(message);
                    left = left.map(|left| left - 1);
                    if shown.is_err() || left == Some(0) {
                        is_shown = false;
                        let _ = self.close(CloseCode::NORMAL, "");
                    }
                    match shown {
                        // The reader of our output has seen enough.
                        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                            let what = without_number(&error.to_string());
                            self.close_failed(format!("cannot write the output: {what}"));
                        }
                        _ => {}
                    }
                }
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }

    /// The end of the connection: in good order, or the error to report.
    fn verdict(&self, reader: &Reader, ended: Result<(), Error>) -> Result<String, String> {
        if let Some(failure) = lock(&self.failure).take() {
            return Err(failure);
        }
        ended.map_err(|error| match error {
            Error::Protocol(ProtocolError::MessageTooBig { limit }) => {
                format!("a message is longer than {limit} bytes: --max-message sets the limit")
            }
            Error::Protocol(ProtocolError::UnexpectedEof) => {
                "the connection was lost: it ended without a close".into()
            }
            Error::Protocol(error) if error.is_limit() => {
                format!("the server sent more than is accepted: {error}")
            }
            Error::Protocol(error) => format!("the server broke the protocol: {error}"),
            Error::Io(error) => {
                format!(
                    "the connection was lost: {}",
                    without_number(&error.to_string())
                )
            }
            error => error.to_string(),
        })?;
        let (code, reason) = match reader.peer_close() {
            Some((code, reason)) => (Some(code), reason),
            // An answer without a code, to our Close, agrees with it.
            None => (*lock(&self.ours), String::new()),
        };
        let Some(code) = code else {
            return Err("closed by the server without a status code".into());
        };
        let by = if lock(&self.ours).is_none() {
            " by the server"
        } else {
            ""
        };
        let mut line = format!("closed{by} with {code}");
        if !reason.is_empty() {
            let _ = write!(line, " {}", Escaped(&reason));
        }
        match code {
            CloseCode::NORMAL | CloseCode::GOING_AWAY => Ok(line),
            _ => Err(line),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.trim().into())),
        _ => Err("not `Name: value`".into()),
    }
}
