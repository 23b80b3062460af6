//! One thread that writes to all peers that have stalled, in place of threads that must not wait.
//!
//! ```text
//!   queue ──▶ the peer takes no more ──▶ watch ──▶ │ 7 │ 19 │ 4 │  by descriptor
//!                                                      │
//!                        resume ◀── it takes some ◀── poll ──▶ its time is up ──▶ judge
//! ```
//!
//! It begins with the first peer that stalls, and ends when none has for a while. However many
//! connections and servers a process has, it is one: to write what a socket takes at once is little
//! work, and nothing in it waits.

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::{PUMP_STACK, Shared};
use crate::sync::lock;

/// The pump, while it runs.
static PUMP: Mutex<Option<Pump>> = Mutex::new(None);

struct Pump {
    registry: Registry,
    waker: Waker,
    stalled: HashMap<RawFd, Stalled>,
    /// When the thread looks at the clock next.
    wake: Instant,
}

struct Stalled {
    shared: Arc<Shared>,
    /// The moment when we have to judge it.
    due: Instant,
}

/// What the waker says.
const WAKE: Token = Token(usize::MAX);

/// The time for which it waits for the next that stalls, when none has.
const IDLE: Duration = Duration::from_secs(1);

/// The most events of one look.
const EVENTS: usize = 256;

/// Has the pump [resume](Shared::resume) a connection when its peer takes something, and
/// [judge](Shared::judge) it when that took too long.
///
/// # Errors
///
/// There are no descriptors for it, or no thread.
pub(super) fn watch(shared: &Arc<Shared>, descriptor: RawFd, left: Duration) -> io::Result<()> {
    let token = token(descriptor)?;
    let mut running = lock(&PUMP);
    let pump = match &mut *running {
        Some(pump) => pump,
        none => none.insert(Pump::start()?),
    };
    let due = later(left);
    let mut source = SourceFd(&descriptor);
    pump.registry
        .register(&mut source, token, Interest::WRITABLE)?;
    let shared = shared.clone();
    pump.stalled.insert(descriptor, Stalled { shared, due });
    if due < pump.wake {
        pump.wake = due;
        // If it cannot be woken, it looks later.
        let _ = pump.waker.wake();
    }
    Ok(())
}

/// Has the pump forget a connection.
pub(super) fn forget(descriptor: RawFd) {
    let stalled = lock(&PUMP).as_mut().and_then(|pump| {
        let stalled = pump.stalled.remove(&descriptor)?;
        let _ = pump.registry.deregister(&mut SourceFd(&descriptor));
        Some(stalled)
    });
    // If it is the last of its connection, that ends now, without the lock.
    drop(stalled);
}

impl Pump {
    fn start() -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(&registry, WAKE)?;
        thread::Builder::new()
            .name("ws-pump".into())
            .stack_size(PUMP_STACK)
            .spawn(move || run(poll))?;
        Ok(Self {
            registry,
            waker,
            stalled: HashMap::new(),
            wake: later(IDLE),
        })
    }
}

fn run(mut poll: Poll) {
    let mut events = Events::with_capacity(EVENTS);
    let mut was_idle = false;
    while let Some(wait) = next_wait(&mut was_idle) {
        // Without events it looks at the clock only.
        let _ = poll.poll(&mut events, Some(wait));
        for event in &events {
            if let Some((descriptor, shared)) = find(event.token()) {
                guarded(descriptor, &shared, Shared::resume);
            }
        }
        for (descriptor, shared) in find_due() {
            if let Some(left) = guarded(descriptor, &shared, Shared::judge).flatten() {
                look_again(descriptor, left);
            }
        }
    }
}

/// How long to wait; `None` if the pump has ended, because nobody has stalled for a while.
fn next_wait(was_idle: &mut bool) -> Option<Duration> {
    let mut running = lock(&PUMP);
    let pump = running.as_mut()?;
    let is_idle = pump.stalled.is_empty();
    if is_idle && *was_idle {
        *running = None;
        return None;
    }
    *was_idle = is_idle;
    let now = Instant::now();
    let due = pump.stalled.values().map(|stalled| stalled.due).min();
    pump.wake = due.unwrap_or(now + IDLE);
    Some(pump.wake.saturating_duration_since(now))
}

fn find(token: Token) -> Option<(RawFd, Arc<Shared>)> {
    let descriptor = RawFd::try_from(token.0).ok()?;
    let running = lock(&PUMP);
    let stalled = running.as_ref()?.stalled.get(&descriptor)?;
    Some((descriptor, stalled.shared.clone()))
}

/// The connections whose time is up.
fn find_due() -> Vec<(RawFd, Arc<Shared>)> {
    let now = Instant::now();
    let mut running = lock(&PUMP);
    let Some(pump) = running.as_mut().filter(|pump| pump.wake <= now) else {
        return Vec::new();
    };
    let is_due = |(_, stalled): &(&RawFd, &Stalled)| stalled.due <= now;
    let of = |(descriptor, stalled): (&RawFd, &Stalled)| (*descriptor, stalled.shared.clone());
    pump.stalled.iter().filter(is_due).map(of).collect()
}

fn look_again(descriptor: RawFd, left: Duration) {
    if let Some(pump) = &mut *lock(&PUMP)
        && let Some(stalled) = pump.stalled.get_mut(&descriptor)
    {
        stalled.due = later(left);
    }
}

/// Runs what may call the application's code, a tap or a socket, which may panic: that is the end of
/// its connection only.
fn guarded<T>(
    descriptor: RawFd,
    shared: &Arc<Shared>,
    run: impl FnOnce(&Arc<Shared>) -> T,
) -> Option<T> {
    let ran = panic::catch_unwind(AssertUnwindSafe(|| run(shared)));
    if ran.is_err() {
        shared.abort();
        forget(descriptor);
    }
    ran.ok()
}

fn token(descriptor: RawFd) -> io::Result<Token> {
    let index = usize::try_from(descriptor).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(Token(index))
}

/// A time that is too long to be added is long enough.
fn later(left: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(left)
        .unwrap_or_else(|| now + Duration::from_secs(3600))
}
