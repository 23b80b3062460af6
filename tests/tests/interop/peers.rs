//! The programs of `tests/peers`, and what is expected of those that serve.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ws_std::{Client, MessageBuf, Next, WebSocket};

use crate::process::{Process, repository};

/// How long a peer may take for one answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What `/limit` lets through, in bytes.
pub(crate) const LIMIT: u64 = 1000;

/// A server of theirs.
pub(crate) struct Theirs {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    url: String,
}

impl Theirs {
    /// One of each make, given these arguments.
    pub(crate) fn all(args: &[&str]) -> [Self; 2] {
        [
            Self::start("websockets", python("websockets_server.py").args(args)),
            Self::start("ws", node("ws_server.js").args(args)),
        ]
    }

    /// One that prints where it listens.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let port = process.line("listening ");
        Self {
            name,
            process,
            url: format!("ws://127.0.0.1:{port}"),
        }
    }

    /// A client for one of its paths.
    pub(crate) fn client(&self, path: &str) -> Client {
        Client::new(format!("{}{path}", self.url)).handshake_timeout(PATIENCE)
    }
}

/// What the peer says next, or that it has closed.
pub(crate) fn next<'a>(ws: &'a mut WebSocket, who: &str) -> Next<'a> {
    match ws.recv_timeout(PATIENCE) {
        Ok(Next::Elapsed) => panic!("{who} says nothing"),
        Ok(next) => next,
        Err(error) => panic!("{who}: {error}"),
    }
}

/// Expects a message.
pub(crate) fn expect(ws: &mut WebSocket, wanted: &MessageBuf, who: &str) {
    let wanted = wanted.as_message();
    let (kind, len) = (wanted.kind(), wanted.as_bytes().len());
    let got = next(ws, who);
    // Not `assert_eq`, which would print a million bytes.
    assert!(
        got == Next::Message(wanted),
        "{who}: not the same {kind:?} of {len} bytes"
    );
}

/// A program for the Python that has the packages.
pub(crate) fn python(script: &str) -> Command {
    let python = repository().join("target/peers/venv/bin/python");
    assert!(python.exists(), "run tests/peers/install.sh");
    let mut command = peer(&python, script);
    command.env("PYTHONUTF8", "1");
    command
}

/// A program for node.
pub(crate) fn node(script: &str) -> Command {
    let modules = repository().join("target/peers/node_modules/ws");
    assert!(modules.exists(), "run tests/peers/install.sh");
    peer(Path::new("node"), script)
}

fn peer(interpreter: &Path, script: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(repository().join("tests/peers").join(script));
    command
}
