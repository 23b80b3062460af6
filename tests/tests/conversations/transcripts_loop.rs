//! The conversations of `transcripts/` for a server, held by the event loop over a real socket.
//!
//! Its handler is told of messages and of the end; what it sends comes from another thread. So not
//! all of them can be held, but of those that are every byte has to be the same.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use crate::written::Written;
use ws_loop::{
    CloseCode, Closed, Conn, EventLoop, Handle, Handler, Hosts, Id, Message, Others, Refusal,
    Reply, Request, SendError,
};
use ws_proto::{Instant, Kind, Role, TimedOut};
use ws_std::WebSocket;
use ws_testkit::{
    Action, Endpoint, Expected, Got, Mismatch, Script, Setup, Shown, Step, assert_all_held,
    assert_noticed, play,
};

#[test]
fn ws_loop() {
    let scripts = Script::uncompressed();
    let held = scripts.iter().filter(|script| can_be_held(script));
    assert_all_held(held, |script| hold(script, usize::MAX));
}

#[test]
fn ws_loop_that_gets_one_byte_at_a_time() {
    let scripts = Script::uncompressed();
    let held = scripts.iter().filter(|script| can_be_held(script));
    assert_all_held(held.filter(|script| is_short(script)), |script| {
        hold(script, 1)
    });
}

#[test]
fn a_wrong_script_is_noticed_with_its_line() {
    let wrong = [
        ("got text \"Hullo\"", 3),
        ("", 2),
        ("got text \"Hello\"\nout frame pong", 4),
        ("got text \"Hello\"\nwait 20s\nout frame ping\nwait 20s", 6),
        ("error MaskMissing", 3),
    ];
    assert_noticed(&wrong, |script| hold(script, usize::MAX));
}

/// Not what other threads have no call for, nor what comes of the clock when the handler has been
/// told of the end.
fn can_be_held(script: &Script) -> bool {
    let no_call = |step: &Step| {
        matches!(
            step,
            Step::Do(Action::Ping(_) | Action::SendPart(..)) | Step::Expect(Expected::Refused(_))
        )
    };
    // What comes within a tick of a deadline may come on its other side.
    let is_close = |step: &Step| matches!(step, Step::Do(Action::Wait(wait)) if *wait < TICKS);
    script.setup.role == Role::Server
        && script.is_for_adapters()
        && !(script.has(no_call) || script.has(is_close) || script.stays_after_its_end())
}

/// Whether its peer says so little that each byte can be waited for.
fn is_short(script: &Script) -> bool {
    let said = script.lines.iter().map(|line| match &line.step {
        Step::Do(Action::In(bytes)) => bytes.len(),
        _ => 0,
    });
    said.sum::<usize>() <= 500
}

/// Holds a script with a peer that writes so many bytes at a time.
fn hold(script: &Script, piece: usize) -> Result<(), Mismatch> {
    let mut looping = Looping::new(&script.setup, piece);
    play(script, &mut looping)?;
    let last = script.lines.last().map_or(1, |line| line.number);
    looping.end().map_err(|what| script.mismatch(last, what))
}

/// What the handler is called for.
enum Told {
    Opened(Id),
    Got(Got),
    Dead(TimedOut),
    /// Without anything that the peer did.
    Ended,
}

struct Teller {
    told: Sender<Told>,
    echo: bool,
}

impl Handler for Teller {
    /// Whether it is told of.
    type Data = bool;

    fn open(&mut self, request: &Request, _: &mut Reply) -> Result<bool, Refusal> {
        Ok(request.path() == "/")
    }

    fn opened(&mut self, conn: &mut Conn<'_, bool>) -> Result<(), SendError> {
        if *conn.data {
            let _ = self.told.send(Told::Opened(conn.id()));
        }
        Ok(())
    }

    fn message(
        &mut self,
        conn: &mut Conn<'_, bool>,
        message: Message<'_>,
    ) -> Result<(), SendError> {
        if *conn.data {
            let _ = self.told.send(Told::Got(message.into()));
        }
        match *conn.data && !self.echo {
            true => Ok(()),
            false => conn.send(message),
        }
    }

    fn closed(&mut self, _: &mut Others<'_>, _: Id, is_told: bool, why: Closed<'_>) {
        if is_told {
            let _ = self.told.send(match why {
                Closed::Done(close) => Told::Got(close.into()),
                Closed::Protocol(error) => Told::Got(Got::Error(error)),
                Closed::TimedOut(silence) => Told::Dead(silence),
                _ => Told::Ended,
            });
        }
    }
}

/// A loop, with one connection that is looked at, and one that shows how far it is.
struct Looping {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    clock: Arc<AtomicU64>,
    id: Id,
    peer: TcpStream,
    control: WebSocket,
    written: Arc<Written>,
    reader: Option<JoinHandle<()>>,
    told: Receiver<Told>,
    shown: Shown,
    over: bool,
    /// How many bytes the peer writes at a time.
    piece: usize,
}

