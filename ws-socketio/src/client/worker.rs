//! The task that runs the handlers and hooks of one namespace, one after the other.

use std::sync::Arc;

use sio_proto::{AckId, Encoded};
use tokio::sync::mpsc;

use super::handlers::Running;
use super::namespace::Job;
use super::socket::{Seat, Socket};
use super::state::Place;
use crate::error::HandlerError;

/// Is called when a handler or a hook fails.
pub(super) type Failed = dyn Fn(&Socket, &str, &HandlerError) + Send + Sync;

/// Runs what one namespace has to do.
pub(super) struct Worker {
    pub(super) seat: Seat,
    pub(super) namespace: Arc<str>,
    pub(super) failed: Arc<Failed>,
}

impl Worker {
    /// Runs until there is no more to do, ever. What a handler does is a task of its own, so that a
    /// panic ends nothing else; the next one begins when it has ended.
    pub(super) async fn run(self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let shared = &self.seat.shared;
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Connect { hook, session } => {
                    self.hook("connect", hook).await;
                    shared.lock().greeted(&self.namespace, session);
                    shared.wake();
                }
                Job::Event {
                    name,
                    handling,
                    ack,
                    size,
                } => {
                    let handled = tokio::spawn(handling).await;
                    let handled = handled.unwrap_or(Err(HandlerError::Panicked));
                    self.answer(&name, handled, ack).await;
                    let has_room = {
                        let mut state = shared.lock();
                        let found = state.namespace_mut(&self.namespace);
                        found.is_some_and(|found| found.handled(size))
                    };
                    if has_room {
                        shared.wake();
                    }
                }
                Job::Disconnect(hook) => self.hook("disconnect", hook).await,
            }
        }
    }

    async fn hook(&self, name: &str, running: Running) {
        if tokio::spawn(running).await.is_err() {
            self.failed(name, &HandlerError::Panicked);
        }
    }

    async fn answer(
        &self,
        name: &str,
        handled: Result<Encoded, HandlerError>,
        ack: Option<(u64, AckId)>,
    ) {
        match (handled, ack) {
            (Ok(answer), Some(ack)) => {
                self.seat.shared.answer(&self.namespace, ack, &answer).await;
            }
            (Ok(_), None) => {}
            (Err(error), _) => self.failed(name, &error),
        }
    }

    fn failed(&self, name: &str, error: &HandlerError) {
        let socket = self.seat.socket(&self.namespace, Place::Elsewhere);
        (self.failed)(&socket, name, error);
    }
}
