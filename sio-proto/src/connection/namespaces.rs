//! The namespaces of one connection: which there are, and what a packet does to them.
//!
//! ```text
//!             asked              let in
//!   unknown ─────────▶ Connecting ─────▶ Joined
//!      ▲                │  ▲               │
//!      └─── refused ────┘  └─ asked again  │ either leaves
//!                               Left ◀─────┘
//! ```
//!
//! One that was left is remembered: an event that crosses a farewell is no violation.

use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use ws_proto::Instant;

use super::acks::{Acks, Silence, Token, Unanswered};
use super::early::Early;
use super::error::{EmitError, Violation};
use super::recovery::Recovery;
use crate::limits::Limits;

pub(super) struct Namespaces {
    pub(super) limits: Limits,
    /// Those that were left longest ago first.
    all: Vec<Namespace>,
    unanswered: VecDeque<Unanswered>,
    /// What was kept of all of them, in bytes.
    early: u64,
    /// How many times any was asked for.
    stays: u64,
    /// How many questions were asked.
    questions: u64,
}

pub(super) struct Namespace {
    pub(super) name: String,
    pub(super) membership: Membership,
    pub(super) acks: Acks,
    /// Which stay this is: an answer belongs to one.
    pub(super) stay: u64,
    /// What a server sent before it let the client in.
    pub(super) early: VecDeque<Early>,
    pub(super) recovery: Option<Recovery>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    Connecting,
    Joined,
    Left,
}

impl Namespaces {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            all: Vec::new(),
            unanswered: VecDeque::new(),
            early: 0,
            stays: 0,
            questions: 0,
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Namespace> {
        self.all.iter().find(|namespace| namespace.name == name)
    }

    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Namespace> {
        self.all.iter_mut().find(|namespace| namespace.name == name)
    }

    /// The id of the next question. After it was asked, call [`asked`](Self::asked).
    pub(super) const fn next_id(&self) -> u64 {
        self.questions
    }

    /// A question has left. There is no end to 2^53: it is a year of 285,000,000 a second.
    pub(super) const fn asked(&mut self) {
        self.questions += 1;
    }

    /// The one of this name, if it is a member.
    pub(super) fn joined(&mut self, name: &str) -> Result<&mut Namespace, EmitError> {
        self.with(name, Membership::Joined)
    }

    /// The one of this name, if it is being asked for.
    pub(super) fn connecting(&mut self, name: &str) -> Result<&mut Namespace, EmitError> {
        self.with(name, Membership::Connecting)
    }

    fn with(&mut self, name: &str, membership: Membership) -> Result<&mut Namespace, EmitError> {
        let found = self.find_mut(name);
        let found = found.filter(|found| found.membership == membership);
        found.ok_or(EmitError::NotJoined)
    }

    /// Somebody asks for a namespace.
    pub(super) fn connect(&mut self, name: &str) -> Result<(), Violation> {
        let is = |membership| move |found: &&Namespace| found.membership == membership;
        let limit = self.limits.max_connecting;
        if self.all.iter().filter(is(Membership::Connecting)).count() >= limit {
            return Err(Violation::TooManyConnecting { limit });
        }
        let stay = self.stays;
        if let Some(found) = self.find_mut(name) {
            if found.membership != Membership::Left {
                return Err(Violation::JoinedTwice);
            }
            found.membership = Membership::Connecting;
            found.stay = stay;
            self.stays += 1;
            return Ok(());
        }
        let limit = self.limits.max_namespaces;
        if self.all.len() >= limit {
            let left = self
                .all
                .iter()
                .position(|found| is(Membership::Left)(&found));
            self.all
                .remove(left.ok_or(Violation::TooManyNamespaces { limit })?);
        }
        // Most connections have one.
        self.all.reserve_exact(1);
        self.all.push(Namespace {
            name: name.to_owned(),
            membership: Membership::Connecting,
            acks: Acks::default(),
            stay,
            early: VecDeque::new(),
            recovery: None,
        });
        self.stays += 1;
        Ok(())
    }

    /// A namespace that was asked for is not given.
    pub(super) fn refuse(&mut self, name: &str) {
        self.leave(name);
        self.all.retain(|namespace| namespace.name != name);
    }

    /// Either side leaves. Its questions have no answer.
    pub(super) fn leave(&mut self, name: &str) {
        let Some(index) = self.all.iter().position(|found| found.name == name) else {
            return;
        };
        let mut left = self.all.remove(index);
        while let Some(token) = left.acks.pop() {
            self.lose(token, Silence::Left);
        }
        self.early -= left.early.drain(..).map(|early| early.size()).sum::<u64>();
        left.membership = Membership::Left;
        self.all.push(left);
    }

    pub(super) fn leave_all(&mut self) {
        let names: Vec<_> = (self.all.iter())
            .map(|namespace| namespace.name.clone())
            .collect();
        for name in names {
            self.leave(&name);
        }
    }

    /// Whether none is joined or asked for.
    pub(super) fn is_idle(&self) -> bool {
        (self.all.iter()).all(|namespace| namespace.membership == Membership::Left)
    }

    /// Keeps an event until its namespace is joined.
    pub(super) fn keep(&mut self, name: &str, early: Early) -> Result<(), Violation> {
        let limit = self.limits.max_packet;
        let size = self.early.saturating_add(early.size());
        if size > limit {
            return Err(Violation::TooMuchEarly { limit });
        }
        if let Some(namespace) = self.find_mut(name) {
            namespace.early.push_back(early);
            self.early = size;
        }
        Ok(())
    }

    /// The next event that was kept, of a namespace that is joined now.
    pub(super) fn next_early(&mut self) -> Option<(&str, u64, Early)> {
        let is_ready = |namespace: &&mut Namespace| {
            namespace.membership == Membership::Joined && !namespace.early.is_empty()
        };
        let namespace = self.all.iter_mut().find(is_ready)?;
        let early = namespace.early.pop_front()?;
        self.early -= early.size();
        Some((&namespace.name, namespace.stay, early))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.all
            .iter()
            .filter_map(|namespace| namespace.acks.deadline())
            .min()
    }

    /// Gives up the questions whose time is over.
    pub(super) fn check(&mut self, now: Instant) {
        for index in 0..self.all.len() {
            while let Some(token) = self.all[index].acks.timed_out(now) {
                self.lose(token, Silence::TimedOut);
            }
        }
    }

    pub(super) fn next_unanswered(&mut self) -> Option<Unanswered> {
        self.unanswered.pop_front()
    }

    fn lose(&mut self, token: Token, why: Silence) {
        self.unanswered.push_back(Unanswered { token, why });
    }
}
