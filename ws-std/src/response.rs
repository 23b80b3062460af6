//! Ordinary HTTP answers.

use std::fmt;
use std::time::SystemTime;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::http_types::Names;

/// An answer to an ordinary HTTP request: a page, a redirect, a refusal. It is made from a response
/// of the `http` crate, or by the functions below:
///
/// ```
/// use ws_std::Response;
///
/// let page = Response::html("<h1>Hello</h1>").header("cache-control", "no-store");
/// let refusal = Response::text("who are you?").with_status(401);
/// assert_eq!(refusal.status(), 401);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Response(http::Response<Vec<u8>>);

/// Shows its status, the names of its headers and the length of its body: values hold cookies.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status())
            .field("headers", &Names(self.headers()))
            .field("body", &format_args!("{} bytes", self.body().len()))
            .finish()
    }
}

/// Whether a body follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Send,
    /// The answer to HEAD is the one to GET, without the body (RFC 9110 §9.3.2).
    Omit,
}

impl Response {
    /// A page, with status 200.
    pub fn html(page: impl Into<Vec<u8>>) -> Self {
        Self::with_type(page, "text/html; charset=utf-8")
    }

    /// Plain text, with status 200.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::with_type(text, "text/plain; charset=utf-8")
    }

    /// Sets the status. A number below 100 or over 999 becomes 500. So does one below 200 when it
    /// is sent, because such a response announces another.
    pub fn with_status(mut self, status: u16) -> Self {
        *self.0.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self
    }

    /// Adds a header that is known when the program is written.
    ///
    /// # Panics
    ///
    /// If the name is not a lower-case token, or the value not printable ASCII. For others there
    /// is [`headers_mut`](Self::headers_mut), whose types cannot hold them.
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_static(value);
        self.0.headers_mut().append(name, value);
        self
    }

    /// The headers, for adding to them.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.0.headers_mut()
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.0.body()
    }

    pub(crate) fn from_parts(status: u16, headers: HeaderMap, body: Vec<u8>) -> Self {
        let mut response = Self::from(http::Response::new(body)).with_status(status);
        *response.0.headers_mut() = headers;
        response
    }

    /// Encodes the answer. It ends the connection: nothing that follows a request is read as
    /// another one.
    pub(crate) fn encode(&self, body: Body) -> Vec<u8> {
        // An interim response announces the final one: its body would be taken for that (RFC 9110
        // §15.2).
        let status = match self.0.status() {
            interim if interim.is_informational() => StatusCode::INTERNAL_SERVER_ERROR,
            status => status,
        };
        // (RFC 9110 §6.4.1)
        let has_content = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let reason = status.canonical_reason().unwrap_or_default();
        let date = httpdate::fmt_http_date(SystemTime::now());
        let len = self.body().len();
        let mut out = format!(
            "HTTP/1.1 {} {reason}\r\nDate: {date}\r\nConnection: close\r\n",
            status.as_u16(),
        )
        .into_bytes();
        // "A server MUST NOT send a Content-Length header field in any response with a status
        // code of 1xx (Informational) or 204 (No Content)." (RFC 9110 §8.6)
        if status != StatusCode::NO_CONTENT {
            out.extend(format!("Content-Length: {len}\r\n").into_bytes());
        }
        for (name, value) in self.headers() {
            if !OURS.contains(name) {
                out.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
            }
        }
        out.extend(b"\r\n");
        if body == Body::Send && has_content {
            out.extend(self.body());
        }
        out
    }

    fn with_type(body: impl Into<Vec<u8>>, content_type: &'static str) -> Self {
        let mut response = http::Response::new(body.into());
        let content_type = HeaderValue::from_static(content_type);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        Self(response)
    }
}

/// Headers that say how the answer travels, and so are not the application's.
const OURS: [HeaderName; 4] = [
    header::DATE,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
];

