//! Peers that fall silent, and peers that only look as if.

use crate::common;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use crate::common::{Raw, echo, run, server, timeouts, within};
use ws_std::{Client, CloseCode, Error, Message, TimedOut};
use ws_testkit::{PING, PONG, TEXT};

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
    let server = run(common::server()
        .timeouts(timeouts(Some(20), 60_000, 50))
        .websocket("/", |mut ws, _| {
            let (writer, mut pongs) = (ws.writer(), 0);
            ws.on_pong(move |_| {
                pongs += 1;
                if pongs == 10 {
                    writer.queue("ten times").unwrap();
                }
            });
            ws.for_each(|message, tx| tx.send(message))
        }));
    let mut ws = server.connect();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("ten times")));
    ws.send("still here").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("still here")));
    ws.close(CloseCode::NORMAL, "").unwrap();
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
fn what_a_handler_queued_last_is_written_to_its_end() {
    // However slowly it is taken: see `src/shared.rs`.
    const LEN: usize = 24 << 20;
    let limits = common::limits(|limits| limits.max_unsent = LEN);
    let server = run(server()
        .limits(limits)
        .websocket("/", |ws, _| ws.writer().queue(&[0; LEN])));
    let mut raw = Raw::open(server.addr);
    raw.take(10 + LEN);
    assert_eq!(raw.next().1.len(), LEN);
    assert_eq!(raw.next_close().0, 1000);
}
