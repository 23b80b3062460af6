//! The sending side of a connection, as the threads share it, and its end.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use ws_std::{
    CloseCode, Error, Message, MessageBuf, ProtocolError, Reader, Reconnect, SendError, Writer,
};

use super::lock;
use crate::args::without_number;
use crate::record::{Direction, Recorder};
use crate::signals::on_signal;
use crate::text::Escaped;

/// The receiving side: of one connection, or of one after the other.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) reader: Reader,
    pub(super) again: Option<Reconnect>,
}

/// The sending side of the connection that there is. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Link(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Another connection comes after one that is lost.
    is_lasting: bool,
    recorder: Option<Recorder>,
}

#[derive(Debug)]
struct State {
    writer: Writer,
    /// The number of the connection.
    number: u64,
    /// The code that we closed with, if we were the first.
    ours: Option<CloseCode>,
    failure: Option<String>,
    is_over: bool,
}

impl Link {
    pub(super) fn new(writer: Writer, is_lasting: bool, recorder: Option<Recorder>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                writer,
                number: 0,
                ours: None,
                failure: None,
                is_over: false,
            }),
            changed: Condvar::new(),
            is_lasting,
            recorder,
        }))
    }

    /// Sends a message: over the next connection, if this one is lost and there is to be another.
    pub(super) fn send(&self, message: &MessageBuf) -> Result<(), Error> {
        self.note(Direction::Sent, message.as_message());
        loop {
            let (writer, number) = self.current();
            match writer.send(message) {
                Ok(()) => return Ok(()),
                // What cannot be sent cannot be sent over another either.
                Err(Error::Send(error)) if error != SendError::Closed => return Err(error.into()),
                Err(error) if !self.has_next_after(number) => return Err(error),
                Err(_) => {}
            }
        }
    }

    pub(super) fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.current().0.ping(payload)
    }

    /// Starts the closing handshake, if it is not under way yet.
    pub(super) fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let mut state = lock(&self.0.state);
        state.writer.close(code, reason)?;
        state.ours = Some(code);
        drop(state);
        self.0.changed.notify_all();
        if let Some(recorder) = &self.0.recorder {
            recorder.close(Direction::Sent, Some((code, reason)));
        }
        Ok(())
    }

    /// Closes because of a failure of our own, which decides about the exit status.
    pub(super) fn close_failed(&self, what: String) {
        lock(&self.0.state).failure.get_or_insert(what);
        let _ = self.close(CloseCode::GOING_AWAY, "");
    }

    /// SIGINT and SIGTERM close; the next one ends at once.
    pub(super) fn close_on_signal(
        &self,
        before_exit: impl Fn() + Send + 'static,
    ) -> io::Result<()> {
        let link = self.clone();
        on_signal(move |signal| link.interrupt(signal, &before_exit))
    }

    /// Closes, or ends at once if that is under way, or if there is nothing to close: with the exit
    /// status of shells.
    pub(super) fn interrupt(&self, signal: i32, before_exit: impl Fn()) {
        if self.close(CloseCode::GOING_AWAY, "").is_err() {
            before_exit();
            std::process::exit(128 + signal);
        }
    }

    /// Receives until the last connection is over. `show` gets the messages, up to `count` of them.
    pub(super) fn receive(
        &self,
        incoming: &mut Incoming,
        mut count: Option<u64>,
        mut show: impl FnMut(Message<'_>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let ended = loop {
            let ended = self.receive_one(&mut incoming.reader, &mut count, &mut show);
            if let Some(recorder) = &self.0.recorder
                && ended.is_ok()
            {
                let close = incoming.reader.peer_close();
                let close = close.as_ref().map(|(code, reason)| (*code, &**reason));
                recorder.close(Direction::Received, close);
            }
            if !self.renew(incoming) {
                break ended;
            }
        };
        lock(&self.0.state).is_over = true;
        self.0.changed.notify_all();
        ended
    }

    /// Receives until one connection is over.
    fn receive_one(
        &self,
        reader: &mut Reader,
        left: &mut Option<u64>,
        show: &mut impl FnMut(Message<'_>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut is_shown = true;
        while let Some(message) = reader.recv()? {
            self.note(Direction::Received, message);
            if !is_shown {
                continue;
            }
            let shown = show(message);
            *left = left.map(|left| left - 1);
            if shown.is_err() || *left == Some(0) {
                is_shown = false;
                let _ = self.close(CloseCode::NORMAL, "");
            }
            match shown {
                // The reader of our output has seen enough.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    let what = without_number(&error.to_string());
                    self.close_failed(format!("cannot write the output: {what}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Goes on with the next connection, if there is to be one.
    fn renew(&self, incoming: &mut Incoming) -> bool {
        let Some(again) = &mut incoming.again else {
            return false;
        };
        if lock(&self.0.state).ours.is_some() {
            return false;
        }
        match again.next() {
            None => false,
            Some(Err(error)) => {
                let what = without_number(&crate::text::chain(&error));
                lock(&self.0.state).failure.get_or_insert(what);
                false
            }
            Some(Ok(ws)) => {
                let (reader, writer) = ws.split();
                incoming.reader = reader;
                let mut state = lock(&self.0.state);
                state.writer = writer;
                state.number += 1;
                drop(state);
                self.0.changed.notify_all();
                true
            }
        }
    }

    /// The end of the connection: in good order, or the error to report.
    pub(super) fn verdict(
        &self,
        reader: &Reader,
        ended: Result<(), Error>,
    ) -> Result<String, String> {
        let (failure, ours) = {
            let mut state = lock(&self.0.state);
            (state.failure.take(), state.ours)
        };
        if let Some(failure) = failure {
            return Err(Escaped(&failure).to_string());
        }
        ended.map_err(|error| lost(&error))?;
        let (code, reason) = match reader.peer_close() {
            Some((code, reason)) => (Some(code), reason),
            // An answer without a code, to our Close, agrees with it.
            None => (ours, String::new()),
        };
        let Some(code) = code else {
            return Err("closed by the server without a status code".into());
        };
        let by = if ours.is_none() { " by the server" } else { "" };
        let mut line = format!("closed{by} with {code}");
        if !reason.is_empty() {
            let _ = write!(line, " {}", Escaped(&reason));
        }
        match code {
            CloseCode::NORMAL | CloseCode::GOING_AWAY => Ok(line),
            // What was asked for at the prompt.
            code if ours == Some(code) => Ok(line),
            _ => Err(line),
        }
    }

    fn current(&self) -> (Writer, u64) {
        let state = lock(&self.0.state);
        (state.writer.clone(), state.number)
    }

    /// Waits for the connection after the one with this number. Returns whether there is one.
    fn has_next_after(&self, number: u64) -> bool {
        if !self.0.is_lasting {
            return false;
        }
        let waits =
            |state: &mut State| state.number == number && !state.is_over && state.ours.is_none();
        let state = lock(&self.0.state);
        let state = self.0.changed.wait_while(state, waits);
        state.unwrap_or_else(PoisonError::into_inner).number != number
    }

    fn note(&self, direction: Direction, message: Message<'_>) {
        if let Some(recorder) = &self.0.recorder {
            recorder.message(direction, message);
        }
    }
}

/// Why a connection has ended that ended without a Close.
fn lost(error: &Error) -> String {
    match error {
        Error::Protocol(ProtocolError::MessageTooBig { limit }) => {
            format!("a message is longer than {limit} bytes: --max-message sets the limit")
        }
        Error::Protocol(ProtocolError::UnexpectedEof) => {
            "the connection was lost: it ended without a close".into()
        }
        Error::Protocol(error) if error.is_limit() => {
            format!("the server sent more than is accepted: {error}")
        }
        Error::Protocol(error) => format!("the server broke the protocol: {error}"),
        Error::Io(error) => {
            format!(
                "the connection was lost: {}",
                without_number(&error.to_string())
            )
        }
        error => error.to_string(),
    }
}
