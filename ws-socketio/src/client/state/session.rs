//! What the task of a client does with its state: from what has come to what is to leave.

use std::sync::Arc;

use serde_json::value::RawValue;
use sio_proto::engine::{self, Data};
use sio_proto::{Event, Instant, Silence, Violation};
use ws_tokio::ws_proto::MessageBuf;

use super::State;
use crate::call::Calls;
use crate::client::error::ConnectError;
use crate::client::link::{Link, Todo};
use crate::client::namespace::{Kept, Namespace, Stand};
use crate::client::socket::Seat;
use crate::client::wire::Reading;
use crate::error::EmitError;
use crate::reason::Reason;
use crate::refused::Refused;

impl State {
    /// A session begins.
    pub(in crate::client) fn begin(&mut self, link: Link) {
        self.link = Some(link);
        self.session += 1;
    }

    /// Asks to be let in. Says whether that was possible: if not, too many are asked for already.
    pub(in crate::client) fn join(
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
    pub(in crate::client) fn todo(&mut self, now: Instant) -> Option<Todo> {
        self.resume(now);
        self.link.as_mut()?.todo()
    }

    /// The answer to a GET.
    pub(in crate::client) fn got(
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
    pub(in crate::client) fn frame(
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
    pub(in crate::client) fn check(&mut self, now: Instant) -> Result<(), Violation> {
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
    pub(in crate::client) fn deadline(&self) -> Option<Instant> {
        let link = self.link.as_ref().and_then(Link::deadline);
        let kept = self.namespaces.values().filter_map(Namespace::deadline);
        kept.chain(link).min()
    }

    /// The session is over.
    pub(in crate::client) fn lost(&mut self, reason: Reason, seat: &Seat) {
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
    pub(in crate::client) fn end(&mut self, seat: &Seat) {
        self.lost(Reason::Left, seat);
        for found in self.namespaces.values_mut() {
            found.left(Stand::Over, Reason::Left, seat);
            found.end();
        }
        self.forget();
    }

    /// The namespaces that the client wants to be in and is not.
    pub(in crate::client) fn outside(&self) -> impl Iterator<Item = &Arc<str>> {
        let outside = |(_, found): &(_, &Namespace)| found.stand == Stand::Outside;
        self.namespaces.iter().filter(outside).map(|(name, _)| name)
    }

    /// Whether there is no namespace that the client wants to be in.
    pub(in crate::client) fn is_over(&self) -> bool {
        self.namespaces
            .values()
            .all(|found| found.stand == Stand::Over)
    }

    /// Whether the application has left a namespace.
    pub(in crate::client) const fn has_left(&self) -> bool {
        self.has_left
    }

    /// Who did not let the client in since this was called last.
    pub(in crate::client) fn take_refusals(&mut self) -> Vec<ConnectError> {
        std::mem::take(&mut self.refusals)
    }

    /// Whether to read more: handlers that do not keep up stop it.
    pub(in crate::client) fn reading(&self) -> Reading {
        if self.namespaces.values().any(Namespace::is_full) {
            Reading::Paused
        } else {
            Reading::On
        }
    }

    /// Whether the server has opened the session.
    pub(in crate::client) fn is_open(&self) -> bool {
        (self.link.as_ref()).is_some_and(|link| link.engine.handshake().is_some())
    }

    /// Why the session is over, if it is.
    pub(in crate::client) fn closed(&self) -> Option<engine::Reason> {
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

    /// Sends what is kept and can be sent, and then leaves the namespaces that the application has
    /// left.
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
