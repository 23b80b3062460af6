//! The way into the namespaces of one session: credentials are fetched for each, then the server is
//! asked, and then it answers.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use sio_proto::{Instant, Violation};
use tokio::task::{JoinError, JoinSet};

use super::auth::Auth;
use super::error::ConnectError;
use super::state::State;

type Fetched = (Arc<str>, io::Result<Option<Box<RawValue>>>);

/// How far a client has come with its namespaces.
pub(super) struct Entry {
    step: Step,
    fetching: JoinSet<Fetched>,
    /// Those whose credentials are there, in order.
    ready: VecDeque<(Arc<str>, Option<Box<RawValue>>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The session is not open yet.
    Waiting,
    /// The server has so long to answer for all of them.
    Until(Instant),
    /// It has.
    Done,
}

impl Entry {
    pub(super) fn new() -> Self {
        Self {
            step: Step::Waiting,
            fetching: JoinSet::new(),
            ready: VecDeque::new(),
        }
    }

    /// Goes on as far as that is possible. Says whether the server has now answered for all.
    pub(super) fn step(
        &mut self,
        state: &mut State,
        auth: &Auth,
        (now, timeout): (Instant, Duration),
    ) -> Result<bool, ConnectError> {
        if self.step == Step::Waiting && state.is_open() {
            self.step = Step::Until(now.after(timeout));
            for namespace in state.outside().map(Arc::clone) {
                let fetch = auth.fetch(&namespace);
                self.fetching.spawn(async { (namespace, fetch.await) });
            }
        }
        while let Some((namespace, auth)) = self.ready.front() {
            if !state.join(namespace, auth.as_deref())? {
                break;
            }
            self.ready.pop_front();
        }
        let Step::Until(until) = self.step else {
            return Ok(false);
        };
        if state.outside().next().is_none() {
            self.step = Step::Done;
            return Ok(true);
        }
        if until <= now {
            return Err(Violation::ConnectTimeout.into());
        }
        Ok(false)
    }

    /// Waits for credentials. Pending while none are fetched.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(super) async fn fetched(&mut self) -> Result<(), ConnectError> {
        let Some(fetched) = self.fetching.join_next().await else {
            return std::future::pending().await;
        };
        let (namespace, auth) = fetched.map_err(panicked)?;
        match auth {
            Ok(auth) => self.ready.push_back((namespace, auth)),
            Err(error) => {
                let namespace = namespace.as_ref().into();
                return Err(ConnectError::Auth { namespace, error });
            }
        }
        Ok(())
    }

    /// When the server is late.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.step {
            Step::Until(until) => Some(until),
            Step::Waiting | Step::Done => None,
        }
    }

    /// Whether the client was in its namespaces.
    pub(super) fn is_done(&self) -> bool {
        self.step == Step::Done
    }
}

/// Which namespace it was for went with the task.
fn panicked(error: JoinError) -> ConnectError {
    ConnectError::Auth {
        namespace: "*".into(),
        error: io::Error::other(error),
    }
}
