//! A prompt with a history, and messages above it.
//!
//! One thread has the terminal: it reads the keys and writes the lines, so that they come in
//! order and never into one another. It never waits for the connection.
//!
//! ```text
//!   receiver ── messages ──▶ ┌───────┐ ── commands ──▶ sender
//!   trace ───── frames ────▶ │ Stage │
//!   keyboard ── keys ──────▶ └───────┘ ── lines, prompt ──▶ screen
//! ```

use std::fs::File;
use std::io::{self, IsTerminal, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use ws_std::{CloseCode, Message};

use super::colours::Ink;
use super::commands::{Command, HELP};
use super::editor::{Asked, Editor};
use super::encoding::{Output, Reading};
use super::history::{self, Saved};
use super::keys::Keys;
use super::link::Link;
use super::opening::Says;
use super::screen::{Next, Screen};
use super::{Args, lock};
use crate::args::plain;
use crate::fail;
use crate::log::Lines;
use crate::record::Recorder;
use crate::text::{Escaped, Hex};
use crate::utc::Utc;

/// The number of bytes of a binary message that are shown.
const SHOWN: usize = 32;

/// Asks the terminal to mark what is pasted, and not to any more.
const MARK_PASTE: &str = "\x1b[?2004h";
const PASTE_UNMARKED: &str = "\x1b[?2004l";

/// A Ping that was typed: its payload, and the time.
type Pinged = Arc<Mutex<Option<(String, Instant)>>>;

/// Lines about the connection are shown above the prompt.
struct Above {
    screen: Screen,
    pinged: Pinged,
    is_coloured: bool,
    /// The trace is for this terminal, and not for a file.
    is_traced_here: bool,
}

impl Says for Above {
    fn trace(&self, line: String) {
        match self.is_traced_here {
            true => self.screen.trace(line),
            false => Lines::standard().add(line),
        }
    }

    fn notice(&self, line: String) {
        self.screen.add(Ink::Notice.paint(self.is_coloured, line));
    }

    fn pong(&self, payload: &[u8]) {
        let ours = |(sent, _): &mut (String, _)| sent.as_bytes() == payload;
        if let Some((_, at)) = lock(&self.pinged).take_if(ours) {
            let time = at.elapsed().as_secs_f64() * 1e3;
            self.notice(format!("pong after {time:.1} ms"));
        }
    }
}

pub(super) fn run(args: &Args, recorder: Option<Recorder>) -> ExitCode {
    let (screen, woken) = match Screen::new() {
        Ok(new) => new,
        Err(error) => return fail(2, format_args!("no terminal: {}", plain(&error))),
    };
    let says = Arc::new(Above {
        screen: screen.clone(),
        pinged: Pinged::default(),
        is_coloured: args.is_coloured(),
        is_traced_here: io::stderr().is_terminal(),
    });
    let (mut incoming, link) = match args.connect(recorder, &says) {
        Ok(connected) => connected,
        Err(why) => {
            screen.print_rest();
            args.end_trace();
            return fail(2, why);
        }
    };
    let url = Escaped(&args.url);
    says.notice(format!("connected to {url}; /help lists the commands"));

    let (raw, started) = match start(args, &link, &screen, woken, says.pinged.clone()) {
        Ok(started) => started,
        Err(error) => return fail(2, format_args!("no terminal: {}", plain(&error))),
    };
    let at_once = raw.clone();
    if let Err(error) = link.close_on_signal(move || at_once.restore()) {
        link.close_failed(format!("cannot handle signals: {}", plain(&error)));
    }
    let ended = link.receive(&mut incoming, args.count(), |message| {
        let shown = shown(message, args);
        screen.add_and_wait(Ink::Received.paint(says.is_coloured, shown));
        Ok(())
    });
    screen.end();
    let _ = started.join();
    raw.restore();
    screen.print_rest();
    args.end_trace();
    match link.verdict(&incoming.reader, ended) {
        Ok(closed) => {
            let _ = writeln!(io::stdout(), "{closed}");
            ExitCode::SUCCESS
        }
        Err(why) => fail(1, why),
    }
}

/// Takes the terminal, and starts the threads for it and for sending.
fn start(
    args: &Args,
    link: &Link,
    screen: &Screen,
    woken: PipeReader,
    pinged: Pinged,
) -> io::Result<(Raw, thread::JoinHandle<()>)> {
    let (commands, typed) = mpsc::channel();
    let sending = link.clone();
    let (saved, lines) = history(args, screen);
    let read = args.reading();
    thread::Builder::new()
        .name("ws-sender".into())
        .spawn(move || send(&typed, &sending, read, &pinged))?;
    let (resized, resize) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGWINCH, resize)?;
    let raw = Raw::enter()?;
    let mut stage = Stage {
        raw: raw.clone(),
        screen: screen.clone(),
        link: link.clone(),
        commands,
        editor: Editor::with_history(lines),
        saved,
        keys: Keys::default(),
        read,
    };
    let thread = thread::Builder::new()
        .name("ws-terminal".into())
        .spawn(move || {
            if let Err(error) = stage.run(woken, &resized) {
                stage
                    .link
                    .close_failed(format!("the terminal failed: {}", plain(&error)));
                // Nobody will see the lines, so no thread should wait for them.
                stage.screen.give_up();
            }
        });
    match thread {
        Ok(thread) => Ok((raw, thread)),
        Err(error) => {
            raw.restore();
            Err(error)
        }
    }
}

