//! Our client against servers of others: python-socketio, and socket.io itself. What their programs do
//! is written at their tops, in `tests/peers`.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::client_common::{log, note, soon};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use ws_socketio::client::{Client, ConnectError, Connected, Socket, Transports};
use ws_socketio::sio_proto::engine::Transport;
use ws_socketio::{Ack, Reason};

/// A server of theirs.
struct Theirs {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
    make: Make,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    Python,
    Reference,
}

impl Make {
    fn command(self) -> Command {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let peers = repository.join("target/peers");
        let (program, script): (PathBuf, _) = match self {
            Self::Python => (peers.join("venv/bin/python"), "socketio_server.py"),
            Self::Reference => ("node".into(), "socketio_server.js"),
        };
        assert!(peers.join("venv").exists(), "run tests/peers/install.sh");
        let mut command = Command::new(program);
        command.arg(repository.join("tests/peers").join(script));
        command.env("PYTHONUTF8", "1").kill_on_drop(true);
        command
    }

    /// Starts a server, on a port of its own choice if that is 0.
    async fn serve(self, port: u16) -> Theirs {
        self.serve_with(port, &[]).await
    }

    /// Starts it with a certificate and its key, to speak TLS.
    async fn serve_with(self, port: u16, tls: &[PathBuf]) -> Theirs {
        let mut command = self.command();
        command
            .arg(port.to_string())
            .args(tls)
            .stdout(Stdio::piped());
        let mut process = command.spawn().expect("it was installed");
        let stdout = process.stdout.take().expect("piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = soon(lines.next_line()).await.unwrap().expect("a line");
        let port = line.strip_prefix("listening ").expect("a port");
        Theirs {
            process,
            lines,
            port: port.parse().unwrap(),
            make: self,
        }
    }
}

impl Theirs {
    fn client(&self, by: Transports) -> Client {
        Client::new(format!("http://127.0.0.1:{}", self.port)).transports(by)
    }

    /// The tasks that have come, until there are as many.
    async fn tasks(&self, count: usize) -> Vec<u32> {
        #[derive(Deserialize)]
        struct Task {
            foo: String,
        }
        let client = self.client(Transports::WebSocket).namespaces(["/imchat"]);
        let io = soon(client.connect()).await.unwrap();
        let mut tasks = Vec::new();
        while tasks.len() < count {
            let list = io.of("/imchat").call::<Vec<Task>>("list", ());
            let list = soon(list).await.unwrap();
            tasks.extend(list.iter().map(|task| task.foo.parse::<u32>().unwrap()));
        }
        leave(io).await;
        tasks
    }

