//! Sends every message back; all that came with one read is answered with one write.
//!
//! ```text
//! cargo run --release -p ws-tokio --example async_echo -- 127.0.0.1:9001 [--max-message BYTES]
//! cargo run -p ws-tokio --example client -- ws://127.0.0.1:9001/echo
//! ```

use ws_tokio::{Error, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    let server = Server::bind(address).await?;
    let mut server = server.websocket("/echo", |mut ws, _request| async move {
        while let Some((message, mut reply)) = ws.recv_reply().await? {
            reply.queue(message)?;
        }
        Ok::<_, Error>(())
    });
    if let (Some("--max-message"), Some(bytes)) = (args.next().as_deref(), args.next()) {
        server = server.max_message(bytes.parse()?);
    }
    println!("listening on ws://{}/echo", server.local_addr());
    server.max_connections(100_000).run().await?;
    Ok(())
}