/// The history, and the lines that are in it.
fn history(args: &Args, screen: &Screen) -> (Option<Saved>, Vec<String>) {
    let path = match (&args.history, args.no_history) {
        (_, true) => None,
        (Some(path), _) => Some(path.clone()),
        (None, _) => history::default_path(|name| std::env::var_os(name)),
    };
    let Some(path) = path else {
        return (None, Vec::new());
    };
    match Saved::open(&path) {
        Ok((saved, lines)) => (Some(saved), lines),
        Err(error) => {
            let (path, why) = (path.display().to_string(), plain(&error));
            screen.add(format!("no history in {}: {why}", Escaped(&path)));
            (None, Vec::new())
        }
    }
}

/// Does what was typed, where that may have to wait for the peer.
fn send(
    typed: &Receiver<String>,
    link: &Link,
    read: Reading,
    pinged: &Mutex<Option<(String, Instant)>>,
) {
    for line in typed {
        let done = match Command::parse(&line) {
            Ok(Command::Send(text)) => match read.read(text) {
                Ok(message) => link.send(&message),
                // It was refused when it was typed.
                Err(_) => Ok(()),
            },
            Ok(Command::Ping(payload)) => {
                *lock(pinged) = Some((payload.into(), Instant::now()));
                // If there is no connection, no Pong comes.
                let _ = link.ping(payload.as_bytes());
                Ok(())
            }
            Ok(Command::Close(code, reason)) => link.close(code, reason),
            Ok(Command::Help | Command::Nothing) | Err(_) => Ok(()),
        };
        if done.is_err() {
            // The receiver sees why.
            return;
        }
    }
}

/// A message as it is shown: `< ` before it, and lines after the first set in as far.
fn shown(message: Message<'_>, args: &Args) -> String {
    let time = match args.times {
        true => format!("{} ", Utc::now()),
        false => String::new(),
    };
    let text = match (message, args.output) {
        // The prompt has lines only: what is raw is shown as text.
        (Message::Text(text), Output::Lines | Output::Raw) => text.to_owned(),
        (Message::Binary(bytes), Output::Lines | Output::Raw) => match std::str::from_utf8(bytes) {
            Ok(text) if args.binary => text.to_owned(),
            _ => {
                let cut = if bytes.len() > SHOWN { "…" } else { "" };
                let start = Hex(&bytes[..bytes.len().min(SHOWN)]);
                format!("binary, {} bytes: {start}{cut}", bytes.len())
            }
        },
        _ => args.shape(true).text(message),
    };
    let lines = text.split('\n').map(|line| Escaped(line).to_string());
    format!("{time}< {}", lines.collect::<Vec<_>>().join("\n  "))
}

/// The thread that has the terminal.
struct Stage {
    raw: Raw,
    screen: Screen,
    link: Link,
    commands: Sender<String>,
    editor: Editor,
    saved: Option<Saved>,
    keys: Keys,
    read: Reading,
}

impl Stage {
    /// Shows lines and reads keys until the end.
    fn run(&mut self, mut woken: PipeReader, mut resized: &UnixStream) -> io::Result<()> {
        let mut keyboard = Some(self.raw.tty.clone());
        self.write(MARK_PASTE)?;
        self.paint()?;
        loop {
            let mut fds = vec![
                PollFd::new(&woken, PollFlags::IN),
                PollFd::new(&resized, PollFlags::IN),
            ];
            if let Some(tty) = &keyboard {
                fds.push(PollFd::from_borrowed_fd(tty.as_fd(), PollFlags::IN));
            }
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            if ready[0] {
                let _ = woken.read(&mut [0; 64])?;
                if self.show()? == Next::End {
                    return self.write(&format!("\r\x1b[K{PASTE_UNMARKED}"));
                }
            }
            if ready[1] {
                let _ = resized.read(&mut [0; 64])?;
                self.paint()?;
            }
            if ready.get(2) == Some(&true) && self.type_keys()? == Next::End {
                keyboard = None;
            }
        }
    }

