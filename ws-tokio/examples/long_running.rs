//! Shows what a server says, for as long as there is one: when it is gone, it is waited for, and Ctrl-D
//! ends in good order.
//!
//! ```text
//! cargo run -p ws-tokio --example clock                # in one terminal, stopped and started at will
//! cargo run -p ws-tokio --example long_running -- ws://127.0.0.1:9001/
//! ```

use std::io;

use futures_util::StreamExt;
use ws_tokio::{Client, ConnectError};

#[tokio::main]
async fn main() -> Result<(), ConnectError> {
    let url = std::env::args().nth(1);
    let client = Client::new(url.as_deref().unwrap_or("ws://127.0.0.1:9001/"));
    let mut connections = client
        .reconnect()
        .on_wait(|error, wait| eprintln!("again in {wait:?} ({error:?})"));
    let end = connections.stop_handle();
    // The terminal blocks, so it has a thread.
    std::thread::spawn(move || {
        io::stdin().lines().for_each(drop);
        end.stop();
    });
    while let Some(ws) = connections.next().await {
        let mut ws = ws?;
        println!("connected; an empty input (Ctrl-D) closes");
        // However it ends: the next is asked for.
        while let Ok(Some(message)) = ws.recv().await {
            println!("{}", message.as_text().unwrap_or("(bytes)"));
        }
        match ws.peer_close() {
            Some((code, reason)) => println!("closed: {code} {reason}"),
            None => println!("lost"),
        }
    }
    Ok(())
}
