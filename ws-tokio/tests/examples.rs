//! The examples, run for real: each server with the client for a terminal. They are built with the
//! tests.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A program under `examples/`, killed when this is dropped.
struct Example {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Example {
    fn start(name: &str, argument: &str) -> Self {
        // target/<profile>/deps/<this test>
        let mut path: PathBuf = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        path.push("examples");
        path.push(name);
        let mut child = Command::new(path.with_extension(std::env::consts::EXE_EXTENSION))
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            input,
            lines,
        }
    }

    /// A server at a free port, and its URL.
    async fn server(name: &str) -> (Self, String) {
        let mut server = Self::start(name, "127.0.0.1:0");
        let line = server.line().await;
        let url = line.strip_prefix("listening on ").expect("its address");
        let url = url.replace("http://", "ws://");
        (server, url)
    }

    /// The client for a terminal, connected.
    async fn client(url: &str) -> Self {
        let mut client = Self::start("client", url);
        assert_eq!(
            client.line().await,
            "connected; an empty input (Ctrl-D) closes"
        );
        client
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(60), self.lines.next_line());
        line.await
            .expect("it says something")
            .unwrap()
            .expect("a line")
    }

    async fn says(&mut self, line: &str) {
        self.input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    /// Ends its input; what it says then, and that it ends well.
    async fn ends(self) -> String {
        let Self {
            mut child,
            input,
            mut lines,
        } = self;
        drop(input);
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            last = line;
        }
        assert!(child.wait().await.unwrap().success());
        last
    }
}

#[tokio::test]
async fn a_greeting() {
    let (mut server, url) = Example::server("hello_name").await;
    let mut client = Example::client(&url).await;
    client.says("Li").await;
    assert_eq!(client.line().await, "Hello Li!");
    assert_eq!(client.ends().await, "closed: 1000 ");
    assert_eq!(server.line().await, "<<< Li");
    assert_eq!(server.line().await, ">>> Hello Li!");
}

#[tokio::test]
async fn a_chat_that_ends_in_good_order() {
    let (server, url) = Example::server("chat").await;
    let mut li = Example::client(&format!("{url}?name=Li")).await;
    assert_eq!(li.line().await, "Li is here, and we are 1");
    let mut na = Example::client(&format!("{url}?name=Na")).await;
    for client in [&mut li, &mut na] {
        assert_eq!(client.line().await, "Na is here, and we are 2");
    }
    li.says("hello").await;
    for client in [&mut li, &mut na] {
        assert_eq!(client.line().await, "Li: hello");
    }
    assert_eq!(na.ends().await, "closed: 1000 ");
    assert_eq!(li.line().await, "Na has left");
    server.ends().await;
    assert_eq!(li.ends().await, "closed: 1001 ");
}

#[tokio::test]
async fn a_clock_and_a_counter() {
    let (_server, url) = Example::server("clock").await;
    let mut client = Example::client(&url).await;
    for _ in 0..2 {
        assert!(client.line().await.ends_with(" s since 1970"));
    }
    assert_eq!(client.ends().await, "closed: 1000 ");

    let (_server, url) = Example::server("counter").await;
    let mut one = Example::client(&url).await;
    assert_eq!(one.line().await, "value 0");
    assert_eq!(one.line().await, "users 1");
    let mut two = Example::client(&url).await;
    assert_eq!(two.line().await, "value 0");
    for client in [&mut one, &mut two] {
        assert_eq!(client.line().await, "users 2");
    }
    for (word, value) in [("plus", 1), ("plus", 2), ("minus", 1)] {
        two.says(word).await;
        for client in [&mut one, &mut two] {
            assert_eq!(client.line().await, format!("value {value}"));
        }
    }
    assert_eq!(two.ends().await, "closed: 1000 ");
    assert_eq!(one.line().await, "users 1");
}

#[tokio::test]
async fn a_client_that_comes_back() {
    let (server, url) = Example::server("chat").await;
    let mut client = Example::start("long_running", &format!("{url}?name=Li"));
    assert_eq!(
        client.line().await,
        "connected; an empty input (Ctrl-D) closes"
    );
    assert_eq!(client.line().await, "Li is here, and we are 1");
    server.ends().await;
    assert_eq!(client.line().await, "closed: 1001 ");
    // Now it waits for a server that does not come.
    assert_eq!(client.ends().await, "");
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn an_echo_as_a_layer() {
    let (_server, url) = Example::server("tower").await;
    let mut client = Example::client(&url).await;
    client.says("hello").await;
    assert_eq!(client.line().await, "hello");
    assert_eq!(client.ends().await, "closed: 1000 ");
}

#[cfg(all(feature = "http2", feature = "tower"))]
#[tokio::test]
async fn two_over_http_2() {
    let (_server, url) = Example::server("tower").await;
    let mut client = Example::start("http2", &url);
    assert_eq!(client.line().await, "this is one");
    assert_eq!(client.ends().await, "this is two");
}
