//! The transport of clients, and of servers with TLS: TCP or a Unix socket, with or without TLS.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::{Context, Poll};

#[cfg(all(feature = "tls", feature = "http2"))]
use crate::http2::Http2Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
#[cfg(feature = "tls")]
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
#[cfg(feature = "tls")]
use ws_http::rustls::{ClientConfig, ServerConfig, pki_types::ServerName};

/// A TCP connection or a Unix socket, with TLS around it if the URL says `wss://`: what a
/// [`Client`](crate::Client) connects over.
pub struct Transport(Kind);

enum Kind {
    Tcp(TcpStream),
    /// In a box, so that those over TCP are no larger.
    #[cfg(unix)]
    Unix(Box<UnixStream>),
    /// In a box, because it is thirty times as large.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<Transport>>),
    /// A stream of HTTP/2, over TLS, to this address.
    #[cfg(all(feature = "tls", feature = "http2"))]
    Http2(Box<(Http2Stream, SocketAddr)>),
}

impl Transport {
    /// The TCP connection, for its options; `None` over a Unix socket, and over HTTP/2, where several
    /// WebSockets share it. Bytes that you write to it bypass TLS.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            Kind::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Kind::Unix(_) => None,
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.get_ref().0.tcp(),
            #[cfg(all(feature = "tls", feature = "http2"))]
            Kind::Http2(_) => None,
        }
    }

    /// The address of the other end; behind a proxy, that of the proxy.
    ///
    /// # Errors
    ///
    /// The connection is gone, or it is a Unix socket, whose other end has no address
    /// (`Unsupported`).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Tcp(stream) => stream.peer_addr(),
            #[cfg(unix)]
            Kind::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.get_ref().0.peer_addr(),
            #[cfg(all(feature = "tls", feature = "http2"))]
            Kind::Http2(stream) => Ok(stream.1),
        }
    }

    /// Whether it runs over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        match self.0 {
            Kind::Tcp(_) => false,
            #[cfg(unix)]
            Kind::Unix(_) => false,
            #[cfg(feature = "tls")]
            Kind::Tls(_) => true,
            #[cfg(all(feature = "tls", feature = "http2"))]
            Kind::Http2(_) => true,
        }
    }

    /// Shakes hands with a server.
    #[cfg(feature = "tls")]
    pub(crate) async fn connect(
        config: Arc<ClientConfig>,
        expected: ServerName<'static>,
        stream: Self,
    ) -> io::Result<Self> {
        let stream = TlsConnector::from(config).connect(expected, stream).await?;
        Ok(Self(Kind::Tls(Box::new(stream.into()))))
    }

    /// Whether the server has chosen HTTP/2.
    #[cfg(all(feature = "tls", feature = "http2"))]
    pub(crate) fn speaks_http2(&self) -> bool {
        match &self.0 {
            Kind::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
            _ => false,
        }
    }

    #[cfg(all(feature = "tls", feature = "http2"))]
    pub(crate) fn http2(stream: Http2Stream, address: SocketAddr) -> Self {
        Self(Kind::Http2(Box::new((stream, address))))
    }

    /// Shakes hands with a client, with what [`ServerTls::config`](ws_http::ServerTls::config) says:
    /// for another HTTP server that speaks TLS. It has no time limit of its own.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped drops the connection.
    ///
    /// # Errors
    ///
    /// The handshake failed.
    #[cfg(feature = "tls")]
    pub async fn accept(config: Arc<ServerConfig>, stream: TcpStream) -> io::Result<Self> {
        let stream = TlsAcceptor::from(config).accept(stream.into()).await?;
        Ok(Self(Kind::Tls(Box::new(stream.into()))))
    }

    /// Whichever it is.
    fn stream(self: Pin<&mut Self>) -> Pin<&mut dyn Duplex> {
        match &mut self.get_mut().0 {
            Kind::Tcp(stream) => Pin::new(stream),
            #[cfg(unix)]
            Kind::Unix(stream) => Pin::new(&mut **stream),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => Pin::new(&mut **stream),
            #[cfg(all(feature = "tls", feature = "http2"))]
            Kind::Http2(stream) => Pin::new(&mut stream.0),
        }
    }
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Tcp(stream))
    }
}

#[cfg(unix)]
impl From<UnixStream> for Transport {
    fn from(stream: UnixStream) -> Self {
        Self(Kind::Unix(Box::new(stream)))
    }
}

/// What any of the streams is.
trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, room)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Kind::Unix(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.is_write_vectored(),
            #[cfg(all(feature = "tls", feature = "http2"))]
            Kind::Http2(stream) => stream.0.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("peer_addr", &self.peer_addr().ok())
            .field("is_secure", &self.is_secure())
            .finish()
    }
}
