//! Questions: events whose acknowledgement a task waits for.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use serde::de::DeserializeOwned;
use sio_proto::{Args, Silence, Token};
use tokio::sync::oneshot;

use crate::decode;
use crate::error::{CallError, EmitError};

/// Sends a question that has to be answered within a time, and keeps the caller that waits.
type Ask = Box<dyn FnOnce(Duration, Waiting) -> Result<(), EmitError> + Send>;
/// The caller that waits for an answer: called once.
pub(crate) type Waiting = Box<dyn FnOnce(Result<&Args<'_>, Silence>) + Send>;

/// A question, which is an event that wants an answer. It leaves when you await this, and the
/// answer has to come within 60 s, or the time set by [`timeout`](Self::timeout). `R` is a tuple
/// for several arguments, `()` for none, and anything else for one.
///
/// # Cancel safety
///
/// If you drop it after the first poll, the question has left, and its answer is ignored.
#[must_use = "a question leaves when it is awaited"]
pub struct Call<R> {
    ask: Ask,
    timeout: Duration,
    answer: std::marker::PhantomData<fn() -> R>,
}

impl<R> Call<R> {
    pub(crate) fn new(
        ask: impl FnOnce(Duration, Waiting) -> Result<(), EmitError> + Send + 'static,
    ) -> Self {
        Self {
            ask: Box::new(ask),
            timeout: Duration::from_secs(60),
            answer: std::marker::PhantomData,
        }
    }

    /// Sets the time that the peer has to answer. Default: 60 s.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl<R: DeserializeOwned + Send + 'static> IntoFuture for Call<R> {
    type Output = Result<R, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (waiting, answered) = Answered::new();
            (self.ask)(self.timeout, waiting)?;
            answered.wait().await
        })
    }
}

/// The answer to a question that has left.
pub(crate) struct Answered<R>(oneshot::Receiver<Result<R, CallError>>);

impl<R: DeserializeOwned + Send + 'static> Answered<R> {
    /// And who waits for it.
    pub(crate) fn new() -> (Waiting, Self) {
        let (answer, answered) = oneshot::channel();
        let waiting = move |said: Result<&Args<'_>, Silence>| {
            let said = match said {
                Ok(args) => decode::all(args).map_err(CallError::Decode),
                Err(why) => Err(why.into()),
            };
            // Nobody waits any longer: then nobody wants to know.
            drop(answer.send(said));
        };
        (Box::new(waiting), Self(answered))
    }

    pub(crate) async fn wait(self) -> Result<R, CallError> {
        // Dropped unanswered: the connection is gone.
        self.0.await.unwrap_or(Err(CallError::Disconnected))
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut call = f.debug_struct("Call");
        call.field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The questions of one connection that wait for an answer.
#[derive(Default)]
pub(crate) struct Calls {
    last: u64,
    waiting: HashMap<Token, Waiting>,
}

impl Calls {
    /// A token that no question has.
    pub(crate) const fn token(&mut self) -> Token {
        self.last += 1;
        Token(self.last)
    }

    /// A question was sent.
    pub(crate) fn asked(&mut self, token: Token, waiting: Waiting) {
        self.waiting.insert(token, waiting);
    }

    /// The caller that waits for this answer, once.
    pub(crate) fn take(&mut self, token: Token) -> Option<Waiting> {
        self.waiting.remove(&token)
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calls({})", self.waiting.len())
    }
}
