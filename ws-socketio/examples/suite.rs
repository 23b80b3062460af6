//! The server that the test suites of Engine.IO 4 and Socket.IO 5 expect: an echo at `/engine.io/`,
//! and at `/socket.io/` a server with two namespaces.
//!
//!     cargo run --release -p ws-socketio --example suite -- 127.0.0.1:3000

use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use ws_socketio::{Arguments, EmitError, Limits, Origins, Server, Socket};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:3000".into());
    let app = Router::new()
        .layer(engine().layer())
        .layer(socket().layer());
    let listener = TcpListener::bind(address).await?;
    eprintln!("listening at {}", listener.local_addr()?);
    axum::serve(listener, app).await
}

/// The intervals are those that the suites know.
fn server() -> Server {
    Server::new()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .max_payload(1_000_000)
        .origins(Origins::any())
}

fn engine() -> Server {
    server().path("/engine.io").raw(|session, message| {
        // One that cannot be sent by polling is not sent.
        let _ = session.send(message);
    })
}

fn socket() -> Server {
    let mut limits = Limits::default();
    limits.connect_timeout = Duration::from_secs(1);
    let io = server().limits(limits);
    io.of("/").connect(say_who).fallback(answer);
    io.of("/custom").connect(say_who);
    io
}

/// Tells a client what it said of itself.
async fn say_who(socket: Socket, auth: Option<Value>) -> Result<(), String> {
    let auth = auth.unwrap_or_else(|| json!({}));
    socket.emit("auth", auth).map_err(|error| error.to_string())
}

async fn answer(socket: Socket, event: String, args: Arguments) -> Result<Arguments, EmitError> {
    if event == "message" {
        socket.relay("message-back", &args)?;
    }
    Ok(args) // for `message-with-ack`, which asks for it
}
