//! The way to a connection: look-up, addresses, a proxy.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use ws_http::{Proxy, Tunnel, TunnelError};
use ws_proto::handshake::Uri;

use crate::error::ConnectError;

/// The time that an address has before the next is tried beside it (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

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
        let addresses = alternating(lookup_host((host, port)).await?.collect());
        let stream = first_of(addresses).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    found.await.map_err(|error| ConnectError::Connect {
        host: name.into(),
        error,
    })
}

/// Both families in turn, beginning with the one that the resolver prefers (RFC 8305 §4).
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        (addresses.into_iter()).partition(|address| address.is_ipv6() == preferred);
    let mut first = first.into_iter();
    let mut second = second.into_iter();
    let mut all = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => return all,
            (a, b) => all.extend(a.into_iter().chain(b)),
        }
    }
}

async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    let mut attempts = JoinSet::new();
    for address in addresses {
        attempts.spawn(TcpStream::connect(address));
        if let Ok(Some(Ok(attempt))) = timeout(HEAD_START, attempts.join_next()).await {
            match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
    }
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(error) => last = io::Error::other(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_the_resolver_s_choice_is_first() {
        let of = |text: &str| -> Vec<SocketAddr> {
            (text.split(' ').filter(|address| !address.is_empty()))
                .map(|address| address.parse().unwrap())
                .collect()
        };
        for (given, tried) in [
            ("", ""),
            ("[::1]:1 [::2]:1 1.1.1.1:1", "[::1]:1 1.1.1.1:1 [::2]:1"),
            ("1.1.1.1:1 [::1]:1 [::2]:1", "1.1.1.1:1 [::1]:1 [::2]:1"),
            ("1.1.1.1:1 2.2.2.2:1", "1.1.1.1:1 2.2.2.2:1"),
        ] {
            assert_eq!(alternating(of(given)), of(tried), "{given}");
        }
    }

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
        let error = first_of(vec![closed, closed]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = first_of(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
