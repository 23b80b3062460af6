//! Sending to many: one policy for those that do not keep up, whatever moves the bytes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ws_proto::{Message, Prepared};

use crate::member::Member;

mod policy;
mod seat;

pub use policy::{RoomMetrics, RoomPolicy, Slow};

use policy::Counts;
use seat::{Offered, Seat};

/// A set of connections that get the same messages, all in the same order: a room, the subscribers of
/// a feed. For rooms by name, see [`Rooms`](crate::Rooms).
///
/// No member waits for another, unless that is [asked for](Slow::Wait). The [policy](RoomPolicy)
/// says what happens to a member that is too slow. By default it is closed with 1013 and leaves the
/// group: if more than [`Limits::max_unsent`](ws_proto::Limits::max_unsent) wait for it, if it is
/// being sent fragments when a message comes, or if there is no memory to queue the message for it.
/// If there is no memory for the Close either, the connection is dropped. So no member misses a
/// message without knowing it.
///
/// Clones are the same group.
pub struct Group<W> {
    shared: Arc<Shared<W>>,
}

struct Shared<W> {
    policy: RoomPolicy,
    counts: Arc<Counts>,
    state: Mutex<State<W>>,
}

struct State<W> {
    next: u64,
    seats: Vec<(u64, Arc<Seat<W>>)>,
    /// The last messages, the oldest first.
    history: VecDeque<Arc<Prepared>>,
    /// Nobody joins any more: see [`Group::retire`].
    is_retired: bool,
}

/// A connection's membership in a [`Group`], which ends when this is dropped.
#[must_use = "the member leaves when this is dropped"]
pub struct Membership<W> {
    id: u64,
    shared: Arc<Shared<W>>,
}

impl<W> Group<W> {
    /// Makes an empty group, with the default policy.
    #[must_use]
    pub fn new() -> Self {
        Self::with(RoomPolicy::new())
    }

    /// Makes an empty group with this policy.
    #[must_use]
    pub fn with(policy: RoomPolicy) -> Self {
        Self {
            shared: Arc::new(Shared {
                policy,
                counts: Arc::default(),
                state: Mutex::new(State {
                    next: 0,
                    seats: Vec::new(),
                    history: VecDeque::new(),
                    is_retired: false,
                }),
            }),
        }
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state().seats.len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of messages since the group was made.
    #[must_use]
    pub fn metrics(&self) -> RoomMetrics {
        self.shared.counts.metrics()
    }

    /// Removes all members, whose connections stay as they are, and forgets the history.
    pub fn clear(&self) {
        let (seats, history) = {
            let mut state = self.shared.state();
            let State { seats, history, .. } = &mut *state;
            (std::mem::take(seats), std::mem::take(history))
        };
        // The last of a connection ends it, without the lock.
        drop((seats, history));
    }

    /// Ends the group if nobody is in it: nobody joins it any more. Returns whether that is so.
    pub(crate) fn retire(&self) -> bool {
        let mut state = self.shared.state();
        state.is_retired |= state.seats.is_empty();
        state.is_retired
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Calls `look` with each member.
    pub(crate) fn each(&self, mut look: impl FnMut(&W)) {
        let state = self.shared.state();
        state.seats.iter().for_each(|(_, seat)| look(&seat.writer));
    }
}

impl<W: Member> Group<W> {
    /// Adds a connection, and queues the [history](RoomPolicy::history) for it.
    pub fn join(&self, writer: W) -> Membership<W> {
        self.seat(&mut self.shared.state(), writer)
    }

    /// The same, of a group that may be at its end.
    pub(crate) fn join_unless_retired(&self, writer: &W) -> Option<Membership<W>>
    where
        W: Clone,
    {
        let mut state = self.shared.state();
        (!state.is_retired).then(|| self.seat(&mut state, writer.clone()))
    }

    fn seat(&self, state: &mut State<W>, writer: W) -> Membership<W> {
        let (id, slow) = (state.next, self.shared.policy.slow);
        state.next += 1;
        let seat = Seat::new(writer, slow, self.shared.counts.clone());
        let stays = |kept: &Arc<Prepared>| seat.offer(kept, Some(kept)) != Offered::Gone;
        if state.history.iter().all(stays) {
            state.seats.push((id, seat));
        }
        let shared = self.shared.clone();
        Membership { id, shared }
    }

    /// Queues a message for every member, and returns for how many it did. Members whose connection
    /// is over leave; the policy decides about those that are too slow. Any thread may send.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> usize {
        self.shared.send(message.into(), None)
    }
}

impl<W: Member> Membership<W> {
    /// Queues a message for every member but this one, and returns for how many it did.
    pub fn send_to_others<'m>(&self, message: impl Into<Message<'m>>) -> usize {
        self.shared.send(message.into(), Some(self.id))
    }
}

impl<W: Member> Shared<W> {
    fn send(&self, message: Message<'_>, but: Option<u64>) -> usize {
        // Encoded once for all of those who have agreed on the same.
        let prepared = Prepared::new(message);
        match self.policy.keeps() {
            true => {
                let shared = Arc::new(prepared);
                self.deliver(&shared, Some(&shared), but)
            }
            false => self.deliver(&prepared, None, but),
        }
    }

