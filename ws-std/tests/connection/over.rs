//! Connections over sockets that are no TCP: Unix sockets, which need nothing but the trait.

#![cfg(unix)]

use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, echo, pattern, server, timeouts, within};
use ws_std::{Client, CloseCode, ConnectError, Error, Message, Server, StatusCode, TimedOut};

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
        let ended = std::io::copy(&mut &other, &mut std::io::sink());
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
