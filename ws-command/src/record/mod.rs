//! `ws record`: `ws connect`, and what was said in a file.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ws_std::ws_http::without_secrets;
use ws_std::{CloseCode, Message};

use crate::args::plain;
use crate::connect;
use crate::fail;
use crate::text::Escaped;

mod script;

pub(crate) use script::{Direction, Entry, Said, VERSION, parse};

/// Connect as `ws connect` does, and write down who said what, and when
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
// Its name is taken by that of the arguments within.
#[group(skip)]
pub(crate) struct Args {
    /// The file that the session is written to
    file: PathBuf,

    #[command(flatten)]
    connect: connect::Args,
}

const HELP: &str = "\
The file is text, with a line for each message and each close:
  # ws session 1
  # ws://127.0.0.1:9001/echo
  0.000 > text hello
  0.012 < text hello
  4.000 > close 1000
The time is in seconds; > went to the server and < came from it. A line break in text is \\n, a
backslash \\\\; bytes are hexadecimal digits. Pings are not written down: each side answers its own.
Messages are written as they are, with the secrets in them; only its owner can read a new file.

`ws replay` plays it again. The rest, and the exit status, are as with `ws connect`.

Examples:
  ws record session.txt ws://127.0.0.1:9001/echo
  echo hello | ws record session.txt ws://127.0.0.1:9001/echo";

pub(crate) fn run(args: &Args) -> ExitCode {
    match Recorder::create(args) {
        Ok(recorder) => connect::run(&args.connect, Some(recorder)),
        Err(error) => {
            let (path, why) = (args.file.display().to_string(), plain(&error));
            fail(2, format_args!("cannot write {}: {why}", Escaped(&path)))
        }
    }
}

/// What writes a session down. Clones write the same.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(Arc<Mutex<File>>, Instant);

impl Recorder {
    fn create(args: &Args) -> io::Result<Self> {
        let mut options = File::options();
        options.create(true).write(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(&args.file)?;
        let url = without_secrets(args.connect.url());
        writeln!(file, "{VERSION}\n# {}", Escaped(&url))?;
        Ok(Self(Arc::new(Mutex::new(file)), Instant::now()))
    }

    /// Writes a message down.
    pub(crate) fn message(&self, direction: Direction, message: Message<'_>) {
        self.write(direction, Said::Message(message.to_owned()));
    }

    /// Writes a Close down, or that there was no code in it.
    pub(crate) fn close(&self, direction: Direction, close: Option<(CloseCode, &str)>) {
        let close = close.map(|(code, reason)| (code, reason.into()));
        self.write(direction, Said::Close(close));
    }

    fn write(&self, direction: Direction, said: Said) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry {
            at: self.1.elapsed(),
            direction,
            said,
        };
        // One write for a line: what is there is whole, whenever it ends. A full disk is no reason
        // to stop talking.
        let _ = file.write_all(format!("{entry}\n").as_bytes());
    }
}
