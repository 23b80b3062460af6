//! The conversations of `tests/transcripts`, held by a connection over a stream in memory, on a clock
//! that stands still until a script says that time passes.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use ws_testkit::{
    Action, Endpoint, Expected, Got, Mismatch, Script, Setup, Shown, assert_all_held,
    assert_noticed, play,
};
use ws_tokio::ws_proto::Role;
use ws_tokio::{CloseCode, Error, Kind, WebSocket};

#[test]
fn ws_tokio() {
    let scripts = Script::all();
    let held = scripts.iter().filter(|script| can_be_held(script));
    assert_all_held(held, hold);
}

#[test]
fn a_wrong_script_is_noticed_with_its_line() {
    let wrong = [
        ("got text \"Hullo\"", 3),
        ("", 2),
        ("got text \"Hello\"\nsend ping", 4),
        ("error MaskMissing", 3),
    ];
    assert_noticed(&wrong, hold);
}

/// What a connection has no call for; and what becomes of a peer that stays after the end, which is
/// waited for inside a call.
fn can_be_held(script: &Script) -> bool {
    script.is_for_adapters() && !script.stays_after_its_end()
}

fn hold(script: &Script) -> Result<(), Mismatch> {
    play(script, &mut Held::new(&script.setup))
}

/// The bytes of the peer.
#[derive(Debug, Default)]
struct Bytes {
    /// To be read, and then the end, if there is one.
    to_read: VecDeque<u8>,
    ended: bool,
    written: Vec<u8>,
}

/// The endpoint's side of them.
#[derive(Debug)]
struct Stream(Arc<Mutex<Bytes>>);

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = self.0.lock().unwrap();
        if bytes.to_read.is_empty() && !bytes.ended {
            return Poll::Pending;
        }
        let len = room.remaining().min(bytes.to_read.len());
        for byte in bytes.to_read.drain(..len) {
            room.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().written.extend(from);
        Poll::Ready(Ok(from.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The peer then ends its side, too.
        self.0.lock().unwrap().ended = true;
        Poll::Ready(Ok(()))
    }
}

/// A connection that holds a conversation.
struct Held {
    runtime: Runtime,
    socket: WebSocket<Stream>,
    role: Role,
    bytes: Arc<Mutex<Bytes>>,
    shown: Shown,
    /// Whether it has said that the connection is over.
    over: bool,
}

impl Held {
    fn new(setup: &Setup) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let bytes = Arc::<Mutex<Bytes>>::default();
        let stream = Stream(Arc::clone(&bytes));
        let socket = {
            let _entered = runtime.enter();
            WebSocket::over(stream, setup.session())
        };
        let mut held = Self {
            runtime,
            socket,
            role: setup.role,
            bytes,
            shown: Shown::default(),
            over: false,
        };
        held.poll();
        held
    }

    fn send(&mut self, command: &Action) -> Result<(), Error> {
        let _entered = self.runtime.enter();
        let socket = &mut self.socket;
        match command {
            Action::Send(Kind::Text, text) => at_once(socket.send(str::from_utf8(text).unwrap())),
            Action::Send(Kind::Binary, bytes) => at_once(socket.send(bytes)),
            Action::SendPart(kind, payload, part) => {
                at_once(socket.send_part(*kind, payload, *part))
            }
            Action::Ping(payload) => at_once(socket.ping(payload)),
            Action::Close(Some((code, reason))) => {
                let code = CloseCode::new(*code).expect("a code that may travel");
                Ok(socket.start_close(code, reason)?)
            }
            other => panic!("{other:?} cannot be held"),
        }
    }

    /// Receives what there is.
    fn poll(&mut self) {
        let _entered = self.runtime.enter();
        let mut cx = Context::from_waker(Waker::noop());
        while !self.over {
            let got = match self.socket.poll_recv(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(Some(message))) => Got::from(message),
                Poll::Ready(Ok(None)) => {
                    self.over = true;
                    let close = self.socket.peer_close();
                    Got::Close(close.map(|(code, reason)| (code.get(), reason)))
                }
                Poll::Ready(Err(Error::Protocol(error))) => {
                    self.over = true;
                    // The error is final.
                    let again = self.socket.poll_recv(&mut cx);
                    let Poll::Ready(Err(Error::Protocol(same))) = again else {
                        panic!("{again:?} after {error}");
                    };
                    assert_eq!(same, error);
                    Got::Error(error)
                }
                Poll::Ready(Err(Error::TimedOut(timed_out))) => {
                    self.over = true;
                    self.shown.dead = Some(timed_out);
                    return;
                }
                Poll::Ready(Err(error)) => panic!("{error}"),
            };
            self.shown.got.push_back(got);
        }
    }
}

/// What a future comes to that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

impl Endpoint for Held {
    fn act(&mut self, action: &Action, then: &[&Expected]) {
        let closes = |expected: &&Expected| matches!(expected, Expected::Got(Got::Close(_)));
        match action {
            Action::In(bytes) => {
                let mut peer = self.bytes.lock().unwrap();
                peer.to_read.extend(bytes);
                // A client waits for the server to end the stream.
                peer.ended |= self.role == Role::Client && then.iter().any(closes);
            }
            Action::Eof => self.bytes.lock().unwrap().ended = true,
            Action::Wait(duration) => self.runtime.block_on(tokio::time::advance(*duration)),
            command => {
                self.shown.refused = self.send(command).err().map(|error| match error {
                    Error::Send(error) => format!("{error:?}"),
                    error => format!("{error:?}"),
                });
            }
        }
        self.poll();
    }

    fn shown(&mut self) -> &mut Shown {
        &mut self.shown
    }

    fn out(&mut self, len: usize) -> Vec<u8> {
        let written = &mut self.bytes.lock().unwrap().written;
        let len = len.min(written.len());
        written.drain(..len).collect()
    }

    fn left(&mut self) -> Option<&dyn Debug> {
        let written = !self.bytes.lock().unwrap().written.is_empty();
        let written = written.then_some(&self.bytes as &dyn Debug);
        self.shown.left().or(written)
    }
}
