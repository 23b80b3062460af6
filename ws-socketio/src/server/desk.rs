//! The handlers of one socket, one after the other.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sio_proto::{AckId, Encoded};

use super::hooks::{Entering, Leaving};
use super::link::Link;
use super::socket::Socket;
use crate::error::HandlerError;
use crate::handler::Handling;
use crate::refused::Refused;

/// A task for a socket.
pub(super) enum Job {
    Enter(Entering),
    Event {
        name: Arc<str>,
        handling: Handling,
        ack: Option<AckId>,
        /// What it keeps, in bytes.
        size: usize,
    },
    Leave(Leaving),
}

/// The tasks for one socket, in order.
pub(super) struct Desk {
    socket: Socket,
    jobs: VecDeque<Job>,
}

impl Desk {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            jobs: VecDeque::new(),
        }
    }

    pub(super) fn is_of(&self, socket: &Socket) -> bool {
        self.socket.is(socket)
    }

    pub(super) fn push(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Does what can be done now.
    pub(super) fn poll(&mut self, link: &Link, cx: &mut Context<'_>) {
        while let Some(mut job) = self.jobs.pop_front() {
            if self.go_on(&mut job, link, cx).is_pending() {
                return self.jobs.push_front(job);
            }
        }
    }

    fn go_on(&self, job: &mut Job, link: &Link, cx: &mut Context<'_>) -> Poll<()> {
        match job {
            Job::Enter(entering) => {
                let verdict = ready!(poll(entering, cx));
                self.enter(link, verdict.unwrap_or_else(|Panicked| Err(failure())));
            }
            Job::Event {
                name,
                handling,
                ack,
                size,
            } => {
                let answer = ready!(poll(handling, cx));
                let answer = answer.unwrap_or(Err(HandlerError::Panicked));
                self.answer(link, name, ack.take(), answer);
                link.done(*size);
            }
            Job::Leave(leaving) => {
                // A panic there ends nothing that is not over.
                drop(ready!(poll(leaving, cx)));
                self.leave(link);
            }
        }
        Poll::Ready(())
    }

    fn enter(&self, link: &Link, verdict: Result<(), Refused>) {
        if link.decided(&self.socket, verdict) {
            link.hub.settled(link.number);
        } else {
            self.leave(link);
        }
    }

    fn answer(
        &self,
        link: &Link,
        name: &str,
        ack: Option<AckId>,
        answer: Result<Encoded, HandlerError>,
    ) {
        match (answer, ack) {
            (Ok(answer), Some(ack)) => link.answer(&self.socket, ack, &answer),
            (Ok(_), None) => {}
            (Err(error), _) => {
                let failed = self.socket.hall().hooks.read().failed.clone();
                if let Some(failed) = failed {
                    failed(&self.socket, name, &error);
                }
            }
        }
    }

    fn leave(&self, link: &Link) {
        let hall = self.socket.hall();
        hall.members().leave(self.socket.id());
        link.hub.tidy(hall);
    }
}

/// The refusal of a client whose connect hook panicked.
fn failure() -> Refused {
    Refused::new("the server failed")
}

/// A handler panicked. It ends with that, and nothing else does.
struct Panicked;

fn poll<T>(
    future: &mut Pin<Box<dyn Future<Output = T> + Send>>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, Panicked>> {
    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    }
}
