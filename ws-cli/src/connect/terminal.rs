//! A prompt with a history, and messages above it.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor, ExternalPrinter};
use ws_std::{CloseCode, Message};

use super::commands::{Command, HELP};
use super::{Args, Link, lock};
use crate::args::plain;
use crate::fail;
use crate::text::{Escaped, Hex};

/// How many bytes of a binary message are shown.
const SHOWN: usize = 32;

/// How many lines may wait to be shown before the receiver waits too.
const WAITING: usize = 256;

/// How long the last lines have to be shown.
const LAST_MOMENT: Duration = Duration::from_millis(300);

type Prompt = Editor<(), MemHistory>;

pub(super) fn run(args: &Args) -> ExitCode {
    let saved = Saved::now();
    let (prompt, screen) = match start() {
        Ok(started) => started,
        Err(error) => return fail(2, format_args!("no terminal: {error}")),
    };
    let pinged = Arc::new(Mutex::new(None::<(Vec<u8>, Instant)>));

    let (trace, pongs) = (screen.clone(), screen.clone());
    let on_screen = io::stderr().is_terminal();
    let outstanding = pinged.clone();
    let connected = args.connect(
        move |line| match on_screen {
            true => trace.add(line),
            false => drop(writeln!(io::stderr(), "{line}")),
        },
        move |payload| {
            let mut pinged = lock(&outstanding);
            if let Some((_, at)) = pinged.take_if(|(sent, _)| sent == payload) {
                pongs.add(format!(
                    "pong after {:.1} ms",
                    at.elapsed().as_secs_f64() * 1e3
                ));
            }
        },
    );
    let (mut reader, link) = match connected {
        Ok(connected) => connected,
        Err(why) => {
            screen.finish();
            return fail(2, why);
        }
    };
    let at_once = saved.clone();
    if let Err(error) = link.close_on_signal(move || at_once.restore()) {
        link.close_failed(format!("no signals: {}", plain(&error)));
    }
    screen.add(format!(
        "connected to {}; /help lists the commands",
        Escaped(&args.url)
    ));
    let typing = link.clone();
    let binary = args.binary;
    let input = move || type_lines(prompt, &typing, binary, &pinged);
    if let Err(error) = thread::Builder::new().name("ws-input".into()).spawn(input) {
        link.close_failed(format!("no thread: {}", plain(&error)));
    }

    let ended = link.receive(&mut reader, args.count, |message| {
        screen.add_and_wait(shown(message, args));
        Ok(())
    });
    screen.finish();
    saved.restore();
    match link.verdict(&reader, ended) {
        Ok(closed) => {
            println!("{closed}");
            ExitCode::SUCCESS
        }
        Err(why) => fail(1, why),
    }
}

fn start() -> Result<(Prompt, Screen), ReadlineError> {
    let config = Config::builder().auto_add_history(true).build();
    let mut prompt = Prompt::with_history(config, MemHistory::new())?;
    let printer = prompt.create_external_printer()?;
    Ok((prompt, Screen::start(printer)?))
}

/// Reads lines and does what they say, until the input or the connection ends.
fn type_lines(
    mut prompt: Prompt,
    link: &Link,
    binary: bool,
    pinged: &Mutex<Option<(Vec<u8>, Instant)>>,
) {
    loop {
        let done = match prompt.readline("> ") {
            Ok(line) => match Command::parse(&line) {
                Ok(Command::Send(text)) if binary => link.writer.send(text.as_bytes()),
                Ok(Command::Send(text)) => link.writer.send(text),
                Ok(Command::Ping(payload)) => {
                    *lock(pinged) = Some((payload.into(), Instant::now()));
                    link.writer.ping(payload.as_bytes())
                }
                Ok(Command::Close(code, reason)) => {
                    let _ = link.close(code, reason);
                    return;
                }
                Ok(Command::Help) => {
                    println!("{HELP}");
                    Ok(())
                }
                Ok(Command::Nothing) => Ok(()),
                Err(wrong) => {
                    println!("{}", Escaped(&wrong));
                    Ok(())
                }
            },
            Err(ReadlineError::Interrupted) => {
                let _ = link.close(CloseCode::GOING_AWAY, "");
                return;
            }
            Err(ReadlineError::Eof) => {
                let _ = link.close(CloseCode::NORMAL, "");
                return;
            }
            // The window has another size.
            Err(ReadlineError::Signal(_)) => Ok(()),
            Err(error) => return link.close_failed(format!("cannot read the terminal: {error}")),
        };
        if done.is_err() {
            // The receiver sees why.
            return;
        }
    }
}

