//! A loop that runs out of descriptors: RLIMIT_NOFILE of 64, and hundreds of clients.
#![cfg(target_os = "linux")]

#[path = "../../ws-std/tests/common/mod.rs"]
mod common;
mod support;

use std::fs;
use std::net::TcpStream;

use common::{PATIENCE, said, until, with_few_descriptors};
use ws_std::{Client, Message};

/// The server, in a process of its own: says its address and what its loop has run out of, and ends
/// with its standard input.
#[test]
#[ignore = "run by the other test, with few descriptors"]
fn child() {
    let server = support::server().on_exhausted(|error| println!("\nexhausted: {error}"));
    let server = support::run(server);
    println!("\nlistening at {}", server.addr);
    std::io::stdin().lines().for_each(drop);
}

#[test]
fn accepting_goes_on_when_descriptors_are_there_again() {
    let (mut child, addr, mut lines) = with_few_descriptors();
    let fds = format!("/proc/{}/fd", child.id());
    let open = || fs::read_dir(&fds).unwrap().count();
    let served = Client::new(format!("ws://{addr}/")).connect();
    let mut served = served.unwrap();
    // It runs, and has all that it needs.
    let before = open();

    let clients: Vec<_> = (0..500)
        .map(|_| TcpStream::connect(addr).unwrap())
        .collect();
    // It says so, and those who are there are served meanwhile.
    said(&mut lines, "exhausted: ");
    served.send("still here?").unwrap();
    assert_eq!(served.recv().unwrap(), Some(Message::Text("still here?")));
    drop(clients);

    let client = Client::new(format!("ws://{addr}/")).handshake_timeout(PATIENCE);
    let mut ws = client.connect().unwrap();
    ws.send("hello").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("hello")));
    drop(ws);
    until("as many descriptors as before", || open() == before);
    drop(served);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