impl From<http::Response<Vec<u8>>> for Response {
    fn from(response: http::Response<Vec<u8>>) -> Self {
        Self(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(response: &Response, body: Body) -> String {
        String::from_utf8(response.encode(body)).unwrap()
    }

    #[test]
    fn no_secret_is_shown() {
        let response = Response::text("s3cret").header("set-cookie", "s3cret");
        let shown = format!("{response:?}");
        assert_eq!(
            shown,
            "Response { status: 200, headers: [\"content-type\", \"set-cookie\"], body: 6 bytes }"
        );
    }

    #[test]
    fn an_answer_as_it_travels() {
        let text = encoded(
            &Response::text("你好").header("cache-control", "no-store"),
            Body::Send,
        );
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "你好");
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"));
        let date = lines.next().and_then(|line| line.strip_prefix("Date: "));
        httpdate::parse_http_date(date.unwrap()).unwrap();
        let rest: Vec<_> = lines.collect();
        let expected = [
            "Connection: close",
            "Content-Length: 6",
            "content-type: text/plain; charset=utf-8",
            "cache-control: no-store",
        ];
        assert_eq!(rest, expected);
    }

    #[test]
    fn the_answer_to_head_has_the_length_and_not_the_body() {
        let text = encoded(&Response::html("<p>"), Body::Omit);
        assert!(text.contains("\r\nContent-Length: 3\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn the_application_does_not_say_how_the_answer_travels() {
        let mut response = Response::text("hi")
            .header("content-length", "100")
            .header("transfer-encoding", "chunked")
            .header("connection", "keep-alive")
            .header("date", "yesterday")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2");
        let latin = HeaderValue::from_bytes(b"caf\xe9").unwrap();
        response.headers_mut().insert("x-name", latin);
        let bytes = response.encode(Body::Send);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert_eq!(text.matches("content-length: ").count(), 1, "{text}");
        assert_eq!(text.matches("connection: ").count(), 1, "{text}");
        assert_eq!(text.matches("date: ").count(), 1, "{text}");
        assert!(!text.contains("chunked"), "{text}");
        assert!(
            text.contains("\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"),
            "{text}"
        );
        assert!(bytes.windows(14).any(|line| line == b"x-name: caf\xe9\r\n"));
    }

    #[test]
    fn a_status_is_always_one() {
        for (status, line) in [
            (200, "HTTP/1.1 200 OK\r\n"),
            (418, "HTTP/1.1 418 I'm a teapot\r\n"),
            (299, "HTTP/1.1 299 \r\n"),
            (999, "HTTP/1.1 999 \r\n"),
            (0, "HTTP/1.1 500 Internal Server Error\r\n"),
            (1000, "HTTP/1.1 500 Internal Server Error\r\n"),
        ] {
            let text = encoded(&Response::text("").with_status(status), Body::Send);
            assert!(text.starts_with(line), "{text}");
        }
    }

    #[test]
    fn what_has_no_content_is_sent_without() {
        for (status, sent, body) in [
            (204, 204, ""),
            (304, 304, ""),
            (404, 404, "x"),
            (100, 500, "x"),
        ] {
            let text = encoded(&Response::text("x").with_status(status), Body::Send);
            let (head, rest) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {sent} ")), "{head}");
            assert_eq!(rest, body, "{status}");
        }
    }

    #[test]
    fn what_the_http_crate_made_is_one() {
        let made = http::Response::builder()
            .status(303)
            .header("location", "/x");
        let response = Response::from(made.body(b"over there".to_vec()).unwrap());
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()["location"], "/x");
        assert_eq!(response.body(), b"over there");
        let text = encoded(&response, Body::Send);
        assert!(text.contains("\r\nlocation: /x\r\n"), "{text}");
    }

    #[test]
    #[should_panic]
    fn a_header_that_breaks_the_line_is_refused() {
        let _ = Response::text("").header("a", "b\r\nc: d");
    }
}
