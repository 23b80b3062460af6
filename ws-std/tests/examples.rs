//! The examples, run for real: each client against its server. They are built with the tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use common::within;
use ws_std::{CloseCode, Message};

mod common;

/// A program under `examples/`, killed when this is dropped.
struct Example {
    child: Child,
    lines: Option<std::io::Lines<BufReader<std::process::ChildStdout>>>,
}

impl Example {
    fn start(name: &str, args: &[&str]) -> Self {
        // target/<profile>/deps/<this test>
        let mut path: PathBuf = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        path.push("examples");
        path.push(name);
        let mut child = Command::new(path.with_extension(std::env::consts::EXE_EXTENSION))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines: Some(lines),
        }
    }

    /// A server at a free port, and its URL.
    fn server(name: &str) -> (Self, String) {
        let mut server = Self::start(name, &["127.0.0.1:0"]);
        let line = server.line();
        let url = line.strip_prefix("listening at ").unwrap().into();
        (server, url)
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut lines = self.lines.take().unwrap();
        let (line, lines) = within(move || (lines.next().expect("a line").unwrap(), lines));
        self.lines = Some(lines);
        line
    }

    fn input(&mut self) -> &mut ChildStdin {
        self.child.stdin.as_mut().unwrap()
    }

    /// What it still says, after the end of its input.
    fn ends(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        let lines = self.lines.take().unwrap();
        let rest = within(move || lines.map(Result::unwrap).collect());
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn one_shot_against_echo() {
    let (_server, url) = Example::server("echo_server");
    let client = Example::start("one_shot_client", &[&url, "你好"]);
    assert_eq!(client.ends(), ["你好"]);
}

#[test]
fn hello() {
    let (mut server, url) = Example::server("hello");
    let mut client = Example::start("hello_client", &[&url]);
    assert_eq!(client.line(), "What's your name?");
    client.input().write_all("李雷\n".as_bytes()).unwrap();
    assert_eq!(client.ends(), [">>> 李雷", "<<< Hello 李雷!"]);
    assert_eq!(server.line(), "<<< 李雷");
    assert_eq!(server.line(), ">>> Hello 李雷!");
}

#[test]
fn server_push() {
    let (mut server, url) = Example::server("server_push");
    let mut client = Example::start("long_running_client", &[&url]);
    client.line(); // connected
    assert_eq!(client.line(), "1");
    assert_eq!(client.line(), "2");
    assert_eq!(client.ends().last().unwrap(), "closed: 1000 ");
    assert!(server.line().contains(" left at "));

    let addr = url["ws://".len()..].strip_suffix("/count").unwrap();
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.contains("new WebSocket("), "{page}");
}

#[test]
fn broadcast() {
    let (_server, url) = Example::server("broadcast");
    let mut li = Example::start("long_running_client", &[&format!("{url}?name=Li")]);
    li.line(); // connected
    assert_eq!(li.line(), "Li is here, and we are 1");
    let mut han = Example::start("long_running_client", &[&format!("{url}?name=Han")]);
    han.line(); // connected
    for member in [&mut li, &mut han] {
        assert_eq!(member.line(), "Han is here, and we are 2");
    }
    li.input().write_all(b"hello everybody\n").unwrap();
    for member in [&mut li, &mut han] {
        assert_eq!(member.line(), "Li: hello everybody");
    }
    assert_eq!(li.ends(), ["closed: 1000 "]);
    assert_eq!(han.line(), "Li has left");
}

#[test]
fn login() {
    let (_server, url) = Example::server("login");
    let mut client = Example::start("long_running_client", &[&url]);
    client.line(); // connected
    assert_eq!(client.line(), "name and password?");
    client.input().write_all(b"admin guess\n").unwrap();
    assert_eq!(client.line(), "that is not right");
    assert_eq!(client.line(), "name and password?");
    client.input().write_all(b"admin secret\nhello\n").unwrap();
    assert_eq!(client.line(), "welcome, admin");
    assert_eq!(client.line(), "hello");
    assert_eq!(client.ends(), ["closed: 1000 "]);

    let mut ws = ws_std::connect(&*url).unwrap();
    for _ in 0..3 {
        let question = Some(Message::Text("name and password?"));
        assert_eq!(ws.recv().unwrap(), question);
        ws.send("admin guess").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Text("that is not right")));
    }
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::POLICY);
}

#[test]
fn app() {
    let (_server, url) = Example::server("echo_server");
    let app = Example::start("app", &[&url]);
    let mut said = app.ends();
    // Two threads say it.
    said.sort();
    let all = [
        "### closed ###",
        "Hello 0",
        "Hello 1",
        "Hello 2",
        "thread terminating...",
    ];
    assert_eq!(said, all);
}

#[test]
fn call() {
    let (_server, url) = Example::server("echo_server");
    let call = Example::start("call", &[&url, "你好"]);
    assert_eq!(call.ends(), ["Sending '你好'...", "Received '你好'"]);
}

#[test]
fn ticker() {
    let (server, url) = Example::server("server_push");
    let mut ticker = Example::start("ticker", &[&url]);
    assert_eq!([ticker.line(), ticker.line()], ["connected", "1"]);
    drop(server);
    while !ticker.line().contains("again in ") {}
    assert_eq!(ticker.ends().last().unwrap(), "stopped");
}
