//! The server alone: a listener, and hyper for each connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time;
#[cfg(feature = "tls")]
use ws_http::ws_proto;
#[cfg(feature = "tls")]
use ws_tokio::Transport;

use super::service::{OverTls, Peer, Service};

/// Serves the connections of a listener until the server has to stop, and then until all sessions
/// are over, or the grace is.
pub(super) async fn run(listener: TcpListener, service: Service) -> io::Result<()> {
    let hub = Arc::clone(&service.hub);
    // Each session may have a GET and a POST under way, or its WebSocket; others wait to be accepted.
    let most = hub.config.quota.connections.saturating_mul(2);
    let room = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            () = hub.stopped() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = hub.stopped() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            // No descriptors are left: some will be when connections have ended.
            Err(_) => {
                time::sleep(PAUSE).await;
                continue;
            }
        };
        let service = service.clone();
        tokio::spawn(async move {
            // Small answers leave at once. If that cannot be set, they leave later.
            drop(stream.set_nodelay(true));
            begin(stream, Peer(peer), service).await;
            drop(permit);
        });
    }
    drop(listener);
    // Do not wait for a connection that is still there then.
    drop(time::timeout(hub.config.grace, hub.emptied()).await);
    Ok(())
}

/// How long to wait before the next connection is accepted when one could not be.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether the listener itself is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(not(feature = "tls"))]
async fn begin(stream: TcpStream, peer: Peer, service: Service) {
    serve(stream, (peer, None), service).await;
}

/// Shakes hands, if the server speaks TLS. Who does not manage to in time has no session yet, and is
/// not missed.
#[cfg(feature = "tls")]
async fn begin(stream: TcpStream, peer: Peer, service: Service) {
    let Some(tls) = &service.hub.config.tls else {
        return serve(stream, (peer, None), service).await;
    };
    let shaken = Transport::accept(tls.config(), stream);
    let shaken = time::timeout(ws_proto::Config::DEFAULT.handshake_timeout, shaken);
    let shaken = tokio::select! {
        shaken = shaken => shaken,
        () = service.hub.stopped() => return,
    };
    if let Ok(Ok(stream)) = shaken {
        serve(stream, (peer, Some(OverTls)), service).await;
    }
}

async fn serve<S>(stream: S, (peer, tls): (Peer, Option<OverTls>), service: Service)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let hub = Arc::clone(&service.hub);
    let answer = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
        let extensions = request.extensions_mut();
        extensions.insert(peer);
        if let Some(tls) = tls {
            extensions.insert(tls);
        }
        service.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    let connection = http.serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection.with_upgrades());
    // How a connection ended is its client's affair: its session sees to itself.
    tokio::select! {
        ended = connection.as_mut() => drop(ended),
        () = hub.stopped() => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}
