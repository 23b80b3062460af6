//! A global allocator that counts, for each thread on its own: the test harness allocates on
//! others.

use core::cell::Cell;
use core::ptr;
use std::alloc::{GlobalAlloc, Layout, System};

/// To be made the global allocator of a test binary.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    /// Below zero where memory of another thread is freed.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(usize::MAX) };
    static FAILING: Cell<Failing> = const { Cell::new(Failing::Never) };
    /// Since it was said which of them fail.
    static ASKED: Cell<usize> = const { Cell::new(0) };
    static FAILED: Cell<usize> = const { Cell::new(0) };
    /// By which grown memory might have been copied; with pointers of 32 bits it begins again.
    static MOVED: Cell<usize> = const { Cell::new(0) };
}

/// What a piece of code allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How often.
    pub calls: usize,
    /// The most bytes that were in use at once, beyond those at the start.
    pub peak: usize,
    /// How many more are in use at the end than at the start.
    pub kept: isize,
    /// How many were in memory that grew: an allocator that moves it copies them.
    pub moved: usize,
}

/// Which of the allocations to come fail, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// None.
    Never,
    /// This one.
    Only(usize),
    /// This one and all after it.
    From(usize),
}

/// Runs `work` and counts. What it frees of older memory counts as nothing.
pub fn usage<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    let (calls, live, moved) = (CALLS.get(), LIVE.get(), MOVED.get());
    PEAK.set(live);
    let result = work();
    let usage = Usage {
        calls: CALLS.get() - calls,
        peak: (PEAK.get() - live).cast_unsigned(),
        kept: LIVE.get() - live,
        moved: MOVED.get().wrapping_sub(moved),
    };
    (result, usage)
}

/// How many bytes this thread has asked for and not given back.
pub fn live() -> isize {
    LIVE.get()
}

/// Runs `work` on a machine that has no more than `largest` bytes for anybody at once.
pub fn short_of_memory<T>(largest: usize, work: impl FnOnce() -> T) -> T {
    LARGEST.set(largest);
    let result = work();
    LARGEST.set(usize::MAX);
    result
}

/// Runs `work` on a machine where some allocations fail; says how many of them did.
pub fn failing<T>(which: Failing, work: impl FnOnce() -> T) -> (T, usize) {
    let shortage = Shortage::new(which);
    let result = shortage.during(work);
    (result, shortage.failed())
}

/// Runs `work`, within what fails, as if there were memory.
pub fn spared<T>(work: impl FnOnce() -> T) -> T {
    let _restored = Restored(FAILING.replace(Failing::Never));
    work()
}

/// A machine where some allocations fail, of those that several pieces of work make. There is one at
/// a time in a thread.
#[derive(Debug)]
pub struct Shortage(Failing);

impl Shortage {
    /// It begins to count.
    #[must_use]
    pub fn new(which: Failing) -> Self {
        ASKED.set(0);
        FAILED.set(0);
        Self(which)
    }

    /// Runs `work` on it. A panic of `work` finds memory as it is elsewhere.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let _restored = Restored(FAILING.replace(self.0));
        work()
    }

    /// How many have failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        FAILED.get()
    }
}

/// What fails again after a piece of work, however that ends.
struct Restored(Failing);

impl Drop for Restored {
    fn drop(&mut self) {
        FAILING.set(self.0);
    }
}

/// Whether there is memory; counts what is taken of it.
fn grew(by: usize) -> bool {
    CALLS.set(CALLS.get() + 1);
    let fails = match FAILING.get() {
        Failing::Never => false,
        Failing::Only(at) => asked() == at,
        Failing::From(at) => asked() >= at,
    };
    if fails || by > LARGEST.get() {
        FAILED.set(FAILED.get() + 1);
        return false;
    }
    LIVE.set(LIVE.get() + by.cast_signed());
    PEAK.set(PEAK.get().max(LIVE.get()));
    true
}

fn asked() -> usize {
    ASKED.set(ASKED.get() + 1);
    ASKED.get()
}

fn shrank(by: usize) {
    LIVE.set(LIVE.get() - by.cast_signed());
}

#[expect(
    unsafe_code,
    reason = "an allocator is an unsafe trait; this one counts and delegates"
)]
// SAFETY: all calls go to `System` as they came; counting allocates nothing and does not unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !grew(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !grew(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        shrank(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Large blocks are remapped, not copied: only one of both is counted.
        shrank(layout.size());
        if !grew(size) {
            LIVE.set(LIVE.get() + layout.size().cast_signed());
            return ptr::null_mut();
        }
        MOVED.set(MOVED.get().wrapping_add(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}
