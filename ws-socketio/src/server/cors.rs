//! The headers that tell browsers about pages of other origins (Fetch, "CORS protocol").

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use ws_http::Origins;

use super::body::AnswerBody;
use super::config::Config;

/// Whose pages may read the answers: of a page that may connect, or of nobody's.
pub(super) struct Cors {
    origin: Option<HeaderValue>,
    credentials: bool,
}

impl Cors {
    /// By the origin of a request whose origin was found to be good.
    pub(super) fn of(headers: &HeaderMap, config: &Config) -> Self {
        let is_any = config.origins == Origins::any();
        let origin = headers.get(header::ORIGIN).map(|origin| {
            // To all is said what is the same for all.
            match is_any && !config.credentials {
                true => HeaderValue::from_static("*"),
                false => origin.clone(),
            }
        });
        Self {
            origin,
            credentials: config.credentials,
        }
    }

    /// Adds what the browser asks the answer for.
    pub(super) fn add_to(self, answer: &mut Response<AnswerBody>) {
        let Some(origin) = self.origin else {
            return;
        };
        let headers = answer.headers_mut();
        if origin != "*" {
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}

/// The answer to a browser that asks before it asks.
pub(super) fn preflight(headers: &HeaderMap) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let methods = HeaderValue::from_static("GET, POST");
    let fields = answer.headers_mut();
    fields.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        fields.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    answer
}
