//! A stream in memory: our end of it, as the calls on a socket see it. At the other end a peer says
//! something at the start and whenever it has heard something. Nothing waits, so that a conversation
//! is the same in every run: a read of nothing is one whose time is up.

use core::fmt;
use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::adversary::Ended;

/// A stream in memory.
pub struct Pipe {
    flow: Mutex<Flow>,
    changed: Condvar,
}

/// The peer at the other end.
pub trait Partner: Send {
    /// Hears what was written, which at the start is nothing, and answers.
    fn hear(&mut self, written: &[u8], says: &mut Says);

    /// Learns that nothing more will be written.
    fn end(&mut self, says: &mut Says) {
        let _ = says;
    }
}

/// What a peer says.
#[derive(Debug, Default)]
pub struct Says {
    /// These bytes come next.
    pub bytes: Vec<u8>,
    /// Nothing comes after them.
    pub end: Option<Ended>,
}

/// Nobody answers by itself: a test says everything.
impl Partner for () {
    fn hear(&mut self, _: &[u8], _: &mut Says) {}
}

struct Flow {
    partner: Box<dyn Partner>,
    said: Says,
    /// How many of those bytes were read.
    read: usize,
    written: Vec<u8>,
    /// Whether our sides were shut.
    no_reads: bool,
    no_writes: bool,
    /// How many threads that write have called and live.
    writers: usize,
    /// How much will have been written, as far as is known.
    owed: usize,
    /// How many reads in a row found nothing, and after how many nothing will come.
    idle: usize,
    most_idle: usize,
}

/// How long a thread may take to do what it is about to do.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    /// Notes the end of the thread.
    static WRITES: RefCell<Option<Writes>> = const { RefCell::new(None) };
}

struct Writes(Arc<Pipe>);

impl Drop for Writes {
    fn drop(&mut self) {
        self.0.flow().writers -= 1;
        self.0.changed.notify_all();
    }
}

impl Pipe {
    /// A stream to `partner`, which may speak first.
    #[must_use]
    pub fn new(mut partner: impl Partner + 'static) -> Arc<Self> {
        let mut said = Says::default();
        partner.hear(&[], &mut said);
        Arc::new(Self {
            flow: Mutex::new(Flow {
                partner: Box::new(partner),
                said,
                read: 0,
                written: Vec::new(),
                no_reads: false,
                no_writes: false,
                writers: 0,
                owed: 0,
                idle: 0,
                most_idle: usize::MAX,
            }),
            changed: Condvar::new(),
        })
    }

    /// Reads, and does not wait.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; `ConnectionReset` where the peer has reset.
    pub fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        let mut flow = self.flow();
        if flow.no_reads {
            return Ok(0);
        }
        let unread = &flow.said.bytes[flow.read..];
        let len = unread.len().min(room.len());
        room[..len].copy_from_slice(&unread[..len]);
        flow.read += len;
        if len > 0 {
            flow.idle = 0;
            return Ok(len);
        }
        // While another thread has something to write, something may come of that.
        flow.idle = if flow.is_settled() { flow.idle + 1 } else { 0 };
        match flow.said.end {
            Some(Ended::Eof) => Ok(0),
            Some(Ended::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
            None if flow.has_stalled() => Ok(0),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes everything.
    ///
    /// # Panics
    ///
    /// If that is nothing: such a call is one too many.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` once our side was shut, `ConnectionReset` where the peer has reset.
    pub fn write(self: &Arc<Self>, bytes: &[u8]) -> io::Result<usize> {
        assert!(!bytes.is_empty(), "a write of nothing");
        let mut flow = self.flow();
        if thread::current().name() == Some("ws-pump") {
            WRITES.with_borrow_mut(|writes| {
                if writes.is_none() {
                    flow.writers += 1;
                    *writes = Some(Writes(self.clone()));
                }
            });
        }
        if flow.no_writes {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if flow.said.end == Some(Ended::Reset) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        flow.written.extend(bytes);
        let Flow { partner, said, .. } = &mut *flow;
        partner.hear(bytes, said);
        self.changed.notify_all();
        Ok(bytes.len())
    }

    /// Shuts our sides.
    pub fn shut(&self, how: Shutdown) {
        let mut flow = self.flow();
        flow.no_reads |= how != Shutdown::Write;
        if how != Shutdown::Read && !flow.no_writes {
            flow.no_writes = true;
            let Flow { partner, said, .. } = &mut *flow;
            partner.end(said);
        }
        self.changed.notify_all();
    }

    /// Says `bytes` for the peer.
    pub fn say(&self, bytes: &[u8]) {
        self.flow().said.bytes.extend(bytes);
    }

    /// Ends the peer's side.
    pub fn end(&self, end: Ended) {
        self.flow().said.end = Some(end);
    }

    /// Ends the peer's side when so many reads in a row have found nothing: both wait for each other.
    pub fn end_if_idle(&self, most: usize) {
        self.flow().most_idle = most;
    }

    /// Whether it was ended so.
    #[must_use]
    pub fn has_stalled(&self) -> bool {
        self.flow().has_stalled()
    }

    /// Whether there is something to read, or the end.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let flow = self.flow();
        flow.no_reads || flow.read < flow.said.bytes.len() || flow.said.end.is_some()
    }

    /// Notes that `len` bytes could not be written now: another thread will.
    pub fn owe(&self, len: usize) {
        let mut flow = self.flow();
        flow.owed = flow.written.len() + len;
    }

    /// Waits until what is owed has been written or our side was shut, and no thread that only writes
    /// is left.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn settle(&self) {
        let waited = self
            .changed
            .wait_timeout_while(self.flow(), PATIENCE, |flow| !flow.is_settled());
        let (flow, timeout) = waited.expect("nobody panics with it");
        drop(flow);
        assert!(
            !timeout.timed_out(),
            "a thread does not write, or does not end"
        );
    }

    /// What was written so far.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        self.flow().written.clone()
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().expect("nobody panics with it")
    }
}

impl Flow {
    const fn is_settled(&self) -> bool {
        self.writers == 0 && (self.no_writes || self.written.len() >= self.owed)
    }

    const fn has_stalled(&self) -> bool {
        self.idle > self.most_idle
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = self.flow();
        f.debug_struct("Pipe")
            .field("unread", &(flow.said.bytes.len() - flow.read))
            .field("written", &flow.written.len())
            .finish_non_exhaustive()
    }
}
