//! The memory of a whole server: what all of its connections hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ws_proto::Excess;

/// A bound on the memory that all connections of a server hold together, in bytes: what they
/// received and the application has not taken, and what waits to be sent. A connection that would
/// exceed it is closed with 1013, and the others continue. Clones are the same budget.
///
/// Each connection may hold as much as its [`Limits`](ws_proto::Limits) allow, which for a thousand
/// of them is more than a machine has. A [small amount](Self::FREE) for each connection is not
/// counted, so that a modest peer is served however much others hold.
///
/// ```
/// use ws_http::{Budget, Excess};
///
/// let budget = Budget::new(1_000_000);
/// let (mut a, mut b) = (budget.charge(), budget.charge());
/// a.set(1_000_000)?;
/// b.set(10_000)?;
/// assert_eq!(b.set(100_000), Err(Excess::Memory));
/// drop(a);
/// b.set(100_000)?;
/// assert_eq!(budget.used(), 100_000 - Budget::FREE);
/// # Ok::<(), Excess>(())
/// ```
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    used: AtomicUsize,
}

/// One connection's share, returned to the budget when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Charge {
    budget: Budget,
    held: usize,
}

impl Budget {
    /// The bytes that each charge may hold without being counted: as many as are [read at a
    /// time](ws_proto::Limits::read_buffer).
    pub const FREE: usize = 16 << 10;

    /// Makes a budget of `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let used = AtomicUsize::new(0);
        Self(Arc::new(Shared { most, used }))
    }

    /// Begins to count for a connection, or for one direction of it.
    pub fn charge(&self) -> Charge {
        Charge {
            budget: self.clone(),
            held: 0,
        }
    }

    /// Returns the bytes that all charges hold now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }
}

impl Charge {
    /// Sets how many bytes this connection holds now.
    ///
    /// # Errors
    ///
    /// [`Excess::Memory`]: `held` is more than before, and more than the budget has left. The count
    /// stays as it was.
    pub fn set(&mut self, held: usize) -> Result<(), Excess> {
        let (before, now) = (counted(self.held), counted(held));
        let used = &self.budget.0.used;
        if now <= before {
            used.fetch_sub(before - now, Ordering::Relaxed);
        } else {
            let (more, most) = (now - before, self.budget.0.most);
            let add = |used: usize| used.checked_add(more).filter(|sum| *sum <= most);
            used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
                .map_err(|_| Excess::Memory)?;
        }
        self.held = held;
        Ok(())
    }

    /// Returns whether `more` bytes more could be held now.
    #[must_use]
    pub fn has_room(&self, more: usize) -> bool {
        let more = counted(self.held.saturating_add(more)) - counted(self.held);
        let left = self.budget.0.most.saturating_sub(self.budget.used());
        more <= left
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let used = &self.budget.0.used;
        used.fetch_sub(counted(self.held), Ordering::Relaxed);
    }
}

const fn counted(held: usize) -> usize {
    held.saturating_sub(Budget::FREE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_they_hold_together_whatever_they_do_at_once() {
        let budget = Budget::new(40_960);
        std::thread::scope(|scope| {
            for thread in 0..4_usize {
                let budget = &budget;
                scope.spawn(move || {
                    for round in 0..2000 {
                        let mut charge = budget.charge();
                        let held = Budget::FREE + (thread * 7919 + round * 31) % 30_000;
                        let mut counted = 0;
                        for held in [held, held + 5000] {
                            if charge.set(held).is_ok() {
                                counted = held;
                            }
                            assert!(budget.used() <= 40_960);
                            assert_eq!(charge.held, counted);
                        }
                    }
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_little_is_free_and_no_sum_overflows() {
        let budget = Budget::new(usize::MAX);
        let (mut a, mut b) = (budget.charge(), budget.charge());
        assert_eq!(a.set(usize::MAX), Ok(()));
        assert_eq!(b.set(Budget::FREE), Ok(()));
        assert!(b.has_room(0) && b.has_room(Budget::FREE));
        assert_eq!(b.set(usize::MAX), Err(Excess::Memory));
        assert!(!b.has_room(usize::MAX));
        assert_eq!(a.set(0), Ok(()));
        assert_eq!(b.set(usize::MAX), Ok(()));
    }
}
