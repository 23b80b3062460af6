//! One session and what stands on it, behind one lock.
//!
//! ```text
//!   requests ──▶ ┌───────────── State ─────────────┐ ◀── emit, call, disconnect: any task
//!                │ Session ◀─ Connection   seats   │
//!                └──────┬──────────────▲───────────┘
//!          what leaves  ▼              │  what came
//!                     Driver, a task: WebSocket, handlers, time
//! ```
//!
//! Each change of the state wakes the [driver](super::drive), which sends what is to leave: many
//! changes in a row are one write. No code of the application runs under the lock, but `Deserialize`.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use sio_proto::engine::{Carrier, Content, Refusal, Session, Sid, Transport};
use sio_proto::{AckId, Connection, Encoded, Instant, Violation};
use tokio::sync::{Notify, oneshot};
use ws_http::Request;
use ws_tokio::{CloseCode, Upgraded, WebSocket};

use super::config::{Config, WhenFull};
use super::desk::Job;
use super::drive::hang_up;
use super::held::Held;
use super::hub::Hub;
use super::pace::Pace;
use super::socket::{Delivery, Socket};
use crate::call::{Calls, Waiting};
use crate::clock::Clock;
use crate::error::EmitError;
use crate::reason::Reason;
use crate::refused::Refused;

/// A session of a client.
pub(super) struct Link {
    pub(super) hub: Arc<Hub>,
    pub(super) sid: Sid,
    /// Its number among those that were admitted.
    pub(super) number: u64,
    pub(super) request: Request,
    pub(super) clock: Clock,
    /// Wakes bodies that are not read on because too much waits.
    pub(super) room: Notify,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) session: Session,
    pub(super) connection: Connection,
    pub(super) calls: Calls,
    pub(super) pace: Pace,
    /// The sockets of this connection.
    pub(super) seats: Vec<Seat>,
    /// What handlers are to do, for the driver to take.
    pub(super) inbox: Vec<(Socket, Job)>,
    /// What of that is not done yet.
    pub(super) load: Load,
    /// A WebSocket that has opened, for the driver to take.
    pub(super) arriving: Option<(Carrier, Box<WebSocket<Upgraded>>)>,
    /// WebSockets that were given up before they had opened.
    pub(super) unwanted: Vec<(Carrier, CloseCode)>,
    /// GETs that the session has not seen. The driver shows them to it after it has read: a WebSocket
    /// takes the session over before a GET that was sent after that.
    pub(super) gets: Vec<Carrier>,
    /// Requests that wait for their answers.
    requests: Vec<(Carrier, oneshot::Sender<Answer>)>,
    last_carrier: u32,
    /// Why this side ends the session, if it does.
    pub(super) reason: Option<Reason>,
    /// The driver, while it sleeps.
    pub(super) waker: Option<Waker>,
}

/// How much waits for handlers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// A socket in its namespace.
pub(super) struct Seat {
    pub(super) socket: Socket,
    /// What its connect hook emits, until it is let in.
    early: Option<Vec<Encoded>>,
}

/// What a request is answered with.
#[derive(Debug)]
pub(super) enum Answer {
    Body(String),
    Refused(Refusal),
}

impl Link {
    pub(super) fn new(
        hub: Arc<Hub>,
        sid: Sid,
        number: u64,
        request: Request,
        clock: Clock,
        session: Session,
    ) -> Self {
        let now = clock.now();
        let state = State {
            session,
            connection: match hub.config.raw {
                None => Connection::server(&hub.config.limits, now),
                // It is not used, and wants nobody to join anything.
                Some(_) => Connection::client(&hub.config.limits),
            },
            calls: Calls::default(),
            pace: Pace::new(hub.config.rate, now),
            seats: Vec::new(),
            inbox: Vec::new(),
            load: Load::default(),
            arriving: None,
            unwanted: Vec::new(),
            gets: Vec::new(),
            requests: Vec::new(),
            last_carrier: 0,
            reason: None,
            waker: None,
        };
        Self {
            hub,
            sid,
            number,
            request,
            clock,
            room: Notify::new(),
            state: Mutex::new(state),
        }
    }

