//! Clients that last: connections one after the other, and their end from another thread.

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, Raw, run, server, timeouts, within};
use ws_std::{
    Backoff, Client, CloseCode, ConnectError, Ended, Message, Reconnect, Response, StatusCode,
    WebSocket,
};

/// One that does not wait.
fn eager() -> Backoff {
    let mut backoff = Backoff::DEFAULT;
    backoff.most = Duration::ZERO;
    backoff
}

fn reconnect(url: &str) -> Reconnect {
    Client::new(url).reconnect().backoff(eager())
}

/// A listener, and its URL.
fn local() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    (listener, url)
}

/// Receives to the end, and drops it.
fn to_its_end(mut ws: WebSocket) -> Vec<String> {
    let mut heard = Vec::new();
    while let Ok(Some(message)) = ws.recv() {
        heard.push(message.as_text().unwrap().to_owned());
    }
    heard
}

#[test]
fn a_connection_follows_one_that_ended_in_a_way_that_may_go_better() {
    let (listener, url) = local();
    let serving = thread::spawn(move || {
        // An end without a Close, a Close of each kind, a reset; and then one that says it is over.
        drop(Raw::accept(&listener));
        for code in [1001, 1012, 1013] {
            let mut peer = Raw::accept(&listener);
            peer.close(code, "");
            assert_eq!(peer.next_close().0, code);
        }
        let mut refused = Raw::over(listener.accept().unwrap().0, false);
        refused.head();
        refused.write("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        let mut last = Raw::accept(&listener);
        last.close(1000, "that is all");
        assert_eq!(last.next_close().0, 1000);
        listener
    });
    let waits = Arc::new(AtomicUsize::new(0));
    let counted = waits.clone();
    let connections = reconnect(&url).on_wait(move |_, wait| {
        assert_eq!(wait, Duration::ZERO);
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let ends: Vec<_> = within(move || {
        let ends = connections.map(|ws| {
            let mut ws = ws.unwrap();
            while let Ok(Some(_)) = ws.recv() {}
            ws.peer_close().map(|(code, _)| code.get())
        });
        ends.collect()
    });
    let codes = [None, Some(1001), Some(1012), Some(1013), Some(1000)];
    assert_eq!(ends, codes);
    assert_eq!(waits.load(Ordering::SeqCst), 5);
    drop(serving.join().unwrap());
}

#[test]
fn what_will_be_as_wrong_the_next_time_is_the_end() {
    let server = run(server()
        .websocket("/", |mut ws, _| ws.close(CloseCode::POLICY, "no"))
        .get("/page", |_| {
            Response::text("").with_status(StatusCode::FORBIDDEN)
        }));
    let mut closed = reconnect(&server.url("/"));
    assert_eq!(to_its_end(closed.next().unwrap().unwrap()), [""; 0]);
    assert!(closed.next().is_none());
    assert!(closed.next().is_none());
    let mut refused = reconnect(&server.url("/nowhere"));
    let error = refused.next().unwrap().unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error}");
    assert!(refused.next().is_none());
    // A protocol that is broken, and our own Close.
    let (listener, url) = local();
    let peer = thread::spawn(move || {
        let mut peer = Raw::accept(&listener);
        peer.write([0xff; 8]);
        peer.rest();
        drop(peer);
        let mut peer = Raw::accept(&listener);
        assert_eq!(peer.next_close().0, 1000);
        peer.close(1000, "");
        drop(peer);
        listener
    });
    let mut broken = reconnect(&url);
    assert_eq!(to_its_end(broken.next().unwrap().unwrap()), [""; 0]);
    assert!(broken.next().is_none());
    let mut own = reconnect(&url);
    let mut ws = own.next().unwrap().unwrap();
    ws.close(CloseCode::NORMAL, "").unwrap();
    drop(ws);
    assert!(own.next().is_none());
    peer.join().unwrap();
}

#[test]
fn the_application_may_judge_what_is_tried_again() {
    let server = run(server());
    let mut tries = 0;
    let connections = reconnect(&server.url("/nowhere")).retry_if(move |how| {
        assert_eq!(how, Ended::Status(StatusCode::NOT_FOUND));
        tries += 1;
        tries < 3
    });
    assert_eq!(connections.count(), 1);
}

#[test]
fn each_attempt_has_what_the_hook_makes_of_it_and_each_connection_what_is_sent_first() {
    let server = run(server().websocket("/", |mut ws, request| {
        let token = request.header("authorization").unwrap().to_owned();
        let first = ws.recv_owned()?.unwrap();
        let first = first.as_message().as_text().unwrap().to_owned();
        ws.send(&*format!("{token} {first}"))?;
        ws.close(CloseCode::GOING_AWAY, "")
    }));
    let mut tokens = 0;
    let mut connections = reconnect(&server.url("/"))
        .before_each(move |client| {
            tokens += 1;
            match tokens {
                // Whoever gives tokens is not there.
                2 => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => Ok(client.header("Authorization", tokens.to_string())),
            }
        })
        .first(|ws| ws.send("subscribe"));
    for heard in ["1 subscribe", "3 subscribe", "4 subscribe"] {
        let ws = connections.next().unwrap().unwrap();
        assert_eq!(to_its_end(ws), [heard]);
    }
}

#[test]
fn a_connection_for_which_what_is_sent_first_fails_has_ended() {
    let (listener, url) = local();
    let mut tries = 0;
    let connections = reconnect(&url).first(move |ws| {
        tries += 1;
        match tries {
            // A Ping has 125 bytes at most.
            1 => ws.ping(&[0; 126]),
            _ => ws.send("subscribe"),
        }
    });
    let mut connections = connections;
    let connecting = thread::spawn(move || connections.next().unwrap().unwrap());
    let mut first = Raw::accept(&listener);
    let mut second = Raw::accept(&listener);
    let _open = within(move || connecting.join().unwrap());
    assert_eq!(second.next(), (1, b"subscribe".to_vec()));
    assert_eq!(first.next_close().0, 1001);
}

#[test]
fn a_connection_that_lasts_makes_the_next_wait_a_short_one() {
    let server = run(server().websocket("/", |mut ws, _| ws.close(CloseCode::GOING_AWAY, "")));
    let mut backoff = Backoff::DEFAULT;
    (backoff.first, backoff.reset_after) = (Duration::from_millis(1), Duration::ZERO);
    let (tell, told) = mpsc::channel();
    let connections = Client::new(server.url("/")).reconnect().backoff(backoff);
    let connections = connections.on_wait(move |_, wait| tell.send(wait).unwrap());
    for ws in connections.take(5) {
        to_its_end(ws.unwrap());
    }
    // Otherwise the fourth is of 4 ms at least.
    assert!(told.try_iter().all(|wait| wait <= backoff.first));
}

#[test]
fn a_server_is_waited_for_from_the_beginning_and_when_it_is_back() {
    let (listener, url) = local();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (tell, told) = mpsc::channel();
    let mut connections = reconnect(&url).on_wait(move |error, _| {
        let _ = tell.send(error.map(|error| error.ended()));
    });
    let connecting = thread::spawn(move || {
        let ws = connections.next().unwrap().unwrap();
        drop(ws);
    });
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some(Ended::Io));
    let listener = TcpListener::bind(address).unwrap();
    let mut peer = Raw::accept(&listener);
    connecting.join().unwrap();
    // What is dropped while open says so.
    assert_eq!(peer.next_close().0, 1001);
}

#[test]
fn a_connection_that_is_still_open_is_given_up_for_the_next() {
    let (listener, url) = local();
    let mut connections = reconnect(&url);
    let peer = thread::spawn(move || {
        let mut first = Raw::accept(&listener);
        let second = Raw::accept(&listener);
        (first.next_close().0, second)
    });
    drop(connections.next().unwrap().unwrap());
    let _second = connections.next().unwrap().unwrap();
    assert_eq!(peer.join().unwrap().0, 1001);
}

/// Stops it once it waits where `reach` leads it.
fn stopped(
    connections: Reconnect,
    reach: impl FnOnce(),
    go: impl FnOnce(Reconnect) + Send + 'static,
) {
    let stop = connections.stop_handle();
    let client = thread::spawn(move || go(connections));
    reach();
    stop.stop();
    assert!(stop.is_stopped());
    within(move || client.join().unwrap());
}

#[test]
fn it_can_be_stopped_wherever_it_waits() {
    let over = |mut connections: Reconnect| assert!(connections.next().is_none());
    // For the time of the next attempt.
    let (listener, url) = local();
    drop(listener);
    let (tell, told) = mpsc::channel();
    let mut never = Backoff::DEFAULT;
    (never.first, never.most) = (Duration::MAX, Duration::MAX);
    let waiting = Client::new(&url).reconnect().backoff(never);
    let waiting = waiting.on_wait(move |_, _| tell.send(()).unwrap());
    stopped(waiting, || told.recv_timeout(PATIENCE).unwrap(), over);
    // For an answer.
    let (listener, url) = local();
    let client = Client::new(&url).handshake_timeout(Duration::MAX);
    let mut peer = None;
    let asks = || {
        let mut silent = Raw::over(listener.accept().unwrap().0, false);
        silent.head();
        peer = Some(silent);
    };
    stopped(client.reconnect(), asks, over);
    peer.unwrap().ends();
    // For a message, from a peer that answers no Close; and for a peer that takes nothing.
    for sends in [false, true] {
        let mut peer = None;
        let (tell, told) = mpsc::channel();
        let accepts = || {
            peer = Some(Raw::accept(&listener));
            told.recv_timeout(PATIENCE).unwrap();
        };
        let receives = move |mut connections: Reconnect| {
            let mut ws = connections.next().unwrap().unwrap();
            tell.send(()).unwrap();
            match sends {
                false => drop(ws.recv().unwrap_err()),
                true => while ws.send(&[0; 100_000][..]).is_ok() {},
            }
            drop(ws);
            assert!(connections.next().is_none());
        };
        // Nothing else ends it in time.
        let patient = timeouts(None, 600_000, 600_000);
        let patient = Client::new(&url).timeouts(patient).reconnect();
        stopped(patient, accepts, receives);
        drop(peer);
    }
    // Before it began.
    let connections = reconnect(&url);
    connections.stop_handle().stop();
    over(connections);
}

#[test]
fn a_peer_that_answers_is_closed_in_good_order() {
    let (listener, url) = local();
    let connections = reconnect(&url);
    let stop = connections.stop_handle();
    let (tell, told) = mpsc::channel();
    let client = thread::spawn(move || {
        for ws in connections {
            let mut ws = ws.unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Message::Text("hi")));
            tell.send(()).unwrap();
            assert_eq!(ws.recv().unwrap(), None);
        }
    });
    let mut peer = Raw::accept(&listener);
    peer.send(0x1, "hi");
    told.recv_timeout(PATIENCE).unwrap();
    let answering = thread::spawn(move || {
        assert_eq!(peer.next_close(), (1000, String::new()));
        peer.close(1000, "");
    });
    stop.stop();
    within(move || client.join().unwrap());
    answering.join().unwrap();
}
