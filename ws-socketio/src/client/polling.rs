//! Polling: requests over hyper's client, which keeps connections alive.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use ws_http::retry_after;

use super::error::PollingError;
use super::way::Way;
use crate::bounded::read;

/// The requests of one session.
pub(super) struct Polling {
    client: legacy::Client<Way, String>,
    headers: HeaderMap,
    /// The longest answer, in bytes.
    max_body: u64,
}

impl Polling {
    pub(super) fn new(way: Way, headers: HeaderMap, max_body: u64) -> Self {
        Self {
            client: legacy::Client::builder(TokioExecutor::new()).build(way),
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
                return read(body, limit).await.map_err(PollingError::Body);
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
