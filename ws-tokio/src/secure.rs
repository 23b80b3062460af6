//! The way of a client over TLS: to HTTP/1.1, or to HTTP/2 where it is wanted and there are WebSockets.

#[cfg(feature = "http2")]
use std::sync::Arc;

use ws_http::Url;

use crate::client::{Client, parsed};
use crate::error::{ConnectError, Stage};
#[cfg(feature = "http2")]
use crate::http2::Http2;
#[cfg(feature = "http2")]
use crate::socket::WebSocket;
use crate::transport::Transport;
use crate::trip::Trip;

impl Client {
    /// Connects over the version of HTTP that the server chooses, if it has WebSockets there.
    #[cfg(feature = "http2")]
    pub(crate) async fn open_as_agreed(
        &self,
        url: &Url,
        trip: &mut Trip,
    ) -> Result<WebSocket<Transport>, ConnectError> {
        let stream = self.secure(url, Agreeing::Either, trip).await?;
        if !stream.speaks_http2() {
            return self.open(url, stream, trip).await;
        }
        trip.stage = Stage::Answer;
        let address = stream.peer_addr().map_err(|error| trip.io(error))?;
        let http2 = Http2::over(stream).await.map_err(|error| trip.io(error))?;
        if http2.has_websockets() {
            let over = |stream| Transport::http2(stream, address);
            return self.open_stream(url, &http2, over, trip).await;
        }
        drop(http2);
        // What was agreed on by TLS stays so for the connection.
        let stream = self.secure(url, Agreeing::Http1, trip).await?;
        self.open(url, stream, trip).await
    }

    /// Connects to the server, and shakes hands.
    pub(crate) async fn secure(
        &self,
        url: &Url,
        agreeing: Agreeing,
        trip: &mut Trip,
    ) -> Result<Transport, ConnectError> {
        let uri = parsed(url)?;
        trip.begin(&uri, Stage::Tls);
        let config = self.tls.config().map_err(|error| trip.tls(error))?;
        let config = match agreeing {
            Agreeing::Http1 => config,
            #[cfg(feature = "http2")]
            Agreeing::Either => {
                let mut config = (*config).clone();
                config.alpn_protocols.insert(0, b"h2".to_vec());
                Arc::new(config)
            }
        };
        let expected = self.tls.expected(uri.host());
        let expected = expected.map_err(|error| trip.tls(error))?;
        let stream = self.dial(url, &uri, trip).await?;
        trip.stage = Stage::Tls;
        let stream = Transport::connect(config, expected, stream).await;
        stream.map_err(|error| trip.io(error))
    }
}

/// What TLS may agree on (ALPN).
pub(crate) enum Agreeing {
    Http1,
    #[cfg(feature = "http2")]
    Either,
}
