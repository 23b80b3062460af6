//! The task of one session: it reads and writes the WebSocket, runs the handlers, and keeps the time.
//!
//! A turn reads what has come, has the handlers do what they can, hands over what is to leave, and
//! writes it: events that came together are answered together.

use std::future::Future;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use sio_proto::engine::{Carrier, ProtocolError, Transmit};
use sio_proto::{Instant, Message};
use tokio::time::{self, Sleep};
use ws_tokio::{CloseCode, Error, Upgraded, WebSocket};

use super::desk::Desk;
use super::link::{Answer, Link};
use super::receive::receive;
use crate::reason::Reason;

type Socket = Box<WebSocket<Upgraded>>;

/// Drives a session until it is over, and forgets it then.
pub(super) struct Driver {
    link: Arc<Link>,
    socket: Option<(Carrier, Socket)>,
    desks: Vec<Desk>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The moment at which it wakes us.
    set_to: Instant,
    /// Whether the WebSocket was not read, because too much waits.
    is_paused: bool,
    /// Whether the end was noticed.
    is_over: bool,
}

/// The most messages that are read in one turn, before other tasks have theirs.
const TURN: usize = 64;

/// How a turn continues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There is more to be done now.
    Again,
    /// Something will wake us.
    Wait,
    /// The session is over.
    Over,
}

impl Driver {
    pub(super) fn new(link: Arc<Link>, socket: Option<Socket>) -> Self {
        Self {
            link,
            socket: socket.map(|socket| (Link::FIRST, socket)),
            desks: Vec::new(),
            sleep: None,
            set_to: Instant::default(),
            is_paused: false,
            is_over: false,
        }
    }

    /// Takes the time, and the WebSocket that has opened.
    fn begin(&mut self) {
        let now = self.link.clock.now();
        let mut state = self.link.lock();
        // What handlers change in this turn is seen at its end.
        state.waker = None;
        if let Some(arriving) = state.arriving.take() {
            self.socket = Some(arriving);
        }
        state.check(now);
    }

