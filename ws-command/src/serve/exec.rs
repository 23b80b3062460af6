//! `--exec`: a process for each connection, which speaks through its standard input and output.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use ws_std::{CloseCode, Error, Request, Writer};

use super::log::Entry;

/// How the bytes of a process become messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Framing {
    /// A line is a text message, and a message a line
    Lines,
    /// Bytes as they come are a binary message, and the bytes of a message go in as they are
    Bytes,
}

/// What is run.
#[derive(Clone, Debug)]
pub(super) struct Exec {
    pub(super) command: String,
    pub(super) framing: Framing,
    /// How long a process may go on after its client: then it gets SIGTERM, and in the end SIGKILL.
    pub(super) grace: Duration,
}

impl Exec {
    /// Runs a process for a connection, until both have ended.
    pub(super) fn talk(
        &self,
        ws: ws_std::WebSocket,
        request: &Request,
        entry: &Entry,
    ) -> Result<(), Error> {
        let (mut reader, writer) = ws.split();
        let mut child = match self.spawn(request) {
            Ok(child) => child,
            Err(error) => {
                let _ = writer.close(CloseCode::INTERNAL, "");
                return Err(Error::Io(error));
            }
        };
        let mut input = child.stdin.take();
        let output = child.stdout.take();
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (ended, has_ended) = mpsc::channel();
        let framing = self.framing;
        let output = thread::Builder::new()
            .name("ws-exec".into())
            .spawn(move || {
                let status = follow(child, output, &writer, framing);
                let _ = ended.send(());
                let (code, reason) = verdict(status);
                let _ = writer.close(code, &reason);
            });
        let result = loop {
            match reader.recv() {
                Ok(Some(message)) => {
                    entry.message();
                    let written = input.as_mut().map(|input| {
                        input.write_all(message.as_bytes())?;
                        match framing {
                            Framing::Lines => input.write_all(b"\n"),
                            Framing::Bytes => Ok(()),
                        }
                    });
                    if let Some(Err(_)) = written {
                        // It reads no more. What it says is still sent.
                        input = None;
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // The end of its input tells it that the client is gone.
        drop(input);
        match output {
            Ok(output) => {
                self.end(group, &has_ended);
                let _ = output.join();
            }
            Err(error) => return Err(Error::Io(error)),
        }
        result
    }

    fn spawn(&self, request: &Request) -> io::Result<Child> {
        let peer = request.peer_addr();
        Command::new("sh")
            .arg("-c")
            .arg(&self.command)
            .env("REMOTE_ADDR", peer.ip().to_string())
            .env("REMOTE_PORT", peer.port().to_string())
            .env("PATH_INFO", request.path())
            .env("QUERY_STRING", request.query().unwrap_or_default())
            .env("HTTP_HOST", request.host().unwrap_or_default())
            .env("HTTP_ORIGIN", request.header("origin").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // With all that it starts: they are ended together, and not by a Ctrl-C for the server.
            .process_group(0)
            .spawn()
    }

    /// Ends a process that does not end by itself.
    fn end(&self, group: Option<Pid>, has_ended: &Receiver<()>) {
        for signal in [Signal::TERM, Signal::KILL] {
            if has_ended.recv_timeout(self.grace).is_ok() {
                return;
            }
            if let Some(group) = group {
                // It may just have ended.
                let _ = kill_process_group(group, signal);
            }
        }
    }
}

/// Sends what a process says, and waits for its end.
fn follow(
    mut child: Child,
    output: Option<ChildStdout>,
    writer: &Writer,
    framing: Framing,
) -> io::Result<ExitStatus> {
    if let Some(output) = output {
        // If the client is gone, the process sees that nobody reads.
        let _ = match framing {
            Framing::Lines => lines(output, writer),
            Framing::Bytes => bytes(output, writer),
        };
    }
    child.wait()
}

fn lines(output: impl Read, writer: &Writer) -> Result<(), Error> {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).map_err(Error::Io)? > 0 {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        match std::str::from_utf8(text) {
            Ok(text) => writer.send(text)?,
            // It says bytes.
            Err(_) => writer.send(text)?,
        }
        line.clear();
    }
    Ok(())
}

fn bytes(mut output: impl Read, writer: &Writer) -> Result<(), Error> {
    let mut piece = vec![0; 16 << 10];
    loop {
        match output.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(len) => writer.send(&piece[..len])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Io(error)),
        }
    }
}

/// The Close of a process: it has done what it does, or failed.
fn verdict(status: io::Result<ExitStatus>) -> (CloseCode, String) {
    match status {
        Ok(status) if status.success() => (CloseCode::NORMAL, String::new()),
        Ok(status) => (
            CloseCode::INTERNAL,
            format!("the process ended with {status}"),
        ),
        Err(_) => (CloseCode::INTERNAL, String::new()),
    }
}