/// A message as it is shown: `< ` before it, and lines after the first set in as far.
fn shown(message: Message<'_>, args: &Args) -> String {
    let text = match message {
        Message::Text(text) => text,
        Message::Binary(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if args.binary => text,
            _ => {
                let cut = if bytes.len() > SHOWN { "…" } else { "" };
                let start = Hex(&bytes[..bytes.len().min(SHOWN)]);
                return format!("< binary, {} bytes: {start}{cut}", bytes.len());
            }
        },
    };
    let lines = text.split('\n').map(|line| Escaped(line).to_string());
    format!("< {}", lines.collect::<Vec<_>>().join("\n  "))
}

/// The lines above the prompt. They are written by a thread of their own, for a line waits until
/// the prompt can step aside for it.
#[derive(Clone, Debug)]
struct Screen {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The first one stays until it is shown.
    lines: Mutex<VecDeque<String>>,
    changed: Condvar,
}

impl Screen {
    fn start(mut printer: impl ExternalPrinter + Send + 'static) -> io::Result<Self> {
        let screen = Self {
            queue: Arc::default(),
        };
        let queue = screen.queue.clone();
        thread::Builder::new()
            .name("ws-screen".into())
            .spawn(move || {
                loop {
                    let line = queue.first();
                    if printer.print(format!("{line}\n")).is_err() {
                        // The prompt is gone for good.
                        println!("{line}");
                    }
                    queue.shown();
                }
            })?;
        Ok(screen)
    }

    /// Adds a line, and does not wait: for threads that the prompt may wait for.
    fn add(&self, line: String) {
        lock(&self.queue.lines).push_back(line);
        self.queue.changed.notify_all();
    }

    /// Adds a line, and waits while many are there: what is not received is not sent for ever.
    fn add_and_wait(&self, line: String) {
        self.add(line);
        drop(self.queue.wait_while(|lines| lines.len() > WAITING));
    }

    /// Waits a moment for what is still to be shown.
    fn finish(&self) {
        let lines = lock(&self.queue.lines);
        let waited = self
            .queue
            .changed
            .wait_timeout_while(lines, LAST_MOMENT, |lines| !lines.is_empty());
        drop(waited);
    }
}

impl Queue {
    fn first(&self) -> String {
        let lines = self.wait_while(|lines| lines.is_empty());
        lines.front().cloned().unwrap_or_default()
    }

    fn shown(&self) {
        lock(&self.lines).pop_front();
        self.changed.notify_all();
    }

    fn wait_while(
        &self,
        condition: impl Fn(&VecDeque<String>) -> bool,
    ) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.changed
            .wait_while(lock(&self.lines), |lines| condition(lines))
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The terminal as it was, for an end while the prompt has it.
#[derive(Clone, Debug)]
struct Saved {
    #[cfg(unix)]
    mode: Option<nix::sys::termios::Termios>,
}

impl Saved {
    fn now() -> Self {
        Self {
            #[cfg(unix)]
            mode: nix::sys::termios::tcgetattr(io::stdin()).ok(),
        }
    }

    /// Gives the terminal back, on an empty line.
    fn restore(&self) {
        #[cfg(unix)]
        if let Some(mode) = &self.mode {
            use nix::sys::termios::{SetArg, tcsetattr};
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, mode);
        }
        /// Begins the line anew, and ends the bracketing of what is pasted.
        const CLEAR: &str = "\r\x1b[K\x1b[?2004l";
        let mut stdout = io::stdout();
        let _ = stdout.write_all(CLEAR.as_bytes());
        let _ = stdout.flush();
    }
}
