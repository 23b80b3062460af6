//! A loop on a thread of its own, which echoes, and tells what it was called for.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ws_loop::ws_proto::Instant;
use ws_loop::{
    CloseCode, Closed, Conn, EventLoop, Handle, Handler, Hosts, Id, Message, Others, Refusal,
    Reply, Request, SendError, Slow,
};

use crate::common::{PATIENCE, within};

/// A loop that runs until this is dropped.
pub(crate) struct Looping {
    pub(crate) addr: SocketAddr,
    pub(crate) handle: Handle,
    /// What the handler was called for.
    pub(crate) told: Receiver<Told>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// What a handler was called for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Opened(Id),
    Message(usize),
    Drained,
    /// With the reason as `Debug` writes it.
    Closed(Id, String),
}

/// Echoes; does what it is asked for by the path and the messages; and tells.
pub(crate) struct Echo(pub(crate) Sender<Told>);

impl Handler for Echo {
    type Data = String;

    fn open(&mut self, request: &Request, reply: &mut Reply) -> Result<String, Refusal> {
        if let Some(name) = request.param("subprotocol") {
            reply.subprotocol(name);
        }
        if let Some(cookie) = request.param("cookie") {
            reply.header("Set-Cookie", cookie);
        }
        match request.path() {
            "/refused" => Err(Refusal::NotFound),
            path => Ok(path.into()),
        }
    }

    fn opened(&mut self, conn: &mut Conn<'_, String>) -> Result<(), SendError> {
        let _ = self.0.send(Told::Opened(conn.id()));
        match &**conn.data {
            "/room" => conn.join("room", Slow::Close),
            "/news" => conn.join("room", Slow::Skip),
            "/greeted" => return conn.send("welcome"),
            _ => {}
        }
        Ok(())
    }

    fn message(
        &mut self,
        conn: &mut Conn<'_, String>,
        message: Message<'_>,
    ) -> Result<(), SendError> {
        let _ = self.0.send(Told::Message(message.as_bytes().len()));
        match (&**conn.data, message) {
            ("/sink", _) => Ok(()),
            ("/room", Message::Text("leave")) => {
                conn.leave("room");
                Ok(())
            }
            ("/room", Message::Text(text)) if text.starts_with("psst") => {
                conn.publish_to_others("room", message);
                Ok(())
            }
            ("/room", _) => {
                conn.others().publish("room", message);
                Ok(())
            }
            ("/closing", _) => conn.close(CloseCode::NORMAL, "as you wish"),
            _ => conn.send(message),
        }
    }

    fn drained(&mut self, _: &mut Conn<'_, String>) -> Result<(), SendError> {
        let _ = self.0.send(Told::Drained);
        Ok(())
    }

    fn closed(&mut self, others: &mut Others<'_>, id: Id, data: String, why: Closed<'_>) {
        if data == "/room" {
            others.publish("room", "somebody has gone");
        }
        // With its reason, which `Debug` keeps to itself.
        let why = match why {
            Closed::Done(Some(close)) => format!("Done(Some({close}))"),
            why => format!("{why:?}"),
        };
        let _ = self.0.send(Told::Closed(id, why));
    }
}

/// At every path; requests in tests name whatever host they like.
pub(crate) fn server() -> EventLoop {
    let server = EventLoop::bind("127.0.0.1:0").unwrap();
    server
        .hosts(Hosts::any())
        .websocket("/")
        .websocket("/{*rest}")
}

pub(crate) fn run(server: EventLoop) -> Looping {
    let addr = server.local_addr();
    let addr = addr.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    let handle = server.handle();
    let (sender, told) = mpsc::channel();
    let thread = thread::spawn(move || server.run(Echo(sender)));
    Looping {
        addr,
        handle,
        told,
        thread: Some(thread),
    }
}

/// One that echoes.
pub(crate) fn echo() -> Looping {
    run(server())
}

impl Looping {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.addr)
    }

    pub(crate) fn connect(&self, path: &str) -> ws_std::WebSocket {
        ws_std::connect(self.url(path)).unwrap()
    }

    /// The next thing that the handler was called for.
    #[track_caller]
    pub(crate) fn told(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("it is told")
    }

    /// The name of the next connection that opens.
    #[track_caller]
    pub(crate) fn opened(&self) -> Id {
        loop {
            if let Told::Opened(id) = self.told() {
                return id;
            }
        }
    }

    /// Why the next connection that ends has ended.
    #[track_caller]
    pub(crate) fn closed(&self) -> String {
        loop {
            if let Told::Closed(_, why) = self.told() {
                return why;
            }
        }
    }

    /// What `run` returns, at the latest when patience ends.
    pub(crate) fn ended(mut self) -> io::Result<()> {
        let thread = self.thread.take().unwrap();
        within(move || thread.join().unwrap())
    }
}

impl Drop for Looping {
    fn drop(&mut self) {
        self.handle.shutdown();
        self.handle.shutdown();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().unwrap().unwrap();
        }
    }
}

/// A clock that is moved by hand.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn of(&self, server: EventLoop) -> EventLoop {
        let millis = Arc::clone(&self.0);
        server.clock(move || {
            Instant::from_epoch(Duration::from_millis(millis.load(Ordering::SeqCst)))
        })
    }

    /// Moves the time, and has the loop look.
    pub(crate) fn advance(&self, looping: &Looping, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
        looping.handle.wake();
    }
}
