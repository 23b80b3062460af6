//! Clients of others against our server: python-socketio, async and blocking, and socket.io-client. What
//! they want is written at the top of `tests/peers/socketio_client.py`.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;
use ws_socketio::{Arguments, CallError, EmitError, Handle, Namespace, Refused, Server, Socket};

/// How long a peer may take. Nothing takes a tenth of it on an idle machine.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Clone, Deserialize)]
struct Login {
    token: String,
}

/// Has a namespace do what the clients expect.
fn set_up(namespace: &Namespace) {
    namespace
        .on("ask", ask)
        .on("join", async |socket: Socket, room: String| {
            socket.join(room)
        })
        .on("leave", async |socket: Socket, room: String| {
            socket.leave(&room);
        })
        .on("rooms", async |socket: Socket| socket.rooms())
        .on("who", async |socket: Socket| {
            socket.get::<Login>().map(|login| login.token)
        })
        .on("kick", async |socket: Socket| socket.disconnect())
        .fallback(others);
}

async fn ask(
    socket: Socket,
    value: i64,
) -> Result<ws_socketio::Ack<(i64, serde_bytes::ByteBuf)>, CallError> {
    socket.call("question", value).await.map(ws_socketio::Ack)
}

/// What is passed on as it came.
async fn others(socket: Socket, event: String, args: Arguments) -> Result<Arguments, EmitError> {
    match &*event {
        "back" => socket.relay("forth", &args)?,
        "say" => {
            let room: String = args.at(0).unwrap_or_default();
            socket.to(room).relay("said", &args.skip(1))?;
        }
        _ => {}
    }
    Ok(args)
}

/// A server for them, and its URL.
async fn serve() -> (String, Handle) {
    let io = Server::new()
        .ping_interval(Duration::from_secs(1))
        .ping_timeout(Duration::from_secs(20));
    set_up(&io.of("/"));
    let private = io.of("/private");
    set_up(&private);
    private.connect(async |socket: Socket, login: Login| {
        if login.token != "secret" {
            return Err(Refused::new("who are you?").data(json!({"code": 1})));
        }
        socket.set(login);
        Ok(())
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let handle = io.handle();
    tokio::spawn(io.run_on(listener));
    (format!("http://{address}"), handle)
}

#[derive(Clone, Copy)]
enum Make {
    Python,
    Reference,
}

async fn passes(make: Make, transports: &str) {
    let (url, io) = serve().await;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let peers = repository.join("target/peers");
    assert!(peers.join("venv").exists(), "run tests/peers/install.sh");
    let (program, script): (PathBuf, _) = match make {
        Make::Python => (peers.join("venv/bin/python"), "socketio_client.py"),
        Make::Reference => ("node".into(), "socketio_client.js"),
    };
    let mut client = Command::new(program);
    client.arg(repository.join("tests/peers").join(script));
    client.args([transports, &url]).env("PYTHONUTF8", "1");
    client.current_dir(repository).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, client.output());
    let output = ended.await.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaints}");
    assert!(said.lines().any(|line| line.starts_with("ok ")), "{said}");
    // Whoever has left is forgotten.
    io.shutdown();
    io.ended().await;
}

macro_rules! peers {
    ($($name:ident: $make:ident by $transports:literal;)*) => {$(
        #[tokio::test]
        #[ignore = "needs the peers of tests/peers/install.sh"]
        async fn $name() {
            passes(Make::$make, $transports).await;
        }
    )*};
}

peers! {
    python_by_polling: Python by "polling";
    python_by_websocket: Python by "websocket";
    python_from_polling_to_websocket: Python by "polling,websocket";
    the_reference_by_polling: Reference by "polling";
    the_reference_by_websocket: Reference by "websocket";
    the_reference_from_polling_to_websocket: Reference by "polling,websocket";
}
