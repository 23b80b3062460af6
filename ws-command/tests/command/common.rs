//! What the tests of the command have in common: it is run as users run it.

#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ws_std::{MessageBuf, Next, WebSocket};

/// How long anything may take: much longer than it does, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The command with these arguments.
pub(crate) fn ws(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws"));
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the command with this input, to its end.
pub(crate) fn run(args: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut child = ws(args).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.as_ref().to_vec();
    // It may end without having read everything.
    thread::spawn(move || stdin.write_all(&input));
    finish(child)
}

/// Waits for the end of a process.
pub(crate) fn finish(child: Child) -> Output {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    finished
        .recv_timeout(PATIENCE)
        .expect("the process ends")
        .unwrap()
}

/// The parts of an output that tests look at.
pub(crate) fn parts(output: &Output) -> Out {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A process that has ended: its status, its output, and its standard error.
pub(crate) type Out = (Option<i32>, String, String);

/// What comes of `ws connect` with this input.
pub(crate) fn connect(args: &[&str], input: impl AsRef<[u8]>) -> Out {
    let args: Vec<&str> = ["connect"].iter().chain(args).copied().collect();
    parts(&run(&args, input))
}

/// It wrote this, and all was well.
pub(crate) fn done(out: &str) -> Out {
    (Some(0), out.into(), String::new())
}

/// `ws serve` on a port of its own. Dropped, it is gone.
pub(crate) struct Served {
    pub(crate) child: Option<Child>,
    pub(crate) address: SocketAddr,
    pub(crate) stdout: BufReader<std::process::ChildStdout>,
}

impl Served {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(ws(&["serve", "--listen", "127.0.0.1:0"]).args(args))
    }

    /// Starts what is a `ws serve` in the end.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.strip_suffix("/\n"))
            .unwrap_or_else(|| panic!("{line:?}"));
        let address: SocketAddr = address.parse().unwrap();
        assert_ne!(address.port(), 0);
        Self {
            child: Some(child),
            address,
            stdout,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    pub(crate) fn connect(&self, path: &str) -> WebSocket {
        ws_std::connect(self.url(path)).unwrap()
    }

    /// The answer to an ordinary request: its head and its body.
    pub(crate) fn get(&self, target: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.into(), body.into())
    }

    /// Waits for its end: the exit status, and what it printed after the first line.
    pub(crate) fn finish(mut self) -> (Option<i32>, String) {
        let output = finish(self.child.take().unwrap());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (output.status.code(), rest)
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        send_signal(self.child.as_ref().unwrap(), signal);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(unix)]
pub(crate) fn send_signal(child: &Child, signal: nix::sys::signal::Signal) {
    let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(id, signal).unwrap();
}

/// The next message, which has to come.
pub(crate) fn next(ws: &mut WebSocket) -> MessageBuf {
    match ws.recv_timeout(PATIENCE).unwrap() {
        Next::Message(message) => message.to_owned(),
        other => panic!("{other:?} and no message"),
    }
}

/// The next message, which has to be text.
pub(crate) fn text(ws: &mut WebSocket) -> String {
    match next(ws) {
        MessageBuf::Text(text) => text,
        MessageBuf::Binary(bytes) => panic!("{bytes:?} and no text"),
    }
}

/// Waits for the peer's Close, whatever comes before it, and returns its code.
pub(crate) fn closed(ws: &mut WebSocket) -> u16 {
    loop {
        match ws.recv_timeout(PATIENCE).unwrap() {
            Next::Message(_) => {}
            Next::Closed => return ws.peer_close().unwrap().0.get(),
            Next::Elapsed => panic!("no close"),
        }
    }
}
