//! What came from a client, and what it means.

use std::sync::Arc;

use sio_proto::engine::Sid;
use sio_proto::{Event, Instant, Message};

use super::desk::Job;
use super::hub::entropy;
use super::link::{Link, State};
use super::raw::Raw;
use super::socket::Socket;
use crate::reason::Reason;

/// Takes a message of the session.
pub(super) fn receive(link: &Arc<Link>, state: &mut State, message: Message<'_>, now: Instant) {
    if let Some(handler) = &link.hub.config.raw {
        return handler(&mut Raw(&mut state.session), message);
    }
    state.pace.count(now);
    let (namespace, auth) = match state.connection.receive(message, now) {
        Ok(None) => return,
        Err(violation) => return state.violate(violation, now),
        Ok(Some(Event::Acked { token, args, .. })) => {
            if let Some(waiting) = state.calls.take(token) {
                waiting(Ok(&args));
            }
            return;
        }
        Ok(Some(Event::Event {
            namespace,
            name,
            args,
            ack,
        })) => {
            let mut seats = state.seats.iter();
            let seat = seats.find(|seat| *seat.socket.hall().name == *namespace);
            let Some(socket) = seat.map(|seat| &seat.socket) else {
                return;
            };
            let hooks = &socket.hall().hooks;
            let found = hooks.read().events.find(socket.clone(), &name, &args);
            let Some((name, handling)) = found else {
                return; // nobody wants it
            };
            let attachments = args.attachments().iter().map(Vec::len);
            let size = args.json().0.len() + attachments.sum::<usize>();
            state.load.events += 1;
            state.load.bytes += size;
            let job = Job::Event {
                name,
                handling,
                ack,
                size,
            };
            state.inbox.push((socket.clone(), job));
            return;
        }
        Ok(Some(Event::Left { namespace })) => {
            let mut seats = state.seats.iter();
            let left = seats.position(|seat| *seat.socket.hall().name == *namespace);
            if let Some(index) = left {
                let seat = state.seats.remove(index);
                state.gone(seat, Reason::PeerLeft);
            }
            return;
        }
        Ok(Some(Event::Connect {
            namespace, auth, ..
        })) => (namespace.to_owned(), auth.unwrap_or("null").to_owned()),
        // What only servers say is a violation.
        Ok(Some(Event::Connected { .. } | Event::Refused { .. })) => return,
    };
    let id = Sid::new(entropy());
    let enter = |hall| Socket::enter(id.as_str(), hall, Arc::clone(link));
    let Some(socket) = link.hub.enter(&namespace, enter) else {
        let (connection, session) = (&mut state.connection, &mut state.session);
        // If the session takes nothing, there is nobody to be told.
        let _ = connection.refuse(&namespace, "Invalid namespace", None, session, now);
        return;
    };
    let entering = match &socket.hall().hooks.read().connect {
        Some(hook) => hook(socket.clone(), &auth),
        None => Box::pin(std::future::ready(Ok(()))),
    };
    state.sit_down(socket, Job::Enter(entering));
}
