//! Sends the time of the server every second, until the client leaves.
//!
//! ```text
//! cargo run -p ws-tokio --example clock                # in one terminal
//! cargo run -p ws-tokio --example client               # in another
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::{TcpListener, TcpStream};
use ws_tokio::ws_http::Request;
use ws_tokio::{Error, WebSocket};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    ws_tokio::serve(listener, tick).await
}

async fn tick(mut ws: WebSocket<TcpStream>, _request: Request) -> Result<(), Error> {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = second.tick() => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                ws.send(&format!("{} s since 1970", now.as_secs())).await?;
            }
            // That is how the server sees that the client leaves, and keeps the connection alive.
            message = ws.recv() => if message?.is_none() {
                return Ok(());
            },
        }
    }
}
