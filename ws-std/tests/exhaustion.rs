//! A server that runs out of descriptors: RLIMIT_NOFILE of 64, and hundreds of clients.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::TcpStream;

use common::{PATIENCE, echo, run, said, until, with_few_descriptors};
use ws_std::{Client, Message};

mod common;

/// The server, in a process of its own: says its address, and ends with its standard input.
#[test]
#[ignore = "run by the other test, with few descriptors"]
fn child() {
    let server = echo().on_shortage(|error| println!("short: {error}"));
    let server = run(server);
    println!("\nlistening at {}", server.addr);
    std::io::stdin().lines().for_each(drop);
    println!("tries: {}", server.handle.metrics().short);
}

#[test]
fn accepting_goes_on_when_descriptors_are_there_again() {
    let (mut child, addr, mut lines) = with_few_descriptors();
    let fds = format!("/proc/{}/fd", child.id());
    let open = || fs::read_dir(&fds).unwrap().count();
    let before = open();

    let clients: Vec<_> = (0..500)
        .map(|_| TcpStream::connect(addr).unwrap())
        .collect();
    until("no descriptor left", || open() >= 64);
    // Once, and it says why: EMFILE, whatever a C library calls it.
    let why = said(&mut lines, "short: ");
    assert!(why.contains("os error 24"), "{why}");
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
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    assert!(child.wait().unwrap().success());
    assert!(
        !rest.iter().any(|line| line.contains("short: ")),
        "{rest:?}"
    );
    let tries = rest.iter().find_map(|line| line.strip_prefix("tries: "));
    assert!(tries.is_some_and(|tries| tries != "0"), "{rest:?}");
}
