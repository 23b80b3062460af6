//! Whatever goes wrong with a call on a socket, at whichever call: a conversation goes on as if
//! nothing had happened, or ends with one error.

use std::net::{TcpListener, TcpStream};
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;

use ws_proto::{Config, Session};

use crate::client::Client;
use crate::clock::Clock;
use crate::error::ConnectError;
use crate::socket::WebSocket;

use common::PATIENCE;
pub(crate) use common::until;
use peer::Act;
use talks::Ended;

#[path = "../../tests/common/mod.rs"]
mod common;
mod found;
mod parts;
mod peer;
mod plan;
mod talks;
mod tests;

pub(crate) use plan::{Call, Fails, Fault, Faulty, Plan};

/// A conversation.
pub(crate) struct Talk {
    name: &'static str,
    side: Side,
    ours: fn(WebSocket, &mut Told) -> Ended,
    peer: Vec<Act>,
    /// The error that it ends with if nothing goes wrong.
    fails: Option<&'static str>,
}

/// The point where our part of a conversation begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// With a request that comes.
    Server,
    /// With a request that is sent.
    Client,
    /// After the opening handshake, as the server.
    Accepted,
    /// After the opening handshake, as a client that is dropped.
    Dialled,
}

/// The events of our side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The messages that it received, in order.
    seen: Vec<String>,
    /// The number of messages and pieces whose sending succeeded.
    sent: usize,
    end: End,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum End {
    /// The connection was never opened, and nobody is there who could be told.
    #[default]
    Unopened,
    /// Our part is in progress, or it panicked.
    Begun,
    Done,
    Failed(String),
}

/// The outcome of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    told: Told,
    /// The bytes that the peer received, made comparable.
    bytes: Vec<u8>,
}

/// The source of peers.
struct Stage {
    listener: TcpListener,
}

impl Talk {
    fn new(
        name: &'static str,
        side: Side,
        ours: fn(WebSocket, &mut Told) -> Ended,
        peer: Vec<Act>,
    ) -> Self {
        Self {
            name,
            side,
            ours,
            peer,
            fails: None,
        }
    }

    /// It ends with an error, whatever happens.
    fn failing(mut self, error: &'static str) -> Self {
        self.fails = Some(error);
        self
    }
}

impl Stage {
    fn new() -> Self {
        count_panics();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener }
    }

    /// Holds a conversation, with the planned faults. At its end nothing of it is left.
    fn run(&self, talk: &Talk, plan: Plan, clock: Clock) -> (Outcome, Plan) {
        let tcp = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (peer, _) = self.listener.accept().unwrap();
        let plan = Arc::new(plan);
        let stream = Faulty {
            tcp,
            plan: plan.clone(),
        };
        let (told, bytes) = thread::scope(|threads| {
            let peer = threads.spawn(|| peer::play(peer, &talk.peer));
            let told = talk.take_part(stream, clock);
            (told, peer.join().unwrap())
        });
        assert_ne!(told.end, End::Begun, "our part panicked");
        // The descriptor is closed: a thread that still writes may take a moment.
        until("the descriptor to be closed", || {
            Arc::strong_count(&plan) == 1
        });
        let panics = PANICS.load(Ordering::SeqCst);
        assert_eq!(panics, 0, "a thread that nobody waits for panicked");
        let bytes = peer::plain(&bytes);
        (Outcome { told, bytes }, Arc::into_inner(plan).unwrap())
    }
}

impl Talk {
    fn take_part(&self, stream: Faulty, clock: Clock) -> Told {
        let told = Arc::new(Mutex::new(Told::default()));
        match self.side {
            Side::Server => {
                let (ours, shared) = (self.ours, told.clone());
                talks::server()
                    .websocket("/", move |ws, _| {
                        speak(ours, ws, &mut shared.lock().unwrap());
                        Ok::<_, crate::Error>(())
                    })
                    .serve_over(stream, ([127, 0, 0, 1], 1).into());
            }
            Side::Client => {
                let mut told = told.lock().unwrap();
                match connect(stream) {
                    Ok(ws) => speak(self.ours, ws, &mut told),
                    Err(ConnectError::Refused(response)) => {
                        told.seen.push(format!("refused: {}", response.status()));
                        told.end = End::Done;
                    }
                    Err(ConnectError::Io { error, .. }) => {
                        told.end = End::Failed(format!("Io({error:?})"));
                    }
                    Err(error) => told.end = End::Failed(format!("{error:?}")),
                }
            }
            Side::Accepted | Side::Dialled => {
                let mut told = told.lock().unwrap();
                match open(self.side, stream, clock) {
                    Ok(ws) => speak(self.ours, ws, &mut told),
                    Err(error) => told.end = End::Failed(format!("Io({error:?})")),
                }
            }
        }
        let told = told.lock();
        told.unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }
}

fn connect(stream: Faulty) -> Result<WebSocket, ConnectError> {
    let client = Client::new("ws://h/");
    #[cfg(feature = "deflate")]
    let client = client.deflate(ws_proto::Deflate::default());
    let client = client.handshake_timeout(PATIENCE);
    client.connect_over(stream)
}

fn open(side: Side, stream: Faulty, clock: Clock) -> std::io::Result<WebSocket> {
    let config = Config::default();
    let session = match side {
        Side::Dialled => Session::client(&config, [7; 32]),
        _ => Session::server(&config),
    };
    WebSocket::over(stream, session, clock)
}

/// Takes our part, and asks on when it has failed: everybody tells the same then.
fn speak(ours: fn(WebSocket, &mut Told) -> Ended, ws: WebSocket, told: &mut Told) {
    told.end = End::Begun;
    let (mut reader, writer, result) = ours(ws, told);
    let Err(error) = result else {
        told.end = End::Done;
        return;
    };
    let error = format!("{error:?}");
    // What had arrived before is still received, the peer's Close among it.
    let mut end = loop {
        match reader.recv_owned() {
            Ok(Some(message)) => told.message(&message),
            Ok(None) => {
                told.closed(reader.peer_close());
                break Ok(());
            }
            again => break again.map(drop),
        }
    };
    let is_over = end.is_ok() || error.starts_with("Protocol");
    for _ in 0..3 {
        if let Err(again) = &end {
            assert_eq!(format!("{again:?}"), error, "received after it");
        }
        let again = reader.recv_owned();
        assert_eq!(again.is_err(), end.is_err(), "received after {error}");
        assert!(!matches!(again, Ok(Some(_))), "a message after {error}");
        end = again.map(drop);
        let sent = writer.send("more");
        let sent = format!("{:?}", sent.expect_err("sent after it"));
        assert!(
            sent == error || is_over && sent == "Send(Closed)",
            "{sent} after {error}"
        );
    }
    told.end = End::Failed(error);
}

/// Threads that nobody waits for may panic, too.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name() == Some("ws-pump") {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            hook(info);
        }));
    });
}
