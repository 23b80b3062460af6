//! A loop that runs out of descriptors: RLIMIT_NOFILE of 64, and hundreds of clients.
#![cfg(target_os = "linux")]

#[path = "../../ws-std/tests/common/mod.rs"]
mod common;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use common::{PATIENCE, until};
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
    let (mut child, addr, mut lines) = start();
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

type Said = Lines<BufReader<ChildStdout>>;

/// What follows `prefix` in the next line that begins with it.
fn said(lines: &mut Said, prefix: &str) -> String {
    lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix(prefix).map(String::from))
        .expect("it says so")
}

fn start() -> (Child, SocketAddr, Said) {
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 64; exec \"$0\" --exact child --ignored --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let addr = said(&mut lines, "listening at ");
    (child, addr.parse().unwrap(), lines)
}
