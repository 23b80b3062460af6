//! What a client knows: its session, if there is one, and its namespaces. Nothing here waits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;
use sio_proto::engine::{self, Data};
use sio_proto::{AckId, Encoded, Event, Instant, Silence, Violation};
use ws_tokio::ws_proto::MessageBuf;

use super::error::ConnectError;
use super::link::{Link, Question, Todo};
use super::namespace::{Kept, Namespace, Stand};
use super::socket::Seat;
use super::wire::Reading;
use crate::call::{Calls, Waiting};
use crate::error::EmitError;
use crate::reason::Reason;
use crate::refused::Refused;

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

    // ---- For the application ----

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

    // ---- For the task ----

    /// A session begins.
    pub(super) fn begin(&mut self, link: Link) {
        self.link = Some(link);
        self.session += 1;
    }

    /// Asks to be let in. Says whether that was possible: if not, too many are asked for already.
    pub(super) fn join(
        &mut self,
        namespace: &str,
        auth: Option<&RawValue>,
    ) -> Result<bool, ConnectError> {
        let (Some(link), Some(found)) = (&mut self.link, self.namespaces.get_mut(namespace)) else {
            return Ok(true);
        };
        if found.stand != Stand::Outside {
            return Ok(true);
        }
        let Link { engine, sio } = link;
        match sio.connect(namespace, auth, found.recovery.as_ref(), engine) {
            Ok(()) => Ok(true),
            Err(sio_proto::EmitError::TooManyNamespaces { .. }) => Ok(false),
            Err(error) => Err(ConnectError::Namespace {
                namespace: namespace.into(),
                error,
            }),
        }
    }

    /// The next thing to do.
    pub(super) fn todo(&mut self, now: Instant) -> Option<Todo> {
        self.resume(now);
        self.link.as_mut()?.todo()
    }

    /// The answer to a GET.
    pub(super) fn got(
        &mut self,
        body: &[u8],
        (now, seat): (Instant, &Seat),
    ) -> Result<(), Violation> {
        let payload = self.link.as_mut().and_then(|link| link.engine.got(body));
        let Some(mut payload) = payload else {
            return Ok(());
        };
        while let Some(link) = &mut self.link
            && let Some(data) = link.engine.step(&mut payload, now)
        {
            self.received(&data, (now, seat))?;
        }
        Ok(())
    }

    /// A message of the WebSocket.
    pub(super) fn frame(
        &mut self,
        message: &MessageBuf,
        (now, seat): (Instant, &Seat),
    ) -> Result<(), Violation> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        match link.engine.receive(message.as_message(), now) {
            Some(data) => self.received(&data, (now, seat)),
            None => Ok(()),
        }
    }

    /// Does what is due.
    pub(super) fn check(&mut self, now: Instant) -> Result<(), Violation> {
        for found in self.namespaces.values_mut() {
            let late = |kept: &Kept| kept.question.is_some_and(|(_, until)| until <= now);
            found.kept.retain(|kept| {
                if late(kept) {
                    self.kept -= kept.size;
                    unasked(kept, &mut self.calls, Silence::TimedOut);
                }
                !late(kept)
            });
        }
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        link.engine.check(now);
        let checked = link.sio.check(now);
        self.unanswered();
        checked
    }

    /// When [`check`](Self::check) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let link = self.link.as_ref().and_then(Link::deadline);
        let kept = self.namespaces.values().filter_map(Namespace::deadline);
        kept.chain(link).min()
    }

    /// The session is over.
    pub(super) fn lost(&mut self, reason: Reason, seat: &Seat) {
        let Some(mut link) = self.link.take() else {
            return;
        };
        for (name, found) in &mut self.namespaces {
            if let Some(recovery) = link.sio.recovery(name) {
                found.recovery = Some(recovery.clone());
            }
            if found.stand != Stand::Over {
                found.left(Stand::Outside, reason, seat);
            }
        }
        link.sio.close();
        self.link = Some(link);
        self.unanswered();
        self.link = None;
    }

    /// Nothing will be sent any more.
    pub(super) fn end(&mut self, seat: &Seat) {
        self.lost(Reason::Left, seat);
        for found in self.namespaces.values_mut() {
            found.left(Stand::Over, Reason::Left, seat);
            found.end();
        }
        self.forget();
    }

    /// The namespaces that the client wants to be in and is not.
    pub(super) fn outside(&self) -> impl Iterator<Item = &Arc<str>> {
        let outside = |(_, found): &(_, &Namespace)| found.stand == Stand::Outside;
        self.namespaces.iter().filter(outside).map(|(name, _)| name)
    }

    /// Whether there is no namespace that the client wants to be in.
    pub(super) fn is_over(&self) -> bool {
        self.namespaces
            .values()
            .all(|found| found.stand == Stand::Over)
    }

    /// Whether the application has left a namespace.
    pub(super) const fn has_left(&self) -> bool {
        self.has_left
    }

    /// Who did not let the client in since this was called last.
    pub(super) fn take_refusals(&mut self) -> Vec<ConnectError> {
        std::mem::take(&mut self.refusals)
    }

    /// Whether more is to be read: handlers that do not keep up stop it.
    pub(super) fn reading(&self) -> Reading {
        if self.namespaces.values().any(Namespace::is_full) {
            Reading::Paused
        } else {
            Reading::On
        }
    }

    /// Whether the server has opened the session.
    pub(super) fn is_open(&self) -> bool {
        (self.link.as_ref()).is_some_and(|link| link.engine.handshake().is_some())
    }

    /// Why the session is over, if it is.
    pub(super) fn closed(&self) -> Option<engine::Reason> {
        self.link.as_ref()?.engine.closed()
    }

    fn received(
        &mut self,
        data: &Data<'_>,
        (now, seat): (Instant, &Seat),
    ) -> Result<(), Violation> {
        let session = self.session;
        let (Some(link), namespaces) = (&mut self.link, &mut self.namespaces) else {
            return Ok(());
        };
        let mut event = link.sio.receive(data.as_message(), now)?;
        let joined = matches!(event, Some(Event::Connected { .. }));
        while let Some(happened) = event {
            match happened {
                Event::Connected {
                    namespace,
                    sid,
                    pid,
                } => {
                    if let Some(found) = namespaces.get_mut(namespace)
                        && found.stand == Stand::Outside
                    {
                        found.joined(&sid, pid.as_deref(), (seat, session));
                    }
                }
                Event::Refused { namespace, why } => {
                    if let Some(found) = namespaces.get_mut(namespace) {
                        found.left(Stand::Over, Reason::PeerLeft, seat);
                    }
                    self.refusals.push(ConnectError::Refused {
                        namespace: namespace.into(),
                        why: Refused::parse(why),
                    });
                }
                Event::Event {
                    namespace,
                    name,
                    args,
                    ack,
                } => {
                    if let Some(found) = namespaces.get_mut(namespace)
                        && matches!(found.stand, Stand::Greeting | Stand::Joined)
                    {
                        let ack = ack.map(|ack| (session, ack));
                        found.received((&name, &args), ack, seat);
                    }
                }
                Event::Acked { token, args, .. } => {
                    if let Some(waiting) = self.calls.take(token) {
                        waiting(Ok(&args));
                    }
                }
                Event::Left { namespace } => {
                    if let Some(found) = namespaces.get_mut(namespace) {
                        found.left(Stand::Over, Reason::PeerLeft, seat);
                    }
                }
                // Of servers only.
                Event::Connect { .. } => {}
            }
            event = if joined { link.sio.early() } else { None };
        }
        self.unanswered();
        Ok(())
    }

    /// Sends what is kept and can be sent, and then leaves what is to be left.
    fn resume(&mut self, now: Instant) {
        let Some(link) = &mut self.link else {
            return;
        };
        for (name, found) in &mut self.namespaces {
            if found.stand == Stand::Greeting || !link.sio.is_joined(name) {
                continue;
            }
            while let Some(kept) = found.kept.front() {
                match link.put(name, &kept.event, kept.question) {
                    Err(EmitError::Full { .. }) => break,
                    Err(EmitError::Protocol(sio_proto::EmitError::TooManyAcks { .. })) => break,
                    Ok(()) => {}
                    // The server takes nothing of this length: nobody will get it.
                    Err(_) => unasked(kept, &mut self.calls, Silence::Left),
                }
                self.kept -= kept.size;
                found.kept.pop_front();
            }
            if found.stand == Stand::Over && found.kept.is_empty() {
                let Link { engine, sio } = link;
                // If there is no room, the next time.
                let _ = sio.leave(name, engine, now);
            }
        }
        self.forget();
        self.unanswered();
        if let Some(Link { engine, sio }) = &mut self.link
            && self.namespaces.values().all(|n| n.stand == Stand::Over)
            && !self.namespaces.keys().any(|name| sio.is_joined(name))
        {
            engine.close(now);
        }
    }

    /// Drops what is kept for namespaces that are over.
    fn forget(&mut self) {
        for (name, found) in &mut self.namespaces {
            let joined = (self.link.as_ref()).is_some_and(|link| link.sio.is_joined(name));
            if found.stand == Stand::Over && !joined {
                for kept in found.kept.drain(..) {
                    self.kept -= kept.size;
                    unasked(&kept, &mut self.calls, Silence::Left);
                }
            }
        }
    }

    /// Tells those who wait for an answer that does not come.
    fn unanswered(&mut self) {
        while let Some(link) = &mut self.link
            && let Some(question) = link.sio.unanswered()
        {
            if let Some(waiting) = self.calls.take(question.token) {
                waiting(Err(question.why));
            }
        }
    }
}

/// Tells who waits for the answer to a question that was not asked.
fn unasked(kept: &Kept, calls: &mut Calls, why: Silence) {
    let waiting = kept.question.and_then(|(token, _)| calls.take(token));
    if let Some(waiting) = waiting {
        waiting(Err(why));
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
