//! Acknowledgements that are awaited: ids and deadlines.

use alloc::collections::BTreeMap;

use ws_proto::Instant;

/// The application's own number for a question, which is an event that wants an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A question to which no answer will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The question.
    pub token: Token,
    /// Why.
    pub why: Silence,
}

/// The reason why a question gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The peer did not answer in time.
    TimedOut,
    /// Either side has left the namespace.
    Left,
}

/// The questions of one namespace, by their ids, which no other question of the connection has.
#[derive(Debug, Default)]
pub(super) struct Acks {
    awaited: BTreeMap<u64, (Token, Instant)>,
}

impl Acks {
    /// The question with that id has left.
    pub(super) fn asked(&mut self, id: u64, token: Token, until: Instant) {
        self.awaited.insert(id, (token, until));
    }

    /// The question that this answers. An id that nobody asked with answers nothing.
    pub(super) fn answered(&mut self, id: u64) -> Option<Token> {
        self.awaited.remove(&id).map(|(token, _)| token)
    }

    pub(super) fn len(&self) -> usize {
        self.awaited.len()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.awaited.values().map(|&(_, until)| until).min()
    }

    /// Takes a question whose time is over.
    pub(super) fn timed_out(&mut self, now: Instant) -> Option<Token> {
        let mut late = self.awaited.iter().filter(|(_, (_, until))| *until <= now);
        let (&id, _) = late.next()?;
        self.answered(id)
    }

    /// Takes any question.
    pub(super) fn pop(&mut self) -> Option<Token> {
        self.awaited.pop_first().map(|(_, (token, _))| token)
    }
}
