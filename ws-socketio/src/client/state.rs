//! What a client knows: its session, if there is one, and its namespaces. Nothing here waits.

mod session;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sio_proto::{AckId, Encoded, Instant};

use super::error::ConnectError;
use super::link::{Link, Question};
use super::namespace::{Kept, Namespace, Stand};
use super::socket::Seat;
use crate::call::{Calls, Waiting};
use crate::error::EmitError;
use crate::reason::Reason;

/// A client, as its task and the application see it.
pub(super) struct State {
    pub(super) link: Option<Link>,
    /// How many sessions there were: an answer belongs to the one that its question came in.
    session: u64,
    namespaces: BTreeMap<Arc<str>, Namespace>,
    calls: Calls,
    /// What is kept in all namespaces, in bytes.
    kept: usize,
    /// The high-water mark of what waits to be sent, in bytes: in the session, and again here.
    max_unsent: usize,
    /// Who did not let the client in, until somebody asks.
    refusals: Vec<ConnectError>,
    /// Whether the application has left a namespace.
    has_left: bool,
}

/// Who emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The hook that runs at each connect: what it emits comes first.
    Hook,
    Elsewhere,
}

/// What happens to an event that cannot be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    Kept,
    Dropped,
}

impl State {
    pub(super) fn new(namespaces: BTreeMap<Arc<str>, Namespace>, max_unsent: usize) -> Self {
        Self {
            link: None,
            session: 0,
            namespaces,
            calls: Calls::default(),
            kept: 0,
            max_unsent,
            refusals: Vec::new(),
            has_left: false,
        }
    }

    /// Sends an event, or keeps it until it can be sent. Says whether it did either.
    pub(super) fn emit(
        &mut self,
        namespace: &str,
        event: Encoded,
        place: Place,
        unsent: Unsent,
    ) -> Result<bool, EmitError> {
        if self.send(namespace, &event, None, place)? {
            return Ok(true);
        }
        match unsent {
            Unsent::Kept => self.keep(namespace, event, None).map(|()| true),
            Unsent::Dropped => Ok(false),
        }
    }

    /// Sends a question, or keeps it until it can be sent.
    pub(super) fn ask(
        &mut self,
        namespace: &str,
        event: Encoded,
        until: Instant,
        waiting: Waiting,
        place: Place,
    ) -> Result<(), EmitError> {
        let question = (self.calls.token(), until);
        if !self.send(namespace, &event, Some(question), place)? {
            self.keep(namespace, event, Some(question))?;
        }
        self.calls.asked(question.0, waiting);
        Ok(())
    }

    /// Whether an event would be sent or kept now.
    ///
    /// # Errors
    ///
    /// None ever will be.
    pub(super) fn has_room(&self, namespace: &str, place: Place) -> Result<bool, EmitError> {
        let direct = self.is_direct(namespace, place)?;
        Ok(match &self.link {
            Some(Link { engine, .. }) if direct => engine.unsent() < self.max_unsent,
            _ => self.kept < self.max_unsent,
        })
    }

    /// Answers an event of the session that it came in; of another one nobody waits for it. Says
    /// whether that was possible: if not, there is no room.
    pub(super) fn answer(
        &mut self,
        namespace: &str,
        ack: &mut Option<(u64, AckId)>,
        answer: &Encoded,
    ) -> bool {
        let session = self.session;
        let Some(Link { engine, sio }) = &mut self.link else {
            return true;
        };
        if engine.unsent() >= self.max_unsent && engine.closed().is_none() {
            return false;
        }
        if let Some((asked, ack)) = ack.take()
            && asked == session
        {
            // If it is too long for the server, or the namespace was left, nobody gets it.
            let _ = sio.answer(namespace, ack, answer, engine);
        }
        true
    }

    /// Leaves a namespace, after what is kept for it.
    pub(super) fn leave(&mut self, namespace: &str, seat: &Seat) {
        self.has_left = true;
        if let Some(found) = self.namespaces.get_mut(namespace) {
            found.left(Stand::Over, Reason::Left, seat);
        }
    }

    /// Leaves all namespaces: the session ends after that.
    pub(super) fn leave_all(&mut self, seat: &Seat) {
        self.has_left = true;
        for found in self.namespaces.values_mut() {
            found.left(Stand::Over, Reason::Left, seat);
        }
    }

    pub(super) fn namespace(&self, namespace: &str) -> Option<&Namespace> {
        self.namespaces.get(namespace)
    }

    pub(super) fn namespace_mut(&mut self, namespace: &str) -> Option<&mut Namespace> {
        self.namespaces.get_mut(namespace)
    }

    /// The hook has ended.
    pub(super) fn greeted(&mut self, namespace: &str, session: u64) {
        let is_this = self.session == session;
        if let Some(found) = self.namespaces.get_mut(namespace)
            && found.stand == Stand::Greeting
            && is_this
        {
            found.stand = Stand::Joined;
        }
    }

    fn send(
        &mut self,
        namespace: &str,
        event: &Encoded,
        question: Option<Question>,
        place: Place,
    ) -> Result<bool, EmitError> {
        let direct = self.is_direct(namespace, place)?;
        match &mut self.link {
            Some(link) if direct => match link.put(namespace, event, question) {
                Ok(()) => Ok(true),
                // The session has just ended; another one may come.
                Err(EmitError::Disconnected) => Ok(false),
                Err(error) => Err(error),
            },
            _ => Ok(false),
        }
    }

    /// Whether an event goes into the session, and not to those that are kept.
    fn is_direct(&self, namespace: &str, place: Place) -> Result<bool, EmitError> {
        let found = self.namespaces.get(namespace);
        let found = found.ok_or(EmitError::Disconnected)?;
        match found.stand {
            Stand::Over => Err(EmitError::Disconnected),
            Stand::Outside => Ok(false),
            Stand::Greeting => Ok(place == Place::Hook),
            Stand::Joined => Ok(found.kept.is_empty()),
        }
    }

    fn keep(
        &mut self,
        namespace: &str,
        event: Encoded,
        question: Option<Question>,
    ) -> Result<(), EmitError> {
        let limit = self.max_unsent;
        let found = self.namespaces.get_mut(namespace);
        let found = found.ok_or(EmitError::Disconnected)?;
        if self.kept >= limit {
            return Err(EmitError::Full { limit });
        }
        let kept = Kept::new(event, question);
        self.kept = self.kept.saturating_add(kept.size);
        found.kept.push_back(kept);
        Ok(())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("link", &self.link)
            .field("namespaces", &self.namespaces)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}
