//! A client that emits its tasks as they come, each a line of its input, and loses none of them while
//! it reconnects: they are kept, and when there are too many of them the input waits.
//!
//!     cargo run -p ws-socketio --example tasks -- http://127.0.0.1:5000 /imchat
//!
//! In Python, with python-socketio, it would begin like this:
//!
//!     sio = socketio.AsyncClient(reconnection_delay=0)
//!     await sio.connect(url, transports='websocket', namespaces=['/', '/imchat'])

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use ws_socketio::client::{Client, Socket, Transports};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let url = args.first().map_or("http://127.0.0.1:5000", String::as_str);
    let namespace = args.get(1).map_or("/imchat", String::as_str);
    let io = Client::new(url)
        .namespaces(["/"])
        .transports(Transports::WebSocket)
        .reconnect_after(Duration::ZERO)
        .on_connect(namespace, async |_| println!("connected"))
        .on_disconnect(namespace, async |_, why| println!("disconnected: {why}"))
        .on_connect_error(|error| eprintln!("{error}"))
        .on(namespace, "message", async |_: Socket, message: Value| {
            println!("message {message}");
        })
        .connect()
        .await?;

    let chat = io.of(namespace);
    let mut tasks = BufReader::new(stdin()).lines();
    // Until there is room for a task it waits where it is.
    while let Some(task) = tasks.next_line().await? {
        chat.room().await?;
        chat.emit("chat", json!({ "foo": task }))?;
    }
    Ok(io.wait().await?)
}
