//! The way to a connection: look-up, addresses, a proxy.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};

use ws_http::{Proxy, Tunnel, TunnelError};
use ws_proto::handshake::Uri;

use crate::deadline::Deadline;
use crate::error::ConnectError;
use crate::stream::Stream;

/// Connects to the host, or to a proxy that connects to it.
pub(crate) fn dial(
    uri: &Uri<'_>,
    proxy: Option<&Proxy>,
    deadline: Deadline<'_>,
) -> Result<Stream, ConnectError> {
    let Some(proxy) = proxy else {
        return reach(uri.host(), uri.port(), uri.authority().into(), deadline);
    };
    let stream = reach(proxy.host(), proxy.port(), proxy.to_string(), deadline)?;
    let failed = |error| ConnectError::Proxy {
        proxy: proxy.to_string(),
        error,
    };
    let mut tunnel = Tunnel::new(proxy, uri.host(), uri.port()).map_err(failed)?;
    while !tunnel.is_open() {
        if !tunnel.unsent().is_empty() {
            deadline.write(&stream, tunnel.unsent())?;
            tunnel.sent(tunnel.unsent().len());
        }
        // Who is behind the proxy speaks only after us: all that comes is the proxy's, unless it
        // is nobody's.
        let mut buffer = [0; 512];
        let len = deadline.read(&stream, &mut buffer)?;
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

/// Tries the addresses of a host, one after the other. `name` is what an error calls it.
fn reach(
    host: &str,
    port: u16,
    name: String,
    deadline: Deadline<'_>,
) -> Result<Stream, ConnectError> {
    let failed = |error| ConnectError::Connect {
        host: name.clone(),
        error,
    };
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in (host, port).to_socket_addrs().map_err(failed)? {
        let left = deadline.left().map_err(failed)?;
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream.into()),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}
