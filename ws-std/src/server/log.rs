//! The way of refusals to the application's log, which nobody waits for.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use ws_http::Refusal;

use super::serve::guarded;

/// The application's function that logs.
type Write = dyn Fn(SocketAddr, &Refusal) + Send + Sync;

/// What is to be logged, on its way to a thread that may wait as long as it likes.
pub(super) struct Log {
    write: Arc<Write>,
    /// From the first refusal on; `None` if no thread was to be had.
    lines: OnceLock<Option<SyncSender<Line>>>,
}

/// What is said to the thread.
enum Line {
    Refusal(SocketAddr, Refusal),
    /// All before it was logged.
    Done(SyncSender<()>),
}

/// The most that is on the way; more is only counted.
const WAITING: usize = 1024;

/// How long a server that ends waits for what is on the way.
const LAST: Duration = Duration::from_millis(500);

impl Log {
    pub(super) fn new(write: impl Fn(SocketAddr, &Refusal) + Send + Sync + 'static) -> Self {
        Self {
            write: Arc::new(write),
            lines: OnceLock::new(),
        }
    }

    /// Logs a refusal, or says that too many wait.
    pub(super) fn push(&self, peer: SocketAddr, refusal: &Refusal) -> Result<(), Full> {
        let lines = self.lines.get_or_init(|| self.start().ok());
        let line = Line::Refusal(peer, refusal.clone());
        let lines = lines.as_ref().ok_or(Full)?;
        lines.try_send(line).map_err(|_| Full)
    }

    /// Begins the thread that logs.
    fn start(&self) -> io::Result<SyncSender<Line>> {
        let (lines, waiting) = mpsc::sync_channel(WAITING);
        let write = self.write.clone();
        thread::Builder::new()
            .name("ws-log".into())
            .spawn(move || {
                // Until all of them have ended who have something to say.
                for line in waiting {
                    match line {
                        Line::Refusal(peer, refusal) => drop(guarded(|| write(peer, &refusal))),
                        Line::Done(done) => drop(done.send(())),
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
