//! Two WebSockets on one connection of HTTP/2, to a server whose HTTP/2 has them (RFC 8441).
//!
//! ```text
//! cargo run -p ws-tokio --example tower --features tower   # in one terminal
//! cargo run -p ws-tokio --example http2 --features http2 -- ws://127.0.0.1:9001/echo
//! ```

use tokio::net::TcpStream;
use ws_tokio::ws_proto::handshake::Uri;
use ws_tokio::{Client, CloseCode, Http2};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let url = url.as_deref().unwrap_or("ws://127.0.0.1:9001/echo");
    let uri = Uri::parse(url)?;
    // Without TLS both sides have to know that it is HTTP/2. Over TLS they agree on it.
    let stream = TcpStream::connect((uri.host(), uri.port())).await?;
    let http2 = Http2::over(stream).await?;
    let client = Client::new(url);
    let mut one = client.connect_on(&http2).await?;
    let mut two = client.connect_on(&http2).await?;
    for (name, ws) in [("one", &mut one), ("two", &mut two)] {
        ws.send(&*format!("this is {name}")).await?;
        if let Some(message) = ws.recv().await? {
            println!("{}", message.as_text().unwrap_or("(bytes)"));
        }
        ws.close(CloseCode::NORMAL, "").await?;
    }
    Ok(())
}
