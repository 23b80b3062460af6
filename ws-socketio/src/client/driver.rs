//! The task of a client: one session after the other.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use sio_proto::engine::{self, ClientConfig, Transport};
use sio_proto::{Instant, Limits, Violation};
use tokio::sync::oneshot;
use ws_http::{Ended, Retry};

use super::auth::Auth;
use super::entry::Entry;
use super::error::ConnectError;
use super::link::{Link, Todo};
use super::shared::{Outcome, Shared};
use super::socket::Seat;
use super::target::Target;
use super::wire::{Arrival, Reading, Wire};
use crate::reason::Reason;

/// What the application has set.
pub(super) struct Plan {
    pub(super) target: Arc<Target>,
    pub(super) by: Transport,
    pub(super) config: ClientConfig,
    pub(super) limits: Limits,
    pub(super) auth: Auth,
    pub(super) retry: Retry,
    /// How often to try again; without end if that is not said.
    pub(super) attempts: Option<u32>,
    pub(super) on_connect_error: Box<dyn Fn(&ConnectError) + Send + Sync>,
}

/// The caller that waits for the first session, and takes no second for it.
pub(super) type First = oneshot::Sender<Result<(), ConnectError>>;

/// The least time between two attempts that failed: a first wait of zero is for a connection that
/// was lost, and not for a server that is not there.
const PACE: Duration = Duration::from_millis(100);

pub(super) struct Driver {
    seat: Seat,
    plan: Plan,
    first: Option<First>,
}

/// Why a session ended that we did not end.
struct Ending {
    error: ConnectError,
    how: Ended,
    /// Whether the client was in its namespaces.
    was_in: bool,
}

impl Driver {
    pub(super) const fn new(seat: Seat, plan: Plan, first: Option<First>) -> Self {
        Self { seat, plan, first }
    }

    pub(super) async fn run(mut self) {
        let outcome = self.sessions().await;
        let Seat { shared, .. } = &self.seat;
        shared.lock().end(&self.seat);
        shared.finish(outcome);
    }

    async fn sessions(&mut self) -> Outcome {
        loop {
            let Err(ending) = self.session().await else {
                return Ok(());
            };
            if let Some(first) = self.first.take() {
                // The caller may have stopped waiting: then nobody reads this.
                let _ = first.send(Err(ending.error));
                return Ok(());
            }
            if self.seat.shared.lock().is_over() {
                return Err(Arc::new(ending.error));
            }
            if !ending.was_in {
                (self.plan.on_connect_error)(&ending.error);
            }
            match self.next(&ending) {
                Ok(Some(next)) if rest(&self.seat, next).await => {}
                Ok(Some(_)) => return Ok(()),
                Ok(None) => return Err(Arc::new(ending.error)),
                Err(error) => return Err(Arc::new(error)),
            }
        }
    }

    /// The moment of the next attempt, if there is one.
    fn next(&mut self, ending: &Ending) -> Result<Option<Instant>, ConnectError> {
        let now = self.seat.shared.clock.now();
        let wait = ending.error.retry_after();
        let random = getrandom::u64().map_err(|error| ConnectError::Entropy(error.into()))?;
        let most = self.plan.attempts;
        let is_enough = |failures| most.is_some_and(|most| failures > most);
        let next = self.plan.retry.ended(ending.how, wait, now, random);
        let next = next.filter(|_| !is_enough(self.plan.retry.failures()));
        Ok(next.map(|next| match ending.was_in {
            true => next,
            false => next.max(now.after(PACE)),
        }))
    }

    /// Runs a session from its beginning to its end: `Ok` if that is what the client wanted.
    async fn session(&mut self) -> Result<(), Ending> {
        let Plan { by, config, .. } = &self.plan;
        let limits = &self.plan.limits;
        let now = self.seat.shared.clock.now();
        let mut wire = Wire::new(
            Arc::clone(&self.plan.target),
            config.max_body,
            limits.max_packet,
        );
        let link = Link::new(*by, config, limits, now);
        self.seat.shared.lock().begin(link);
        let mut entry = Entry::new();
        let over = self.converse(&mut wire, &mut entry).await;

        let mut state = self.seat.shared.lock();
        let was_open = state.is_open();
        let reason = match &over {
            Ok(()) => Reason::Left,
            Err(Over::Session(reason)) => Reason::Session(*reason),
            Err(Over::Error(ConnectError::Protocol(violation))) => Reason::Violation(*violation),
            Err(Over::Error(_)) => Reason::Session(engine::Reason::Closed),
        };
        state.lost(reason, &self.seat);
        drop(state);
        self.seat.shared.made_room();
        over.map_err(|over| {
            let error = over.said(&mut wire);
            let how = match (&error, error.ended()) {
                (ConnectError::Protocol(Violation::EarlierRevision), how) => how,
                // A server that opened a session may open another one, which goes better.
                (ConnectError::Protocol(_) | ConnectError::Session(_), Ended::Fault)
                | (_, Ended::Status(_))
                    if was_open =>
                {
                    Ended::Io
                }
                (_, how) => how,
            };
            Ending {
                error,
                how,
                was_in: entry.is_done(),
            }
        })
    }

