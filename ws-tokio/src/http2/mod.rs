//! A client's WebSockets over HTTP/2: many on one connection, each on a stream of its own (RFC 8441).

use std::fmt;
use std::io;
use std::pin::{Pin, pin};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::ext::Protocol;
use h2::{Ping, RecvStream};
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use ws_http::Url;
use ws_proto::handshake::{HttpVersion, Response, ResponseError, Scheme};
use ws_proto::{Connecting, Session};

use crate::client::{BODY, Client, entropy, parsed, refused};
use crate::error::{ConnectError, Stage};
use crate::first::first;
use crate::socket::{About, WebSocket};
use crate::trip::Trip;

mod stream;

pub use stream::Http2Stream;
use stream::failure;

/// A connection of HTTP/2 to a server, for any number of WebSockets: [`Client::connect_on`]. Clones
/// are the same connection, which ends when all clones and all its WebSockets are gone.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tokio::net::TcpStream;
/// use ws_tokio::{Client, Http2};
///
/// let http2 = Http2::over(TcpStream::connect("127.0.0.1:9001").await?).await?;
/// let chat = Client::new("ws://127.0.0.1:9001/chat");
/// let mut ws = chat.connect_on(&http2).await?;
/// let mut another = chat.connect_on(&http2).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Http2(SendRequest<Bytes>);

impl Http2 {
    /// Begins HTTP/2 on a stream to a server that speaks it; over TLS, both have agreed on `h2` by
    /// ALPN. A task of its own moves the frames. When this returns, it is known what the server
    /// announces ([`has_websockets`](Self::has_websockets)).
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped drops the connection.
    ///
    /// # Errors
    ///
    /// The connection failed, or the server does not speak HTTP/2.
    pub async fn over<S>(stream: S) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = Builder::new().enable_push(false).handshake(stream);
        let (sender, mut connection) = handshake.await.map_err(failure)?;
        // Before it answers anything, a server has sent its settings (RFC 9113 §3.4).
        if let Some(mut ping) = connection.ping_pong() {
            let answered = pin!(ping.ping(Ping::opaque()));
            match first(answered, Pin::new(&mut connection)).await {
                Ok(answered) => _ = answered.map_err(failure)?,
                Err(ended) => {
                    ended.map_err(failure)?;
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        tokio::spawn(async move {
            // Each stream learns of a failure for itself.
            let _ = connection.await;
        });
        Ok(Self(sender))
    }

    /// Uses a connection that the application drives, and on which it may make other requests. The
    /// server's settings are known after its first answer.
    #[must_use]
    pub const fn of(sender: SendRequest<Bytes>) -> Self {
        Self(sender)
    }

    /// Whether the server announces that it opens WebSockets over HTTP/2
    /// (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441 §3).
    #[must_use]
    pub fn has_websockets(&self) -> bool {
        self.0.is_extended_connect_protocol_enabled()
    }
}

impl Client {
    /// Opens a WebSocket on a stream of a connection of HTTP/2 (RFC 8441). The URL gives the host
    /// and the path of the request; no name is looked up, and no redirect is followed.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves no stream; the connection continues.
    ///
    /// # Errors
    ///
    /// [`ConnectError::NoHttp2`] if the server does not announce it; and as
    /// [`connect_over`](Self::connect_over).
    pub async fn connect_on(&self, http2: &Http2) -> Result<WebSocket<Http2Stream>, ConnectError> {
        let url = Url::parse(&self.url).map_err(ConnectError::Url)?;
        let client = self.with_credentials_of(&url);
        let mut trip = Trip::new();
        let opened = self.in_time(client.open_stream(&url, http2, |stream| stream, &mut trip));
        let opened = opened.await;
        opened.unwrap_or_else(|| Err(trip.timed_out(self.config.handshake_timeout)))
    }

    /// Asks a server over TLS for HTTP/2, and opens the WebSocket there if the server announces support
    /// for it (RFC 8441); otherwise over HTTP/1.1, on another connection if need be. Default: HTTP/1.1.
    ///
    /// Each attempt has a connection of its own. [`connect_on`](Self::connect_on) shares one.
    #[cfg(feature = "tls")]
    pub const fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Opens a stream, of which `over` makes what the WebSocket is over.
    pub(crate) async fn open_stream<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        url: &Url,
        http2: &Http2,
        over: impl FnOnce(Http2Stream) -> S,
        trip: &mut Trip,
    ) -> Result<WebSocket<S>, ConnectError> {
        let uri = parsed(url)?;
        if trip.tried.host().is_empty() {
            trip.begin(&uri, Stage::Answer);
        }
        let failed = |error| trip.io(failure(error));
        if !http2.has_websockets() {
            return Err(ConnectError::NoHttp2);
        }
        let scheme = match uri.scheme() {
            Scheme::Ws => "http",
            Scheme::Wss => "https",
        };
        let mut request = self.offered(&uri, |offer| Ok(offer.to_http_extended(scheme)?))?;
        let protocol = Protocol::from_static("websocket");
        request.extensions_mut().insert(protocol);
        let mut sender = http2.0.clone().ready().await.map_err(failed)?;
        let (answer, send) = sender.send_request(request, false).map_err(failed)?;
        let (head, body) = answer.await.map_err(failed)?.into_parts();
        let response =
            Response::from_parts(head.status.as_u16(), HttpVersion::Http2, &head.headers)?;
        let agreed = self.offered(&uri, |offer| {
            offer.confirm_extended(&response)?;
            Ok(offer.agreed(&response)?)
        });
        let agreed = match agreed {
            Ok(agreed) => agreed,
            Err(ConnectError::Handshake(ResponseError::Refused(_))) => {
                return Err(refusal(head.status, head.headers, body).await);
            }
            Err(error) => return Err(error),
        };
        let session = Session::client(&self.config, entropy()?);
        #[cfg(feature = "deflate")]
        let session = match (&self.config.deflate, &agreed) {
            (Some(ours), Some(agreed)) => session.compressed(ours, agreed),
            _ => session,
        };
        #[cfg(not(feature = "deflate"))]
        let _ = agreed;
        let mut ws = WebSocket::over(over(Http2Stream::new(send, body)), session);
        ws.about = Some(Box::new(About {
            subprotocol: response.protocol().map(Into::into),
            headers: Some(head.headers.clone()),
        }));
        Ok(ws)
    }
}

/// What a server says that opens no WebSocket, with as much of its body as comes in time.
async fn refusal(status: StatusCode, headers: HeaderMap, mut body: RecvStream) -> ConnectError {
    let mut read = Vec::new();
    let _: Result<(), _> = timeout(BODY, async {
        while let Some(Ok(piece)) = body.data().await {
            let room = Connecting::MAX_BODY.saturating_sub(read.len());
            read.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
            if room <= piece.len() || body.flow_control().release_capacity(piece.len()).is_err() {
                break;
            }
        }
    })
    .await;
    refused(status, headers, read)
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2")
            .field("has_websockets", &self.has_websockets())
            .finish_non_exhaustive()
    }
}
