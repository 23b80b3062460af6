//! Passes refusals and shortages to the application's log, for which no connection waits.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use ws_http::Refusal;

use super::serve::guarded;

/// The application's functions that log.
type Refused = dyn Fn(SocketAddr, &Refusal) + Send + Sync;
type Short = dyn Fn(&io::Error) + Send + Sync;

/// Lines for the log, on their way to a thread that may wait as long as it likes.
#[derive(Default)]
pub(super) struct Log {
    refused: Option<Arc<Refused>>,
    short: Option<Arc<Short>>,
    /// From the first line on; `None` if no thread was to be had.
    lines: OnceLock<Option<SyncSender<Line>>>,
}

/// What is said to the thread.
enum Line {
    Refusal(SocketAddr, Refusal),
    Shortage(io::Error),
    /// All before it was logged.
    Done(SyncSender<()>),
}

/// The most that is on the way; more is only counted.
const WAITING: usize = 1024;

/// How long a server that ends waits for what is on the way.
const LAST: Duration = Duration::from_millis(500);

impl Log {
    /// Logs refusals with this from now on.
    pub(super) fn on_refusal(
        &mut self,
        log: impl Fn(SocketAddr, &Refusal) + Send + Sync + 'static,
    ) {
        self.refused = Some(Arc::new(log));
    }

    /// Logs shortages with this from now on.
    pub(super) fn on_shortage(&mut self, log: impl Fn(&io::Error) + Send + Sync + 'static) {
        self.short = Some(Arc::new(log));
    }

    /// Logs a refusal, or says that too many wait.
    pub(super) fn refusal(&self, peer: SocketAddr, refusal: &Refusal) -> Result<(), Full> {
        match self.refused {
            Some(_) => self.push(Line::Refusal(peer, refusal.clone())),
            None => Ok(()),
        }
    }

    /// Logs that there is nothing to accept connections with.
    pub(super) fn shortage(&self, error: io::Error) {
        if self.short.is_some() {
            // If too many lines wait, it is one of many troubles.
            let _ = self.push(Line::Shortage(error));
        }
    }

    fn push(&self, line: Line) -> Result<(), Full> {
        let lines = self.lines.get_or_init(|| self.start().ok());
        let lines = lines.as_ref().ok_or(Full)?;
        lines.try_send(line).map_err(|_| Full)
    }

    /// Begins the thread that logs.
    fn start(&self) -> io::Result<SyncSender<Line>> {
        let (lines, waiting) = mpsc::sync_channel(WAITING);
        let (refused, short) = (self.refused.clone(), self.short.clone());
        thread::Builder::new()
            .name("ws-log".into())
            .spawn(move || {
                // Until all of them have ended who have something to say.
                for line in waiting {
                    match (line, &refused, &short) {
                        (Line::Refusal(peer, refusal), Some(log), _) => {
                            guarded(|| log(peer, &refusal));
                        }
                        (Line::Shortage(error), _, Some(log)) => drop(guarded(|| log(&error))),
                        (Line::Done(done), _, _) => drop(done.send(())),
                        _ => {}
                    }
                }
            })?;
        Ok(lines)
    }

    /// Waits for what is on the way, but for nobody who does not read it.
    pub(super) fn end(&self) {
        let (done, is_done) = mpsc::sync_channel(1);
        if let Some(Some(lines)) = self.lines.get()
            && lines.try_send(Line::Done(done)).is_ok()
        {
            let _ = is_done.recv_timeout(LAST);
        }
    }
}

/// Too many lines wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;
