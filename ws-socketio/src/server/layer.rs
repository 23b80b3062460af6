//! The server before another service: axum's routes, for example.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use super::body::LayerBody;
use super::service::Service;

/// Puts a server in front of another service, which gets the requests for all other paths: see
/// [`Server::layer`](super::Server::layer).
#[derive(Clone, Debug)]
pub struct Layer {
    pub(super) service: Service,
}

/// A service with a Socket.IO server in front of it.
#[derive(Clone, Debug)]
pub struct Layered<S> {
    service: Service,
    inner: S,
}

impl<S> tower_layer::Layer<S> for Layer {
    type Service = Layered<S>;

    fn layer(&self, inner: S) -> Layered<S> {
        Layered {
            service: self.service.clone(),
            inner,
        }
    }
}

/// What the answer of either is waited for by.
type Answering<B, E> = Pin<Box<dyn Future<Output = Result<Response<LayerBody<B>>, E>> + Send>>;

impl<S, A, B> tower_service::Service<Request<A>> for Layered<S>
where
    S: tower_service::Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    A: Body + Send + 'static,
    A::Data: Send,
    B: Body<Data = Bytes>,
{
    type Response = Response<LayerBody<B>>;
    type Error = S::Error;
    type Future = Answering<B, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        if self.service.takes(request.uri().path()) {
            let answering = tower_service::Service::call(&mut self.service, request);
            return Box::pin(async move {
                match answering.await {
                    Ok(answer) => Ok(answer.map(LayerBody::Own)),
                    Err(never) => match never {},
                }
            });
        }
        let answering = self.inner.call(request);
        Box::pin(async move { Ok(answering.await?.map(LayerBody::Inner)) })
    }
}
