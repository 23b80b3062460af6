//! Policies for the members of a group that do not keep up, and counts of what happened to them.

use std::sync::atomic::{AtomicU64, Ordering};

/// The treatment of a member for which too much waits already:
/// [`max_unsent`](ws_proto::Limits::max_unsent) or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slow {
    /// It is closed with 1013, so that no member misses a message without knowing it.
    #[default]
    Close,
    /// It misses this message, the newest: for messages that are soon replaced.
    Skip,
    /// The group keeps this many of the latest messages for it; when one more comes, it misses the
    /// oldest of them: for messages that lose their worth with age.
    Latest(usize),
    /// The sender waits for it, at most for the pong timeout: for messages that no member may miss,
    /// among members that are trusted. Joining, leaving and sending to the group wait too. Only
    /// ws-std can wait; with other adapters this is [`Close`](Self::Close).
    Wait,
}

/// How a [`Group`](crate::Group), or a room of [`Rooms`](crate::Rooms), treats its members.
///
/// ```
/// use ws_http::{RoomPolicy, Slow};
///
/// let policy = RoomPolicy::new().slow(Slow::Latest(8)).history(50);
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RoomPolicy {
    pub(super) slow: Slow,
    pub(super) history: usize,
}

impl RoomPolicy {
    /// Makes the default policy: slow members are closed, and there is no history.
    pub const fn new() -> Self {
        Self {
            slow: Slow::Close,
            history: 0,
        }
    }

    /// Sets the treatment of slow members.
    pub const fn slow(mut self, slow: Slow) -> Self {
        self.slow = slow;
        self
    }

    /// Whether messages are kept for anybody.
    pub(super) const fn keeps(self) -> bool {
        self.history > 0 || matches!(self.slow, Slow::Latest(_))
    }

    /// Sets how many messages are kept for those that join later: they get them first. Default: none.
    pub const fn history(mut self, messages: usize) -> Self {
        self.history = messages;
        self
    }
}

/// Counts of what became of the messages of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomMetrics {
    /// Messages that were sent, each once, however many members there were.
    pub sent: u64,
    /// Members that were closed with 1013, because they were too slow or memory was short.
    pub closed: u64,
    /// Messages that a member missed: by [`Slow::Skip`], or because memory was short.
    pub skipped: u64,
    /// Messages that a member missed by [`Slow::Latest`], when newer ones came.
    pub dropped: u64,
}

/// Counts for [`RoomMetrics`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    sent: AtomicU64,
    closed: AtomicU64,
    skipped: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    pub(super) fn sent(&self) {
        add(&self.sent);
    }

    pub(super) fn closed(&self) {
        add(&self.closed);
    }

    pub(super) fn skipped(&self) {
        add(&self.skipped);
    }

    pub(super) fn dropped(&self) {
        add(&self.dropped);
    }

    pub(super) fn metrics(&self) -> RoomMetrics {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RoomMetrics {
            sent: of(&self.sent),
            closed: of(&self.closed),
            skipped: of(&self.skipped),
            dropped: of(&self.dropped),
        }
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