    /// The number of the carrier that a session begins with.
    pub(super) const FIRST: Carrier = Carrier(0);

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and has the driver see to what comes of it.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut State, Instant) -> R) -> R {
        let now = self.clock.now();
        let mut state = self.lock();
        let result = change(&mut state, now);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// Takes a GET.
    pub(super) fn get(self: &Arc<Self>) -> Held {
        self.with(|state, now| {
            state.check(now);
            let carrier = state.carrier();
            state.gets.push(carrier);
            self.hold(state, carrier)
        })
    }

    /// Takes a POST.
    pub(super) fn post(self: &Arc<Self>, len: Option<u64>, content: Content) -> Held {
        self.with(|state, now| {
            // The timer may be late, and the request for a session that is over.
            state.check(now);
            let carrier = state.carrier();
            let held = self.hold(state, carrier);
            state.session.post(carrier, len, content, now);
            held
        })
    }

    /// The request that the session begins with.
    pub(super) fn first(self: &Arc<Self>) -> Held {
        self.with(|state, _| self.hold(state, Self::FIRST))
    }

    fn hold(self: &Arc<Self>, state: &mut State, carrier: Carrier) -> Held {
        let (answer, answered) = oneshot::channel();
        state.requests.push((carrier, answer));
        Held::new(Arc::clone(self), carrier, answered)
    }

    /// A WebSocket that may take the session over has opened.
    pub(super) fn arrive(&self, carrier: Carrier, socket: Box<WebSocket<Upgraded>>) {
        self.with(|state, _| {
            let mut unwanted = state.unwanted.iter();
            match unwanted.position(|(unwanted, _)| *unwanted == carrier) {
                Some(index) => {
                    let (_, code) = state.unwanted.swap_remove(index);
                    hang_up(socket, code);
                }
                None => state.arriving = Some((carrier, socket)),
            }
        });
    }

    /// A WebSocket that was to take the session over did not open.
    pub(super) fn fail(&self, carrier: Carrier) {
        self.with(|state, now| {
            state.unwanted.retain(|(unwanted, _)| *unwanted != carrier);
            state.session.gone(carrier, now);
        });
    }

    pub(super) fn transport(&self) -> Transport {
        self.lock().session.transport()
    }

    pub(super) fn is_joined(&self, socket: &Socket) -> bool {
        let mut state = self.lock();
        state.seat(socket).is_some_and(|seat| seat.early.is_none())
    }

    pub(super) fn emit(&self, socket: &Socket, event: Encoded) -> Result<(), EmitError> {
        self.with(|state, _| state.emit(socket, &event))
    }

    pub(super) fn deliver(&self, socket: &Socket, event: &Encoded, delivery: Delivery) -> bool {
        self.with(|state, now| {
            if delivery == Delivery::Volatile && state.session.unsent() > 0 {
                return false;
            }
            let sent = state.emit(socket, event);
            let is_full = matches!(sent, Err(EmitError::Full { .. }));
            if is_full && self.hub.config.when_full == WhenFull::Disconnect {
                state.end(Reason::TooSlow, now);
            }
            sent.is_ok()
        })
    }

    pub(super) fn ask(
        &self,
        socket: &Socket,
        event: &Encoded,
        timeout: Duration,
        waiting: Waiting,
    ) -> Result<(), EmitError> {
        self.with(|state, now| {
            let seat = state.seat(socket).ok_or(EmitError::Disconnected)?;
            if seat.early.is_some() {
                return Err(EmitError::Disconnected);
            }
            let token = state.calls.token();
            state.connection.ask(
                &socket.hall().name,
                event,
                token,
                now.after(timeout),
                &mut state.session,
            )?;
            state.calls.asked(token, waiting);
            Ok(())
        })
    }

    /// Answers an event. A client that has left, or takes nothing more, gets no answer.
    pub(super) fn answer(&self, socket: &Socket, ack: AckId, answer: &Encoded) {
        self.with(|state, now| {
            let session = &mut state.session;
            let name = &socket.hall().name;
            let answered = state.connection.answer(name, ack, answer, session);
            // An acknowledgement that is lost is worse than a connection that is.
            if let Err(error) = answered
                && let EmitError::Full { .. } = error.into()
            {
                state.end(Reason::TooSlow, now);
            }
        });
    }

    /// An event was handled: there is room for another.
    pub(super) fn done(&self, size: usize) {
        let mut state = self.lock();
        state.load.events -= 1;
        state.load.bytes -= size;
        drop(state);
        self.room.notify_waiters();
    }

    /// A connect hook has decided. Whether the client is in now.
    pub(super) fn decided(&self, socket: &Socket, verdict: Result<(), Refused>) -> bool {
        self.with(|state, now| {
            let name = &socket.hall().name;
            let Some(index) = state.seats.iter().position(|seat| seat.socket.is(socket)) else {
                return false; // it has left in the meantime
            };
            let State {
                connection,
                session,
                ..
            } = state;
            let admitted = match verdict {
                Ok(()) => connection.accept(name, socket.id(), None, session).is_ok(),
                Err(why) => {
                    // If the session takes nothing, there is nobody to be told.
                    let _ = connection.refuse(name, why.message(), why.json(), session, now);
                    false
                }
            };
            if !admitted {
                state.seats.remove(index);
                return false;
            }
            for event in state.seats[index].early.take().unwrap_or_default() {
                // Too much for the session: as much as goes, in order.
                if connection.emit(name, &event, session).is_err() {
                    break;
                }
            }
            true
        })
    }

    /// Puts a client out of a namespace.
    pub(super) fn put_out(&self, socket: &Socket) {
        self.with(|state, now| {
            let Some(index) = state.seats.iter().position(|seat| seat.socket.is(socket)) else {
                return;
            };
            let seat = state.seats.remove(index);
            let (name, session) = (&socket.hall().name, &mut state.session);
            let left = if seat.early.is_some() {
                (state.connection).refuse(name, "disconnected", None, session, now)
            } else {
                state.connection.leave(name, session, now)
            };
            if left.is_err() {
                // It does not even take its farewell.
                state.end(Reason::TooSlow, now);
            }
            state.gone(seat, Reason::Left);
        });
    }

    /// Ends the session.
    pub(super) fn end(&self, reason: Reason) {
        self.with(|state, now| state.end(reason, now));
    }

    /// Waits until as much is done as has to be before more is read: of a body, which is.
    pub(super) async fn until_room(&self) {
        loop {
            let room = self.room.notified();
            let pause = {
                let state = self.lock();
                if state.session.closed().is_some() {
                    return;
                }
                let now = self.clock.now();
                if state.can_read(now) {
                    return;
                }
                state.pace.pause(now)
            };
            tokio::select! {
                () = room => {}
                () = self.clock.wait(pause) => {}
            }
        }
    }
}

