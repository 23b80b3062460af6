//! Connects, sends one message, prints the answer and closes, all within five seconds: Python's
//! `create_connection`, once.
//!
//! ```text
//! cargo run --example echo_server                      # in one terminal
//! cargo run --example call -- ws://127.0.0.1:9001/ 'Hello, World'
//! ```

use std::time::Duration;

use ws_std::{CallError, Client};

fn main() -> Result<(), CallError> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "ws://127.0.0.1:9001/".into());
    let text = args.next().unwrap_or_else(|| "Hello, World".into());

    println!("Sending '{text}'...");
    let answer = Client::new(url).call(&text, Duration::from_secs(5))?;
    println!(
        "Received '{}'",
        answer.as_message().as_text().unwrap_or("(bytes)")
    );
    Ok(())
}
