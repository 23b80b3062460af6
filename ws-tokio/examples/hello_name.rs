//! A server that receives a name and answers with a greeting: the first program of Python's
//! `websockets`.
//!
//! ```text
//! cargo run -p ws-tokio --example hello_name              # in one terminal
//! cargo run -p ws-tokio --example client               # in another: type a name
//! ```

use tokio::net::{TcpListener, TcpStream};
use ws_tokio::ws_http::Request;
use ws_tokio::{Error, WebSocket};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    ws_tokio::serve(listener, hello).await
}

async fn hello(mut ws: WebSocket<TcpStream>, _request: Request) -> Result<(), Error> {
    let Some(name) = ws.recv_owned().await? else {
        return Ok(()); // it left without a word
    };
    let name = name.as_message().as_text().unwrap_or("whoever you are");
    println!("<<< {name}");
    let greeting = format!("Hello {name}!");
    ws.send(&greeting).await?;
    println!(">>> {greeting}");
    Ok(())
}
