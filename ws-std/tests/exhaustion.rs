//! A server that runs out of descriptors: RLIMIT_NOFILE of 64, and hundreds of clients.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::TcpStream;

use common::{PATIENCE, echo, run, until, with_few_descriptors};
use ws_std::{Client, Message};

mod common;

/// The server, in a process of its own: says its address, and ends with its standard input.
#[test]
#[ignore = "run by the other test, with few descriptors"]
fn child() {
    let server = run(echo());
    println!("\nlistening at {}", server.addr);
    std::io::stdin().lines().for_each(drop);
}

#[test]
fn accepting_goes_on_when_descriptors_are_there_again() {
    let (mut child, addr, lines) = with_few_descriptors();
    // It says more, to nobody.
    std::thread::spawn(move || lines.count());
    let fds = format!("/proc/{}/fd", child.id());
    let open = || fs::read_dir(&fds).unwrap().count();
    let before = open();

    let clients: Vec<_> = (0..500)
        .map(|_| TcpStream::connect(addr).unwrap())
        .collect();
    until("no descriptor left", || open() >= 64);
    drop(clients);

    until("service", || {
        let client = Client::new(format!("ws://{addr}/")).handshake_timeout(PATIENCE);
        let Ok(mut ws) = client.connect() else {
            return false; // dropped while its turn came too early
        };
        ws.send("hello").unwrap();
        ws.recv().unwrap() == Some(Message::Text("hello"))
    });
    until("as many descriptors as before", || open() == before);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
