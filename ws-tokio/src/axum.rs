//! An extractor for axum, used as axum's own.
//!
//! ```no_run
//! use axum::{Router, response::Response, routing::any};
//! use ws_tokio::axum::{WebSocket, WebSocketUpgrade};
//!
//! async fn chat(ws: WebSocketUpgrade) -> Response {
//!     ws.protocols(["chat.v2", "chat.v1"]).on_upgrade(echo)
//! }
//!
//! async fn echo(mut ws: WebSocket) {
//!     // A client that breaks the rules or goes away ends it: nothing is left to do then.
//!     while let Ok(Some((message, mut reply))) = ws.recv_reply().await {
//!         if reply.queue(message).is_err() {
//!             break;
//!         }
//!     }
//! }
//!
//! # async fn run() -> std::io::Result<()> {
//! let app = Router::new().route("/chat", any(chat)); // `any`: GET, and CONNECT over HTTP/2
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
//! axum::serve(listener, app).await
//! # }
//! ```

use std::future::Future;

use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use ws_http::{Origins, Refusal};
#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::handshake::Bootstrap;
use ws_proto::{Limits, Timeouts};

use crate::Error;
use crate::upgrade::{Refused, Upgraded, Upgrader, described_by, judged};

/// A WebSocket in axum.
pub type WebSocket = crate::WebSocket<Upgraded>;

/// Extracts a request for a WebSocket, over HTTP/1.1 and HTTP/2. Another request is rejected with a
/// status that says why; a page of another host gets 403 when the answer is made.
#[derive(Debug)]
#[must_use = "call `on_upgrade`"]
pub struct WebSocketUpgrade {
    request: ws_http::Request,
    protocol: Option<Protocol>,
    upgraded: Option<OnUpgrade>,
    upgrader: Upgrader,
}

/// A request that does not ask for a WebSocket, and its answer.
#[derive(Debug)]
pub struct WebSocketUpgradeRejection(Refused);

impl<S: Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let protocol = parts.extensions.get::<Protocol>().cloned();
        let request = described_by(parts);
        let judged = judged(&request, protocol.as_ref()).and_then(|request| request.accept());
        if let Err(error) = judged {
            let bootstrap = match protocol {
                Some(_) => Bootstrap::ExtendedConnect,
                None => Bootstrap::Http1,
            };
            return Err(WebSocketUpgradeRejection(Refused::new(error, bootstrap)));
        }
        Ok(Self {
            request,
            protocol,
            upgraded: parts.extensions.remove(),
            upgrader: Upgrader::new(),
        })
    }
}

impl WebSocketUpgrade {
    /// Sets the subprotocols that the handler speaks: the first of them that the client offers is
    /// chosen, and [`WebSocket::subprotocol`](crate::WebSocket::subprotocol) says which.
    pub fn protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.upgrader = self.upgrader.subprotocols(protocols);
        self
    }

    /// Sets whose pages may connect. Default: those of the same host, and programs other than
    /// browsers; others get 403.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.upgrader = self.upgrader.origins(origins);
        self
    }

    /// Sets the limits of the connection: see [`Limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.upgrader = self.upgrader.limits(limits);
        self
    }

    /// Sets the longest message that is accepted, in bytes. Default: 1 MiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.upgrader = self.upgrader.max_message(bytes as u64);
        self
    }

    /// Sets keepalive and the closing handshake: see [`Timeouts`].
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.upgrader = self.upgrader.timeouts(timeouts);
        self
    }

    /// Agrees to compress messages if the client offers it (RFC 7692).
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.upgrader = self.upgrader.deflate(deflate);
        self
    }

    /// Returns the answer, and runs `handler` in a task of its own once that has been sent. The
    /// connection ends when the handler drops it: to give a code and a reason,
    /// [`close`](crate::WebSocket::close) it.
    pub fn on_upgrade<H, F>(self, handler: H) -> Response
    where
        H: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.on_upgrade_or(handler, |_| {})
    }

    /// Does the same, and calls `failed` with the error if the connection ends before it is open.
    pub fn on_upgrade_or<H, F>(
        self,
        handler: H,
        failed: impl FnOnce(Error) + Send + 'static,
    ) -> Response
    where
        H: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let answer = self
            .upgrader
            .answer(&self.request, self.protocol.as_ref(), self.upgraded);
        let (answer, upgrade) = match answer {
            Ok(upgraded) => upgraded,
            Err(refused) => return WebSocketUpgradeRejection(*refused).into_response(),
        };
        tokio::spawn(async move {
            // In a box, because the task would keep its size for as long as the connection lives.
            match Box::pin(upgrade.open()).await {
                Ok(ws) => handler(ws).await,
                Err(error) => failed(error),
            }
        });
        answer.map(|()| Body::empty())
    }
}

impl WebSocketUpgradeRejection {
    /// Returns the reason, for the log.
    #[must_use]
    pub const fn refusal(&self) -> &Refusal {
        self.0.refusal()
    }
}

impl IntoResponse for WebSocketUpgradeRejection {
    fn into_response(self) -> Response {
        self.0.response().map(Body::from)
    }
}

impl std::fmt::Display for WebSocketUpgradeRejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for WebSocketUpgradeRejection {}