impl State {
    /// A number that no carrier had.
    pub(super) const fn carrier(&mut self) -> Carrier {
        self.last_carrier = self.last_carrier.wrapping_add(1);
        Carrier(self.last_carrier)
    }

    pub(super) fn seat(&mut self, socket: &Socket) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.socket.is(socket))
    }

    /// Somebody asks to come in.
    pub(super) fn sit_down(&mut self, socket: Socket, job: Job) {
        self.seats.push(Seat {
            socket: socket.clone(),
            early: Some(Vec::new()),
        });
        self.inbox.push((socket, job));
    }

    /// Whether another event can be taken now: before one is done, and at the rate.
    pub(super) fn can_read(&self, now: Instant) -> bool {
        let has_room =
            self.load.events < Config::MAX_WAITING && self.load.bytes < Config::MAX_WAITING_BYTES;
        has_room && self.pace.pause(now).is_none()
    }

    fn emit(&mut self, socket: &Socket, event: &Encoded) -> Result<(), EmitError> {
        let seat = self.seat(socket).ok_or(EmitError::Disconnected)?;
        if let Some(early) = &mut seat.early {
            let limit = Config::MAX_EARLY;
            if early.len() >= limit {
                return Err(EmitError::TooEarly { limit });
            }
            early.push(event.clone());
            return Ok(());
        }
        let name = &socket.hall().name;
        Ok(self.connection.emit(name, event, &mut self.session)?)
    }

    /// Reports to the application that a seat was given up, if the socket ever was in.
    pub(super) fn gone(&mut self, seat: Seat, reason: Reason) {
        let hooks = &seat.socket.hall().hooks;
        let hook = match (&seat.early, &hooks.read().disconnect) {
            (None, Some(hook)) => hook(seat.socket.clone(), reason),
            _ => Box::pin(std::future::ready(())),
        };
        self.inbox.push((seat.socket, Job::Leave(hook)));
    }

    /// Ends the session, for a reason of this side.
    pub(super) fn end(&mut self, reason: Reason, now: Instant) {
        self.reason.get_or_insert(reason);
        self.session.close(now);
    }

    /// Does what is due.
    pub(super) fn check(&mut self, now: Instant) {
        if self.session.deadline().is_some_and(|at| at <= now) {
            self.session.check(now);
        }
        if self.connection_deadline().is_some_and(|at| at <= now)
            && let Err(violation) = self.connection.check(now)
        {
            self.violate(violation, now);
        }
    }

    /// When the connection has something to do. One that is ending waits for the session alone.
    pub(super) fn connection_deadline(&self) -> Option<Instant> {
        let is_ending = self.reason.is_some();
        self.connection.deadline().filter(|_| !is_ending)
    }

    /// The peer broke the rules.
    pub(super) fn violate(&mut self, violation: Violation, now: Instant) {
        self.end(violation.into(), now);
    }

    /// Answers a request. One whose client is gone has no answer.
    pub(super) fn answer(&mut self, to: Carrier, answer: Answer) {
        if let Some(index) = self.requests.iter().position(|(carrier, _)| *carrier == to) {
            let (_, request) = self.requests.swap_remove(index);
            drop(request.send(answer));
        }
    }

    /// Shows the session the GETs that have come.
    pub(super) fn show_gets(&mut self, now: Instant) {
        for get in mem::take(&mut self.gets) {
            self.session.get(get, now);
        }
    }

    /// The client of a request has hung up.
    pub(super) fn hung_up(&mut self, request: Carrier, now: Instant) {
        self.requests.retain(|(carrier, _)| *carrier != request);
        self.show_gets(now);
        self.session.gone(request, now);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
