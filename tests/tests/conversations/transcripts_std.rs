//! The conversations of `transcripts/`, held by the blocking adapter over a real socket.
//!
//! It shows less of them than the core does: not the Pings and Pongs it dealt with, nor where the
//! connection stands. What it shows has to be the same, and so has every byte it writes.

use core::fmt::Debug;
use core::time::Duration;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::written::Written;
use ws_proto::{CloseCode, Kind, Message, Role};
use ws_std::{Clock, Error, Next, WebSocket};
use ws_testkit::{
    Action, Endpoint, Expected, Got, Mismatch, Script, Setup, Shown, assert_all_held,
    assert_noticed, play,
};

#[test]
fn ws_std() {
    let scripts = Script::all();
    let held = scripts.iter().filter(|script| can_be_held(script));
    assert_all_held(held, hold);
}

#[test]
fn a_wrong_script_is_noticed_with_its_line() {
    let wrong = [
        ("got text \"Hullo\"", 3),
        ("", 2),
        ("got text \"Hello\"\nsend ping\nout frame pong", 5),
        ("got text \"Hello\"\nsend ping", 4),
        ("got text \"Hello\"\nsend ping 126*00", 4),
        ("got text \"Hello\"\nwait 20s\nout frame ping\nwait 20s", 6),
        ("error MaskMissing", 3),
    ];
    assert_noticed(&wrong, hold);
}

/// What the adapter has no call for, or does on the system's clock: once the peer has closed or
/// broken the protocol, it gives it a while to go.
fn can_be_held(script: &Script) -> bool {
    script.is_for_adapters() && !script.stays_after_its_end()
}

fn hold(script: &Script) -> Result<(), Mismatch> {
    let mut socket = Socket::new(&script.setup).expect("loopback");
    play(script, &mut socket)?;
    let last = script.lines.last().map_or(1, |line| line.number);
    socket.end().map_err(|what| script.mismatch(last, what))
}

/// The adapter, at one end of a real socket.
struct Socket {
    socket: Option<WebSocket>,
    role: Role,
    clock: Clock,
    peer: TcpStream,
    written: Arc<Written>,
    reader: Option<JoinHandle<()>>,
    shown: Shown,
    /// Whether it has said that the connection is over.
    over: bool,
    /// Whether a Close of ours was accepted.
    closing: bool,
    /// Whether something was sent, and nothing received since.
    poll_due: bool,
}

impl Socket {
    fn new(setup: &Setup) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let peer = TcpStream::connect(listener.local_addr()?)?;
        peer.set_nodelay(true)?;
        let (stream, _) = listener.accept()?;
        let clock = Clock::manual();
        let session = setup.session();
        let written = Arc::new(Written::default());
        let reader = {
            let (peer, written) = (peer.try_clone()?, Arc::clone(&written));
            thread::spawn(move || written.read(&peer))
        };
        let mut socket = Self {
            socket: Some(WebSocket::over(stream, session, clock.clone())?),
            role: setup.role,
            clock,
            peer,
            written,
            reader: Some(reader),
            shown: Shown::default(),
            over: false,
            closing: false,
            poll_due: false,
        };
        socket.poll();
        Ok(socket)
    }

    fn socket(&mut self) -> &mut WebSocket {
        self.socket.as_mut().expect("it is taken at the end")
    }

    fn send(&mut self, command: &Action) -> Result<(), Error> {
        let socket = self.socket();
        match command {
            Action::Send(Kind::Text, text) => socket.send(str::from_utf8(text).expect("text")),
            Action::Send(Kind::Binary, bytes) => socket.send(bytes),
            Action::SendPart(kind, payload, part) => socket.send_part(*kind, payload, *part),
            Action::Ping(payload) => socket.ping(payload),
            Action::Close(Some((code, reason))) => {
                let code = CloseCode::new(*code).expect("a code that may travel");
                socket.writer().close(code, reason)
            }
            other => panic!("{other:?} cannot be held"),
        }
    }

    /// Writes as the peer; what is large, while the endpoint reads.
    fn write(&mut self, bytes: &[u8]) {
        let mut peer = self.peer.try_clone().expect("a second handle");
        // What the endpoint does not read any more need not be written.
        let mut write = move || peer.write_all(bytes).unwrap_or_default();
        if bytes.len() < 8192 {
            return write();
        }
        thread::scope(|scope| {
            let writer = scope.spawn(write);
            while !writer.is_finished() {
                self.poll();
            }
        });
    }

    /// Receives what there is.
    fn poll(&mut self) {
        while !self.over {
            let next = self.socket().recv_timeout(Duration::ZERO);
            let got = match next {
                Ok(Next::Message(Message::Text(text))) => Got::Text(text.into()),
                Ok(Next::Message(Message::Binary(bytes))) => Got::Binary(bytes.into()),
                Ok(Next::Elapsed) => return,
                Ok(Next::Closed) => {
                    self.over = true;
                    let close = self.socket().peer_close();
                    Got::Close(close.map(|(code, reason)| (code.get(), reason)))
                }
                Err(Error::Protocol(error)) => {
                    self.over = true;
                    // The error is final.
                    let again = self.socket().recv();
                    assert!(matches!(again, Err(Error::Protocol(same)) if same == error));
                    Got::Error(error)
                }
                Err(Error::TimedOut(silence)) => {
                    self.over = true;
                    self.shown.dead = Some(silence);
                    return;
                }
                Err(error) => panic!("{error}"),
            };
            self.shown.got.push_back(got);
        }
    }

    /// Drops the endpoint: nothing more may have been written than what was stated. One that is
    /// open takes its leave.
    fn end(mut self) -> Result<(), String> {
        self.socket = None;
        let reader = self.reader.take().expect("it is joined once");
        reader.join().expect("it does not panic");
        self.written.nothing_left(!self.over && !self.closing)
    }
}

impl Endpoint for Socket {
    /// What is sent has to leave without a call to receive, which comes with the next action.
    fn act(&mut self, action: &Action, then: &[&Expected]) {
        let closes = |expected: &&Expected| matches!(expected, Expected::Got(Got::Close(_)));
        match action {
            Action::In(_) | Action::Eof if self.over => return,
            Action::In(bytes) => {
                self.write(bytes);
                if then.iter().any(closes) && self.role == Role::Client {
                    // A client waits for the server to end the stream.
                    let _ = self.peer.shutdown(Shutdown::Write);
                }
            }
            Action::Eof => {
                let _ = self.peer.shutdown(Shutdown::Write);
            }
            Action::Wait(duration) => self.clock.advance(*duration),
            command => {
                let result = self.send(command);
                self.closing |= matches!(command, Action::Close(_)) && result.is_ok();
                self.shown.refused = result.err().map(|error| match error {
                    Error::Send(error) => format!("{error:?}"),
                    error => format!("{error:?}"),
                });
                self.poll_due = true;
                return;
            }
        }
        self.poll();
    }

    fn shown(&mut self) -> &mut Shown {
        &mut self.shown
    }

    /// If need be once it has come through the socket.
    fn got(&mut self) -> Option<Got> {
        for _ in 0..1000 {
            if let Some(got) = self.shown.got.pop_front() {
                return Some(got);
            }
            if self.over {
                break;
            }
            self.poll();
        }
        None
    }

    fn out(&mut self, len: usize) -> Vec<u8> {
        self.written.take(len)
    }

    fn left(&mut self) -> Option<&dyn Debug> {
        if core::mem::take(&mut self.poll_due) {
            self.poll();
        }
        self.shown.left()
    }
}
