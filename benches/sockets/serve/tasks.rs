//! Tasks on one thread.

use std::io;
use std::net::TcpListener as StdListener;

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task;
use tokio_websockets::ServerBuilder;

use super::listen;

pub(super) fn fastwebsockets(at_once: bool) -> io::Result<()> {
    each(listen()?, at_once, |stream| async {
        let http = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(upgrade))
            .with_upgrades();
        // A client that goes away is no concern of a benchmark.
        let _ = http.await;
    })
}

async fn upgrade(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    task::spawn(task::unconstrained(echo(upgraded)));
    Ok(response)
}

async fn echo(upgraded: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}

pub(super) fn tokio_websockets(at_once: bool) -> io::Result<()> {
    each(listen()?, at_once, |stream| {
        task::unconstrained(async {
            let Ok((_request, mut ws)) = ServerBuilder::new().accept(stream).await else {
                return;
            };
            while let Some(Ok(message)) = ws.next().await {
                let is_data = message.is_text() || message.is_binary();
                if is_data && ws.send(message).await.is_err() {
                    return;
                }
            }
        })
    })
}

/// Serves each connection with a task of its own.
fn each<S, F>(listener: StdListener, at_once: bool, serve: S) -> io::Result<()>
where
    S: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    listener.set_nonblocking(true)?;
    let runtime = Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(at_once)?;
            task::spawn(serve(stream));
        }
    })
}
