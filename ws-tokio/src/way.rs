//! The way to a connection: look-up, addresses, a proxy.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use ws_http::{Attempt, Attempts, Proxy, Tunnel, TunnelError};
use ws_proto::handshake::Uri;

use crate::error::ConnectError;

/// Connects to the host, or to a proxy that connects to it.
pub(crate) async fn dial(uri: &Uri<'_>, proxy: Option<&Proxy>) -> Result<TcpStream, ConnectError> {
    let Some(proxy) = proxy else {
        return reach(uri.host(), uri.port(), uri.authority()).await;
    };
    let mut stream = reach(proxy.host(), proxy.port(), &proxy.to_string()).await?;
    let failed = |error| ConnectError::Proxy {
        proxy: proxy.to_string(),
        error,
    };
    let mut tunnel = Tunnel::new(proxy, uri.host(), uri.port()).map_err(failed)?;
    while !tunnel.is_open() {
        if !tunnel.unsent().is_empty() {
            stream.write_all(tunnel.unsent()).await?;
            tunnel.sent(tunnel.unsent().len());
        }
        // Who is behind the proxy speaks only after us: all that comes is the proxy's, unless it
        // is nobody's.
        let mut buffer = [0; 512];
        let len = stream.read(&mut buffer).await?;
        let read = buffer.get(..len).unwrap_or_default();
        if tunnel.receive(read).map_err(failed)? < len {
            return Err(failed(TunnelError::Early));
        }
        if len == 0 {
            tunnel.eof().map_err(failed)?;
        }
    }
    Ok(stream)
}

/// Connects to the first address of a host that answers. `name` is what an error calls it.
async fn reach(host: &str, port: u16, name: &str) -> Result<TcpStream, ConnectError> {
    let found = async {
        let addresses = lookup_host((host, port)).await?;
        let stream = first_of(addresses).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    found.await.map_err(|error| ConnectError::Connect {
        host: name.into(),
        error,
    })
}

/// Connects to whichever address answers first.
async fn first_of(addresses: impl IntoIterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let epoch = Instant::now();
    let mut attempts = Attempts::new(addresses);
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    // Those that are not the first are dropped with it.
    let mut begun = JoinSet::new();
    loop {
        let now = ws_proto::Instant::from_epoch(epoch.elapsed());
        let ended = match attempts.next(now) {
            Attempt::Begin(address) => {
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
            // The next address is to be tried beside those that were begun.
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
        let stream = first_of(vec![closed, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let error = first_of([closed]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first_of(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
