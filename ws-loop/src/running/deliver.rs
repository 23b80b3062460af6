//! What goes to others than the connection that was served, at the end of a turn.

use std::mem;
use std::sync::Arc;

use ws_proto::{CloseCode, Outgoing, Prepared, SendError};

use super::{Running, open, wire};
use crate::connections::{Id, Stage};
use crate::flags::Flags;
use crate::handler::Handler;
use crate::post::Delivery;
use crate::topics::{Slow, TopicId};

/// The most messages for one topic that are delivered together.
const BATCH: usize = 64;

impl<H: Handler> Running<H> {
    /// Delivers what was sent to others in this turn.
    pub(super) fn deliver(&mut self) {
        // The handler hears of each peer that we give up on, and may send again.
        while let Some(delivery) = self.post.queue.pop_front() {
            match delivery {
                Delivery::One(id, message) => {
                    if let Some(slot) = self.connections.find(id) {
                        self.send_to(slot, &[(message, None)], Slow::Close);
                    }
                }
                Delivery::All(message) => {
                    for slot in 0..self.connections.slots() {
                        self.send_to(slot, &[(message.clone(), None)], Slow::Close);
                    }
                }
                Delivery::Topic(topic, message, except) => self.publish(topic, message, except),
                Delivery::Close(id, code, reason) => {
                    if let Some(slot) = self.connections.find(id) {
                        self.close(slot, code, &reason);
                    }
                }
            }
        }
    }

    /// Delivers a message to the members of a topic, and with it those for the same topic that
    /// follow: each member is written to once.
    fn publish(&mut self, topic: TopicId, message: Arc<Prepared>, except: Option<Id>) {
        let mut batch = mem::take(&mut self.batch);
        batch.push((message, except));
        while batch.len() < BATCH {
            match self.post.queue.pop_front() {
                Some(Delivery::Topic(same, message, except)) if same == topic => {
                    batch.push((message, except));
                }
                Some(other) => {
                    self.post.queue.push_front(other);
                    break;
                }
                None => break,
            }
        }
        // From the last on: who leaves is replaced by one that had its message.
        for at in (0..self.post.topics.len(topic)).rev() {
            if let Some(member) = self.post.topics.member(topic, at) {
                self.send_to(member.slot, &batch, member.slow);
            }
        }
        batch.clear();
        self.batch = batch;
    }

    /// Sends messages to one connection, except for those that are not for it.
    fn send_to(&mut self, slot: u32, messages: &[(Arc<Prepared>, Option<Id>)], slow: Slow) {
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        let id = entry.id(slot);
        let (Stage::Open(session), true) = (&mut entry.stage, entry.data.is_some()) else {
            return;
        };
        // One that takes nothing keeps what is sent in a buffer of its own.
        let takes = !entry.flags.has(Flags::BLOCKED);
        if takes {
            wire::lend(session, &mut self.buffers);
        }
        let outgoing = session.halves().1;
        let theirs = messages.iter().filter(|(_, except)| *except != Some(id));
        for (message, _) in theirs {
            let len = message.message().as_bytes().len();
            let send = |outgoing: &mut Outgoing| outgoing.send_prepared(message);
            match (self.post.with_context(outgoing, len, send), slow) {
                (Ok(()), _) | (Err(SendError::Full { .. }), Slow::Skip) => {}
                (Err(error), _) => {
                    open::dismiss(outgoing, error);
                    break;
                }
            }
        }
        let flushed = wire::flush_rest(outgoing, &entry.stream, &mut entry.flags);
        if takes {
            wire::take_back(session, &mut self.buffers);
        }
        self.after_flush(slot, flushed);
    }

    /// Has an open connection take its leave, because the loop ends.
    pub(super) fn leave(&mut self, slot: u32) {
        self.close(slot, CloseCode::GOING_AWAY, "");
    }
}
