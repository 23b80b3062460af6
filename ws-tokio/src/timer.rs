//! One timer for each connection, made when it first has to wait.
//!
//! To poll a `Sleep` costs more than to decode a frame, so it is polled only when it has to be: if
//! it has fired, if the deadline has come closer, or if another task waits. A deadline that has
//! moved away is left alone: the timer fires early, and is set again then.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{self, Sleep};
use ws_proto::Instant;

/// The time of a connection, and the timer that wakes the task that waits on it.
pub(crate) struct Timer {
    /// The moment from which the core counts.
    epoch: time::Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The moment at which it fires.
    set_to: Instant,
    /// The task that it wakes.
    wakes: Task,
}

/// A task, as its waker shows. Two wakers that live have the same addresses only if they wake the
/// same, and the timer keeps the one that it wakes alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Task([usize; 2]);

impl Task {
    const NONE: Self = Self([0; 2]);

    fn of(cx: &Context<'_>) -> Self {
        let waker = cx.waker();
        Self([
            waker.data().addr(),
            std::ptr::from_ref(waker.vtable()).addr(),
        ])
    }
}

impl Timer {
    pub(crate) fn new() -> Self {
        Self::since(time::Instant::now())
    }

    /// One that counts from `epoch`.
    pub(crate) fn since(epoch: time::Instant) -> Self {
        Self {
            epoch,
            sleep: None,
            set_to: Instant::default(),
            wakes: Task::NONE,
        }
    }

    pub(crate) const fn epoch(&self) -> time::Instant {
        self.epoch
    }

    /// The time now.
    pub(crate) fn now(&self) -> Instant {
        Instant::from_epoch(self.epoch.elapsed())
    }

    /// Whether it wakes the task of `cx`, or will once it has been set.
    pub(crate) fn knows(&self, cx: &Context<'_>) -> bool {
        self.wakes == Task::of(cx)
    }

    /// Whether it is known without a look at the clock that there is something to do: the timer has
    /// fired, or was set to a later moment.
    pub(crate) fn is_due(&self, deadline: Option<Instant>) -> bool {
        let (Some(sleep), Some(deadline)) = (&self.sleep, deadline) else {
            return false;
        };
        sleep.is_elapsed() || deadline < self.set_to
    }

    /// Ready once the deadline has passed; the task of `cx` is woken then. Without a deadline that is
    /// never.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        if self.sleep.is_some() && !self.is_due(Some(deadline)) && self.knows(cx) {
            return Poll::Pending;
        }
        if deadline <= self.now() {
            return Poll::Ready(());
        }
        self.set(cx, deadline)
    }

    fn set(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let Some(at) = self.epoch.checked_add(deadline.since_epoch()) else {
            return Poll::Pending; // the clock cannot name it: never
        };
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                sleep.as_mut().reset(at);
                sleep
            }
            None => self.sleep.insert(Box::pin(time::sleep_until(at))),
        };
        self.set_to = deadline;
        self.wakes = Task::of(cx);
        // A task whose budget is used up must still be known to the timer.
        Pin::new(&mut tokio::task::unconstrained(sleep)).poll(cx)
    }
}

/// Shows the moment, and not the machinery.
impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("set_to", &self.sleep.is_some().then_some(self.set_to))
            .finish_non_exhaustive()
    }
}
