//! Connects, sends one message, shows one answer, closes.
//!
//! ```text
//! cargo run --example echo_server                      # in one terminal
//! cargo run --example one_shot_client -- ws://127.0.0.1:9001/ hello
//! ```

use std::error::Error;

use ws_std::CloseCode;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "ws://127.0.0.1:9001/".into());
    let text = args.next().unwrap_or_else(|| "hello".into());

    let mut ws = ws_std::connect(url)?;
    ws.send(&text)?;
    match ws.recv()? {
        Some(message) => println!("{}", message.as_text().unwrap_or("(bytes)")),
        None => println!("closed: {:?}", ws.peer_close()),
    }
    ws.close(CloseCode::NORMAL, "done")?;
    Ok(())
}
