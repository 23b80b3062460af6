//! What a packet means: for a server, and for a client.

use alloc::borrow::Cow;

use serde::Deserialize;

use super::early::Early;
use super::error::Violation;
use super::event::{AckId, Event};
use super::namespaces::{Membership, Namespaces};
use super::recovery::Recovery;
use crate::packet::Packet;

/// A packet that a client sent.
pub(super) fn by_client<'b>(
    namespaces: &mut Namespaces,
    packet: Packet<'b>,
) -> Result<Option<Event<'b>>, Violation> {
    let namespace = match packet {
        Packet::Connect {
            namespace,
            query,
            data: auth,
        } => {
            namespaces.connect(namespace)?;
            return Ok(Some(Event::Connect {
                namespace,
                query,
                auth,
            }));
        }
        Packet::ConnectError { .. } => return Err(Violation::Direction),
        Packet::Disconnect { namespace }
        | Packet::Event { namespace, .. }
        | Packet::Ack { namespace, .. } => namespace,
    };
    match namespaces.find(namespace).map(|found| found.membership) {
        None => Err(Violation::NotJoined),
        Some(Membership::Left) => Ok(None),
        // A client that has not been let in may only give up.
        Some(Membership::Connecting) if !matches!(packet, Packet::Disconnect { .. }) => {
            Err(Violation::NotJoined)
        }
        Some(_) => Ok(in_namespace(namespaces, packet)),
    }
}

/// A packet that a server sent. What is for a namespace that this client is not in is ignored.
pub(super) fn by_server<'b>(
    namespaces: &mut Namespaces,
    packet: Packet<'b>,
) -> Result<Option<Event<'b>>, Violation> {
    match packet {
        Packet::Connect {
            namespace, data, ..
        } => {
            // Those of an earlier revision do so without having been asked.
            let (sid, pid) = data.and_then(admission).ok_or(Violation::EarlierRevision)?;
            let Ok(asked) = namespaces.connecting(namespace) else {
                return Ok(None);
            };
            asked.membership = Membership::Joined;
            asked.recovery = pid.as_deref().and_then(Recovery::new);
            // What came before was received all the same.
            if let Some(recovery) = &mut asked.recovery {
                for (_, args) in asked.early.iter().filter_map(Early::parts) {
                    recovery.on_event(&args);
                }
            }
            Ok(Some(Event::Connected {
                namespace,
                sid,
                pid,
            }))
        }
        Packet::ConnectError { namespace, data } => {
            if namespaces.connecting(namespace).is_err() {
                return Ok(None);
            }
            namespaces.refuse(namespace);
            Ok(Some(Event::Refused {
                namespace,
                why: data,
            }))
        }
        Packet::Event {
            namespace,
            id,
            ref name,
            ref args,
        } => {
            match namespaces.find_mut(namespace) {
                Some(found) if found.membership == Membership::Connecting => {
                    let early = Early::new(id, name, args);
                    namespaces.keep(namespace, early)?;
                    return Ok(None);
                }
                Some(found) if found.membership == Membership::Joined => {
                    if let Some(recovery) = &mut found.recovery {
                        recovery.on_event(args);
                    }
                }
                _ => return Ok(None),
            }
            Ok(in_namespace(namespaces, packet))
        }
        Packet::Disconnect { namespace } | Packet::Ack { namespace, .. } => {
            if namespaces.joined(namespace).is_err() {
                return Ok(None);
            }
            Ok(in_namespace(namespaces, packet))
        }
    }
}

/// What both sides do alike.
fn in_namespace<'b>(namespaces: &mut Namespaces, packet: Packet<'b>) -> Option<Event<'b>> {
    match packet {
        Packet::Event {
            namespace,
            id,
            name,
            args,
        } => {
            let stay = namespaces.find(namespace)?.stay;
            Some(Event::Event {
                namespace,
                name,
                args,
                ack: id.map(|id| AckId { id, stay }),
            })
        }
        Packet::Ack {
            namespace,
            id,
            args,
        } => {
            let token = namespaces.find_mut(namespace)?.acks.answered(id?)?;
            Some(Event::Acked {
                namespace,
                token,
                args,
            })
        }
        Packet::Disconnect { namespace } => {
            namespaces.leave(namespace);
            Some(Event::Left { namespace })
        }
        Packet::Connect { .. } | Packet::ConnectError { .. } => None,
    }
}

/// The `sid` and `pid` in what a server says to a client that it lets in.
fn admission(data: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    #[derive(Deserialize)]
    struct Admission<'a> {
        #[serde(borrow)]
        sid: Cow<'a, str>,
        #[serde(borrow)]
        pid: Option<Cow<'a, str>>,
    }
    let Admission { sid, pid } = serde_json::from_str(data).ok()?;
    Some((sid, pid))
}
