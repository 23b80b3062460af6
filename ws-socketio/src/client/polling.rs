//! Polling: requests over hyper's client, which keeps connections alive.

use std::future::poll_fn;
use std::pin::pin;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ws_http::retry_after;

use super::error::PollingError;

/// The requests of one session.
pub(super) struct Polling {
    client: legacy::Client<HttpConnector, String>,
    headers: HeaderMap,
    /// The longest answer, in bytes.
    max_body: u64,
}

impl Polling {
    pub(super) fn new(headers: HeaderMap, max_body: u64) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            client: legacy::Client::builder(TokioExecutor::new()).build(connector),
            headers,
            max_body,
        }
    }

    /// Makes a GET. What is answered is at most a byte longer than the limit: the session says that
    /// it is too long.
    pub(super) fn get(
        &self,
        to: http::Uri,
    ) -> impl Future<Output = Result<Vec<u8>, PollingError>> + use<> {
        self.ask(Method::GET, to, String::new(), self.max_body)
    }

    /// Makes a POST. What is answered with 200 has arrived, whatever else the answer says.
    pub(super) fn post(
        &self,
        to: http::Uri,
        body: String,
    ) -> impl Future<Output = Result<Vec<u8>, PollingError>> + use<> {
        self.ask(Method::POST, to, body, MAX_SAID)
    }

    fn ask(
        &self,
        method: Method,
        to: http::Uri,
        body: String,
        limit: u64,
    ) -> impl Future<Output = Result<Vec<u8>, PollingError>> + use<> {
        let mut request = Request::new(body);
        *request.uri_mut() = to;
        request.headers_mut().clone_from(&self.headers);
        if method == Method::POST {
            let text = HeaderValue::from_static("text/plain; charset=UTF-8");
            request.headers_mut().insert(header::CONTENT_TYPE, text);
        }
        *request.method_mut() = method;
        let answered = self.client.request(request);
        async move {
            let (head, body) = answered.await?.into_parts();
            if head.status == StatusCode::OK {
                return read(body, limit).await;
            }
            // What the server says about it is for people: less of it will do.
            let said = read(body, MAX_SAID).await.unwrap_or_default();
            Err(PollingError::Refused {
                status: head.status,
                said: String::from_utf8_lossy(&said).into_owned(),
                retry_after: retry_after(&head.headers, SystemTime::now()),
            })
        }
    }
}

/// The most of a refusal's body that is kept, and of an answer that nobody reads, in bytes.
const MAX_SAID: u64 = 1024;

/// Reads a body, until it is over the limit.
async fn read(body: Incoming, limit: u64) -> Result<Vec<u8>, PollingError> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(data) = frame.map_err(PollingError::Body)?.into_data() {
            let most = (limit + 1).saturating_sub(bytes.len() as u64);
            let len = usize::try_from(most).unwrap_or(usize::MAX).min(data.len());
            bytes.extend_from_slice(data.get(..len).unwrap_or_default());
        }
        if bytes.len() as u64 > limit {
            break;
        }
    }
    Ok(bytes)
}