    /// Ends it as a machine ends that loses its power, and starts it again.
    async fn restart(self, between: impl Future<Output = ()>) -> Self {
        let Self {
            mut process,
            port,
            make,
            lines,
        } = self;
        process.kill().await.unwrap();
        drop(lines);
        between.await;
        make.serve(port).await
    }
}

const ALL: [(Make, Transports); 6] = [
    (Make::Python, Transports::Polling),
    (Make::Python, Transports::WebSocket),
    (Make::Python, Transports::PollingThenWebSocket),
    (Make::Reference, Transports::Polling),
    (Make::Reference, Transports::WebSocket),
    (Make::Reference, Transports::PollingThenWebSocket),
];

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Picture {
    name: String,
    bytes: ByteBuf,
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn what_is_sent_comes_back_text_and_binary_by_every_transport() {
    for (make, by) in ALL {
        let server = make.serve(0).await;
        let (forth, mut came) = log();
        let io = server
            .client(by)
            .on(
                "/",
                "forth",
                move |_: Socket, text: String, picture: Picture| note(&forth, (text, picture)),
            )
            .connect();
        let io = soon(io).await.expect("a connection");
        let socket = io.of("/");
        // The longest is more than one POST of the reference, and more than one frame of 64 KiB.
        for len in [0, 1, 100, 70_000, 700_000] {
            let picture = Picture {
                name: "张三\u{1e}".repeat(len / 100),
                bytes: ByteBuf::from(vec![0x1E; len]),
            };
            let sent = ("é\n".to_owned(), picture);
            socket.emit("back", &sent).unwrap();
            assert_eq!(
                soon(came.recv()).await.as_ref(),
                Some(&sent),
                "{make:?} {by:?} {len}"
            );
            let call = socket.call::<(String, Picture)>("echo", &sent);
            assert_eq!(soon(call).await.unwrap(), sent);
        }
        soon(upgraded(&io, by)).await;
        leave(io).await;
    }
}

#[cfg(all(feature = "tls", not(target_arch = "x86")))]
#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn over_tls_it_is_the_same() {
    use crate::certificates::Authority;
    use crate::way::tls::{Files, trusting};

    let ours = Authority::new("ours");
    let files = Files::new(&ours.issue(&["127.0.0.1"]), "peers");
    for (make, by) in ALL {
        let server = make.serve_with(0, &files.paths()).await;
        let client = Client::new(format!("https://127.0.0.1:{}", server.port));
        let client = client.transports(by).tls(trusting(&ours));
        let io = soon(client.connect()).await.expect("a connection");
        let picture = Picture {
            name: "张三".into(),
            bytes: ByteBuf::from(vec![0x1E; 70_000]),
        };
        let echo = io.of("/").call::<Picture>("echo", &picture);
        assert_eq!(soon(echo).await.unwrap(), picture, "{make:?} {by:?}");
        soon(upgraded(&io, by)).await;
        leave(io).await;
    }
}

/// Waits until the WebSocket carries the session, where it is to.
async fn upgraded(io: &Connected, by: Transports) {
    if by == Transports::Polling {
        return assert_eq!(io.transport(), Some(Transport::Polling));
    }
    while io.transport() != Some(Transport::WebSocket) {
        // Whatever is asked gives the upgrade another moment.
        io.of("/").call::<i32>("echo", 1).await.unwrap();
    }
}

async fn leave(io: Connected) {
    io.disconnect();
    soon(io.wait()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn a_flood_comes_through_the_upgrade_in_order() {
    for (make, by) in ALL {
        let server = make.serve(0).await;
        let (forth, mut came) = log();
        let io = server
            .client(by)
            .on("/", "forth", move |_: Socket, number: u32, _: ByteBuf| {
                note(&forth, number)
            })
            .connect();
        let io = soon(io).await.expect("a connection");
        for number in 0..1000_u32 {
            let bytes = ByteBuf::from(number.to_be_bytes());
            io.of("/").emit("back", (number, bytes)).unwrap();
        }
        for number in 0..1000 {
            assert_eq!(soon(came.recv()).await, Some(number), "{make:?} {by:?}");
        }
        leave(io).await;
    }
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn a_server_asks_and_the_handlers_return_value_answers() {
    for (make, by) in ALL {
        let server = make.serve(0).await;
        let (answered, mut came) = log();
        let io = server
            .client(by)
            .on("/", "question", async |socket: Socket, number: u32| {
                // A handler may itself ask.
                let echoed: u32 = socket.call("echo", number).await.unwrap();
                Ack(echoed * 2)
            })
            .on("/", "answered", move |_: Socket, answer: u32| {
                note(&answered, answer)
            })
            .connect();
        let io = soon(io).await.expect("a connection");
        io.of("/").emit("ask", 21).unwrap();
        assert_eq!(soon(came.recv()).await, Some(42), "{make:?} {by:?}");
        leave(io).await;
    }
}

#[derive(Serialize)]
struct Token {
    token: &'static str,
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn several_namespaces_share_a_connection_and_one_may_refuse() {
    for (make, by) in ALL {
        let server = make.serve(0).await;
        let all = ["/", "/imchat", "/private"];
        let error = server.client(by).namespaces(all).connect();
        let error = soon(error).await.expect_err("no token");
        let ConnectError::Refused { namespace, why } = error else {
            panic!("{make:?} {by:?}: {error}");
        };
        assert_eq!((&*namespace, why.message()), ("/private", "who are you?"));
        #[derive(Deserialize)]
        struct Data {
            code: u32,
        }
        assert_eq!(why.data_as::<Data>().unwrap().code, 1);

        let io = server
            .client(by)
            .namespaces(all)
            .auth_of("/private", Token { token: "secret" })
            .connect();
        let io = soon(io).await.expect("a connection");
        let ids = all.map(|name| io.of(name).id().expect("it is there"));
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        io.of("/imchat").emit("chat", "hello").unwrap();
        let list = io.of("/imchat").call::<Vec<String>>("list", ());
        assert_eq!(soon(list).await.unwrap(), ["hello"]);
        leave(io).await;
    }
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn who_is_put_out_of_one_namespace_stays_in_the_others() {
    for (make, by) in ALL {
        let server = make.serve(0).await;
        let (left, mut came) = log();
        let io = server
            .client(by)
            .namespaces(["/"])
            .on_disconnect("/imchat", move |_, why| note(&left, why))
            .connect();
        let io = soon(io).await.expect("a connection");
        io.of("/imchat").emit("leave", ()).unwrap();
        assert_eq!(
            soon(came.recv()).await,
            Some(Reason::PeerLeft),
            "{make:?} {by:?}"
        );
        assert!(io.of("/imchat").emit("chat", 1).is_err());
        assert!(!io.of("/imchat").is_connected());
        let echo = io.of("/").call::<u32>("echo", 7);
        assert_eq!(soon(echo).await.unwrap(), 7);
        leave(io).await;
    }
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn what_is_emitted_while_it_reconnects_arrives_in_order_after_the_connect_hook() {
    for (make, by) in ALL {
        let server = make.serve(0).await;
        let (left, mut went) = log();
        let io = server
            .client(by)
            .namespaces(["/"])
            .reconnect_after(Duration::ZERO)
            .on_connect("/imchat", async |socket: Socket| {
                socket.emit("chat", "I am here").unwrap();
            })
            .on_disconnect("/imchat", move |_, why| note(&left, why))
            .connect();
        let io = soon(io).await.expect("a connection");
        let chat = io.of("/imchat");
        let list = || soon(chat.call::<Vec<String>>("list", ()));
        assert_eq!(list().await.unwrap(), ["I am here"]);
        soon(upgraded(&io, by)).await;

        let server = server.restart(async {
            let why = soon(went.recv()).await.unwrap();
            assert!(matches!(why, Reason::Session(_)), "{why}");
            for text in ["one", "two", "three"] {
                chat.emit("chat", text).unwrap();
            }
            assert!(!chat.emit_volatile("chat", "volatile").unwrap());
        });
        let server = server.await;
        // It is kept, too.
        let said = list().await.unwrap();
        assert_eq!(
            said,
            ["I am here", "one", "two", "three"],
            "{make:?} {by:?}"
        );
        assert!(io.of("/").is_connected(), "{:?}", server.process.id());
        leave(io).await;
    }
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn who_comes_back_to_the_reference_is_who_it_was() {
    for (make, by) in ALL {
        if make == Make::Python {
            continue; // it forgets
        }
        let server = make.serve(0).await;
        let (joined, mut came) = log();
        let io = server
            .client(by)
            .reconnect_after(Duration::ZERO)
            .on_connect("/", move |socket: Socket| {
                note(&joined, (socket.id(), socket.recovered()))
            })
            .connect();
        let io = soon(io).await.expect("a connection");
        let (id, recovered) = soon(came.recv()).await.unwrap();
        assert!(id.is_some() && !recovered);
        // It knows only of those who have received an event where they were.
        io.of("/").emit("back", ()).unwrap();
        let echo = io.of("/").call::<u32>("echo", 7);
        assert_eq!(soon(echo).await.unwrap(), 7);
        soon(upgraded(&io, by)).await;
        io.of("/").emit("drop", ()).unwrap();
        assert_eq!(soon(came.recv()).await, Some((id, true)), "{by:?}");
        leave(io).await;
    }
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn a_connection_that_the_server_breaks_off_is_made_again() {
    for (make, by) in ALL {
        let server = make.serve(0).await;
        let (joined, mut came) = log();
        let io = server
            .client(by)
            .reconnect_after(Duration::ZERO)
            .on_connect("/", move |socket: Socket| note(&joined, socket.id()))
            .connect();
        let io = soon(io).await.expect("a connection");
        soon(came.recv()).await.expect("it is there");
        soon(upgraded(&io, by)).await;
        io.of("/").emit("drop", ()).unwrap();
        soon(came.recv()).await.expect("it is there again");
        let echo = io.of("/").call::<u32>("echo", 7);
        assert_eq!(soon(echo).await.unwrap(), 7, "{make:?} {by:?}");
        leave(io).await;
    }
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn the_example_keeps_its_tasks_while_it_reconnects() {
    for make in [Make::Python, Make::Reference] {
        let server = make.serve(0).await;
        // target/<profile>/deps/<this test>
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        path.push("examples/tasks");
        let mut example = Command::new(path)
            .arg(format!("http://127.0.0.1:{}", server.port))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it is built with the tests");
        let mut input = example.stdin.take().expect("piped");
        let mut lines = BufReader::new(example.stdout.take().expect("piped")).lines();
        let mut line = async || soon(lines.next_line()).await.unwrap().expect("a line");
        assert_eq!(line().await, "connected");
        for number in 0..20 {
            let task = format!("{number}\n");
            input.write_all(task.as_bytes()).await.unwrap();
        }
        assert_eq!(
            server.tasks(20).await,
            (0..20).collect::<Vec<_>>(),
            "{make:?}"
        );
        let server = server.restart(async {
            let said = line().await;
            assert!(said.starts_with("disconnected: "), "{said}");
            for number in 20..40 {
                let task = format!("{number}\n");
                input.write_all(task.as_bytes()).await.unwrap();
            }
        });
        let server = server.await;
        assert_eq!(line().await, "connected");
        assert_eq!(
            server.tasks(20).await,
            (20..40).collect::<Vec<_>>(),
            "{make:?}"
        );
    }
}
