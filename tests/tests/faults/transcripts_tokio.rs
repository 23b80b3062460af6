//! The conversations of `transcripts/`, held by a connection of the asynchronous adapter that is open.

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use ws_testkit::faults::{Call, Plan};
use ws_testkit::hostile::Ended;
use ws_testkit::{Action, Expected, Got, Partner, Pipe, Says, Script, Step};
use ws_tokio::{CloseCode, Error, Kind, MessageBuf, WebSocket};

use super::transcripts::{is_timed, name};
use super::{Ending, Held, Talk, Told};

pub(crate) fn all() -> Vec<Box<dyn Talk>> {
    let scripts = Script::all().into_iter().filter(Script::is_for_adapters);
    let talks = scripts.map(|script| Box::new(Tokio(script)) as Box<dyn Talk>);
    talks.collect()
}

/// A conversation of ws-tokio's.
struct Tokio(Script);

impl Talk for Tokio {
    fn name(&self) -> String {
        format!("ws-tokio, {}", name(&self.0))
    }

    fn hold(&self, plan: Plan) -> Held {
        hold(&self.0, plan)
    }

    fn last_word_waits(&self) -> bool {
        false
    }

    fn is_timed(&self) -> bool {
        is_timed(&self.0)
    }
}

fn hold(script: &Script, plan: Plan) -> Held {
    let (pipe, plan) = (Pipe::new(Peer), Arc::new(plan));
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let stream = Faulty {
        pipe: Arc::clone(&pipe),
        plan: Arc::clone(&plan),
    };
    let ws = {
        let _entered = runtime.enter();
        WebSocket::over(stream, script.setup.session())
    };
    let mut told = Told::default();
    let mut side = Side {
        ws,
        runtime,
        told: &mut told,
        over: None,
    };
    side.poll();
    for (at, line) in script.lines.iter().enumerate() {
        if let (Step::Do(action), None) = (&line.step, &side.over) {
            let then = script.lines[at + 1..].iter().map(|line| &line.step);
            let mut then = then.take_while(|step| matches!(step, Step::Expect(_)));
            let closes = |step: &Step| matches!(step, Step::Expect(Expected::Got(Got::Close(_))));
            side.act(action, &pipe);
            if then.any(closes) {
                // A client waits for the server to end the stream.
                pipe.end(Ended::Eof);
            }
            side.poll();
        }
    }
    let over = side.over.take().unwrap_or(Ok(()));
    let Side { ws, runtime, .. } = side;
    told.ended(&mut Tail { ws, runtime }, over);
    Held::new(told, &pipe, &plan)
}

/// A test says everything for it, but that it ends its side when we have.
struct Peer;

impl Partner for Peer {
    fn hear(&mut self, _: &[u8], _: &mut Says) {}

    fn end(&mut self, says: &mut Says) {
        says.end.get_or_insert(Ended::Eof);
    }
}

/// Our end of a stream in memory, on which calls fail as planned.
struct Faulty {
    pipe: Arc<Pipe>,
    plan: Arc<Plan>,
}

impl Faulty {
    /// Makes a call. If it is the plan that has it wait, that is over at once.
    fn call(
        &self,
        cx: &Context<'_>,
        call: Call,
        given: usize,
        make: impl FnOnce(usize) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut made = false;
        let result = self.plan.make(call, given, |most| {
            made = true;
            make(most)
        });
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !made {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }
}

impl AsyncRead for Faulty {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unfilled = room.initialize_unfilled();
        let given = unfilled.len();
        let read = self.call(cx, Call::Read, given, |most| {
            self.pipe.read(&mut unfilled[..most])
        });
        read.map(|read| match read? {
            // The buffer that is read into does not let a stream say that.
            lie if lie > given => Err(io::ErrorKind::InvalidData.into()),
            len => {
                room.advance(len);
                Ok(())
            }
        })
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.call(cx, Call::Write, bytes.len(), |most| {
            self.pipe.write(&bytes[..most])
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = self.call(cx, Call::Setting, 0, |_| {
            self.pipe.shut(Shutdown::Write);
            Ok(0)
        });
        shut.map_ok(drop)
    }
}

/// Whether a task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls until it is ready, or nobody wakes it; `None` then.
fn driven<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    loop {
        match poll(&mut cx) {
            Poll::Ready(output) => return Some(output),
            Poll::Pending if woken.0.swap(false, Ordering::SeqCst) => {}
            Poll::Pending => return None,
        }
    }
}

/// What a future comes to for which nobody has to wait.
fn soon<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    driven(|cx| future.as_mut().poll(cx)).expect("it waits for nobody")
}

/// Our side of a script.
struct Side<'t> {
    ws: WebSocket<Faulty>,
    runtime: Runtime,
    told: &'t mut Told,
    /// How it ended.
    over: Option<Result<(), Error>>,
}

impl Side<'_> {
    fn act(&mut self, action: &Action, pipe: &Pipe) {
        let _entered = self.runtime.enter();
        let ws = &mut self.ws;
        let sent = match action {
            Action::In(bytes) => return pipe.say(bytes),
            Action::Eof => return pipe.end(Ended::Eof),
            Action::Wait(duration) => {
                return self.runtime.block_on(tokio::time::advance(*duration));
            }
            Action::Send(Kind::Text, text) => soon(ws.send(str::from_utf8(text).expect("text"))),
            Action::Send(Kind::Binary, bytes) => soon(ws.send(bytes)),
            Action::SendPart(kind, payload, part) => soon(ws.send_part(*kind, payload, *part)),
            Action::Ping(payload) => soon(ws.ping(payload)),
            Action::Close(Some((code, reason))) => {
                let code = CloseCode::new(*code).expect("a code that may travel");
                ws.start_close(code, reason).map_err(Error::Send)
            }
            other => unreachable!("{other:?} cannot be held"),
        };
        self.over = self.told.sent(sent).map(Err);
    }

    /// Receives what there is.
    fn poll(&mut self) {
        let _entered = self.runtime.enter();
        while self.over.is_none() {
            match driven(|cx| self.ws.poll_recv_owned(cx)) {
                None => return,
                Some(Ok(Some(message))) => self.told.message(&message),
                Some(Ok(None)) => {
                    self.told.closed(self.ws.peer_close());
                    self.over = Some(Ok(()));
                }
                Some(Err(error)) => self.over = Some(Err(error)),
            }
        }
    }
}

/// A connection that has ended.
struct Tail {
    ws: WebSocket<Faulty>,
    runtime: Runtime,
}

impl Ending for Tail {
    fn receive(&mut self) -> Result<Option<MessageBuf>, Error> {
        let _entered = self.runtime.enter();
        driven(|cx| self.ws.poll_recv_owned(cx)).expect("it is over")
    }

    fn send_more(&mut self) -> Result<(), Error> {
        let _entered = self.runtime.enter();
        soon(self.ws.send("more"))
    }

    fn peer_close(&self) -> Option<(CloseCode, String)> {
        self.ws.peer_close()
    }
}
