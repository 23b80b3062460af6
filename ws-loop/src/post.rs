//! Messages to connections other than the one that is served: they wait for the end of the turn, so
//! that a message to many is written when all who speak have been heard.

use std::collections::VecDeque;
use std::sync::Arc;

#[cfg(feature = "deflate")]
use ws_proto::Compressors;
use ws_proto::{CloseCode, Message, Outgoing, Prepared};

use crate::connections::Id;
use crate::topics::{TopicId, Topics};

/// To whom a message goes.
#[derive(Clone, Debug)]
pub(crate) enum To {
    One(Id),
    Topic(Box<str>),
    All,
}

/// What another thread has posted.
#[derive(Debug)]
pub(crate) enum Letter {
    Message { to: To, message: Arc<Prepared> },
    Close(Id, CloseCode, Box<str>),
}

impl Letter {
    /// What it takes while it waits, in bytes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Message { message, .. } => message.message().as_bytes().len(),
                Self::Close(_, _, reason) => reason.len(),
            }
    }
}

/// The work for the end of the turn.
#[derive(Debug)]
pub(crate) enum Delivery {
    One(Id, Arc<Prepared>),
    /// To all members, but for one.
    Topic(TopicId, Arc<Prepared>, Option<Id>),
    All(Arc<Prepared>),
    Close(Id, CloseCode, Box<str>),
}

/// The topics, and what waits for the end of the turn.
#[derive(Debug, Default)]
pub(crate) struct Post {
    pub(crate) topics: Topics,
    pub(crate) queue: VecDeque<Delivery>,
    /// The contexts for compression that connections share.
    #[cfg(feature = "deflate")]
    compressors: Compressors,
}

impl Post {
    /// Runs `send`, which may compress a message of `len` bytes: with a context that connections
    /// share, if it needs one.
    #[inline]
    #[cfg_attr(
        not(feature = "deflate"),
        expect(
            unused_variables,
            clippy::unused_self,
            reason = "nothing is compressed"
        )
    )]
    pub(crate) fn with_context<T>(
        &mut self,
        outgoing: &mut Outgoing,
        len: usize,
        send: impl FnOnce(&mut Outgoing) -> T,
    ) -> T {
        #[cfg(feature = "deflate")]
        return self.compressors.lend(outgoing, len, send);
        #[cfg(not(feature = "deflate"))]
        send(outgoing)
    }

    /// Takes what another thread has posted.
    pub(crate) fn take(&mut self, letter: Letter) {
        match letter {
            Letter::Message { to, message } => self.send(&to, message, None),
            Letter::Close(id, code, reason) => {
                self.queue.push_back(Delivery::Close(id, code, reason));
            }
        }
    }

    fn send(&mut self, to: &To, message: Arc<Prepared>, except: Option<Id>) {
        self.queue.push_back(match to {
            To::One(id) => Delivery::One(*id, message),
            To::All => Delivery::All(message),
            // To a topic without members there is nobody to send to.
            To::Topic(name) => match self.topics.find(name) {
                Some(topic) => Delivery::Topic(topic, message, except),
                None => return,
            },
        });
    }
}

/// All connections of a loop, as a handler sees them.
///
/// What you send here leaves at the end of the turn, in the order in which you send it, and after
/// what the handler sends to the connection that it was called for.
#[derive(Debug)]
pub struct Others<'a> {
    pub(crate) post: &'a mut Post,
}

impl Others<'_> {
    /// Sends a message to a connection. If that has ended, the message is dropped.
    pub fn send<'m>(&mut self, id: Id, message: impl Into<Message<'m>>) {
        let message = Arc::new(Prepared::new(message));
        self.post.queue.push_back(Delivery::One(id, message));
    }

    /// Sends a message to every connection.
    pub fn broadcast<'m>(&mut self, message: impl Into<Message<'m>>) {
        let message = Arc::new(Prepared::new(message));
        self.post.queue.push_back(Delivery::All(message));
    }

    /// Sends a message to the members of a topic. All of them get the messages of a topic in the
    /// same order.
    pub fn publish<'m>(&mut self, topic: &str, message: impl Into<Message<'m>>) {
        self.publish_except(topic, message, None);
    }

    /// Starts the closing handshake of a connection. A reason of more than 123 bytes is left out.
    pub fn close(&mut self, id: Id, code: CloseCode, reason: &str) {
        let reason = reason.into();
        self.post.queue.push_back(Delivery::Close(id, code, reason));
    }

    /// The number of members of a topic.
    #[must_use]
    pub fn members(&self, topic: &str) -> usize {
        self.post.topics.members(topic)
    }

    pub(crate) fn publish_except<'m>(
        &mut self,
        topic: &str,
        message: impl Into<Message<'m>>,
        except: Option<Id>,
    ) {
        if let Some(topic) = self.post.topics.find(topic) {
            let message = Arc::new(Prepared::new(message));
            let delivery = Delivery::Topic(topic, message, except);
            self.post.queue.push_back(delivery);
        }
    }
}
