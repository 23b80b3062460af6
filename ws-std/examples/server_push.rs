//! A server that sends a number every second until the client leaves, and a page that shows it.
//!
//! ```text
//! cargo run --example server_push                      # then open http://127.0.0.1:9001/
//! cargo run --example long_running_client -- ws://127.0.0.1:9001/count
//! ```

use std::time::Duration;

use ws_std::{Error, Next, Response, Server};

const PAGE: &str = "<!doctype html><title>count</title><h1></h1><script>
    const ws = new WebSocket(`ws://${location.host}/count`);
    ws.onmessage = ({data}) => document.querySelector('h1').textContent = data;
</script>";

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let server = Server::bind(address)?
        .get("/", |_request| Response::html(PAGE))
        .websocket("/count", |mut ws, _request| {
            for count in 1_u64.. {
                ws.send(&count.to_string())?;
                // The pause between two numbers is spent receiving: that is how the server sees
                // that the client leaves, and keeps the connection alive.
                if let Next::Closed = ws.recv_timeout(Duration::from_secs(1))? {
                    println!("{} left at {count}", ws.peer_addr());
                    break;
                }
            }
            Ok::<_, Error>(())
        });
    println!("listening at ws://{}/count", server.local_addr());
    server.run()
}
