//! One namespace of a client, over all its sessions: where it stands, what is kept for it, and what
//! its handlers have still to do.

use std::collections::VecDeque;
use std::fmt;

use sio_proto::{AckId, Args, Encoded, Instant, Recovery};
use tokio::sync::mpsc;

use super::link::Question;
use crate::reason::Reason;

/// A namespace of a client.
pub(super) struct Namespace {
    pub(super) stand: Stand,
    /// Whether there is a hook to be run at each connect.
    pub(super) greets: bool,
    pub(super) sid: Option<String>,
    /// Whether the last connect found the way back to the stay before.
    pub(super) recovered: bool,
    /// What it can come back with.
    pub(super) recovery: Option<Recovery>,
    /// What was emitted and could not be sent yet.
    pub(super) kept: VecDeque<Kept>,
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

/// What is to be done for the application.
pub(super) enum Job {
    /// The namespace is joined, in this session.
    Connect { session: u64 },
    /// An event.
    Event(Packet),
    /// The namespace is left.
    Disconnect(Reason),
}

/// An event as it came, to be taken apart when its turn has come.
pub(super) struct Packet {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) attachments: Vec<Vec<u8>>,
    /// In which session it wants an answer.
    pub(super) ack: Option<(u64, AckId)>,
    size: usize,
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
    pub(super) fn new(jobs: mpsc::UnboundedSender<Job>, greets: bool) -> Self {
        Self {
            stand: Stand::Outside,
            greets,
            sid: None,
            recovered: false,
            recovery: None,
            kept: VecDeque::new(),
            jobs: Some(jobs),
            backlog: Backlog::default(),
        }
    }

    /// The server has let the client in.
    pub(super) fn joined(&mut self, sid: &str, pid: Option<&str>, session: u64) {
        self.sid = Some(sid.into());
        let before = self.recovery.as_ref().map(Recovery::pid);
        self.recovered = pid.is_some() && pid == before;
        self.stand = if self.greets {
            Stand::Greeting
        } else {
            Stand::Joined
        };
        self.push(Job::Connect { session });
    }

    /// An event has come.
    pub(super) fn received(&mut self, name: &str, args: &Args<'_>, ack: Option<(u64, AckId)>) {
        // It had to be a valid name to come here.
        let Ok(event) = Encoded::relay(name, args) else {
            return;
        };
        let (text, attachments, size) = flat(&event);
        self.backlog.events += 1;
        self.backlog.bytes += size;
        self.push(Job::Event(Packet {
            name: name.into(),
            text,
            attachments: attachments.to_vec(),
            ack,
            size,
        }));
    }

    /// The client is no longer there, if it was.
    pub(super) fn left(&mut self, stand: Stand, reason: Reason) {
        self.sid = None;
        let was = std::mem::replace(&mut self.stand, stand);
        if matches!(was, Stand::Greeting | Stand::Joined) {
            self.push(Job::Disconnect(reason));
        }
    }

    /// An event's turn has come. Says whether there is room again where there was none.
    pub(super) fn taken(&mut self, packet: &Packet) -> bool {
        let was_full = self.backlog.is_full();
        self.backlog.events -= 1;
        self.backlog.bytes -= packet.size;
        was_full && !self.backlog.is_full()
    }

    /// Whether so much waits for the handlers that no more is to be read.
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
            // Who takes them goes on as long as this is here.
            let _ = jobs.send(job);
        }
    }
}

/// An event as it travels, and how many bytes that is.
fn flat(event: &Encoded) -> (String, &[Vec<u8>], usize) {
    let (text, attachments) = event.packet("/", None);
    let size = text.len() + attachments.iter().map(Vec::len).sum::<usize>();
    (text, attachments, size)
}

impl Kept {
    pub(super) fn new(event: Encoded, question: Option<Question>) -> Self {
        let (_, _, size) = flat(&event);
        Self {
            event,
            question,
            size,
        }
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("stand", &self.stand)
            .field("kept", &self.kept.len())
            .field("backlog", &self.backlog)
            .finish_non_exhaustive()
    }
}
