//! From the arguments to an open connection.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ws_std::{Client, ConnectError, Error, MessageBuf, Tapped, WebSocket};

use super::link::{Incoming, Link};
use super::trace::{Found, Frame, Frames};
use super::{Args, heads, lock};
use crate::args::plain;
use crate::log::Lines;
use crate::reach::no_connection;
use crate::record::{Direction, Recorder};

/// Where lines about the connection go: the trace, and what happens to it.
pub(super) trait Says: Send + Sync + 'static {
    /// A line of the trace.
    fn trace(&self, line: String);

    /// A line about the connection.
    fn notice(&self, line: String);

    /// The payload of a Pong.
    fn pong(&self, _payload: &[u8]) {}
}

impl Args {
    /// Connects, and sends what is to be sent first. What `says` does may not use the connection.
    pub(super) fn connect(
        &self,
        recorder: Option<Recorder>,
        says: &Arc<impl Says>,
    ) -> Result<(Incoming, Link), String> {
        let firsts = self.firsts()?;
        let client = self.traced(self.reach.client(&self.url)?, says);
        let record = recorder.clone();
        let first = move |ws: &mut WebSocket| {
            firsts.iter().try_for_each(|message| {
                if let Some(recorder) = &record {
                    recorder.message(Direction::Sent, message.as_message());
                }
                ws.send(message)
            })
        };
        let (ws, again) = if self.reconnect {
            let mut again = self.again(client, first, says.clone());
            (again.next(), Some(again))
        } else {
            let connected = client.connect().map(|mut ws| {
                // The receiver sees why it failed.
                let _: Result<(), Error> = first(&mut ws);
                ws
            });
            (Some(connected), None)
        };
        let ws = match ws {
            Some(Ok(ws)) => ws,
            Some(Err(error)) => return Err(no_connection(&self.url, &error)),
            None => return Err("stopped before there was a connection".into()),
        };
        let (reader, writer) = ws.split();
        let link = Link::new(writer, again.is_some(), recorder);
        Ok((Incoming { reader, again }, link))
    }

    /// A client that connects again, and says so.
    fn again(
        &self,
        client: Client,
        first: impl Fn(&mut WebSocket) -> Result<(), Error> + Send + 'static,
        says: Arc<impl Says>,
    ) -> ws_std::Reconnect {
        let (url, waits) = (self.url.clone(), says.clone());
        let on_wait = move |error: Option<&ConnectError>, wait: Duration| {
            let why = match error {
                Some(error) => no_connection(&url, error),
                None => "the connection has ended".into(),
            };
            waits.notice(format!("{why}; again in {:.1} s", wait.as_secs_f64()));
        };
        let mut is_first = true;
        client.reconnect().on_wait(on_wait).first(move |ws| {
            if !std::mem::take(&mut is_first) {
                says.notice("connected again".into());
            }
            first(ws)
        })
    }

    /// The client, with its trace.
    fn traced(&self, client: Client, says: &Arc<impl Says>) -> Client {
        let (verbose, says) = (self.verbose, says.clone());
        let directions = Mutex::new((Frames::default(), Frames::default()));
        client.tap(move |tapped| {
            let line = |arrow: char, what: &dyn std::fmt::Display| {
                if verbose {
                    says.trace(format!("{arrow} {what}"));
                }
            };
            let mut directions = lock(&directions);
            if let Tapped::HeadSent(_) = tapped {
                // The frames of another connection begin.
                *directions = Default::default();
            }
            let (sent, received) = &mut *directions;
            match tapped {
                Tapped::HeadSent(head) => heads::lines(head).iter().for_each(|l| line('>', l)),
                Tapped::HeadReceived(head) => heads::lines(head).iter().for_each(|l| line('<', l)),
                Tapped::Sent(bytes) => sent.push(bytes, |found| line('>', &found)),
                Tapped::Received(bytes) => received.push(bytes, |found| {
                    line('<', &found);
                    if let Found::Frame(frame) = &found
                        && let Some(payload) = Frame::pong(frame)
                    {
                        says.pong(payload);
                    }
                }),
            }
        })
    }

    /// The messages of `--execute`.
    fn firsts(&self) -> Result<Vec<MessageBuf>, String> {
        let read = |text: &String| self.read_argument(text);
        self.execute.iter().map(read).collect()
    }

    /// The messages that are sent in place of the input, if any are.
    pub(super) fn instead_of_input(&self) -> Result<Option<Vec<MessageBuf>>, String> {
        if self.message.is_empty() && self.send_file.is_empty() {
            return Ok(None);
        }
        let messages = self.message.iter().map(|text| self.read_argument(text));
        let files = self.send_file.iter().map(|path| self.read_file(path));
        messages.chain(files).collect::<Result<_, _>>().map(Some)
    }

    fn read_argument(&self, text: &str) -> Result<MessageBuf, String> {
        let read = self.reading().read(text);
        read.map_err(|wrong| format!("{text:?} {wrong}"))
    }

    fn read_file(&self, path: &Path) -> Result<MessageBuf, String> {
        let mut bytes = Vec::new();
        let read = match path.to_str() {
            Some("-") => std::io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .map(|_| bytes),
            _ => std::fs::read(path),
        };
        let shown = path.display();
        let bytes = read.map_err(|error| format!("cannot read {shown}: {}", plain(&error)))?;
        let message = self.reading().read(&bytes);
        message.map_err(|wrong| format!("{shown} {wrong}"))
    }

    /// Waits for the last of the trace, but for nobody who does not read it.
    pub(super) fn end_trace(&self) {
        Lines::standard().end();
    }
}
