//! Sends each line that is typed and shows each message that comes, until either side ends it.
//! Meanwhile the server is pinged every 20 s, and its pings are answered.
//!
//! ```text
//! cargo run --example broadcast                        # in one terminal, or another server
//! cargo run --example long_running_client -- ws://127.0.0.1:9001/?name=Li
//! ```

use std::error::Error;
use std::io;
use std::thread;

use ws_std::{CloseCode, Message, Writer};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1);
    let ws = ws_std::connect(url.as_deref().unwrap_or("ws://127.0.0.1:9001/"))?;
    println!("connected; an empty input (Ctrl-D) closes");

    // One half for each thread: neither waits for the other.
    let (mut reader, writer) = ws.split();
    thread::spawn(move || send_lines(&writer));
    while let Some(message) = reader.recv()? {
        match message {
            Message::Text(text) => println!("{text}"),
            Message::Binary(bytes) => println!("({} bytes)", bytes.len()),
        }
    }
    match reader.peer_close() {
        Some((code, reason)) => println!("closed: {code} {reason}"),
        None => println!("closed"),
    }
    Ok(())
}

/// Errors show on the reading side, too: there is nothing to do about them here.
fn send_lines(writer: &Writer) {
    for line in io::stdin().lines().map_while(Result::ok) {
        if writer.send(&line).is_err() {
            return;
        }
    }
    // The reader sees the server's answer, and ends.
    let _ = writer.close(CloseCode::NORMAL, "bye");
}
