//! Sends each line that is typed and shows each message that comes, until either side ends it.
//! Meanwhile the server is pinged every 20 s, and its pings are answered.
//!
//! ```text
//! cargo run -p ws-tokio --example chat                 # in one terminal, or another server
//! cargo run -p ws-tokio --example client -- ws://127.0.0.1:9001/?name=Li
//! ```

use std::io;

use tokio::sync::mpsc;
use ws_tokio::{CloseCode, Message};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let mut ws = ws_tokio::connect(url.as_deref().unwrap_or("ws://127.0.0.1:9001/")).await?;
    println!("connected; an empty input (Ctrl-D) closes");

    // The terminal blocks, so it has a thread.
    let (typed, mut lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        let lines = io::stdin().lines().map_while(Result::ok);
        for line in lines {
            if typed.blocking_send(line).is_err() {
                return;
            }
        }
    });
    loop {
        // Whichever is not first is dropped, and loses nothing.
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => ws.send(&line).await?,
                None => {
                    ws.close(CloseCode::NORMAL, "bye").await?;
                    break;
                }
            },
            message = ws.recv() => match message? {
                Some(Message::Text(text)) => println!("{text}"),
                Some(Message::Binary(bytes)) => println!("({} bytes)", bytes.len()),
                None => break,
            },
        }
    }
    match ws.peer_close() {
        Some((code, reason)) => println!("closed: {code} {reason}"),
        None => println!("closed"),
    }
    Ok(())
}
