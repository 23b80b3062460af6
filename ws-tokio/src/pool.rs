//! Buffers that connections share: one is lent to whoever reads, and a silent connection has none.
//!
//! Each thread has some of its own, so that nobody waits for another to take one.

use std::cell::RefCell;

use ws_proto::{Buffers, Incoming, Limits, Outgoing};

/// The most pairs that a thread keeps; more are given back to the allocator.
const KEPT: usize = 16;

thread_local! {
    static POOL: RefCell<Vec<Buffers>> = const { RefCell::new(Vec::new()) };
}

/// Takes a pair to read into and to write from.
pub(crate) fn take() -> Buffers {
    let kept = POOL.try_with(|pool| pool.borrow_mut().pop());
    let kept = kept.ok().flatten();
    kept.unwrap_or_else(|| Buffers::new(Limits::DEFAULT.read_buffer))
}

/// Takes back what was lent to a connection that waits for its peer. What is left over stays with
/// the connection, in memory of its own.
pub(crate) fn take_back(incoming: &mut Incoming, outgoing: &mut Outgoing) {
    let mut buffers = Buffers::default();
    incoming.detach(&mut buffers);
    outgoing.detach(&mut buffers);
    // While a thread ends there is no pool any more, and the pair is freed.
    let _ = POOL.try_with(|pool| {
        let mut kept = pool.borrow_mut();
        if kept.len() < KEPT && buffers.has_memory() {
            kept.push(buffers);
        }
    });
}
