//! One namespace of a client, over all its sessions: where it stands, what is kept for it, and what
//! its handlers have still to do.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use sio_proto::{AckId, Args, Encoded, Instant, Recovery};
use tokio::sync::mpsc;

use super::handlers::{Handlers, Running};
use super::link::Question;
use super::socket::Seat;
use super::state::Place;
use crate::handler::Handling;
use crate::reason::Reason;

/// A namespace of a client.
pub(super) struct Namespace {
    name: Arc<str>,
    pub(super) stand: Stand,
    pub(super) sid: Option<String>,
    /// Whether the last connect found the way back to the stay before.
    pub(super) recovered: bool,
    /// What it can come back with.
    pub(super) recovery: Option<Recovery>,
    /// What was emitted and could not be sent yet.
    pub(super) kept: VecDeque<Kept>,
    handlers: Handlers,
    /// Absent once there will be no more.
    jobs: Option<mpsc::UnboundedSender<Job>>,
    backlog: Backlog,
}

/// Where a client stands with a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It wants to be there.
    Outside,
    /// It is there, and the hook runs: what others emit is kept until that has ended.
    Greeting,
    Joined,
    /// Left by either side, or refused: it is not asked for again.
    Over,
}

/// An event that waits for a connection.
pub(super) struct Kept {
    pub(super) event: Encoded,
    pub(super) question: Option<Question>,
    /// In bytes.
    pub(super) size: usize,
}

/// The work for the application.
pub(super) enum Job {
    /// The hook for a connect, in this session.
    Connect { hook: Running, session: u64 },
    Event {
        name: Arc<str>,
        handling: Handling,
        /// In which session it wants an answer.
        ack: Option<(u64, AckId)>,
        /// What it keeps, in bytes.
        size: usize,
    },
    /// The hook for a namespace that was left.
    Disconnect(Running),
}

/// What waits for the handlers.
#[derive(Clone, Copy, Debug, Default)]
struct Backlog {
    events: usize,
    bytes: usize,
}

impl Backlog {
    /// The most events, and bytes of them, that wait while more is read.
    const MOST: Self = Self {
        events: 256,
        bytes: 1 << 20,
    };

    const fn is_full(self) -> bool {
        self.events >= Self::MOST.events || self.bytes >= Self::MOST.bytes
    }
}

impl Namespace {
    pub(super) fn new(
        name: Arc<str>,
        handlers: Handlers,
        jobs: mpsc::UnboundedSender<Job>,
    ) -> Self {
        Self {
            name,
            stand: Stand::Outside,
            sid: None,
            recovered: false,
            recovery: None,
            kept: VecDeque::new(),
            handlers,
            jobs: Some(jobs),
            backlog: Backlog::default(),
        }
    }

    /// The server has let the client in.
    pub(super) fn joined(&mut self, sid: &str, pid: Option<&str>, (seat, session): (&Seat, u64)) {
        self.sid = Some(sid.into());
        let before = self.recovery.as_ref().map(Recovery::pid);
        self.recovered = pid.is_some() && pid == before;
        self.stand = Stand::Joined;
        let socket = seat.socket(&self.name, Place::Hook);
        if let Some(hook) = self.handlers.connect(socket) {
            self.stand = Stand::Greeting;
            self.push(Job::Connect { hook, session });
        }
    }

    /// An event has come.
    pub(super) fn received(
        &mut self,
        (name, args): (&str, &Args<'_>),
        ack: Option<(u64, AckId)>,
        seat: &Seat,
    ) {
        let socket = seat.socket(&self.name, Place::Elsewhere);
        let Some((name, handling)) = self.handlers.events.find(socket, name, args) else {
            return;
        };
        let size = args.json().0.len() + total(args.attachments());
        self.backlog.events += 1;
        self.backlog.bytes += size;
        self.push(Job::Event {
            name,
            handling,
            ack,
            size,
        });
    }

    /// The client is no longer there, if it was.
    pub(super) fn left(&mut self, stand: Stand, reason: Reason, seat: &Seat) {
        self.sid = None;
        let was = std::mem::replace(&mut self.stand, stand);
        if matches!(was, Stand::Greeting | Stand::Joined) {
            let socket = seat.socket(&self.name, Place::Elsewhere);
            if let Some(hook) = self.handlers.disconnect(socket, reason) {
                self.push(Job::Disconnect(hook));
            }
        }
    }

    /// An event of this size has had its turn. Says whether there is room again where there was none.
    pub(super) fn handled(&mut self, size: usize) -> bool {
        let was_full = self.backlog.is_full();
        self.backlog.events -= 1;
        self.backlog.bytes -= size;
        was_full && !self.backlog.is_full()
    }

    /// Whether so much waits for the handlers that the client must not read more.
    pub(super) const fn is_full(&self) -> bool {
        self.backlog.is_full()
    }

    /// When the first of the questions that are kept is no longer to be asked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let questions = self.kept.iter().filter_map(|kept| kept.question);
        questions.map(|(_, until)| until).min()
    }

    /// There will be no more to do.
    pub(super) fn end(&mut self) {
        self.jobs = None;
    }

    fn push(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The task that takes them runs as long as this is here.
            let _ = jobs.send(job);
        }
    }
}

impl Kept {
    pub(super) fn new(event: Encoded, question: Option<Question>) -> Self {
        let (text, attachments) = event.packet("/", None);
        let size = text.len() + total(attachments);
        Self {
            event,
            question,
            size,
        }
    }
}

fn total(attachments: &[Vec<u8>]) -> usize {
    attachments.iter().map(Vec::len).sum()
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("stand", &self.stand)
            .field("handlers", &self.handlers)
            .field("kept", &self.kept.len())
            .field("backlog", &self.backlog)
            .finish_non_exhaustive()
    }
}
