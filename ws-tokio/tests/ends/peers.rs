//! Ours against Python's websockets: its client against our server, and our client against its
//! server. What their programs do is written at their tops, in `tests/peers`.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use ws_tokio::ws_http::{Hosts, Request};
use ws_tokio::{Client, CloseCode, Error, Handle, Message, Server, WebSocket};

/// How long a peer may take. Nothing takes a tenth of it on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program of theirs.
fn python(script: &str) -> Command {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python: PathBuf = repository.join("target/peers/venv/bin/python");
    assert!(python.exists(), "run tests/peers/install.sh");
    let mut command = Command::new(python);
    command.arg(repository.join("tests/peers").join(script));
    command.env("PYTHONUTF8", "1").kill_on_drop(true);
    command
}

async fn echo(mut ws: WebSocket<TcpStream>, _: Request) -> Result<(), Error> {
    while let Some((message, mut reply)) = ws.recv_reply().await? {
        reply.queue(message)?;
    }
    Ok(())
}

/// A server with the paths that their client asks for, and the most that a message may have.
async fn ours(max_message: u64) -> (String, Handle) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let server = server
        .hosts(Hosts::any())
        .max_message(max_message)
        .choose_subprotocol(|request| {
            let offered = |ours: &&str| request.subprotocols().any(|name| name == *ours);
            let chosen = ["chat.v2", "chat.v1"].into_iter().find(offered);
            let chosen = chosen.filter(|_| request.path() == "/subprotocol");
            chosen.map(Into::into)
        })
        .websocket("/echo", echo)
        .websocket("/limit", echo)
        .websocket("/ping", |mut ws, _| async move {
            ws.ping(b"marco").await?;
            ws.send("polo").await?;
            // The Pong is read, and has to obey the rules.
            while ws.recv().await?.is_some() {}
            Ok::<_, Error>(())
        })
        .websocket("/close", |mut ws, request| async move {
            let code = request.param("code").and_then(|code| code.parse().ok());
            let code = code
                .and_then(CloseCode::new)
                .expect("a code that may travel");
            let reason = request.param("reason").unwrap_or_default();
            ws.close(code, &reason).await
        })
        .websocket("/subprotocol", |mut ws, _| async move {
            let chosen = ws.subprotocol().unwrap_or_default().to_owned();
            ws.send(&chosen).await?;
            while ws.recv().await?.is_some() {}
            Ok::<_, Error>(())
        });
    let (url, handle) = (format!("ws://{}", server.local_addr()), server.handle());
    tokio::spawn(server.run());
    (url, handle)
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn client_of_websockets() {
    let (server, handle) = ours(1 << 20).await;
    let (limited, _) = ours(1000).await;
    let client = python("websockets_client.py")
        .args([server, limited])
        .output();
    let output = tokio::time::timeout(PATIENCE, client)
        .await
        .unwrap()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    handle.shutdown();
}

/// Their server, and its URL.
async fn theirs() -> (Child, String) {
    let mut child = python("websockets_server.py")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line.unwrap().unwrap().expect("a line");
    let port = line
        .strip_prefix("listening ")
        .expect("its port")
        .to_owned();
    (child, format!("ws://127.0.0.1:{port}"))
}

#[tokio::test]
#[ignore = "needs the peers of tests/peers/install.sh"]
async fn server_of_websockets() {
    let (_child, url) = theirs().await;
    let client = Client::new(format!("{url}/echo"));
    let mut ws = tokio::time::timeout(PATIENCE, client.connect())
        .await
        .unwrap()
        .unwrap();
    for len in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        let text = "好".repeat(len / 3);
        let bytes = vec![7; len];
        for message in [Message::Text(&text), Message::Binary(&bytes)] {
            ws.send(message).await.unwrap();
            let received = tokio::time::timeout(PATIENCE, ws.recv()).await.unwrap();
            assert!(
                received.unwrap() == Some(message),
                "not the same of {len} bytes"
            );
        }
    }
    ws.close(CloseCode::NORMAL, "done").await.unwrap();
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::NORMAL);
}
