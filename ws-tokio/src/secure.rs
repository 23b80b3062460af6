//! The way of a client over TLS: to HTTP/1.1, or to HTTP/2 where it is wanted and there are WebSockets.

#[cfg(feature = "http2")]
use std::sync::Arc;

use ws_http::TlsError;
use ws_proto::handshake::Uri;

use crate::client::Client;
use crate::error::ConnectError;
#[cfg(feature = "http2")]
use crate::http2::Http2;
use crate::socket::WebSocket;
use crate::transport::Transport;
use crate::way::dial;

impl Client {
    /// Connects to a `wss://` URL.
    pub(crate) async fn open_over_tls(
        &self,
        uri: &Uri<'_>,
    ) -> Result<WebSocket<Transport>, ConnectError> {
        let opened = async {
            #[cfg(feature = "http2")]
            if self.http2 {
                return self.open_as_agreed(uri).await;
            }
            self.open(uri, self.secure(uri, Agreeing::Http1).await?)
                .await
        };
        opened.await.map_err(|error| match error {
            // A server that does not accept our certificate says so after the handshake.
            ConnectError::Io(error) => match TlsError::within(&error) {
                Some(error) => failed(uri, error),
                None => ConnectError::Io(error),
            },
            error => error,
        })
    }

    /// Connects over the version of HTTP that the server chooses, if it has WebSockets there.
    #[cfg(feature = "http2")]
    async fn open_as_agreed(&self, uri: &Uri<'_>) -> Result<WebSocket<Transport>, ConnectError> {
        let stream = self.secure(uri, Agreeing::Either).await?;
        if !stream.speaks_http2() {
            return self.open(uri, stream).await;
        }
        let address = stream.peer_addr()?;
        let http2 = Http2::over(stream).await?;
        if http2.has_websockets() {
            let over = |stream| Transport::http2(stream, address);
            return self.open_stream(&http2, over).await;
        }
        drop(http2);
        // What was agreed on by TLS stays so for the connection.
        self.open(uri, self.secure(uri, Agreeing::Http1).await?)
            .await
    }

    /// Connects to the server, and shakes hands.
    async fn secure(&self, uri: &Uri<'_>, agreeing: Agreeing) -> Result<Transport, ConnectError> {
        let config = self.tls.config().map_err(|error| failed(uri, error))?;
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
        let expected = expected.map_err(|error| failed(uri, error))?;
        let stream = dial(uri, self.proxy.as_ref()).await?;
        Ok(Transport::connect(config, expected, stream).await?)
    }
}

/// What TLS may agree on (ALPN).
enum Agreeing {
    Http1,
    #[cfg(feature = "http2")]
    Either,
}

fn failed(uri: &Uri<'_>, error: TlsError) -> ConnectError {
    let host = uri.authority().into();
    ConnectError::Tls { host, error }
}
