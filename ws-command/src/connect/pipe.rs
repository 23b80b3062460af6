//! Lines in, lines out.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;

use ws_std::{CloseCode, Message};

use super::{Args, Link};
use crate::args::plain;
use crate::fail;
use crate::log::Lines;
use crate::text::{Escaped, Hex, OneLine};

pub(super) fn run(args: &Args) -> ExitCode {
    let trace = |line| Lines::standard().add(line);
    let (mut reader, link) = match args.connect(trace, |_| {}) {
        Ok(connected) => connected,
        Err(why) => {
            args.end_trace();
            return fail(2, why);
        }
    };
    if let Err(error) = link.close_on_signal(|| {}) {
        link.close_failed(format!("cannot handle signals: {}", plain(&error)));
    }
    let sender = link.clone();
    let (binary, counted) = (args.binary, args.count.is_some());
    let input = move || match send_lines(io::stdin().lock(), &sender, binary) {
        Ok(()) if counted => {}
        Ok(()) => drop(sender.close(CloseCode::NORMAL, "")),
        Err(what) => sender.close_failed(what),
    };
    // This thread is not waited for: when the server closes we end, even if there is still input.
    if let Err(error) = thread::Builder::new().name("ws-input".into()).spawn(input) {
        link.close_failed(format!("cannot start a thread: {}", plain(&error)));
    }

    // Messages may hold anything, and must not control the user's terminal.
    let careful = io::stdout().is_terminal();
    let ended = link.receive(&mut reader, args.count, |message| {
        let mut line = line(message, args);
        if careful {
            line = Escaped(&line).to_string();
        }
        line.push('\n');
        let mut stdout = io::stdout();
        stdout.write_all(line.as_bytes())?;
        stdout.flush()
    });
    args.end_trace();
    match link.verdict(&reader, ended) {
        Ok(_) => ExitCode::SUCCESS,
        Err(why) => fail(1, why),
    }
}

/// Sends each line as a message, up to the end of the input or of the connection.
fn send_lines(mut input: impl BufRead, link: &Link, binary: bool) -> Result<(), String> {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|error| format!("cannot read the input: {}", plain(&error)))? == 0 {
            break;
        }
        let text = without_break(&line);
        let message = match std::str::from_utf8(text) {
            _ if binary => Message::Binary(text),
            Ok(text) => Message::Text(text),
            Err(_) => {
                return Err(format!(
                    "line {number} of the input is not UTF-8: --binary sends it as it is"
                ));
            }
        };
        if link.writer.send(message).is_err() {
            // The receiver sees why.
            break;
        }
    }
    Ok(())
}

/// The line without its LF or CRLF.
fn without_break(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A message as one line of output.
fn line(message: Message<'_>, args: &Args) -> String {
    match message {
        Message::Text(text) => OneLine(text).to_string(),
        Message::Binary(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if args.binary => OneLine(text).to_string(),
            _ => Hex(bytes).to_string(),
        },
    }
}
