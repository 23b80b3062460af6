//! Echo servers, each as the documentation of its crate shows it: `sockets serve NAME SIZE`.
//!
//! A server prints its port and serves until its standard input ends.

mod floor;
mod tasks;
mod threads;

use std::io::{self, Read};
use std::net::TcpListener;
use std::{process, thread};

/// The servers in the order in which they take turns. The first is compared with the others.
pub(crate) const NAMES: [&str; 5] = [
    "ws-std",
    "tungstenite",
    "fastwebsockets",
    "tokio-websockets",
    FLOOR,
];

/// The one server that checks nothing of what it echoes.
pub(crate) const FLOOR: &str = "floor";

/// The way in which the servers treat answers that might be joined by Nagle's algorithm (RFC 896). Ours
/// and the floor always send at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// As the examples of their crates: nothing.
    MayWait,
    /// `TCP_NODELAY` is set, as servers on real networks have it.
    AtOnce,
}

impl Answers {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MayWait => "may-wait",
            Self::AtOnce => "at-once",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::MayWait, Self::AtOnce]
            .into_iter()
            .find(|answers| answers.name() == name)
    }
}

/// Serves; `size` is that of the messages, which only the floor needs to know.
pub(crate) fn run(name: &str, size: usize, answers: Answers) -> io::Result<()> {
    let at_once = answers == Answers::AtOnce;
    match name {
        "ws-std" => threads::ws_std(),
        "tungstenite" => threads::tungstenite(at_once),
        "fastwebsockets" => tasks::fastwebsockets(at_once),
        "tokio-websockets" => tasks::tokio_websockets(at_once),
        FLOOR => floor::serve(size),
        _ => Err(io::Error::other(format!("no server is called {name}"))),
    }
}

fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    announce(listener.local_addr()?.port());
    Ok(listener)
}

/// Says where the server is, and ends the process when nobody needs it any more.
fn announce(port: u16) {
    println!("{port}");
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        process::exit(0);
    });
}
