//! One side of a session, played on a connection.

use std::time::{Duration, Instant};

use ws_std::{CloseCode, Error, Next, WebSocket};

use crate::record::{Direction, Entry, Said};

/// How a session is played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Nothing is sent before its time.
    pub(super) is_timed: bool,
    /// How long something that was recorded may take to come.
    pub(super) patience: Duration,
}

/// Says what this side has said in the session, each after all that it had heard before it, and
/// returns what the other side says. Then it closes, unless that is done.
pub(super) fn play(
    ws: &mut WebSocket,
    session: &[Entry],
    ours: Direction,
    pace: Pace,
) -> Vec<Said> {
    let begun = Instant::now();
    let mut heard = Heard::default();
    let mut expected = 0;
    for entry in session {
        if entry.direction != ours {
            expected += 1;
            continue;
        }
        // What stands before it in the session comes first.
        if heard.up_to(expected, ws, pace.patience).is_err() {
            return heard.said;
        }
        if pace.is_timed && heard.until(begun, entry.at, ws).is_err() {
            return heard.said;
        }
        match &entry.said {
            Said::Message(message) => {
                if ws.send(message).is_err() {
                    // Its end is heard.
                    break;
                }
            }
            Said::Close(close) => {
                let (code, reason) = match close {
                    Some((code, reason)) => (*code, &**reason),
                    None => (CloseCode::NORMAL, ""),
                };
                // An answer to the other side's is on its way already.
                let _ = ws.close(code, reason);
            }
        }
    }
    if heard.up_to(expected, ws, pace.patience).is_ok() {
        let _ = ws.close(CloseCode::NORMAL, "");
        heard.rest(ws);
    }
    heard.said
}

/// Nothing more is heard: the connection is over, or silent for too long.
struct Over;

#[derive(Default)]
struct Heard {
    said: Vec<Said>,
}

impl Heard {
    /// Hears as much as was recorded.
    fn up_to(&mut self, count: usize, ws: &mut WebSocket, patience: Duration) -> Result<(), Over> {
        while self.said.len() < count {
            self.next(ws, patience)?;
        }
        Ok(())
    }

    /// Hears whatever comes until it is time.
    fn until(&mut self, begun: Instant, at: Duration, ws: &mut WebSocket) -> Result<(), Over> {
        loop {
            let left = at.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            match ws.recv_timeout(left) {
                Ok(Next::Elapsed) => return Ok(()),
                next => {
                    let said = said(next);
                    self.end(said, ws)?;
                }
            }
        }
    }

    /// Hears what comes before the other side's Close, which answers ours.
    fn rest(&mut self, ws: &mut WebSocket) {
        while let Ok(Some(message)) = ws.recv() {
            self.said.push(Said::Message(message.to_owned()));
        }
    }

    fn next(&mut self, ws: &mut WebSocket, patience: Duration) -> Result<(), Over> {
        let said = said(ws.recv_timeout(patience));
        self.end(said, ws)
    }

    fn end(&mut self, said: Option<Said>, ws: &WebSocket) -> Result<(), Over> {
        match said {
            Some(Said::Close(_)) => {
                self.said.push(Said::Close(ws.peer_close()));
                Err(Over)
            }
            Some(said) => {
                self.said.push(said);
                Ok(())
            }
            None => Err(Over),
        }
    }
}

fn said(next: Result<Next<'_>, Error>) -> Option<Said> {
    match next {
        Ok(Next::Message(message)) => Some(Said::Message(message.to_owned())),
        Ok(Next::Closed) => Some(Said::Close(None)),
        Ok(Next::Elapsed) | Err(_) => None,
    }
}
