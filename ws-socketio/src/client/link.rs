//! One session and its namespaces: the two machines of a client, joined.

use std::fmt;

use sio_proto::engine::{Action, Client as Engine, ClientConfig, Transport};
use sio_proto::{Connection, Encoded, Instant, Limits, Token};
use ws_tokio::ws_proto::MessageBuf;

use crate::error::EmitError;

/// A session, from its first request to its end.
pub(super) struct Link {
    pub(super) engine: Engine,
    pub(super) sio: Connection,
}

/// What the session wants done: an [`Action`] that can be kept.
pub(super) enum Todo {
    Get(String),
    Post(String, String),
    Open(String),
    Frame(MessageBuf),
    HangUp,
}

/// A question, and the moment by which the answer has to come.
pub(super) type Question = (Token, Instant);

impl Link {
    pub(super) fn new(by: Transport, config: &ClientConfig, limits: &Limits, now: Instant) -> Self {
        Self {
            engine: Engine::open(by, config, now),
            sio: Connection::client(limits),
        }
    }

    /// Sends an event.
    pub(super) fn put(
        &mut self,
        namespace: &str,
        event: &Encoded,
        question: Option<Question>,
    ) -> Result<(), EmitError> {
        let Self { engine, sio } = self;
        match question {
            None => sio.emit(namespace, event, engine)?,
            Some((token, until)) => sio.ask(namespace, event, token, until, engine)?,
        }
        Ok(())
    }

    /// The next thing to do.
    pub(super) fn todo(&mut self) -> Option<Todo> {
        Some(match self.engine.poll()? {
            Action::Get { query } => Todo::Get(query.into()),
            Action::Post { query, body } => Todo::Post(query.into(), body.into()),
            Action::Open { query } => Todo::Open(query.into()),
            Action::Frame(message) => Todo::Frame(message.into()),
            Action::HangUp => Todo::HangUp,
        })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.engine.deadline(), self.sio.deadline()];
        deadlines.into_iter().flatten().min()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("engine", &self.engine)
            .field("sio", &self.sio)
            .finish()
    }
}
