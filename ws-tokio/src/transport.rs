//! What a client connects over, and what comes to a server that speaks TLS: TCP, and TLS around it.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
#[cfg(feature = "tls")]
use ws_http::rustls::{ClientConfig, ServerConfig, pki_types::ServerName};

/// A TCP connection, with TLS around it if the URL says `wss://`: what a [`Client`](crate::Client)
/// connects over.
pub struct Transport(Kind);

enum Kind {
    Tcp(TcpStream),
    /// In a box, because it is thirty times as large.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// The TCP connection. What is written to it goes past TLS, if there is some.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.get_ref().0,
        }
    }

    /// The address of the other end; behind a proxy, that of the proxy.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }

    /// Whether there is TLS around it.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        !matches!(self.0, Kind::Tcp(_))
    }

    /// Shakes hands with a server.
    #[cfg(feature = "tls")]
    pub(crate) async fn connect(
        config: Arc<ClientConfig>,
        expected: ServerName<'static>,
        stream: TcpStream,
    ) -> io::Result<Self> {
        let stream = TlsConnector::from(config).connect(expected, stream).await?;
        Ok(Self(Kind::Tls(Box::new(stream.into()))))
    }

    /// Shakes hands with a client.
    #[cfg(feature = "tls")]
    pub(crate) async fn accept(config: Arc<ServerConfig>, stream: TcpStream) -> io::Result<Self> {
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        Ok(Self(Kind::Tls(Box::new(stream.into()))))
    }

    /// Whichever it is.
    fn stream(self: Pin<&mut Self>) -> Pin<&mut dyn Duplex> {
        match &mut self.get_mut().0 {
            Kind::Tcp(stream) => Pin::new(stream),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Tcp(stream))
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
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.is_write_vectored(),
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
            .field("tcp", self.tcp())
            .field("is_secure", &self.is_secure())
            .finish()
    }
}