/// The wheel of a loop is this late at most.
const TICKS: Duration = Duration::from_millis(135);

impl Looping {
    fn new(setup: &Setup, piece: usize) -> Self {
        let (clock, (sender, told)) = (Arc::new(AtomicU64::new(0)), mpsc::channel());
        let nanos = Arc::clone(&clock);
        let server = EventLoop::bind("127.0.0.1:0").expect("loopback");
        let server = server
            .hosts(Hosts::any())
            .limits(setup.limits)
            .timeouts(setup.timeouts)
            .clock(move || Instant::from_epoch(Duration::from_nanos(nanos.load(Ordering::SeqCst))))
            .websocket("/")
            .websocket("/control");
        let (addr, handle) = (server.local_addr().expect("a port"), server.handle());
        let teller = Teller {
            told: sender,
            echo: setup.echo,
        };
        let thread = thread::spawn(move || server.run(teller).expect("it runs"));
        let control = ws_std::connect(format!("ws://{addr}/control")).expect("it listens");
        let peer = open(addr);
        let Ok(Told::Opened(id)) = told.recv() else {
            panic!("it is open first");
        };
        let written = Arc::new(Written::default());
        let reader = {
            let peer = peer.try_clone().expect("a second handle");
            let written = Arc::clone(&written);
            thread::spawn(move || written.read(&peer))
        };
        Self {
            handle,
            thread: Some(thread),
            clock,
            id,
            peer,
            control,
            written,
            reader: Some(reader),
            told,
            shown: Shown::default(),
            over: false,
            piece,
        }
    }

    /// Waits until the loop has dealt with what was done: it serves another, several times.
    fn settle(&mut self, len: usize) {
        for _ in 0..3 + len / (64 << 10) {
            self.control.send("").expect("it is served");
            let echoed = self.control.recv().expect("it is served");
            assert_eq!(echoed, Some(Message::Text("")));
        }
        while let Ok(told) = self.told.try_recv() {
            self.hear(told);
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Opened(_) | Told::Ended => {}
            Told::Got(got) => {
                self.over |= matches!(got, Got::Close(_) | Got::Error(_));
                self.shown.got.push_back(got);
            }
            Told::Dead(silence) => {
                self.over = true;
                self.shown.dead = Some(silence);
            }
        }
    }

    /// Ends the peer's side: nothing more may have been written than what was stated.
    fn end(mut self) -> Result<(), String> {
        let _ = self.peer.shutdown(Shutdown::Write);
        self.settle(0);
        self.handle.shutdown();
        self.handle.shutdown();
        let joined = [self.thread.take(), self.reader.take()];
        for thread in joined.into_iter().flatten() {
            thread.join().expect("it does not panic");
        }
        self.written.nothing_left(!self.over)
    }
}

/// A client's end of a WebSocket.
fn open(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.set_nodelay(true).expect("an option");
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(request).expect("it is taken");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

impl Endpoint for Looping {
    fn act(&mut self, action: &Action, _: &[&Expected]) {
        match action {
            Action::In(_) | Action::Eof if self.over => return,
            Action::In(bytes) => {
                for piece in bytes.chunks(self.piece) {
                    // What the endpoint does not read any more need not be written.
                    let _ = self.peer.write_all(piece);
                    self.settle(piece.len());
                }
                return;
            }
            Action::Eof => {
                let _ = self.peer.shutdown(Shutdown::Write);
            }
            Action::Wait(duration) => {
                let nanos = (*duration + TICKS).as_nanos();
                let nanos = u64::try_from(nanos).expect("not that long");
                self.clock.fetch_add(nanos, Ordering::SeqCst);
                self.handle.wake();
            }
            Action::Send(kind, payload) => {
                let message = match kind {
                    Kind::Text => Message::Text(str::from_utf8(payload).expect("text")),
                    Kind::Binary => Message::Binary(payload),
                };
                self.handle.send(self.id, message).expect("it is posted");
            }
            Action::Close(Some((code, reason))) => {
                let code = CloseCode::new(*code).expect("a code that may travel");
                let closed = self.handle.close(self.id, code, reason);
                closed.expect("it is posted");
            }
            other => panic!("{other:?} cannot be held"),
        }
        self.settle(0);
    }

    fn shown(&mut self) -> &mut Shown {
        &mut self.shown
    }

    fn got(&mut self) -> Option<Got> {
        if self.shown.got.is_empty() {
            self.settle(0);
        }
        self.shown.got.pop_front()
    }

    fn out(&mut self, len: usize) -> Vec<u8> {
        self.written.take(len)
    }
}