    /// Shows the lines that wait, above the prompt.
    fn show(&mut self) -> io::Result<Next> {
        let (lines, next) = self.screen.take();
        if !lines.is_empty() {
            let mut text = String::from("\r\x1b[K");
            for line in lines {
                text += &line;
                text.push('\n');
            }
            self.write(&text)?;
            self.paint()?;
        }
        Ok(next)
    }

    /// Reads keys and does what they say. The end is that of the keyboard.
    fn type_keys(&mut self) -> io::Result<Next> {
        let mut bytes = [0; 1024];
        let len = match (&*self.raw.tty).read(&mut bytes) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Next::More),
            // The terminal is gone.
            Err(_) => 0,
        };
        if len == 0 {
            let _ = self.link.close(CloseCode::NORMAL, "");
            return Ok(Next::End);
        }
        for byte in &bytes[..len] {
            let Some(key) = self.keys.push(*byte) else {
                continue;
            };
            match self.editor.press(key) {
                Asked::Paint => {}
                Asked::ClearScreen => self.write("\x1b[H\x1b[2J")?,
                Asked::Line(line) => self.enter(line)?,
                Asked::Dropped(line) => {
                    self.keep(&line);
                    self.leave(&line, "^C")?;
                }
                Asked::Interrupt => self.link.interrupt(2, || self.raw.restore()),
                Asked::EndOfInput => drop(self.link.close(CloseCode::NORMAL, "")),
                Asked::Suspend => self.suspend()?,
            }
        }
        self.paint()?;
        Ok(Next::More)
    }

    /// Leaves the line where it was typed, and does what it says.
    fn enter(&mut self, line: String) -> io::Result<()> {
        self.keep(&line);
        let wrong = |wrong: &str| Some(Escaped(wrong).to_string());
        let answer = match Command::parse(&line) {
            Ok(Command::Help) => Some(HELP.to_owned()),
            Ok(Command::Send(text)) => match self.read.read(text) {
                Ok(_) => None,
                Err(why) => wrong(&format!("this {why}")),
            },
            Ok(_) => None,
            Err(why) => wrong(&why),
        };
        self.leave(&line, "")?;
        match answer {
            Some(answer) => self.write(&format!("{answer}\n")),
            None => {
                // If nobody takes it, the receiver sees why.
                drop(self.commands.send(line));
                Ok(())
            }
        }
    }

    /// Leaves a line where it was typed.
    fn leave(&self, line: &str, after: &str) -> io::Result<()> {
        let (prompt, line) = (super::editor::PROMPT, Escaped(line));
        self.write(&format!("\r\x1b[K{prompt}{line}{after}\n"))
    }

    fn keep(&mut self, line: &str) {
        if let Some(saved) = &mut self.saved {
            saved.add(line);
        }
    }

    fn suspend(&self) -> io::Result<()> {
        self.raw.restore();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        // The process goes on after a stop.
        self.raw.set()?;
        self.write(MARK_PASTE)
    }

    fn paint(&self) -> io::Result<()> {
        let columns = tcgetwinsize(&*self.raw.tty).map_or(0, |size| size.ws_col);
        // A terminal that does not know its width is treated as an old one.
        let columns = if columns == 0 { 80 } else { columns };
        self.write(&self.editor.paint(columns.into()))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

/// The terminal, and the mode it had.
#[derive(Clone, Debug)]
struct Raw {
    tty: Arc<File>,
    before: Termios,
}

impl Raw {
    fn enter() -> io::Result<Self> {
        let tty = io::stdin().as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&tty)?;
        let raw = Self {
            tty: Arc::new(tty.into()),
            before,
        };
        raw.set()?;
        Ok(raw)
    }

    /// Every key comes as it is pressed, and is not shown. Output stays as it is: `\n` begins a
    /// new line.
    fn set(&self) -> io::Result<()> {
        let output = self.before.output_modes;
        let mut mode = self.before.clone();
        mode.make_raw();
        mode.output_modes = output;
        Ok(tcsetattr(&*self.tty, OptionalActions::Drain, &mode)?)
    }

    /// Gives the terminal back, on an empty line.
    fn restore(&self) {
        let _ = tcsetattr(&*self.tty, OptionalActions::Drain, &self.before);
        let mut stdout = io::stdout();
        let _ = write!(stdout, "\r\x1b[K{PASTE_UNMARKED}");
        let _ = stdout.flush();
    }
}
