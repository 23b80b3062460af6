//! One member of a group, and what waits in the group for it.
//!
//! ```text
//!   offer ──▶ the connection's queue            has room, and nothing waits here
//!         └─▶ waiting │ oldest … newest │ ──▶   full: until the connection has room again
//!                       └▶ one too many: missed
//! ```

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Wake, Waker};

use ws_proto::{CloseCode, Error, Prepared, SendError};

use super::policy::{Counts, Slow};
use crate::member::Member;

pub(super) struct Seat<W> {
    pub(super) writer: W,
    slow: Slow,
    counts: Arc<Counts>,
    lane: Mutex<Lane>,
    /// Lets what waits continue when there is room.
    waker: Waker,
}

/// What waits for a member, of [`Slow::Latest`].
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Arc<Prepared>>,
    /// A thread queues them, or the waker will have one do so.
    is_moving: bool,
    /// The waker will: whichever thread takes this away continues.
    is_parked: bool,
    /// The connection is over.
    is_over: bool,
}

/// What became of a message for one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It is queued, or waits.
    Taken,
    Missed,
    /// The member is over, or was closed.
    Gone,
}

/// Wakes a seat, as long as somebody sits there.
struct Nudge<W>(Weak<Seat<W>>);

impl<W: Member> Seat<W> {
    pub(super) fn new(writer: W, slow: Slow, counts: Arc<Counts>) -> Arc<Self> {
        Arc::new_cyclic(|seat| Self {
            writer,
            slow,
            counts,
            lane: Mutex::default(),
            waker: Arc::new(Nudge(seat.clone())).into(),
        })
    }

    /// Gives the member a message, as the policy says; `shared` is the same, if it can be kept.
    pub(super) fn offer(
        self: &Arc<Self>,
        message: &Prepared,
        shared: Option<&Arc<Prepared>>,
    ) -> Offered {
        let queued = match (self.slow, shared) {
            (Slow::Latest(most), Some(shared)) => return self.offer_latest(shared, most),
            (Slow::Wait, _) => self.writer.send_prepared(message),
            _ => self.writer.queue_prepared(message),
        };
        match queued {
            Ok(()) => Offered::Taken,
            // It is as it was, except for a message that it will never get.
            Err(Error::Send(error)) if error != SendError::Closed => {
                if self.slow == Slow::Skip {
                    self.counts.skipped();
                    return Offered::Missed;
                }
                self.counts.closed();
                self.dismiss(error);
                Offered::Gone
            }
            // It is closing or gone: its reader sees that.
            Err(_) => Offered::Gone,
        }
    }

    /// Closes a healthy connection that could not take a message, and says why.
    fn dismiss(&self, error: SendError) {
        let reason = match error {
            SendError::OutOfMemory => "out of memory",
            _ => "too slow",
        };
        // What waits goes first; the deadline of the closing handshake runs.
        let closed = self.writer.close(CloseCode::TRY_AGAIN_LATER, reason);
        if let Err(Error::Send(SendError::OutOfMemory)) = closed {
            // No memory even for the Close: the end of the stream has to say it.
            self.writer.abort();
        }
    }

    fn offer_latest(self: &Arc<Self>, message: &Arc<Prepared>, most: usize) -> Offered {
        let mut lane = self.lane();
        if lane.is_over {
            return Offered::Gone;
        }
        if lane.waiting.try_reserve(1).is_err() {
            self.counts.skipped();
            return Offered::Missed;
        }
        lane.waiting.push_back(message.clone());
        if lane.is_moving {
            self.drop_oldest(&mut lane, most);
            return Offered::Taken;
        }
        lane.is_moving = true;
        drop(lane);
        self.go_on(most);
        match self.lane().is_over {
            true => Offered::Gone,
            false => Offered::Taken,
        }
    }

    fn drop_oldest(&self, lane: &mut Lane, most: usize) {
        while lane.waiting.len() > most {
            lane.waiting.pop_front();
            self.counts.dropped();
        }
    }

    /// Queues what waits, until there is no more or no room. One thread at a time, and none while
    /// `lane` is locked: what is written may make room, and wake this again.
    fn go_on(self: &Arc<Self>, most: usize) {
        loop {
            let Some(message) = self.next() else {
                return;
            };
            match self.writer.queue_prepared(&message) {
                Ok(()) => {}
                Err(Error::Send(SendError::Full { .. })) => {
                    let mut lane = self.lane();
                    lane.waiting.push_front(message);
                    self.drop_oldest(&mut lane, most);
                    // Before it is asked for: the waker may be called at once.
                    lane.is_parked = true;
                    drop(lane);
                    let mut cx = Context::from_waker(&self.waker);
                    if self.writer.poll_room(&mut cx).is_pending() || !self.unpark() {
                        return;
                    }
                }
                // Room would not help.
                Err(Error::Send(error)) if error != SendError::Closed => self.counts.skipped(),
                Err(_) => {
                    let mut lane = self.lane();
                    lane.is_over = true;
                    lane.waiting.clear();
                    return;
                }
            }
        }
    }

    /// The oldest that waits; if nothing does, the thread is done.
    fn next(&self) -> Option<Arc<Prepared>> {
        let mut lane = self.lane();
        let next = lane.waiting.pop_front();
        lane.is_moving = next.is_some();
        next
    }
}

impl<W> Seat<W> {
    /// Whether this thread is the one to continue.
    fn unpark(&self) -> bool {
        mem::take(&mut self.lane().is_parked)
    }

    fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Member> Wake for Nudge<W> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(seat) = self.0.upgrade()
            && let Slow::Latest(most) = seat.slow
            && seat.unpark()
        {
            seat.go_on(most);
        }
    }
}
