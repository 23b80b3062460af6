//! An end that another thread brings about, wherever a client waits just then.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use mio::Waker;
use ws_proto::CloseCode;

use crate::stream::Stream;
use crate::sync::lock;
use crate::writer::Writer;

/// Stops a client from any thread, whatever it is doing: waiting for the next attempt, looking a
/// name up, connecting, receiving, sending. Clones stop the same client.
///
/// ```no_run
/// use std::thread;
/// use std::time::Duration;
/// use ws_std::{Client, Error};
///
/// let mut connections = Client::new("ws://127.0.0.1:9001/").reconnect();
/// let end = connections.stop_handle();
/// thread::spawn(move || {
///     thread::sleep(Duration::from_secs(60));
///     end.stop();
/// });
/// while let Some(ws) = connections.next() {
///     let mut ws = ws?;
///     while let Ok(Some(message)) = ws.recv() {
///         println!("{}", message.as_text().unwrap_or("(bytes)"));
///     }
/// }
/// # Ok::<(), ws_std::ConnectError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct StopHandle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    busy: Busy,
}

/// Where the client waits, and so what wakes it.
#[derive(Debug, Default)]
pub(crate) enum Busy {
    /// Nowhere, or for the time of the next attempt.
    #[default]
    Idle,
    /// For a look-up, or for addresses to connect to.
    Dialing(Arc<Waker>),
    /// For a proxy or a server to answer.
    Talking(Arc<Stream>),
    /// On an open connection.
    Open {
        writer: Writer,
        /// The thread that ends it by itself when a callback of it has stopped it.
        thread: Option<ThreadId>,
    },
}

/// It was stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped;

impl StopHandle {
    /// How long the peer of an open connection has to answer our Close, before the connection is
    /// dropped.
    pub const GRACE: Duration = Duration::from_millis(50);

    /// Ends the client within 100 ms, and for good: it closes an open connection with 1000, and
    /// drops it if the peer has not answered within [`GRACE`](Self::GRACE). A running callback of
    /// the application is not interrupted.
    pub fn stop(&self) {
        let mut state = lock(&self.0.state);
        state.stopped = true;
        self.0.changed.notify_all();
        match &state.busy {
            Busy::Idle => {}
            // If it cannot be woken, its deadline does.
            Busy::Dialing(waker) => drop(waker.wake()),
            Busy::Talking(stream) => drop(stream.shutdown(Shutdown::Both)),
            Busy::Open { writer, thread } => {
                let (writer, own) = (writer.clone(), *thread == Some(thread::current().id()));
                drop(state);
                // One that is closing already ends in the same way.
                let _ = writer.close(CloseCode::NORMAL, "");
                if !own || self.clone().drop_elsewhere(&writer).is_err() {
                    self.drop_after_grace(&writer);
                }
            }
        }
    }

    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        lock(&self.0.state).stopped
    }

    /// Notes where the client is going to wait.
    pub(crate) fn enter(&self, busy: Busy) -> Result<(), Stopped> {
        let mut state = lock(&self.0.state);
        if state.stopped {
            return Err(Stopped);
        }
        state.busy = busy;
        Ok(())
    }

    /// Notes that the client waits nowhere any more.
    pub(crate) fn leave(&self) {
        lock(&self.0.state).busy = Busy::Idle;
        self.0.changed.notify_all();
    }

    pub(crate) fn check(&self) -> Result<(), Stopped> {
        match self.is_stopped() {
            true => Err(Stopped),
            false => Ok(()),
        }
    }

    /// Waits so long.
    pub(crate) fn wait(&self, time: Duration) -> Result<(), Stopped> {
        self.wait_while(time, |state| !state.stopped);
        self.check()
    }

    /// Drops a connection, if it has not ended by itself in time.
    fn drop_after_grace(&self, writer: &Writer) {
        self.wait_while(Self::GRACE, |state| matches!(state.busy, Busy::Open { .. }));
        writer.abort();
    }

    /// The same, in a thread of its own.
    fn drop_elsewhere(self, writer: &Writer) -> io::Result<()> {
        let writer = writer.clone();
        let thread = thread::Builder::new().name("ws-stop".into());
        let thread = thread.stack_size(STACK);
        thread.spawn(move || self.drop_after_grace(&writer))?;
        Ok(())
    }

    fn wait_while(&self, time: Duration, mut waits: impl FnMut(&State) -> bool) {
        // A time too long to be added never comes.
        let deadline = Instant::now().checked_add(time);
        let mut state = lock(&self.0.state);
        while waits(&state) {
            let left = deadline.map_or(LONGEST, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return;
            }
            let waited = self.0.changed.wait_timeout(state, left.min(LONGEST));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The stack of a thread that only waits.
pub(crate) const STACK: usize = 64 << 10;

/// The longest that is waited in one go: not every system takes any number.
const LONGEST: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_wait_ends_when_it_is_stopped() {
        let stop = StopHandle::default();
        stop.wait(Duration::ZERO).unwrap();
        let (waits, waiting) = mpsc::channel();
        let thread = thread::spawn({
            let stop = stop.clone();
            move || {
                waits.send(()).unwrap();
                stop.wait(Duration::MAX)
            }
        });
        waiting.recv().unwrap();
        stop.stop();
        assert!(thread.join().unwrap().is_err());
        // Once and for all.
        assert!(stop.wait(Duration::MAX).is_err());
        assert!(stop.enter(Busy::Idle).is_err());
    }
}
