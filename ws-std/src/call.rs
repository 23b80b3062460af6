//! One question and its answer, within one deadline.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use ws_proto::{CloseCode, Message, MessageBuf};

use crate::client::Client;
use crate::error::{ConnectError, Error};
use crate::stop::STACK;
use crate::writer::Writer;

/// A [call](Client::call) that brought no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// There was no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection was lost before the answer.
    #[error(transparent)]
    Lost(#[from] Error),
    /// The server closed before it answered, with this code and reason if it gave one.
    #[error("the server closed without an answer{}", said(.0))]
    Closed(Option<(CloseCode, String)>),
    /// The deadline passed after the connection was made.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The system could not start the thread that watches the deadline.
    #[error("no thread for the deadline")]
    Thread(#[source] io::Error),
}

fn said(close: &Option<(CloseCode, String)>) -> String {
    match close {
        Some((code, reason)) if reason.is_empty() => format!(": {code}"),
        Some((code, reason)) => format!(": {code} {reason}"),
        None => String::new(),
    }
}

impl Client {
    /// Connects, sends one message, receives one, and closes, all within `deadline`. Connecting has
    /// its [own](Self::handshake_timeout) timeout as well.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use ws_std::Client;
    ///
    /// let client = Client::new("ws://127.0.0.1:9001/echo");
    /// let answer = client.call("hello", Duration::from_secs(5))?;
    /// println!("{:?}", answer.as_message());
    /// # Ok::<(), ws_std::CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// No answer came. Once it has come, it is returned, however the connection ends after it.
    pub fn call<'m>(
        &self,
        message: impl Into<Message<'m>>,
        deadline: Duration,
    ) -> Result<MessageBuf, CallError> {
        let begun = Instant::now();
        let limit = self.limit().min(deadline);
        let mut ws = self.clone().handshake_timeout(limit).connect()?;
        let left = deadline.saturating_sub(begun.elapsed());
        let _watch = watch(ws.writer(), left).map_err(CallError::Thread)?;
        let lost = |error: Error| match begun.elapsed() >= deadline {
            true => CallError::Timeout(deadline),
            false => error.into(),
        };
        ws.send(message).map_err(lost)?;
        let Some(answer) = ws.recv_owned().map_err(lost)? else {
            return Err(CallError::Closed(ws.peer_close()));
        };
        // The answer is there: how the server takes the end does not matter.
        let _ = ws.close(CloseCode::NORMAL, "");
        Ok(answer)
    }
}

/// Drops a connection after a time, whatever waits on it then, unless this is dropped first.
fn watch(writer: Writer, time: Duration) -> io::Result<Sender<()>> {
    let (watch, watched) = mpsc::channel();
    thread::Builder::new()
        .name("ws-deadline".into())
        .stack_size(STACK)
        .spawn(move || {
            if watched.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                writer.abort();
            }
        })?;
    Ok(watch)
}
