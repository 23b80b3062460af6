//! The pool that connections share: buffers, lent to each task that reads, so that a silent
//! connection has none; and contexts for compression, of which there need be no more than messages
//! compressed at a time.
//!
//! Each thread has some of its own, so that nobody waits for another to take one.

use std::cell::RefCell;

#[cfg(feature = "deflate")]
use ws_proto::Compressors;
use ws_proto::{Buffers, Incoming, Limits, Outgoing};

/// The most pairs that a thread keeps; more are given back to the allocator.
const KEPT: usize = 16;

/// The most bytes to write from that are kept after a writer: what one large message took is freed.
const LARGEST: usize = 256 << 10;

thread_local! {
    static POOL: RefCell<Vec<Buffers>> = const { RefCell::new(Vec::new()) };
    /// What writers write from: pairs without a buffer to read into.
    static WRITING: RefCell<Vec<Buffers>> = const { RefCell::new(Vec::new()) };
}

/// The most contexts that a thread keeps: 150 to 380 KiB each.
#[cfg(feature = "deflate")]
const CONTEXTS: usize = 4;

#[cfg(feature = "deflate")]
thread_local! {
    static COMPRESSORS: RefCell<Compressors> =
        const { RefCell::new(Compressors::keeping(CONTEXTS)) };
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

/// Lends memory to write from to a writer that queues something, if none is there yet.
pub(crate) fn lend_to_write(outgoing: &mut Outgoing) {
    if outgoing.memory() == 0 {
        let kept = WRITING.try_with(|kept| kept.borrow_mut().pop());
        if let Some(mut buffers) = kept.ok().flatten() {
            outgoing.attach(&mut buffers);
        }
    }
}

/// Takes memory back after everything in it was written.
pub(crate) fn take_back_written(outgoing: &mut Outgoing) {
    let is_large = outgoing.memory() > LARGEST;
    let mut buffers = Buffers::default();
    outgoing.detach(&mut buffers);
    if is_large {
        return;
    }
    let _ = WRITING.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < KEPT && buffers.has_memory() {
            kept.push(buffers);
        }
    });
}

/// Runs `send`, which may compress a message of `len` bytes, with a context of this thread's if it
/// needs one.
#[cfg_attr(
    not(feature = "deflate"),
    expect(unused_variables, reason = "nothing is compressed")
)]
pub(crate) fn with_context<T>(
    outgoing: &mut Outgoing,
    len: usize,
    send: impl FnOnce(&mut Outgoing) -> T,
) -> T {
    #[cfg(feature = "deflate")]
    {
        // While a thread ends there are none, and the one that was made is freed.
        let open = |visit: &mut dyn FnMut(&mut Compressors)| {
            let _ = COMPRESSORS.try_with(|kept| visit(&mut kept.borrow_mut()));
        };
        Compressors::lend_from(open, outgoing, len, send)
    }
    #[cfg(not(feature = "deflate"))]
    send(outgoing)
}
