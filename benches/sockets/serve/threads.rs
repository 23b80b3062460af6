//! A thread for each connection.

use std::io;
use std::net::TcpStream;
use std::thread;

use super::{announce, listen};
use crate::idle::CONNECTIONS;

pub(super) fn ws_std() -> io::Result<()> {
    let server = ws_std::Server::bind(("127.0.0.1", 0))?
        .max_connections(2 * CONNECTIONS)
        .websocket("/", |mut ws, _request| {
            ws.for_each(|message, tx| tx.send(message))
        });
    announce(server.local_addr().port());
    server.run()
}

pub(super) fn tungstenite(at_once: bool) -> io::Result<()> {
    for stream in listen()?.incoming() {
        let stream = stream?;
        stream.set_nodelay(at_once)?;
        thread::spawn(move || echo(stream));
    }
    Ok(())
}

fn echo(stream: TcpStream) {
    let Ok(mut ws) = tungstenite::accept(stream) else {
        return;
    };
    while let Ok(message) = ws.read() {
        if (message.is_binary() || message.is_text()) && ws.send(message).is_err() {
            return;
        }
    }
}
