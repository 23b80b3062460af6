//! The way to a connection: look-up, addresses, a proxy.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use ws_http::{Attempt, Attempts, Dialed, Proxy, Tunnel, TunnelError};

use crate::error::{ConnectError, Stage, Tried};
use crate::transport::Transport;
use crate::trip::Trip;

/// Connects to a host, or to a proxy that connects to it; or to a Unix socket.
pub(crate) async fn dial(
    dialed: &Dialed,
    proxy: Option<&Proxy>,
    trip: &mut Trip,
) -> Result<Transport, ConnectError> {
    let (host, port) = match dialed {
        Dialed::Host(host, port) => (host, *port),
        #[cfg(unix)]
        Dialed::Unix(path) => {
            trip.tried.note_path(path);
            trip.stage = Stage::Connect;
            let stream = UnixStream::connect(path).await;
            return Ok(stream.map_err(|error| trip.io(error))?.into());
        }
    };
    let Some(proxy) = proxy else {
        return Ok(reach(host, port, trip).await?.into());
    };
    trip.tried.note_proxy(proxy);
    let mut tunnel = Tunnel::new(proxy, host, port).map_err(|error| trip.tunnel(error))?;
    let mut stream = reach(proxy.host(), proxy.port(), trip).await?;
    trip.stage = Stage::Proxy;
    while !tunnel.is_open() {
        if !tunnel.unsent().is_empty() {
            let written = stream.write_all(tunnel.unsent()).await;
            written.map_err(|error| trip.io(error))?;
            tunnel.sent(tunnel.unsent().len());
        }
        // The server behind the proxy speaks only after us: all that comes is the proxy's, unless
        // it is nobody's.
        let mut buffer = [0; 512];
        let len = stream.read(&mut buffer).await;
        let len = len.map_err(|error| trip.io(error))?;
        let read = buffer.get(..len).unwrap_or_default();
        if tunnel.receive(read).map_err(|error| trip.tunnel(error))? < len {
            return Err(trip.tunnel(TunnelError::Early));
        }
        if len == 0 {
            tunnel.eof().map_err(|error| trip.tunnel(error))?;
        }
    }
    Ok(stream.into())
}

/// Connects to the first address of a host that answers.
async fn reach(host: &str, port: u16, trip: &mut Trip) -> Result<TcpStream, ConnectError> {
    trip.stage = Stage::LookUp;
    let addresses = lookup_host((host, port)).await;
    let addresses = addresses.map_err(|error| trip.io(error))?;
    trip.stage = Stage::Connect;
    let found = first_of(addresses, &mut trip.tried).await;
    let stream = found.map_err(|error| trip.io(error))?;
    stream.set_nodelay(true).map_err(|error| trip.io(error))?;
    Ok(stream)
}

/// Connects to whichever address answers first.
async fn first_of(
    addresses: impl IntoIterator<Item = SocketAddr>,
    tried: &mut Tried,
) -> io::Result<TcpStream> {
    let epoch = Instant::now();
    let mut attempts = Attempts::new(addresses);
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    // Those that are not the first are dropped with it.
    let mut begun = JoinSet::new();
    loop {
        let now = ws_proto::Instant::from_epoch(epoch.elapsed());
        let ended = match attempts.next(now) {
            Attempt::Begin(address) => {
                tried.note_address(address);
                begun.spawn(TcpStream::connect(address));
                continue;
            }
            Attempt::Wait(Some(next)) => {
                let until = epoch + next.since_epoch();
                timeout_at(until, begun.join_next()).await.ok().flatten()
            }
            Attempt::Wait(None) => begun.join_next().await,
            Attempt::Over => return Err(last),
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => last = error,
            Some(Err(error)) => last = io::Error::other(error),
            // It is time to try the next address, beside those that were begun.
            None => continue,
        }
        attempts.failed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_refuses_leaves_it_to_the_next() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            other.local_addr().unwrap()
        };
        let mut tried = Tried::new("h:80".into());
        let stream = first_of(vec![closed, open], &mut tried).await.unwrap();
        assert_eq!(tried.addresses(), [closed, open]);
        assert_eq!(stream.peer_addr().unwrap(), open);
        let error = first_of([closed], &mut tried).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first_of(Vec::new(), &mut tried).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
