//! The way to a server: straight, or through a proxy.

#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;

#[cfg(unix)]
use socket2::{Domain, SockAddr, Socket, Type};
use ws_http::{Proxy, Tunnel, TunnelError};

use crate::dial::reach;
use crate::error::Stage;
use crate::stop::Busy;
use crate::stream::Stream;
use crate::trip::{Failed, Trip};

/// Connects to a host, or to a proxy that connects to it.
pub(crate) fn go(
    (host, port): (&str, u16),
    proxy: Option<&Proxy>,
    trip: &mut Trip<'_>,
) -> Result<Arc<Stream>, Failed> {
    let Some(proxy) = proxy else {
        return connect(host, port, trip);
    };
    trip.tried.note_proxy(proxy);
    let mut tunnel = Tunnel::new(proxy, host, port)?;
    let stream = connect(proxy.host(), proxy.port(), trip)?;
    trip.stage = Stage::Proxy;
    pass(&mut tunnel, &stream, trip)?;
    Ok(stream)
}

/// Connects to a Unix socket.
#[cfg(unix)]
pub(crate) fn go_unix(path: &Path, trip: &mut Trip<'_>) -> Result<Arc<Stream>, Failed> {
    trip.tried.note_path(path);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // It is there at once, or has no room.
    socket.connect_timeout(&SockAddr::unix(path)?, trip.deadline.left()?)?;
    let stream = Arc::new(Stream::from(UnixStream::from(socket)));
    trip.stop.enter(Busy::Talking(stream.clone()))?;
    Ok(stream)
}

fn connect(host: &str, port: u16, trip: &mut Trip<'_>) -> Result<Arc<Stream>, Failed> {
    let stream = Arc::new(Stream::from(reach(host, port, trip)?));
    trip.stop.enter(Busy::Talking(stream.clone()))?;
    Ok(stream)
}

/// Talks with a proxy until the server can be talked to.
fn pass(tunnel: &mut Tunnel, stream: &Stream, trip: &Trip<'_>) -> Result<(), Failed> {
    while !tunnel.is_open() {
        if !tunnel.unsent().is_empty() {
            trip.deadline.write(stream, tunnel.unsent())?;
            tunnel.sent(tunnel.unsent().len());
        }
        // The server behind the proxy speaks only after us: all that comes is the proxy's, unless
        // it is nobody's.
        let mut buffer = [0; 512];
        let len = trip.deadline.read(stream, &mut buffer)?;
        let read = buffer.get(..len).unwrap_or_default();
        if tunnel.receive(read)? < len {
            return Err(TunnelError::Early.into());
        }
        if len == 0 {
            tunnel.eof()?;
        }
    }
    Ok(())
}
