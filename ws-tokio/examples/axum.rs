//! A chat in an axum application: a page, a login by token, and rooms.
//!
//! ```text
//! cargo run -p ws-tokio --example axum --features axum # then open http://127.0.0.1:9001/?room=1 twice
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use http::StatusCode;
use ws_tokio::axum::{WebSocket, WebSocketUpgrade};
use ws_tokio::{Group, Upgraded};

const PAGE: &str = "<!doctype html><title>chat</title><input autofocus><ul></ul><script>
    const room = new URLSearchParams(location.search).get('room') ?? '1';
    const ws = new WebSocket(`ws://${location.host}/rooms/${room}?token=s3cret`);
    const [input, list] = ['input', 'ul'].map(name => document.querySelector(name));
    ws.onmessage = ({data}) => list.append(Object.assign(document.createElement('li'), {textContent: data}));
    input.onchange = () => { ws.send(input.value); input.value = ''; };
</script>";

type Rooms = Arc<Mutex<HashMap<String, Group<Upgraded>>>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let app = Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/rooms/{room}", any(enter))
        .with_state(Rooms::default());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await
}

async fn enter(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    RawQuery(query): RawQuery,
    ws: WebSocketUpgrade,
) -> Response {
    // A real one looks the token up.
    if query.as_deref() != Some("token=s3cret") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let room = rooms
        .lock()
        .expect("nobody panics")
        .entry(room)
        .or_default()
        .clone();
    ws.on_upgrade(move |ws| chat(ws, room))
}

async fn chat(ws: WebSocket, room: Group<Upgraded>) {
    let (mut reader, writer) = ws.split();
    let _member = room.join(writer);
    room.send(&format!("we are {}", room.len()));
    // A client that breaks the rules or goes away ends it: nothing is left to do then.
    while let Ok(Some(message)) = reader.recv().await {
        room.send(message);
    }
}
