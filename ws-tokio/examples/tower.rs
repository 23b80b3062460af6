//! An echo as a layer, over a service of hyper's that answers everything else, for HTTP/1.1 and HTTP/2.
//!
//! ```text
//! cargo run -p ws-tokio --example tower --features tower
//! cargo run -p ws-tokio --example client -- ws://127.0.0.1:9001/echo
//! ```

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tower::{Layer, service_fn};
use ws_tokio::tower::WebSocketLayer;
use ws_tokio::{Error, Upgraded, WebSocket, ws_http};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9001");
    let listener = tokio::net::TcpListener::bind(address).await?;
    let echo = WebSocketLayer::new("/echo", echo)?.on_error(|error| eprintln!("{error}"));
    let service = TowerToHyperService::new(echo.layer(service_fn(page)));
    let mut http = Builder::new(TokioExecutor::new());
    http.http2().enable_connect_protocol();
    println!("listening on http://{}/echo", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let (http, service) = (http.clone(), service.clone());
        tokio::spawn(async move {
            let stream = TokioIo::new(stream);
            if let Err(error) = http.serve_connection_with_upgrades(stream, service).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn page(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("Connect to /echo.\n".into()))
}

async fn echo(mut ws: WebSocket<Upgraded>, _: ws_http::Request) -> Result<(), Error> {
    while let Some((message, mut reply)) = ws.recv_reply().await? {
        reply.queue(message)?;
    }
    Ok(())
}
