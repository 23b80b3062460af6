//! The deadlines of all connections: a wheel of buckets, each a list that runs through the
//! connections themselves.
//!
//! ```text
//!   ticks of 67 ms     │ 0 │ 1 │ 2 │ … │ 511 │      34 s go around it
//!                            │
//!                            └▶ connection 7 ◀─▶ connection 19 ◀─▶ connection 3
//! ```
//!
//! To set a deadline, move it or drop it takes a few steps, however many there are, and no memory
//! beyond eight bytes in each connection. One that is further away waits in the last bucket and is
//! looked at once on its way.

use std::time::Duration;

use ws_proto::Instant;

/// A tick is 2^26 ns: no division says which one a moment is in.
const SHIFT: u32 = 26;

const BUCKETS: u32 = 512;

const NONE: u32 = u32::MAX;

/// In `prev`: this one is the first of the bucket in the other bits.
const FIRST: u32 = 1 << 31;

/// A connection's place in the wheel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    prev: u32,
    next: u32,
}

impl Link {
    /// Slots are below this.
    pub(crate) const MAX_SLOT: u32 = FIRST;
}

impl Default for Link {
    fn default() -> Self {
        Self {
            prev: NONE,
            next: NONE,
        }
    }
}

/// Where the links are.
pub(crate) trait Links {
    fn link_mut(&mut self, slot: u32) -> Option<&mut Link>;
}

#[derive(Debug)]
pub(crate) struct Wheel {
    heads: Vec<u32>,
    /// The ticks up to this one have been dealt with.
    tick: u64,
    /// No bucket before this tick has anything.
    next: u64,
}

impl Wheel {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            heads: vec![NONE; BUCKETS as usize],
            tick: tick(now),
            next: u64::MAX,
        }
    }

    /// Sets the deadline of a connection, in place of the one that it had.
    pub(crate) fn set(&mut self, links: &mut impl Links, slot: u32, at: Instant) {
        self.drop_deadline(links, slot);
        // Not before it has passed, and not as far away as the tick that is being dealt with.
        let soonest = self.tick + 1;
        let at = (tick(at) + 1).clamp(soonest, self.tick + u64::from(BUCKETS) - 1);
        self.next = self.next.min(at);
        let bucket = bucket(at);
        let Some(head) = self.heads.get_mut(bucket as usize) else {
            return;
        };
        let after = std::mem::replace(head, slot);
        if let Some(link) = links.link_mut(slot) {
            *link = Link {
                prev: FIRST | bucket,
                next: after,
            };
        }
        if let Some(after) = links.link_mut(after) {
            after.prev = slot;
        }
    }

    /// Drops the deadline of a connection, if it has one.
    pub(crate) fn drop_deadline(&mut self, links: &mut impl Links, slot: u32) {
        let Some(link) = links.link_mut(slot).map(std::mem::take) else {
            return;
        };
        if link.prev == NONE {
            return;
        }
        if link.prev & FIRST != 0 {
            if let Some(head) = self.heads.get_mut((link.prev & !FIRST) as usize) {
                *head = link.next;
            }
        } else if let Some(prev) = links.link_mut(link.prev) {
            prev.next = link.next;
        }
        if let Some(next) = links.link_mut(link.next) {
            next.prev = link.prev;
        }
    }

    /// Takes out the next connection whose deadline may have passed. `None` if no more have.
    pub(crate) fn pop(&mut self, links: &mut impl Links, now: Instant) -> Option<u32> {
        let now = tick(now);
        loop {
            if self.next > now {
                self.tick = self.tick.max(now);
                return None;
            }
            // A pause of the whole program may be longer than once around the wheel.
            self.tick = self
                .tick
                .max(self.next)
                .max(now.saturating_sub(BUCKETS.into()));
            let slot = self.head(self.tick);
            if slot != NONE {
                self.drop_deadline(links, slot);
                return Some(slot);
            }
            self.next = self.find_next();
        }
    }

    /// How long nothing is due. `None` if there are no deadlines.
    pub(crate) fn patience(&self, now: Instant) -> Option<Duration> {
        if self.next == u64::MAX {
            return None;
        }
        let nanos = self.next.checked_shl(SHIFT).unwrap_or(u64::MAX);
        let due = Instant::from_epoch(Duration::from_nanos(nanos));
        Some(due.saturating_duration_since(now))
    }

    /// The next tick after this one of which the bucket has something.
    fn find_next(&self) -> u64 {
        let ticks = self.tick + 1..self.tick + u64::from(BUCKETS);
        let mut filled = ticks.filter(|&tick| self.head(tick) != NONE);
        filled.next().unwrap_or(u64::MAX)
    }

    fn head(&self, tick: u64) -> u32 {
        let head = self.heads.get(bucket(tick) as usize);
        head.copied().unwrap_or(NONE)
    }
}

