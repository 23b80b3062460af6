//! The conversations of `hostile/`, held by our server and our client, which echo.

use std::sync::{Arc, Mutex, PoisonError};

use ws_proto::{Role, Timeouts};
use ws_std::{Client, ConnectError, Deflate, Error, Hosts, Server, WebSocket};
use ws_testkit::faults::Plan;
use ws_testkit::hostile::{Adversary, Case, Ended, Ending, Turn};
use ws_testkit::{Partner, Pipe, Says};

use super::faulty::{Faulty, Ours};
use super::{End, HOUR, Held, Talk, Told, unhurried};

pub(crate) fn all() -> Vec<Box<dyn Talk>> {
    let cases = Case::all().into_iter().filter(can_be_held);
    // Where both wait for each other's patience to end, nothing happens here.
    let cases = cases.filter(|case| !hold(case, Plan::none()).1.has_stalled());
    cases.map(|case| Box::new(case) as Box<dyn Talk>).collect()
}

/// Nothing waits here, and nothing is refused for being too much at once; and a fault at each of very
/// many calls says no more than one at each of many.
fn can_be_held(case: &Case) -> bool {
    case.setup.timeouts == Timeouts::DEFAULT && !case.is_long()
}

/// A hostile peer in memory.
struct Player {
    adversary: Adversary,
    ending: Arc<Mutex<Option<Ending>>>,
}

impl Player {
    fn play(&mut self, says: &mut Says) {
        loop {
            match self.adversary.turn() {
                Turn::Say { times, bytes, .. } => says.bytes.extend(bytes.repeat(times)),
                Turn::Eof => says.end = Some(Ended::Eof),
                Turn::Reset => says.end = Some(Ended::Reset),
                Turn::Listen => return,
                Turn::Over(ending) => {
                    *lock(&self.ending) = Some(ending);
                    return;
                }
                Turn::Flood(..) | Turn::Drip(_) => unreachable!("it cannot be held"),
            }
        }
    }
}

impl Partner for Player {
    fn hear(&mut self, written: &[u8], says: &mut Says) {
        self.adversary.hear(written);
        self.play(says);
    }

    fn end(&mut self, says: &mut Says) {
        self.adversary.end(Ended::Eof);
        self.play(says);
    }
}

impl Talk for Case {
    fn name(&self) -> String {
        format!("{} ({:?})", self.name, self.setup.role)
    }

    fn hold(&self, plan: Plan) -> Held {
        let (held, _, ending) = hold(self, plan);
        if held.failed.is_empty() {
            assert_eq!(ending, Some(Ending::Passed), "{}", self.name());
        }
        held
    }

    fn last_word_waits(&self) -> bool {
        true
    }

    fn answers_in_batches(&self) -> bool {
        true
    }
}

/// Holds a case; how it ended for the peer, if it did.
fn hold(case: &Case, plan: Plan) -> (Held, Arc<Pipe>, Option<Ending>) {
    let (ending, plan) = (Arc::default(), Arc::new(plan));
    let pipe = Pipe::new(Player {
        adversary: Adversary::new(case.clone(), "/"),
        ending: Arc::clone(&ending),
    });
    pipe.end_if_idle(1000);
    let socket = Faulty {
        socket: Ours(pipe.clone()),
        plan: plan.clone(),
    };
    let told = match case.setup.role {
        Role::Server => serve(case, socket),
        Role::Client => connect(case, socket),
    };
    let held = Held::new(told, &pipe, &plan);
    let ending = lock(&ending).take();
    (held, pipe, ending)
}

fn serve(case: &Case, socket: Faulty<Ours>) -> Told {
    let told = Arc::new(Mutex::new(Told::default()));
    let shared = Arc::clone(&told);
    let mut server = Server::bind("127.0.0.1:0")
        .expect("loopback")
        .hosts(Hosts::any())
        .limits(case.setup.limits)
        .timeouts(unhurried())
        .handshake_timeout(HOUR)
        .websocket("/", move |ws, _| {
            echo(ws, &mut lock(&shared));
            Ok::<_, Error>(())
        });
    if case.setup.deflate.is_some() {
        server = server.deflate(Deflate::default());
    }
    let peer = server.local_addr();
    server.serve_over(socket, peer);
    lock(&told).clone()
}

fn connect(case: &Case, socket: Faulty<Ours>) -> Told {
    let mut told = Told::default();
    let mut client = Client::new("ws://localhost/")
        .limits(case.setup.limits)
        .timeouts(unhurried())
        .handshake_timeout(HOUR);
    if case.setup.deflate.is_some() {
        client = client.deflate(Deflate::default());
    }
    match client.connect_over(socket) {
        Ok(ws) => echo(ws, &mut told),
        Err(ConnectError::Refused(response)) => {
            told.seen.push(format!("refused: {}", response.status()));
            told.end = End::Done;
        }
        Err(ConnectError::Io { error, .. }) => told.end = End::Failed(format!("Io({error:?})")),
        Err(error) => told.end = End::Failed(format!("{error:?}")),
    }
    told
}

fn echo(ws: WebSocket, told: &mut Told) {
    let (mut reader, writer) = ws.split();
    let result = reader.for_each(|message, tx| {
        told.message(&message.into());
        tx.send(message)?;
        told.sent += 1;
        Ok(())
    });
    if result.is_ok() {
        told.closed(reader.peer_close());
    }
    told.ended(&mut (reader, writer), result);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
