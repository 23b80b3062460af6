//! Ordinary HTTP answers.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::fields::Names;

/// An answer to an ordinary HTTP request: a page, a redirect, a refusal. Make it from a response of
/// the `http` crate, or with these functions:
///
/// ```
/// use ws_http::{Response, StatusCode};
///
/// let page = Response::html("<h1>Hello</h1>").header("cache-control", "no-store");
/// let refusal = Response::text("who are you?").with_status(StatusCode::UNAUTHORIZED);
/// assert_eq!(refusal.status(), 401);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Response {
    inner: http::Response<Vec<u8>>,
    /// A header was given that cannot be sent.
    failed: bool,
}

/// Its status, the names of its headers and the length of its body: values hold cookies.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status())
            .field("headers", &Names(self.headers()))
            .field("body", &format_args!("{} bytes", self.body().len()))
            .finish()
    }
}

/// Whether the body follows the head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The body follows.
    Send,
    /// It does not: HEAD gets the head of the answer to GET (RFC 9110 §9.3.2).
    Omit,
}

impl Body {
    /// Whether the answer to a request of this method has a body.
    #[must_use]
    pub fn to(method: &str) -> Self {
        match method {
            "HEAD" => Self::Omit,
            _ => Self::Send,
        }
    }
}

impl Response {
    /// A page, with status 200.
    pub fn html(page: impl Into<Vec<u8>>) -> Self {
        Self::of("text/html; charset=utf-8", page)
    }

    /// Plain text, with status 200.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::of("text/plain; charset=utf-8", text)
    }

    /// Content of any type, with status 200. A type that a header cannot hold makes the answer 500.
    ///
    /// ```
    /// let style = ws_http::Response::of("text/css; charset=utf-8", "body { margin: 0 }");
    /// assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    /// ```
    pub fn of(content_type: &str, content: impl Into<Vec<u8>>) -> Self {
        let response = Self::from(http::Response::new(content.into()));
        response.header(header::CONTENT_TYPE, content_type)
    }

    /// Sets the status. One below 200 is sent as 500, because an interim response announces
    /// another.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        if !self.failed {
            *self.inner.status_mut() = status;
        }
        self
    }

    /// Adds a header. A header that HTTP cannot hold turns this into a 500 that names it: its value
    /// may come from a peer, and an answer without the header could mean something else.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        if self.failed {
            return self;
        }
        let Ok(name) = name.try_into() else {
            return Self::failed("a header has a name that cannot be sent\n");
        };
        let Ok(value) = value.try_into() else {
            return Self::failed(&format!(
                "the header {name} has a value that cannot be sent\n"
            ));
        };
        self.inner.headers_mut().append(name, value);
        self
    }

    /// The headers, to add to them.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.inner.headers_mut()
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.inner.body()
    }

    /// The answer as it travels over HTTP/1.1. It ends the connection: the server does not read a
    /// second request from it. `now` is what Date says.
    #[must_use]
    pub fn encode(&self, body: Body, now: SystemTime) -> Vec<u8> {
        // An interim one announces the final one: what the body holds would be taken for it (RFC
        // 9110 §15.2).
        let status = match self.inner.status() {
            interim if interim.is_informational() => StatusCode::INTERNAL_SERVER_ERROR,
            status => status,
        };
        // (RFC 9110 §6.4.1)
        let has_content = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let reason = status.canonical_reason().unwrap_or_default();
        let date = date(now);
        let len = self.body().len();
        let mut out = format!(
            "HTTP/1.1 {} {reason}\r\nDate: {date}\r\nConnection: close\r\n",
            status.as_u16(),
        )
        .into_bytes();
        // "A sender of Upgrade MUST also send an "Upgrade" connection option" (RFC 9110 §7.8)
        if self.headers().contains_key(header::UPGRADE) {
            out.extend(b"Connection: Upgrade\r\n");
        }
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

    fn failed(why: &str) -> Self {
        Self {
            failed: true,
            ..Self::text(why).with_status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// A date that HTTP can express: a clock may be set to any time.
fn date(now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs().min(LAST_SECOND);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The end of the year 9999, in seconds since 1970: years of HTTP have four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// Headers that say how the answer travels, and so are not the application's.
const OURS: [HeaderName; 4] = [
    header::DATE,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
];

impl From<http::Response<Vec<u8>>> for Response {
    fn from(inner: http::Response<Vec<u8>>) -> Self {
        Self {
            inner,
            failed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(response: &Response, body: Body) -> String {
        String::from_utf8(response.encode(body, SystemTime::now())).unwrap()
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
        let bytes = response.encode(Body::Send, SystemTime::now());
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
    fn every_status_has_its_line() {
        for (status, line) in [
            (200, "HTTP/1.1 200 OK\r\n"),
            (418, "HTTP/1.1 418 I'm a teapot\r\n"),
            (299, "HTTP/1.1 299 \r\n"),
            (999, "HTTP/1.1 999 \r\n"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
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
            let status = StatusCode::from_u16(status).unwrap();
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
    fn a_header_that_cannot_be_sent_makes_it_a_500_and_no_panic() {
        for (name, value) in [
            ("a", "b\r\nc: d"),
            ("a b", "c"),
            ("", "c"),
            ("a", "\0"),
            ("a:", "b"),
        ] {
            let response = Response::html("<p>")
                .header("set-cookie", "s3cret")
                .header(name, value)
                .header("x", "y")
                .with_status(StatusCode::OK);
            assert_eq!(response.status(), 500, "{name:?}");
            let text = encoded(&response, Body::Send);
            assert!(text.starts_with("HTTP/1.1 500 ") && text.contains("cannot be sent\n"));
            assert!(!text.contains("c: d") && !text.contains("s3cret"), "{text}");
        }
        // In any case, and of any type.
        let response = Response::text("").header("WWW-Authenticate", String::from("Basic"));
        assert_eq!(response.headers()["www-authenticate"], "Basic");
        let response = response.header(header::AGE, 7);
        assert_eq!(response.headers()["age"], "7");
    }

    #[test]
    fn any_time_of_a_clock_has_a_date() {
        let epoch = SystemTime::UNIX_EPOCH;
        for (now, date) in [
            (epoch, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (
                epoch - Duration::from_secs(1),
                "Thu, 01 Jan 1970 00:00:00 GMT",
            ),
            (
                epoch + Duration::from_secs(1 << 40),
                "Fri, 31 Dec 9999 23:59:59 GMT",
            ),
        ] {
            let sent = Response::text("").encode(Body::Send, now);
            assert!(
                String::from_utf8(sent)
                    .unwrap()
                    .contains(&format!("\r\nDate: {date}\r\n"))
            );
        }
    }
}
