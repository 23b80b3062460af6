//! What a server counts: whom it served, whom it turned away, and why.

use std::sync::atomic::{AtomicU64, Ordering};

use ws_proto::Excess;

use crate::refusal::Refusal;

/// The counts of what a server has done since it began, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Connections that are open now.
    pub open: usize,
    /// Connections that are opening now, or to which a page is being sent.
    pub opening: usize,
    /// Bytes that connections hold now, for a server with a [`Budget`](crate::Budget).
    pub memory: usize,
    /// Connections that were accepted, including those that were then refused.
    pub accepted: u64,
    /// WebSockets that were opened.
    pub opened: u64,
    /// Refused with 503: there were as many connections as there may be, or no thread for one more.
    pub full: u64,
    /// Refused with 503: they were opening, and gave way to one that came later.
    pub displaced: u64,
    /// Refused with 429: their address had as many connections as it may have.
    pub crowd: u64,
    /// Refused for another reason.
    pub refused: u64,
    /// Refusals missing from the log, because too many waited for it.
    pub unlogged: u64,
    /// Failed attempts to accept a connection, for lack of descriptors or memory.
    pub short: u64,
    /// Closed with 1008: a message arrived too slowly.
    pub slow: u64,
    /// Closed with 1008: there was no message for too long.
    pub idle: u64,
    /// Closed with 1008: there were too many frames.
    pub frames: u64,
    /// Closed with 1013: they would have held more memory than the budget allows.
    pub out_of_memory: u64,
}

/// Counts for [`Metrics`], from any thread.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    opened: AtomicU64,
    full: AtomicU64,
    displaced: AtomicU64,
    crowd: AtomicU64,
    refused: AtomicU64,
    unlogged: AtomicU64,
    short: AtomicU64,
    slow: AtomicU64,
    idle: AtomicU64,
    frames: AtomicU64,
    out_of_memory: AtomicU64,
}

impl Counters {
    /// Counts a connection that was accepted.
    pub fn accepted(&self) {
        add(&self.accepted);
    }

    /// Counts a WebSocket that was opened.
    pub fn opened(&self) {
        add(&self.opened);
    }

    /// Counts a refused request, or a refused connection.
    pub fn refused(&self, refusal: &Refusal) {
        add(match refusal {
            Refusal::Full => &self.full,
            Refusal::Displaced => &self.displaced,
            Refusal::Crowd { .. } => &self.crowd,
            _ => &self.refused,
        });
    }

    /// Counts a refusal that was not logged.
    pub fn unlogged(&self) {
        add(&self.unlogged);
    }

    /// Counts a connection that could not be accepted, for lack of descriptors or memory.
    pub fn short(&self) {
        add(&self.short);
    }

    /// Counts a connection that was closed for this reason.
    pub fn exceeded(&self, excess: Excess) {
        add(match excess {
            Excess::Slow => &self.slow,
            Excess::Idle => &self.idle,
            Excess::Frames => &self.frames,
            Excess::Memory => &self.out_of_memory,
        });
    }

    /// Returns all counts; the adapter fills in the values of the moment.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Metrics {
            accepted: of(&self.accepted),
            opened: of(&self.opened),
            full: of(&self.full),
            displaced: of(&self.displaced),
            crowd: of(&self.crowd),
            refused: of(&self.refused),
            unlogged: of(&self.unlogged),
            short: of(&self.short),
            slow: of(&self.slow),
            idle: of(&self.idle),
            frames: of(&self.frames),
            out_of_memory: of(&self.out_of_memory),
            ..Metrics::default()
        }
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_counter() {
        let counters = Counters::default();
        counters.accepted();
        counters.opened();
        counters.unlogged();
        counters.short();
        let refusals = [
            Refusal::Full,
            Refusal::Displaced,
            Refusal::Crowd { most: 1 },
            Refusal::NotFound,
            Refusal::Failed,
        ];
        refusals
            .iter()
            .for_each(|refusal| counters.refused(refusal));
        for excess in [Excess::Slow, Excess::Idle, Excess::Frames, Excess::Memory] {
            counters.exceeded(excess);
        }
        let expected = Metrics {
            accepted: 1,
            opened: 1,
            full: 1,
            displaced: 1,
            crowd: 1,
            refused: 2,
            unlogged: 1,
            short: 1,
            slow: 1,
            idle: 1,
            frames: 1,
            out_of_memory: 1,
            ..Metrics::default()
        };
        assert_eq!(counters.metrics(), expected);
    }
}
