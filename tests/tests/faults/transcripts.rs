//! The conversations of `transcripts/`, held by a connection that is open.

use std::sync::Arc;
use std::time::Duration;

use ws_std::{Clock, CloseCode, Error, Kind, Next, WebSocket};
use ws_testkit::faults::Plan;
use ws_testkit::{Action, Pipe, Script, Step};

use super::faulty::{Faulty, Ours};
use super::{End, Held, Talk, Told};

pub(crate) fn all() -> Vec<Box<dyn Talk>> {
    let scripts = Script::all().into_iter().filter(Script::is_for_adapters);
    scripts
        .map(|script| Box::new(script) as Box<dyn Talk>)
        .collect()
}

impl Talk for Script {
    fn name(&self) -> String {
        name(self)
    }

    fn hold(&self, plan: Plan) -> Held {
        hold(self, plan, Clock::manual())
    }

    fn last_word_waits(&self) -> bool {
        false
    }

    fn is_timed(&self) -> bool {
        is_timed(self)
    }
}

pub(crate) fn name(script: &Script) -> String {
    format!("{}, {} ({:?})", script.file, script.name, script.setup.role)
}

/// Whether time passes in it.
pub(crate) fn is_timed(script: &Script) -> bool {
    let waits = |step: &Step| matches!(step, Step::Do(Action::Wait(_)));
    script.lines.iter().any(|line| waits(&line.step))
}

/// Holds a script. Whatever is written by another thread is written before the next step.
pub(crate) fn hold(script: &Script, plan: Plan, clock: Clock) -> Held {
    let (pipe, plan) = (Pipe::new(()), Arc::new(plan));
    let socket = Faulty {
        socket: Ours(pipe.clone()),
        plan: plan.clone(),
    };
    let mut told = Told::default();
    match WebSocket::over(socket, script.setup.session(), clock.clone()) {
        Ok(ws) => {
            let side = Side {
                ws,
                pipe: &pipe,
                clock,
                told: &mut told,
                over: None,
            };
            side.hold(script);
        }
        Err(error) => told.end = End::Failed(format!("Io({error:?})")),
    }
    Held::new(told, &pipe, &plan)
}

/// Our side of a script.
struct Side<'p> {
    ws: WebSocket,
    pipe: &'p Pipe,
    clock: Clock,
    told: &'p mut Told,
    /// How it ended.
    over: Option<Result<(), Error>>,
}

/// How often a read is tried again that finds nothing where there is something. More calls in a row
/// do not fail.
const TRIES: usize = 1_000_000;

impl Side<'_> {
    fn hold(mut self, script: &Script) {
        self.poll();
        for line in &script.lines {
            if let Step::Do(action) = &line.step
                && self.over.is_none()
            {
                self.act(action);
                self.poll();
                self.pipe.settle();
            }
        }
        let over = self.over.unwrap_or(Ok(()));
        self.told.ended(&mut self.ws.split(), over);
    }

    fn act(&mut self, action: &Action) {
        let sent = match action {
            Action::In(bytes) => return self.pipe.say(bytes),
            Action::Eof => return self.pipe.end(ws_testkit::hostile::Ended::Eof),
            Action::Wait(duration) => return self.clock.advance(*duration),
            Action::Send(Kind::Text, text) => self.ws.send(str::from_utf8(text).expect("text")),
            Action::Send(Kind::Binary, bytes) => self.ws.send(bytes),
            Action::SendPart(kind, payload, part) => self.ws.send_part(*kind, payload, *part),
            Action::Ping(payload) => self.ws.ping(payload),
            Action::Close(Some((code, reason))) => {
                let code = CloseCode::new(*code).expect("a code that may travel");
                self.ws.writer().close(code, reason)
            }
            other => unreachable!("{other:?} cannot be held"),
        };
        self.over = self.told.sent(sent).map(Err);
    }

    /// Receives what there is.
    fn poll(&mut self) {
        for _ in 0..TRIES {
            if self.over.is_some() {
                return;
            }
            match self.ws.recv_timeout(Duration::ZERO) {
                Ok(Next::Message(message)) => self.told.message(&message.into()),
                Ok(Next::Elapsed) if self.pipe.is_readable() => {}
                Ok(Next::Elapsed) => return,
                Ok(Next::Closed) => {
                    self.told.closed(self.ws.peer_close());
                    self.over = Some(Ok(()));
                }
                Err(error) => self.over = Some(Err(error)),
            }
        }
    }
}
