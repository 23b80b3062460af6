//! What the task of a client shares with the application: one lock, held for moments, and the ways in
//! which each wakes the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sio_proto::{AckId, Encoded};
use tokio::sync::{Notify, watch};

use super::error::ConnectError;
use super::state::{Place, State};
use crate::clock::Clock;
use crate::error::EmitError;

/// How a client ended: `Err` if it gave up.
pub(super) type Outcome = Result<(), Arc<ConnectError>>;

pub(super) struct Shared {
    state: Mutex<State>,
    /// The task has something to do.
    changed: Notify,
    /// There may be room again for events to send.
    room: Notify,
    /// Whether nobody holds the client any more. Who lets go of it last may have the lock.
    abandoned: AtomicBool,
    over: watch::Sender<Option<Outcome>>,
    pub(super) clock: Clock,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            room: Notify::new(),
            abandoned: AtomicBool::new(false),
            over: watch::Sender::new(None),
            clock: Clock::start(),
        }
    }

    /// The state. Whatever panics with it is a type of the application's that is being decoded:
    /// nothing of the state is half done then.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the task.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits until something was changed since this was waited for last.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Wakes those who wait for room.
    pub(super) fn made_room(&self) {
        self.room.notify_waiters();
    }

    /// Waits until an event would be sent or kept.
    pub(super) async fn room(&self, namespace: &str, place: Place) -> Result<(), EmitError> {
        loop {
            let room = self.room.notified();
            if self.lock().has_room(namespace, place)? {
                return Ok(());
            }
            room.await;
        }
    }

    /// Answers an event, as soon as there is room.
    pub(super) async fn answer(&self, namespace: &str, ack: (u64, AckId), answer: &Encoded) {
        let mut ack = Some(ack);
        loop {
            let room = self.room.notified();
            if self.lock().answer(namespace, &mut ack, answer) {
                return self.wake();
            }
            room.await;
        }
    }

    /// Nobody holds the client any more.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether nobody holds the client any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// The task has ended.
    pub(super) fn finish(&self, outcome: Outcome) {
        self.made_room();
        self.over.send_replace(Some(outcome));
    }

    /// Waits until the task has ended.
    pub(super) async fn over(&self) -> Outcome {
        let mut over = self.over.subscribe();
        match over.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // It is sent before the sender goes, and that is here.
            Ok(None) | Err(_) => Ok(()),
        }
    }
}
