//! The log of `--verbose`: who comes, who is refused, how they leave.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ws_std::ws_http::without_secrets;
use ws_std::{Ended, Refusal, Request, WebSocket, Writer};

use crate::log::Lines;
use crate::text::Escaped;

/// The log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log {
    pub(super) verbose: bool,
}

/// A connection in the log; its end is noted when this is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    who: Option<String>,
    writer: Writer,
    begun: Instant,
    messages: AtomicU64,
}

impl Log {
    pub(super) fn entry(self, ws: &WebSocket, request: &Request) -> Entry {
        let who = (self.verbose).then(|| format!("{} {}", ws.peer_addr(), target(request)));
        if let Some(who) = &who {
            say(format_args!("{who} open"));
        }
        Entry {
            who,
            writer: ws.writer(),
            begun: Instant::now(),
            messages: AtomicU64::new(0),
        }
    }

    pub(super) fn refusal(self, peer: SocketAddr, refusal: &Refusal) {
        if self.verbose {
            let status = refusal.status().as_u16();
            say(format_args!("{peer} refused with {status}: {refusal}"));
        }
    }

    /// What a hook answers is not among the refusals.
    pub(super) fn turned_away(self, request: &Request, status: u16) {
        if self.verbose {
            let (peer, target) = (request.peer_addr(), target(request));
            say(format_args!("{peer} {target} answered with {status}"));
        }
    }

    pub(super) fn failure(self, request: &Request, error: &dyn std::fmt::Display) {
        if self.verbose {
            let error = error.to_string();
            let (peer, target) = (request.peer_addr(), target(request));
            say(format_args!("{peer} {target} failed: {}", Escaped(&error)));
        }
    }
}

impl Entry {
    /// Counts a message that came.
    pub(super) fn message(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(who) = &self.who else {
            return;
        };
        let how = match self.writer.ended() {
            Some(Ended::Closed(code)) => format!("closed with {code}"),
            Some(Ended::Eof) => "ended without a close".into(),
            Some(Ended::TimedOut) => "timed out".into(),
            Some(Ended::Io) => "lost".into(),
            Some(_) => "failed".into(),
            None => "closed by the server".into(),
        };
        let (time, messages) = (self.begun.elapsed(), *self.messages.get_mut());
        let time = time.as_secs_f64();
        say(format_args!(
            "{who} {how} after {time:.1} s, {messages} messages"
        ));
    }
}

/// What is asked for, without tokens in its query.
fn target(request: &Request) -> String {
    Escaped(&without_secrets(&request.uri().to_string())).to_string()
}

/// Logs one line, with the time, and waits for nobody.
pub(super) fn say(line: std::fmt::Arguments<'_>) {
    Lines::standard().say(line);
}
