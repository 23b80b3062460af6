//! Descriptors and threads go back to where they were. Alone in its process: it counts them.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use common::{Raw, ask, get, pattern, run, server, upgrade};
use ws_std::{CloseCode, Error, Group, Response};
use ws_testkit::TEXT;

mod common;

#[test]
fn two_hundred_connections_leave_nothing_behind() {
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let before = (count("fd"), count("task"));
    let group = Group::new();
    let everyone = group.clone();
    let server = run(server()
        .get("/page", |_| Response::html("hello"))
        .get("/panics", |_| panic!("as the test wants"))
        .websocket("/", move |mut ws, _| {
            let _member = everyone.join(ws.writer());
            ws.for_each(|message, tx| {
                everyone.send("someone speaks");
                tx.send(message)
            })
        })
        .websocket("/panics", |_, _| -> Result<(), Error> {
            panic!("as the test wants")
        }));
    common::until("the server", || count("task") == before.1 + 1);
    let running = (count("fd"), count("task"));

    for at in 0..200 {
        match at % 10 {
            0 => {
                let mut ws = server.connect();
                ws.send("hello").unwrap();
                ws.recv().unwrap();
                ws.close(CloseCode::NORMAL, "").unwrap();
            }
            1 => drop(server.connect()),
            2 => {
                let (_reader, writer) = server.connect().split();
                writer.send(&pattern(300_000)).unwrap();
                // And gone, unread.
            }
            3 => drop(Raw::connect(server.addr)),
            4 => {
                assert_eq!(ask(server.addr, get("/page")).0, 200);
                assert_eq!(ask(server.addr, get("/nowhere")).0, 404);
            }
            5 => assert_eq!(ask(server.addr, get("/panics")).0, 500),
            6 => {
                let mut raw = Raw::connect(server.addr);
                raw.write(upgrade("/panics", ""));
                raw.head();
                assert_eq!(raw.next_close().0, 1011);
            }
            7 => {
                let mut raw = Raw::open(server.addr);
                raw.write([0xff; 100]);
                raw.rest();
            }
            8 => {
                let raw = Raw::open(server.addr);
                let linger = Some(Duration::ZERO);
                socket2::SockRef::from(&raw.stream)
                    .set_linger(linger)
                    .unwrap();
            }
            _ => {
                // One that takes nothing, while many messages are for it.
                let mut raw = Raw::connect_small(server.addr);
                raw.upgrade();
                for _ in 0..20 {
                    group.send(&pattern(100_000));
                }
                raw.send(TEXT, "hello");
            }
        }
    }
    common::until("all connections to end", || {
        (count("fd"), count("task")) == running
    });
    assert!(group.is_empty());
    server.handle.shutdown();
    server.ended().unwrap();
    common::until("the server to end", || {
        (count("fd"), count("task")) == before
    });
}
