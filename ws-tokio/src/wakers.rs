//! The tasks that wait on one stream.
//!
//! A stream keeps one waker for each direction, that of its last poll. Where several tasks poll it,
//! it is always given the same one, which wakes all of those who wait: so no wake-up is lost,
//! whichever task reads or writes in the place of another, as TLS, keepalive and what is queued have
//! them do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The tasks that wait, and the waker of all of them.
#[derive(Debug)]
pub(crate) struct Wakers {
    list: Arc<List>,
    all: Waker,
}

#[derive(Debug, Default)]
struct List(Mutex<Tasks>);

#[derive(Debug, Default)]
struct Tasks {
    /// The task that receives. It is kept, because it always waits for something.
    reader: Option<Waker>,
    /// The tasks that wait to send, each until it is woken.
    writers: Vec<Waker>,
}

impl Default for Wakers {
    fn default() -> Self {
        let list = Arc::<List>::default();
        let all = Arc::clone(&list).into();
        Self { list, all }
    }
}

impl Wakers {
    /// The waker of all who wait: for polling the stream.
    pub(crate) const fn all(&self) -> &Waker {
        &self.all
    }

    /// Notes the task that receives, before it polls the stream.
    pub(crate) fn add_reader(&self, waker: &Waker) {
        let reader = &mut self.list.tasks().reader;
        if !reader.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *reader = Some(waker.clone());
        }
    }

    /// Notes a task that waits to send, before it polls the stream.
    pub(crate) fn add_writer(&self, waker: &Waker) {
        let writers = &mut self.list.tasks().writers;
        if !writers.iter().any(|known| known.will_wake(waker)) {
            writers.push(waker.clone());
        }
    }

    /// Forgets a task that does not wait to send any more.
    pub(crate) fn remove_writer(&self, waker: &Waker) {
        let writers = &mut self.list.tasks().writers;
        writers.retain(|known| !known.will_wake(waker));
    }

    /// Has the task that receives look again.
    pub(crate) fn wake_reader(&self) {
        self.list.wake_reader();
    }

    /// Has those look again who wait to send.
    pub(crate) fn wake_writers(&self) {
        self.list.wake_writers(|_| true);
    }

    /// The same, except for one, which has just looked.
    pub(crate) fn wake_writers_but(&self, waker: &Waker) {
        self.list.wake_writers(|known| !known.will_wake(waker));
    }

    pub(crate) fn wake_all(&self) {
        self.all.wake_by_ref();
    }
}

impl List {
    fn wake_reader(&self) {
        let reader = self.tasks().reader.clone();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn wake_writers(&self, which: impl Fn(&mut Waker) -> bool) {
        // Not while the lock is held: a waker runs code of its executor.
        let writers: Vec<_> = self.tasks().writers.extract_if(.., which).collect();
        for writer in writers {
            writer.wake();
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for List {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_reader();
        self.wake_writers(|_| true);
    }
}