    /// Offers a message to all members but one, and keeps it if somebody may want it later.
    /// Allocates no more than it needs, and dismisses a member for which an allocation fails.
    fn deliver(
        &self,
        message: &Prepared,
        shared: Option<&Arc<Prepared>>,
        but: Option<u64>,
    ) -> usize {
        let mut reached = 0;
        let mut state = self.state();
        state.seats.retain(|(id, seat)| {
            if but == Some(*id) {
                return true;
            }
            let offered = seat.offer(message, shared);
            reached += usize::from(offered == Offered::Taken);
            offered != Offered::Gone
        });
        if let (Some(shared), 1..) = (shared, self.policy.history) {
            if state.history.len() == self.policy.history {
                state.history.pop_front();
            }
            // Without memory for it, who comes later misses it.
            if state.history.try_reserve(1).is_ok() {
                state.history.push_back(shared.clone());
            }
        }
        drop(state);
        self.counts.sent();
        reached
    }
}

impl<W> Shared<W> {
    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Clone for Group<W> {
    fn clone(&self) -> Self {
        let shared = Arc::clone(&self.shared);
        Self { shared }
    }
}

impl<W> Default for Group<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> fmt::Debug for Group<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("members", &self.len())
            .field("policy", &self.shared.policy)
            .finish_non_exhaustive()
    }
}

impl<W> fmt::Debug for Membership<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").finish_non_exhaustive()
    }
}

impl<W> Drop for Membership<W> {
    fn drop(&mut self) {
        let left = {
            let seats = &mut self.shared.state().seats;
            let at = seats.iter().position(|(id, _)| *id == self.id);
            at.map(|at| seats.remove(at))
        };
        // The last of a connection ends it, without the lock.
        drop(left);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};
    use ws_proto::{CloseCode, Error, SendError};

    /// A connection whose queue takes so many messages, and what became of it. Clones are the same.
    #[derive(Clone, Default)]
    pub(crate) struct Fake(Arc<Mutex<Queue>>);

    #[derive(Default)]
    struct Queue {
        /// A queue that does not take any more for a reason of its own.
        fails: Option<SendError>,
        /// No memory for a Close.
        closes: Option<SendError>,
        room: usize,
        queued: Vec<String>,
        became: Vec<String>,
        waker: Option<Waker>,
    }

    impl Fake {
        pub(crate) fn with_room(room: usize) -> Self {
            let fake = Self::default();
            fake.queue().room = room;
            fake
        }

        fn queue(&self) -> MutexGuard<'_, Queue> {
            self.0.lock().unwrap()
        }

        /// What it got since.
        pub(crate) fn got(&self) -> Vec<String> {
            std::mem::take(&mut self.queue().queued)
        }

        fn became(&self) -> Vec<String> {
            self.queue().became.clone()
        }

        /// It takes so many more.
        pub(crate) fn take(&self, more: usize) {
            let mut queue = self.queue();
            queue.room += more;
            let waker = queue.waker.take();
            drop(queue);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    impl Member for Fake {
        fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
            let mut queue = self.queue();
            if let Some(error) = queue.fails {
                return Err(error.into());
            }
            let full = SendError::Full { limit: 1 };
            queue.room = queue.room.checked_sub(1).ok_or(full)?;
            let text = prepared.message().as_text().unwrap();
            queue.queued.push(text.into());
            Ok(())
        }

        fn send_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
            while self.queue().fails.is_none() && self.queue().room == 0 {
                std::thread::yield_now();
            }
            self.queue_prepared(prepared)
        }

        fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
            let mut queue = self.queue();
            if queue.room > 0 || queue.fails.is_some() {
                return Poll::Ready(());
            }
            queue.waker = Some(cx.waker().clone());
            Poll::Pending
        }

        fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
            let became = format!("{} {reason}", code.get());
            let mut queue = self.queue();
            queue.became.push(became);
            queue.closes.map_or(Ok(()), |error| Err(error.into()))
        }

        fn abort(&self) {
            self.queue().became.push("aborted".into());
        }
    }

    const MANY: usize = 1000;

    #[test]
    fn who_cannot_take_a_message_is_dismissed_and_says_why() {
        let none = Some(SendError::OutOfMemory);
        for (fails, closes, becomes) in [
            (None, None, &[][..]),
            (Some(SendError::Full { limit: 1 }), None, &["1013 too slow"]),
            (Some(SendError::MessageInProgress), None, &["1013 too slow"]),
            (none, None, &["1013 out of memory"]),
            (none, none, &["1013 out of memory", "aborted"]),
            (Some(SendError::Closed), None, &[]),
        ] {
            let (it, other) = (Fake::with_room(MANY), Fake::with_room(MANY));
            (it.queue().fails, it.queue().closes) = (fails, closes);
            let group = Group::new();
            let _it = group.join(it.clone());
            let place = group.join(other.clone());
            let left = if fails.is_none() { 2 } else { 1 };
            assert_eq!(group.clone().send("hello"), left, "{fails:?}");
            // The other got it, whatever became of the first.
            assert_eq!((other.got(), group.len()), (vec!["hello".into()], left));
            assert_eq!(it.became(), becomes);
            let closed = group.metrics().closed;
            assert_eq!(closed, u64::from(!becomes.is_empty()));
            drop(place);
            assert_eq!(group.is_empty(), left == 1);
        }
    }

    #[test]
    fn who_may_miss_messages_misses_the_newest() {
        let group = Group::with(RoomPolicy::new().slow(Slow::Skip));
        let (slow, quick) = (Fake::with_room(2), Fake::with_room(MANY));
        let _places = (group.join(slow.clone()), group.join(quick.clone()));
        let reached = ["1", "2", "3", "4"].map(|line| group.send(line));
        assert_eq!(reached, [2, 2, 1, 1]);
        assert_eq!(slow.got(), ["1", "2"]);
        slow.take(1);
        assert_eq!(group.send("5"), 2);
        assert_eq!(slow.got(), ["5"]);
        assert_eq!(quick.got(), ["1", "2", "3", "4", "5"]);
        let metrics = group.metrics();
        assert_eq!((metrics.sent, metrics.skipped, metrics.closed), (5, 2, 0));
    }

    #[test]
    fn who_gets_the_latest_misses_the_oldest_and_gets_the_rest_when_there_is_room() {
        let group = Group::with(RoomPolicy::new().slow(Slow::Latest(2)));
        let slow = Fake::with_room(1);
        let place = group.join(slow.clone());
        for line in ["1", "2", "3", "4", "5"] {
            assert_eq!(group.send(line), 1);
        }
        assert_eq!(slow.got(), ["1"]);
        assert_eq!(group.metrics().dropped, 2);
        // Nobody sends any more.
        slow.take(1);
        assert_eq!(slow.got(), ["4"]);
        slow.take(5);
        assert_eq!(slow.got(), ["5"]);
        // Then it is as any.
        assert_eq!(group.send("6"), 1);
        assert_eq!(slow.got(), ["6"]);
        // What is not for a queue of any length is missed, and the next is not.
        slow.queue().fails = Some(SendError::MessageInProgress);
        assert_eq!(group.send("7"), 1);
        slow.queue().fails = None;
        assert_eq!(group.send("8"), 1);
        assert_eq!((slow.got(), group.metrics().skipped), (vec!["8".into()], 1));
        // A member that has left gets no more.
        slow.queue().room = 0;
        assert_eq!(group.send("9"), 1);
        drop(place);
        slow.take(5);
        assert!(slow.got().is_empty());
        // Nor does one that is over.
        let _place = group.join(slow.clone());
        slow.queue().fails = Some(SendError::Closed);
        assert_eq!((group.send("10"), group.len()), (0, 0));
        assert_eq!(group.metrics().closed, 0);
    }

    #[test]
    fn many_threads_send_to_one_that_takes_little_and_it_gets_each_in_order() {
        let group = Group::with(RoomPolicy::new().slow(Slow::Latest(usize::MAX)));
        let slow = Fake::with_room(0);
        let _place = group.join(slow.clone());
        std::thread::scope(|scope| {
            for at in 0..4 {
                let group = &group;
                scope.spawn(move || {
                    (0..500).for_each(|count| {
                        group.send(&*format!("{at} {count}"));
                    });
                });
            }
            let mut next = [0; 4];
            while next != [500; 4] {
                slow.take(3);
                for line in slow.got() {
                    let (at, count) = line.split_once(' ').unwrap();
                    let next = &mut next[at.parse::<usize>().unwrap()];
                    assert_eq!(count.parse(), Ok(*next));
                    *next += 1;
                }
            }
        });
    }

    #[test]
    fn where_nobody_may_miss_one_all_wait() {
        let group = Group::with(RoomPolicy::new().slow(Slow::Wait));
        let slow = Fake::with_room(0);
        let _place = group.join(slow.clone());
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| ["1", "2"].map(|line| group.send(line)));
            slow.take(1);
            while slow.queue().queued.is_empty() {
                std::thread::yield_now();
            }
            assert!(!sending.is_finished());
            slow.take(1);
            assert_eq!(sending.join().unwrap(), [1, 1]);
        });
        assert_eq!(slow.got(), ["1", "2"]);
    }

    #[test]
    fn who_joins_later_gets_the_last_messages_first() {
        let group = Group::with(RoomPolicy::new().history(2));
        for line in ["1", "2", "3"] {
            group.send(line);
        }
        let late = Fake::with_room(MANY);
        let place = group.join(late.clone());
        group.send("4");
        assert_eq!(late.got(), ["2", "3", "4"]);
        assert_eq!(place.send_to_others("5"), 0);
        assert!(late.got().is_empty());
        // To whom it is too much, as to any.
        let full = Fake::with_room(1);
        let _place = group.join(full.clone());
        assert_eq!(
            (full.got(), full.became()),
            (vec!["4".into()], vec!["1013 too slow".into()])
        );
        assert_eq!(group.len(), 1);
        group.clear();
        assert_eq!((group.len(), group.send("6")), (0, 0));
        assert!(late.became().is_empty());
        drop(place);
    }
}
