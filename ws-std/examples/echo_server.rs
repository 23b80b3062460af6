//! Sends every message back.
//!
//! ```text
//! cargo run --example echo_server                      # in one terminal
//! cargo run --example one_shot_client -- ws://127.0.0.1:9001/ hello
//! ```

use ws_std::Server;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let server = Server::bind(address)?.websocket("/", |mut ws, _request| {
        ws.for_each(|message, tx| tx.send(message))
    });
    println!("listening at ws://{}/", server.local_addr());
    server.run()
}