fn tick(at: Instant) -> u64 {
    let since = at.since_epoch();
    let nanos = since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos());
    nanos >> SHIFT
}

fn bucket(tick: u64) -> u32 {
    u32::try_from(tick % u64::from(BUCKETS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_testkit::Random;

    impl Links for Vec<Link> {
        fn link_mut(&mut self, slot: u32) -> Option<&mut Link> {
            self.get_mut(slot as usize)
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_epoch(Duration::from_millis(millis))
    }

    fn due(wheel: &mut Wheel, links: &mut Vec<Link>, millis: u64) -> Vec<u32> {
        let mut due: Vec<_> = std::iter::from_fn(|| wheel.pop(links, at(millis))).collect();
        due.sort_unstable();
        due
    }

    #[test]
    fn what_is_due_comes_out_once_and_not_before() {
        let (mut wheel, mut links) = (Wheel::new(at(0)), vec![Link::default(); 4]);
        assert_eq!(wheel.patience(at(0)), None);
        wheel.set(&mut links, 0, at(1000));
        wheel.set(&mut links, 1, at(1000));
        wheel.set(&mut links, 2, at(5000));
        assert_eq!(due(&mut wheel, &mut links, 999), []);
        let patience = wheel.patience(at(999)).expect("there are some");
        assert!(patience <= Duration::from_millis(70), "{patience:?}");
        assert_eq!(due(&mut wheel, &mut links, 1100), [0, 1]);
        assert_eq!(due(&mut wheel, &mut links, 1200), []);
        wheel.set(&mut links, 2, at(1300));
        wheel.set(&mut links, 3, at(1300));
        wheel.drop_deadline(&mut links, 3);
        assert_eq!(due(&mut wheel, &mut links, 1500), [2]);
        assert_eq!(due(&mut wheel, &mut links, 6000), []);
        assert_eq!(wheel.patience(at(6000)), None);
    }

    #[test]
    fn one_in_the_past_is_due_at_the_next_tick() {
        let (mut wheel, mut links) = (Wheel::new(at(9000)), vec![Link::default(); 1]);
        wheel.set(&mut links, 0, at(0));
        assert_eq!(due(&mut wheel, &mut links, 9140), [0]);
    }

    /// Held against a plain list: nothing is early, nothing is later than a tick and its rounding,
    /// what is far away is looked at on its way, and a pause of any length loses nothing.
    #[test]
    fn it_does_what_a_list_would() {
        const SLOTS: u32 = 50;
        let mut random = Random::new(7);
        let mut links = vec![Link::default(); SLOTS as usize];
        let (mut wheel, mut now) = (Wheel::new(at(0)), 0);
        let mut list = [None; SLOTS as usize];
        for _ in 0..20_000 {
            let slot = random.below(SLOTS as usize);
            let name = u32::try_from(slot).expect("few");
            match random.below(8) {
                0..=3 => {
                    let deadline = now + random.below(60_000) as u64;
                    wheel.set(&mut links, name, at(deadline));
                    list[slot] = Some((deadline, now));
                }
                4 => {
                    wheel.drop_deadline(&mut links, name);
                    list[slot] = None;
                }
                5 => now += random.below(100_000) as u64,
                _ => now += random.below(300) as u64,
            }
            for out in due(&mut wheel, &mut links, now) {
                let place = &mut list[out as usize];
                let (deadline, set) = place.take().expect("it was set");
                if deadline > now {
                    assert!(deadline > set + 34_000, "it was not that far away");
                    wheel.set(&mut links, out, at(deadline));
                    *place = Some((deadline, now));
                }
            }
            let late = |(deadline, _): &(u64, u64)| deadline + 140 < now;
            assert!(!list.iter().flatten().any(late), "at {now}");
        }
    }
}