    /// Reads what has come on the WebSocket, as far as there is room for it.
    fn read(&mut self, cx: &mut Context<'_>) {
        self.is_paused = false;
        for _ in 0..TURN {
            let Some((carrier, socket)) = &mut self.socket else {
                return;
            };
            let now = self.link.clock.now();
            let state = self.link.lock();
            // A client that does not take its answers asks nothing more.
            if !state.can_read(now) || !socket.has_room() {
                self.is_paused = true;
                return;
            }
            drop(state);
            let Poll::Ready(received) = pin!(socket.recv()).poll(cx) else {
                return;
            };
            let mut state = self.link.lock();
            match received {
                Ok(Some(message)) => {
                    if let Some(data) = state.session.receive(*carrier, message, now) {
                        receive(&self.link, &mut state, data.as_message(), now);
                    }
                }
                // How it ended, the session does not ask.
                Ok(None) | Err(_) => {
                    state.session.gone(*carrier, now);
                    self.socket = None;
                }
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Takes what requests have brought, and has the handlers do what they can.
    fn handle(&mut self, cx: &mut Context<'_>) {
        let now = self.link.clock.now();
        let mut state = self.link.lock();
        state.show_gets(now);
        let jobs = mem::take(&mut state.inbox);
        drop(state);
        for (socket, job) in jobs {
            let found = self.desks.iter_mut().position(|desk| desk.is_of(&socket));
            let index = found.unwrap_or_else(|| {
                self.desks.push(Desk::new(socket));
                self.desks.len() - 1
            });
            self.desks[index].push(job);
        }
        for desk in &mut self.desks {
            desk.poll(&self.link, cx);
        }
        self.desks.retain(|desk| !desk.is_empty());
    }

    /// Hands over what is to leave, and sees whether anything is left to do.
    fn exchange(&mut self, cx: &mut Context<'_>) -> Turn {
        let link = Arc::clone(&self.link);
        let now = link.clock.now();
        let mut state = link.lock();
        let state = &mut *state;
        // A session that is over hangs up, whether the WebSocket takes anything or not.
        while state.session.closed().is_some()
            || self.socket.as_ref().is_none_or(|(_, ws)| ws.has_room())
        {
            let (session, socket) = (&mut state.session, &mut self.socket);
            let (to, answer) = match session.poll_transmit() {
                None => break,
                Some(Transmit::Frame { on, message }) => {
                    queue(socket, on, message, cx);
                    continue;
                }
                Some(Transmit::HangUp { on, why }) => {
                    let code = code(why, state.reason);
                    match socket.take_if(|(carrier, _)| *carrier == on) {
                        Some((_, socket)) => hang_up(socket, code),
                        None => state.unwanted.push((on, code)),
                    }
                    continue;
                }
                Some(Transmit::Answer { to, body }) => (to, Answer::Body(body.to_owned())),
                Some(Transmit::Refuse { to, why }) => (to, Answer::Refused(why)),
            };
            state.answer(to, answer);
        }
        while let Some(unanswered) = state.connection.unanswered() {
            if let Some(waiting) = state.calls.take(unanswered.token) {
                waiting(Err(unanswered.why));
            }
        }
        if let Some(reason) = state.session.closed()
            && !self.is_over
        {
            self.is_over = true;
            state.connection.close();
            let reason = state.reason.unwrap_or(Reason::Session(reason));
            for seat in mem::take(&mut state.seats) {
                state.gone(seat, reason);
            }
            link.room.notify_waiters();
            return Turn::Again;
        }
        let has_come = !state.gets.is_empty() || state.arriving.is_some();
        let has_room = self.socket.as_ref().is_some_and(|(_, ws)| ws.has_room());
        let can_read_on = self.is_paused && has_room && state.can_read(now);
        if has_come || can_read_on || !state.inbox.is_empty() {
            return Turn::Again;
        }
        let deadline = state.session.deadline();
        if self.is_over && deadline.is_none() && self.desks.is_empty() {
            return Turn::Over;
        }
        let reading = self.socket.as_ref().and_then(|_| state.pace.pause(now));
        let connection = state.connection_deadline();
        let deadline = [deadline, connection, reading].into_iter().flatten().min();
        state.waker = Some(cx.waker().clone());
        if self.is_due(deadline, cx) {
            return Turn::Again;
        }
        Turn::Wait
    }

    /// Writes what was handed over. Whether there is room again for what had none.
    fn write(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some((carrier, socket)) = &mut self.socket else {
            return Turn::Wait;
        };
        let had_room = socket.has_room();
        let flushed = pin!(socket.flush()).poll(cx);
        match flushed {
            Poll::Ready(Ok(())) if !had_room => Turn::Again,
            Poll::Ready(Ok(())) | Poll::Pending => Turn::Wait,
            // Its end is read next, in whatever way it ended.
            Poll::Ready(Err(_)) => {
                let carrier = *carrier;
                self.socket = None;
                self.link
                    .with(|state, now| state.session.gone(carrier, now));
                Turn::Again
            }
        }
    }

    /// Whether the deadline has come. If not, the task is woken then.
    fn is_due(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline else {
            return false;
        };
        let is_set = (self.sleep.as_ref()).is_some_and(|sleep| !sleep.is_elapsed());
        // One that fires too early only wakes us for nothing, which is cheaper than to set it anew.
        if !is_set || deadline < self.set_to {
            let Some(at) = self.link.clock.at(deadline) else {
                return false;
            };
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(at),
                None => self.sleep = Some(Box::pin(time::sleep_until(at))),
            }
            self.set_to = deadline;
        }
        let sleep = self.sleep.as_mut();
        sleep.is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready())
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            this.begin();
            this.read(cx);
            this.handle(cx);
            let turn = match this.exchange(cx) {
                Turn::Wait => this.write(cx),
                turn => turn,
            };
            match turn {
                Turn::Again => {}
                Turn::Wait => return Poll::Pending,
                Turn::Over => {
                    this.link.hub.forget(&this.link);
                    return Poll::Ready(());
                }
            }
        }
    }
}

/// Queues a message on the WebSocket, which has room for it.
fn queue(
    socket: &mut Option<(Carrier, Socket)>,
    on: Carrier,
    message: Message<'_>,
    cx: &mut Context<'_>,
) {
    if let Some((carrier, socket)) = socket
        && *carrier == on
    {
        // One that is over is noticed when it is read.
        let _: Poll<Result<(), Error>> = pin!(socket.feed(message)).poll(cx);
    }
}

/// Closes a WebSocket, in a task of its own: the session does not wait for that.
pub(super) fn hang_up(mut socket: Socket, code: CloseCode) {
    tokio::spawn(async move {
        // Nobody is left to be told how it ends.
        drop(socket.close(code, "").await);
    });
}

/// The code of the Close.
const fn code(why: Option<ProtocolError>, reason: Option<Reason>) -> CloseCode {
    match (why, reason) {
        (Some(_), _) | (_, Some(Reason::Violation(_))) => CloseCode::POLICY,
        (None, Some(Reason::Shutdown)) => CloseCode::GOING_AWAY,
        (None, Some(Reason::GaveWay)) => CloseCode::TRY_AGAIN_LATER,
        (None, _) => CloseCode::NORMAL,
    }
}
