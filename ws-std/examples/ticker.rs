//! Shows what a server sends, and connects again when it is lost. An empty input (Ctrl-D) ends it.
//!
//! ```text
//! cargo run --example server_push                      # in one terminal; stop it, and start it again
//! cargo run --example ticker -- ws://127.0.0.1:9001/count
//! ```

use std::io;
use std::thread;

use ws_std::{Client, ConnectError};

fn main() -> Result<(), ConnectError> {
    let url = std::env::args().nth(1);
    let connections = Client::new(url.as_deref().unwrap_or("ws://127.0.0.1:9001/count"))
        .reconnect()
        .on_wait(|error, wait| match error {
            Some(error) => println!("{error}; again in {wait:.0?}"),
            None => println!("lost; again in {wait:.0?}"),
        });
    let end = connections.stop_handle();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        end.stop();
    });
    for ws in connections {
        let mut ws = ws?;
        println!("connected");
        while let Ok(Some(message)) = ws.recv() {
            println!("{}", message.as_text().unwrap_or("(bytes)"));
        }
    }
    println!("stopped");
    Ok(())
}
