//! A layer for services of tower, which opens WebSockets and leaves everything else to the inner
//! service.
//!
//! ```text
//!   request ──▶ WebSocketService ──┬─ a WebSocket at the path ─▶ 101, or 200 to CONNECT; then the handler
//!                                  ├─ one that is not let in ──▶ a refusal
//!                                  └─ anything else ───────────▶ the inner service
//! ```
//!
//! It is for servers built on hyper: the connection is the one that hyper has upgraded, over
//! HTTP/1.1 or HTTP/2 (RFC 8441).
//!
//! ```no_run
//! use http::{Request, Response};
//! use hyper::body::Incoming;
//! use tower::{Layer, service_fn};
//! use ws_tokio::tower::WebSocketLayer;
//! use ws_tokio::{Error, Upgraded, WebSocket, ws_http};
//!
//! async fn echo(mut ws: WebSocket<Upgraded>, _: ws_http::Request) -> Result<(), Error> {
//!     while let Some((message, mut reply)) = ws.recv_reply().await? {
//!         reply.queue(message)?;
//!     }
//!     Ok(())
//! }
//!
//! async fn page(_: Request<Incoming>) -> Result<Response<String>, std::convert::Infallible> {
//!     Ok(Response::new("Connect to /echo".into()))
//! }
//!
//! let service = WebSocketLayer::new("/echo", echo)?.layer(service_fn(page));
//! # let _ = service;
//! # Ok::<(), ws_http::RouteError>(())
//! ```

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, header};
use hyper::ext::Protocol;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use ws_http::{Route, RouteError, Site};

use crate::WebSocket;
use crate::handling::{Failure, Handler, Handling, Report, boxed};
use crate::upgrade::{Upgrade, Upgraded, Upgrader, described};

/// Opens WebSockets at a path, over a service that answers everything else: a plain request for the
/// same path, too.
///
/// For several paths, put several layers one over the other. A handler gets the request with what
/// the layers above have put into its [extensions](ws_http::Request::extensions). Its
/// [`peer_addr`](ws_http::Request::peer_addr) is the `SocketAddr` among them, if the server has put
/// one there, and `0.0.0.0:0` otherwise: a service does not know the address of its peer.
///
/// When the handler returns, its connection is closed: with 1000 after `Ok`, with 1011 after an error
/// or a panic. Other connections are not affected.
#[derive(Clone)]
#[must_use = "add it to a service"]
pub struct WebSocketLayer {
    site: Arc<Site<Infallible, Arc<Handler<Upgraded>>>>,
    upgrader: Upgrader,
    report: Option<Arc<Report>>,
}

/// A service with WebSockets at one path: see [`WebSocketLayer`].
#[derive(Clone)]
pub struct WebSocketService<S> {
    layer: Arc<WebSocketLayer>,
    inner: S,
}

pin_project! {
    /// The future of a [`WebSocketService`]'s answer.
    #[must_use = "it does nothing unless it is polled"]
    pub struct ResponseFuture<F, B> {
        #[pin]
        answer: Answer<F, B>,
    }
}

pin_project! {
    #[project = AnswerProj]
    enum Answer<F, B> {
        Own { answer: Option<Response<B>> },
        Inner { #[pin] future: F },
    }
}

impl WebSocketLayer {
    /// Opens WebSockets at a path, in which `{name}` stands for a parameter, see
    /// [`path_param`](ws_http::Request::path_param), and `{*name}` for the rest; and runs `handler`
    /// with each, in a task of its own.
    ///
    /// # Errors
    ///
    /// The path is misspelt.
    pub fn new<H, F, E>(path: impl AsRef<str>, handler: H) -> Result<Self, RouteError>
    where
        H: Fn(WebSocket<Upgraded>, ws_http::Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure> + 'static,
    {
        let mut site = Site::new();
        site.websocket(path.as_ref(), boxed(handler))?;
        Ok(Self {
            site: Arc::new(site),
            upgrader: Upgrader::new(),
            report: None,
        })
    }

    /// Sets subprotocols, origins and limits. Default: [`Upgrader::new`].
    pub fn upgrader(mut self, upgrader: Upgrader) -> Self {
        self.upgrader = upgrader;
        self
    }

    /// Calls `report` with every error that a handler returns, and with the error of each
    /// connection that ended before it was open.
    pub fn on_error<F>(mut self, report: F) -> Self
    where
        F: Fn(&(dyn std::error::Error + Send + Sync + 'static)) + Send + Sync + 'static,
    {
        self.report = Some(Arc::new(report));
        self
    }

    /// Answers a request for a WebSocket at the path; `None` if it is another.
    fn answer<B>(&self, request: &mut Request<B>) -> Option<Response<String>> {
        let may_be = match request.extensions().get::<Protocol>() {
            Some(protocol) => protocol.as_str() == "websocket",
            // A CONNECT without a protocol is for a proxy.
            None => {
                request.method() != Method::CONNECT
                    && request.headers().contains_key(header::UPGRADE)
            }
        };
        if !may_be {
            return None;
        }
        let peer = request.extensions().get::<SocketAddr>().copied();
        let mut asked = described(request, peer.unwrap_or(ws_http::Request::NOWHERE));
        if !asked.wants_upgrade() {
            return None;
        }
        let Ok(Route::Socket(handler)) = self.site.route(&mut asked) else {
            return None;
        };
        let handler = Arc::clone(handler);
        let upgraded = request.extensions_mut().remove();
        let protocol = request.extensions().get::<Protocol>();
        let (answer, upgrade) = match self.upgrader.answer(&asked, protocol, upgraded) {
            Ok(upgraded) => upgraded,
            Err(refused) => return Some(refused.response()),
        };
        *asked.extensions_mut() = std::mem::take(request.extensions_mut());
        tokio::spawn(serve(upgrade, asked, handler, self.report.clone()));
        Some(answer.map(|()| String::new()))
    }
}

/// Waits for the connection, and gives it to its handler.
async fn serve(
    upgrade: Upgrade,
    request: ws_http::Request,
    handler: Arc<Handler<Upgraded>>,
    report: Option<Arc<Report>>,
) {
    // In boxes, because the task would keep their size for as long as the connection lives.
    match Box::pin(upgrade.open()).await {
        Ok(ws) => {
            let handling = Handling::begin(ws, request, &*handler, |_| {});
            handling.run(report.as_deref()).await;
        }
        Err(error) => {
            if let Some(report) = report {
                report(&error);
            }
        }
    }
}

impl<S> Layer<S> for WebSocketLayer {
    type Service = WebSocketService<S>;

    fn layer(&self, inner: S) -> WebSocketService<S> {
        WebSocketService {
            layer: Arc::new(self.clone()),
            inner,
        }
    }
}

impl<S, B, R> Service<Request<B>> for WebSocketService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let answer = match self.layer.answer(&mut request) {
            Some(answer) => Answer::Own {
                answer: Some(answer.map(R::from)),
            },
            None => Answer::Inner {
                future: self.inner.call(request),
            },
        };
        ResponseFuture { answer }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().answer.project() {
            AnswerProj::Inner { future } => future.poll(cx),
            AnswerProj::Own { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer)),
                // It was polled again after it had answered, which nobody may do.
                None => Poll::Pending,
            },
        }
    }
}

impl fmt::Debug for WebSocketLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketLayer")
            .field("upgrader", &self.upgrader)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for WebSocketService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketService")
            .field("layer", &self.layer)
            .field("inner", &self.inner)
            .finish()
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