    async fn converse(&mut self, wire: &mut Wire, entry: &mut Entry) -> Result<(), Over> {
        let seat = self.seat.clone();
        let shared = &seat.shared;
        let clock = shared.clock;
        // A GET that waits until the client may read more.
        let mut held = None;
        // Why the client was not let in.
        let mut refused = None;
        loop {
            self.enter(entry, &mut refused)?;
            act(shared, wire, &mut held).await;
            let (reading, deadline) = {
                let state = shared.lock();
                if let Some(reason) = state.closed() {
                    return match refused {
                        _ if !state.is_over() => Err(Over::Session(reason)),
                        Some(error) if !state.has_left() || self.first.is_some() => {
                            Err(Over::Error(error))
                        }
                        _ => Ok(()),
                    };
                }
                let deadlines = [state.deadline(), entry.deadline()];
                (state.reading(), deadlines.into_iter().flatten().min())
            };
            if reading == Reading::On
                && let Some(query) = held.take()
            {
                wire.get(&query);
            }
            tokio::select! {
                arrival = poll_fn(|cx| wire.poll(reading, cx)) => self.arrived(arrival)?,
                fetched = entry.fetched() => fetched?,
                () = shared.changed() => {}
                () = clock.wait(deadline) => {}
            }
            shared.lock().check(clock.now())?;
        }
    }

    /// Goes on into the namespaces.
    fn enter(
        &mut self,
        entry: &mut Entry,
        refused: &mut Option<ConnectError>,
    ) -> Result<(), ConnectError> {
        let Seat { shared, .. } = &self.seat;
        let now = shared.clock.now();
        let (has_entered, refusals) = {
            let mut state = shared.lock();
            if shared.is_abandoned() {
                state.leave_all(&self.seat);
            }
            let timing = (now, self.plan.limits.connect_timeout);
            let has_entered = entry.step(&mut state, &self.plan.auth, timing)?;
            let refusals = state.take_refusals();
            let is_refused = refused.is_some() || !refusals.is_empty();
            if has_entered && is_refused && self.first.is_some() {
                // One that lets the client into some namespaces only is no server for it.
                state.leave_all(&self.seat);
            }
            (has_entered, refusals)
        };
        for refusal in refusals {
            if self.first.is_none() {
                (self.plan.on_connect_error)(&refusal);
            }
            refused.get_or_insert(refusal);
        }
        if has_entered {
            self.plan.retry.opened(now);
            if refused.is_none()
                && let Some(first) = self.first.take()
            {
                // The caller may have stopped waiting; then the last handle has gone, too.
                let _ = first.send(Ok(()));
            }
        }
        Ok(())
    }

    fn arrived(&self, arrival: Arrival) -> Result<(), Violation> {
        let now = self.seat.shared.clock.now();
        let mut state = self.seat.shared.lock();
        match arrival {
            Arrival::Got(body) => return state.got(&body, (now, &self.seat)),
            Arrival::Message(message) => return state.frame(&message, (now, &self.seat)),
            Arrival::Room => {}
            other => {
                if let Some(Link { engine, .. }) = &mut state.link {
                    match other {
                        Arrival::Posted => engine.posted(),
                        Arrival::Failed => engine.failed(),
                        Arrival::Opened => engine.opened(),
                        _ => engine.gone(),
                    }
                }
            }
        }
        Ok(())
    }
}

/// Waits. Says whether there is still somewhere to go.
async fn rest(seat: &Seat, until: Instant) -> bool {
    let Seat { shared, .. } = seat;
    let clock = shared.clock;
    loop {
        let deadline = {
            let mut state = shared.lock();
            let now = clock.now();
            // Without a session it cannot fail.
            let _ = state.check(now);
            shared.made_room();
            if shared.is_abandoned() {
                state.leave_all(seat);
            }
            if state.is_over() || until <= now {
                return !state.is_over();
            }
            state.deadline().map_or(until, |at| at.min(until))
        };
        tokio::select! {
            () = clock.wait(Some(deadline)) => {}
            () = shared.changed() => {}
        }
    }
}

/// Does the work that is due.
async fn act(shared: &Shared, wire: &mut Wire, held: &mut Option<String>) {
    while wire.has_room() {
        let (todo, reading) = {
            let mut state = shared.lock();
            (state.todo(shared.clock.now()), state.reading())
        };
        match todo {
            None => break,
            Some(Todo::Get(query)) if reading == Reading::Paused => *held = Some(query),
            Some(Todo::Get(query)) => wire.get(&query),
            Some(Todo::Post(query, body)) => wire.post(&query, body),
            Some(Todo::Open(query)) => wire.open(&query),
            Some(Todo::Frame(message)) => wire.send(&message).await,
            Some(Todo::HangUp) => wire.hang_up(),
        }
    }
    shared.made_room();
}

/// Why a session is over.
enum Over {
    /// The machine says so.
    Session(engine::Reason),
    Error(ConnectError),
}

impl Over {
    /// What there is to say about it: of a transport that failed, what that said.
    fn said(self, wire: &mut Wire) -> ConnectError {
        use engine::Reason::{TransportClosed, TransportFailed};
        match self {
            Self::Error(error) => error,
            Self::Session(reason @ (TransportClosed | TransportFailed)) => {
                wire.take_failure().unwrap_or_else(|| reason.into())
            }
            Self::Session(reason) => reason.into(),
        }
    }
}

impl From<ConnectError> for Over {
    fn from(error: ConnectError) -> Self {
        Self::Error(error)
    }
}

impl From<Violation> for Over {
    fn from(violation: Violation) -> Self {
        Self::Error(violation.into())
    }
}
