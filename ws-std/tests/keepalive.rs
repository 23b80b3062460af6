//! Peers that fall silent, and peers that only look as if.

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{Raw, echo, run, server, timeouts, within};
use ws_std::{Client, CloseCode, Error, Message, Next, TimedOut};
use ws_testkit::{PING, PONG, TEXT};

mod common;

#[test]
fn a_peer_that_answers_no_ping_is_given_up() {
    let (seen, told) = mpsc::channel();
    let server =
        run(server()
            .timeouts(timeouts(Some(50), 50, 50))
            .websocket("/", move |mut ws, _| {
                seen.send(ws.recv_owned().unwrap_err()).unwrap();
                Ok::<_, Error>(())
            }));
    let mut silent = Raw::open(server.addr);
    assert_eq!(silent.next(), (PING, vec![]));
    silent.ends(); // without a word: it would not read one
    let error = told.recv_timeout(common::PATIENCE).unwrap();
    assert!(matches!(error, Error::TimedOut(TimedOut::Pong)), "{error}");
    assert_eq!(error.to_string(), "the peer did not answer a ping in time");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(format!("ws://{}", listener.local_addr().unwrap()))
        .timeouts(timeouts(Some(50), 50, 50));
    let client = thread::spawn(move || {
        let mut ws = client.connect().unwrap();
        ws.for_each(|_, _| Ok::<_, Error>(())).unwrap_err()
    });
    let mut silent = Raw::accept(&listener);
    assert_eq!(silent.next(), (PING, vec![]));
    let error = within(move || client.join().unwrap());
    assert!(matches!(error, Error::TimedOut(TimedOut::Pong)), "{error}");
    silent.ends();
}

#[test]
fn a_peer_that_answers_stays() {
    // Ten times the interval, by the pings that are seen; each is answered late.
    let server = run(echo().timeouts(timeouts(Some(20), 60_000, 50)));
    let mut raw = Raw::open(server.addr);
    for _ in 0..10 {
        assert_eq!(raw.next(), (PING, vec![]));
        raw.send(PONG, b"");
    }
    raw.send(TEXT, "still here");
    loop {
        match raw.next() {
            (PING, _) => raw.send(PONG, b""),
            other => break assert_eq!(other, (TEXT, b"still here".to_vec())),
        }
    }

    // Our own client answers while it waits, and needs nobody to ask for it.
    let server = run(echo().timeouts(timeouts(Some(20), 60_000, 50)));
    let mut ws = server.connect();
    let waited = ws.recv_timeout(Duration::from_millis(200)).unwrap();
    assert_eq!(waited, Next::Elapsed);
    ws.send("still here").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("still here")));
    ws.close(CloseCode::NORMAL, "").unwrap();
}

#[test]
fn with_pings_off_nobody_is_given_up() {
    let server = run(echo().timeouts(timeouts(None, 1, 1)));
    let mut raw = Raw::open(server.addr);
    // Longer than both, in reads that find nothing.
    raw.stream
        .set_read_timeout(Some(Duration::from_millis(250)))
        .unwrap();
    let mut byte = [0];
    raw.stream.read(&mut byte).unwrap_err();
    raw.stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
    raw.send(TEXT, "still here");
    assert_eq!(raw.next(), (TEXT, b"still here".to_vec()));
}

#[test]
fn a_handler_that_sends_to_a_peer_that_never_reads_is_released() {
    let (seen, told) = mpsc::channel();
    let corked = seen.clone();
    let server = run(server()
        .timeouts(timeouts(Some(50), 50, 50))
        .websocket("/", move |mut ws, _| {
            let error = loop {
                if let Err(error) = ws.send(&[0; 1 << 20]) {
                    break error;
                }
            };
            seen.send(error).unwrap();
            Ok::<_, Error>(())
        })
        .websocket("/corked", move |mut ws, _| -> Result<(), Error> {
            let end = ws.for_each(|_, tx| {
                loop {
                    tx.send("a small answer")?;
                }
            });
            corked.send(end.unwrap_err()).unwrap();
            Ok(())
        }));
    let mut deaf = Raw::connect_small(server.addr);
    deaf.upgrade();
    let error = told.recv_timeout(common::PATIENCE).unwrap();
    assert!(matches!(error, Error::TimedOut(TimedOut::Pong)), "{error}");

    let mut deaf = Raw::connect_small(server.addr);
    deaf.write(common::upgrade("/corked", ""));
    deaf.send(TEXT, "a question");
    let error = told.recv_timeout(common::PATIENCE).unwrap();
    assert!(matches!(error, Error::TimedOut(TimedOut::Pong)), "{error}");
}

#[test]
fn alive_a_peer_that_takes_its_last_messages_slowly_gets_them_all() {
    // The handler is done, and what it queued takes longer than the close timeout: the time of the
    // closing handshake runs when nothing is taken, and from when the Close could leave.
    const LEN: usize = 24 << 20;
    let limits = common::limits(|limits| limits.max_unsent = LEN);
    let server = run(server()
        .limits(limits)
        .timeouts(timeouts(None, 1000, 1000))
        .websocket("/", |ws, _| ws.writer().queue(&[0; LEN])));
    let mut slow = Raw::open(server.addr);
    let mut taken = 0;
    let mut piece = vec![0; 64 << 10];
    for count in 0.. {
        match slow.stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(len) => taken += len,
        }
        // For three seconds, at 6 MB/s: a pace at which no write waits as long as it may. Then
        // it takes all that there is.
        if count < 300 {
            let (_pace, tick) = mpsc::channel::<()>();
            let _ = tick.recv_timeout(Duration::from_millis(10));
        }
    }
    assert_eq!(taken, 10 + LEN + 4, "the message and the Close");
}
