//! Connections over sockets that are not ours: Unix sockets, which need nothing but the trait, and what
//! is asked of each.

#![cfg(unix)]

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, echo, pattern, run, server, timeouts, within};
use ws_std::{
    Client, CloseCode, ConnectError, Error, Message, Server, Socket, StatusCode, Tapped, TimedOut,
};

/// Serves one connection, and has a client at the other end of it.
fn between(server: &Server, client: impl FnOnce(UnixStream)) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::scope(|threads| {
        threads.spawn(|| server.serve_over(ours, ([0, 0, 0, 0], 0).into()));
        client(theirs);
    });
}

#[test]
fn a_connection_goes_over_any_socket() {
    between(&echo(), |socket| {
        let mut ws = Client::new("ws://h/").connect_over(socket).unwrap();
        assert!(ws.peer_addr().ip().is_unspecified());
        // More than the socket takes at once, copied, and written from where it lies.
        for len in [3, 30_000, 1_000_000] {
            let message = pattern(len);
            ws.send(&message).unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Message::Binary(&message)));
        }
        ws.close(CloseCode::NORMAL, "").unwrap();
    });
}

#[test]
fn a_server_without_room_refuses_over_any_socket() {
    between(&echo().max_connections(0), |socket| {
        let opened = Client::new("ws://h/").connect_over(socket);
        let Err(ConnectError::Refused(response)) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    });
}

#[test]
fn a_peer_that_is_silent_is_given_up_over_any_socket() {
    let server = server().timeouts(timeouts(Some(20), 20, 20));
    let server = server.websocket("/", |mut ws, _| {
        let ended = ws.recv().unwrap_err();
        assert!(matches!(ended, Error::TimedOut(TimedOut::Pong)), "{ended}");
        Ok::<_, Error>(())
    });
    between(&server, |socket| {
        let other = socket.try_clone().unwrap();
        let mut quiet = timeouts(None, 60_000, 60_000);
        quiet.ping_interval = None;
        let client = Client::new("ws://h/").timeouts(quiet);
        // Nobody reads there, so nobody answers.
        let ws = client.connect_over(socket).unwrap();
        other.set_read_timeout(Some(PATIENCE)).unwrap();
        let ended = io::copy(&mut &other, &mut io::sink());
        assert!(ended.unwrap() > 0);
        drop(ws);
    });
}

#[test]
fn a_shutdown_wakes_a_reader_over_any_socket() {
    let server = echo().grace(Duration::from_secs(60));
    let handle = server.handle();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let serving = thread::spawn(move || server.serve_over(ours, ([0, 0, 0, 0], 0).into()));
    let mut ws = Client::new("ws://h/").connect_over(theirs).unwrap();
    handle.shutdown();
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::GOING_AWAY);
    drop(ws);
    within(|| serving.join()).unwrap();
}

/// How often a socket was prepared, and waited for; and how long its reads were to wait.
#[derive(Default)]
struct Calls {
    prepared: AtomicUsize,
    waited: AtomicUsize,
    timeouts: Mutex<Vec<Duration>>,
}

struct Counted(UnixStream, Arc<Calls>);

impl Socket for Counted {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        Socket::read(&self.0, room)
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Socket::write(&self.0, pieces)
    }

    fn wait_readable(&self) -> io::Result<()> {
        self.1.waited.fetch_add(1, Ordering::SeqCst);
        self.0.wait_readable()
    }

    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.1.timeouts.lock().unwrap().push(timeout);
        Socket::set_read_timeout(&self.0, timeout)
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        Socket::set_write_timeout(&self.0, timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Socket::shutdown(&self.0, how)
    }

    fn prepare(&self) -> io::Result<()> {
        self.1.prepared.fetch_add(1, Ordering::SeqCst);
        Socket::prepare(&self.0)
    }
}

#[test]
fn a_socket_is_prepared_and_waited_for_while_nothing_comes() {
    between(&echo(), |socket| {
        let calls = Arc::new(Calls::default());
        let socket = Counted(socket, calls.clone());
        let mut ws = Client::new("ws://h/").connect_over(socket).unwrap();
        ws.send("hello").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Text("hello")));
        ws.close(CloseCode::NORMAL, "").unwrap();
        assert!(calls.prepared.load(Ordering::SeqCst) > 0);
        assert!(calls.waited.load(Ordering::SeqCst) > 0);
    });
}

/// What a socket did not take at once is shown when it is given to it first, and not again.
#[test]
fn a_tap_is_shown_each_byte_once_however_it_leaves() {
    between(&echo(), |socket| {
        let shown = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&shown);
        let client = Client::new("ws://h/").tap(move |what| {
            if let Tapped::Sent(bytes) = what {
                count.fetch_add(bytes.len(), Ordering::SeqCst);
            }
        });
        // This one takes nothing at once.
        let socket = Counted(socket, Arc::default());
        let mut ws = client.connect_over(socket).unwrap();
        let message = pattern(1_000_000);
        ws.send(&message).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Binary(&message)));
        let header = 2 + 8 + 4;
        assert_eq!(shown.load(Ordering::SeqCst), header + message.len());
        ws.close(CloseCode::NORMAL, "").unwrap();
    });
}

/// Each read that ends without anything costs a connection that is idle a wake-up; each timeout that is
/// set costs one that is busy a call.
#[test]
fn reads_wait_long_and_their_timeout_is_seldom_set() {
    between(&echo(), |socket| {
        let calls = Arc::new(Calls::default());
        let socket = Counted(socket, calls.clone());
        let client = Client::new("ws://h/").timeouts(timeouts(Some(60_000), 60_000, 60_000));
        let mut ws = client.connect_over(socket).unwrap();
        let before = calls.timeouts.lock().unwrap().len();
        for _ in 0..100 {
            ws.send("hello").unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Message::Text("hello")));
        }
        let set = calls.timeouts.lock().unwrap()[before..].to_vec();
        assert!(set.len() <= 10, "{set:?}");
        let longest = set.iter().max().expect("it was set once");
        assert!(*longest >= Duration::from_secs(20), "{set:?}");
        ws.close(CloseCode::NORMAL, "").unwrap();
    });
}

#[test]
fn what_is_sent_over_tcp_leaves_at_once() {
    let server = run(echo());
    let socket = TcpStream::connect(server.addr).unwrap();
    let same = socket.try_clone().unwrap();
    assert!(!same.nodelay().unwrap());
    let ws = Client::new(server.url("/")).connect_over(socket).unwrap();
    assert!(same.nodelay().unwrap());
    drop(ws);
}
