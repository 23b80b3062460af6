//! Sends every message back: the server that is measured.
//!
//! ```text
//! cargo run --release -p ws-loop --example loop_echo -- 127.0.0.1:9001 [--max-message BYTES]
//! ```

use std::env;
use std::error::Error;

use ws_loop::{Conn, EventLoop, Handler, Message, Refusal, Reply, Request, SendError};

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn open(&mut self, _request: &Request, _reply: &mut Reply) -> Result<(), Refusal> {
        Ok(())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) -> Result<(), SendError> {
        conn.send(message)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let address = args.next();
    let mut server = EventLoop::bind(address.as_deref().unwrap_or("127.0.0.1:9001"))?
        .max_connections(100_000)
        .websocket("/echo");
    if args.next().as_deref() == Some("--max-message") {
        server = server.max_message(args.next().ok_or("--max-message BYTES")?.parse()?);
    }
    if let Some(address) = server.local_addr() {
        println!("listening on ws://{address}/echo");
    }
    Ok(server.run(Echo)?)
}
