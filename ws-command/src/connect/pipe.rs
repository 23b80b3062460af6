//! Messages in, messages out, through pipes.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use ws_std::{CloseCode, MessageBuf};

use super::Args;
use super::encoding::Reading;
use super::link::Link;
use super::opening::Says;
use crate::args::plain;
use crate::fail;
use crate::log::Lines;
use crate::record::Recorder;

/// Lines about the connection go to standard error.
struct Aside;

impl Says for Aside {
    fn trace(&self, line: String) {
        Lines::standard().add(line);
    }

    fn notice(&self, line: String) {
        Lines::standard().add(format!("ws: {line}"));
    }
}

pub(super) fn run(args: &Args, recorder: Option<Recorder>) -> ExitCode {
    let instead = match args.instead_of_input() {
        Ok(instead) => instead,
        Err(why) => return fail(2, why),
    };
    let (mut incoming, link) = match args.connect(recorder, &Arc::new(Aside)) {
        Ok(connected) => connected,
        Err(why) => {
            args.end_trace();
            return fail(2, why);
        }
    };
    if let Err(error) = link.close_on_signal(|| {}) {
        link.close_failed(format!("cannot handle signals: {}", plain(&error)));
    }
    let feed = Feed::new(args, link.clone());
    let input = move || feed.run(instead);
    // This thread is not waited for: when the server closes we end, even if there is still input.
    if let Err(error) = thread::Builder::new().name("ws-input".into()).spawn(input) {
        link.close_failed(format!("cannot start a thread: {}", plain(&error)));
    }

    // Messages may hold anything, and must not control the user's terminal.
    let shape = args.shape(io::stdout().is_terminal());
    let ended = link.receive(&mut incoming, args.count(), |message| {
        match &args.receive_file {
            Some(path) => write_file(path, message.as_bytes()),
            None => {
                let mut stdout = io::stdout();
                stdout.write_all(&shape.piece(message))?;
                stdout.flush()
            }
        }
    });
    args.end_trace();
    match link.verdict(&incoming.reader, ended) {
        Ok(_) => ExitCode::SUCCESS,
        Err(why) => fail(1, why),
    }
}

/// Writes a file; `-` is the standard output.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.to_str() == Some("-") {
        let mut stdout = io::stdout();
        stdout.write_all(bytes)?;
        return stdout.flush();
    }
    std::fs::write(path, bytes).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("{}: {}", path.display(), plain(&error)),
        )
    })
}

/// What is sent, and what is done at its end.
struct Feed {
    link: Link,
    read: Reading,
    end: u8,
    then: Then,
}

/// What is done at the end of the input.
#[derive(Clone, Copy, Debug)]
enum Then {
    Close(std::time::Duration),
    Stay,
}

impl Feed {
    fn new(args: &Args, link: Link) -> Self {
        let is_awaited = args.count().is_some();
        Self {
            link,
            read: args.reading(),
            end: if args.null { 0 } else { b'\n' },
            then: match args.stay || is_awaited && args.wait.is_zero() {
                true => Then::Stay,
                false => Then::Close(args.wait),
            },
        }
    }

    fn run(self, instead: Option<Vec<MessageBuf>>) {
        let sent = match instead {
            Some(messages) => {
                // If one cannot be sent, the receiver sees why.
                let _ = messages
                    .iter()
                    .try_for_each(|message| self.link.send(message));
                Ok(())
            }
            None => self.send_pieces(io::stdin().lock()),
        };
        match (sent, self.then) {
            (Err(what), _) => self.link.close_failed(what),
            (Ok(()), Then::Stay) => {}
            (Ok(()), Then::Close(after)) => {
                thread::sleep(after);
                drop(self.link.close(CloseCode::NORMAL, ""));
            }
        }
    }

    /// Sends each line as a message, up to the end of the input or of the connection.
    fn send_pieces(&self, mut input: impl BufRead) -> Result<(), String> {
        let mut piece = Vec::new();
        for number in 1_u64.. {
            piece.clear();
            let read = input.read_until(self.end, &mut piece);
            if read.map_err(|error| unread(&error))? == 0 {
                break;
            }
            let message = self.read.read(self.without_end(&piece));
            let message = message.map_err(|wrong| format!("line {number} of the input {wrong}"))?;
            if self.link.send(&message).is_err() {
                // The receiver sees why.
                break;
            }
        }
        Ok(())
    }

    /// The piece without its LF or CRLF, or its NUL.
    fn without_end<'p>(&self, piece: &'p [u8]) -> &'p [u8] {
        let piece = piece.strip_suffix(&[self.end]).unwrap_or(piece);
        match self.end {
            b'\n' => piece.strip_suffix(b"\r").unwrap_or(piece),
            _ => piece,
        }
    }
}

fn unread(error: &io::Error) -> String {
    format!("cannot read the input: {}", plain(error))
}
