//! Refusals of requests: for the answer, and for the log.

use http::{HeaderValue, Method, StatusCode, header};
use thiserror::Error;
use ws_proto::handshake::{Bootstrap, RequestError};

use crate::proxy_header::ProxyHeaderError;
use crate::response::Response;

/// A refused request, with both sides of what does not match. `Display` is the line for the log,
/// and the body of the [`response`](Self::response).
///
/// ```
/// use ws_http::Refusal;
///
/// let refusal = Refusal::ForeignOrigin {
///     origin: "http://a".into(),
///     host: "b:9001".into(),
/// };
/// assert_eq!(refusal.to_string(), "origin http://a is not of host b:9001");
/// assert_eq!(refusal.response().body(), b"origin http://a is not of host b:9001\n");
/// assert_eq!(refusal.status(), 403);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The handshake breaks a rule, or its head a limit.
    #[error(transparent)]
    Handshake(#[from] RequestError),
    /// The server does not answer for this host: see [`Hosts`](crate::Hosts).
    #[error("host {host} is not one of this server's")]
    Host {
        /// What the request asks for, at most [`Refusal::MAX_SHOWN`] bytes of it.
        host: String,
    },
    /// A page of another host wants to connect: see
    /// [`Origins::same_host`](crate::Origins::same_host).
    #[error("origin {origin} is not of host {host}")]
    ForeignOrigin {
        /// The page's origin.
        origin: String,
        /// The host that the request is for.
        host: String,
    },
    /// A page that is not on the list wants to connect: see
    /// [`Origins::list`](crate::Origins::list).
    #[error("origin {origin} is not on the list")]
    UnlistedOrigin {
        /// The page's origin.
        origin: String,
    },
    /// Credentials are missing or wrong.
    #[error("credentials are missing or wrong")]
    Unauthorized {
        /// The WWW-Authenticate of the answer: which credentials the server wants (RFC 9110
        /// §11.6.1).
        challenge: HeaderValue,
    },
    /// The path has no page and no WebSocket.
    #[error("nothing is here")]
    NotFound,
    /// The path has pages, but none for this method.
    #[error("only {}", list(.allowed))]
    Method {
        /// The methods that it has pages for.
        allowed: Vec<Method>,
    },
    /// A connection that should begin with a PROXY header does not: see
    /// [`Trusted::proxy_protocol`](crate::Trusted::proxy_protocol). It is closed without an answer:
    /// the other side does not speak HTTP yet.
    #[error(transparent)]
    Proxy(#[from] ProxyHeaderError),
    /// There is no room for another connection, or the server is shutting down.
    #[error("no room for another connection")]
    Full,
    /// The connection was still opening when too many others came: see
    /// [`Quota::openings`](crate::Quota::openings).
    #[error("others came while this connection was opening")]
    Displaced,
    /// The client's address has as many connections as it may have: see
    /// [`Quota::per_address`](crate::Quota::per_address).
    #[error("an address may have {most} connections")]
    Crowd {
        /// How many.
        most: usize,
    },
    /// The application failed.
    #[error("something went wrong here")]
    Failed,
}

impl Refusal {
    /// The most bytes of a peer's input that an error shows.
    pub const MAX_SHOWN: usize = 256;

    /// The HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Handshake(error) => {
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST)
            }
            Self::Host { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignOrigin { .. } | Self::UnlistedOrigin { .. } => StatusCode::FORBIDDEN,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Proxy(_) => StatusCode::BAD_REQUEST,
            Self::Full | Self::Displaced => StatusCode::SERVICE_UNAVAILABLE,
            Self::Crowd { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer, over HTTP/1.1.
    pub fn response(&self) -> Response {
        let response = Response::text(format!("{self}\n")).with_status(self.status());
        match self {
            Self::Handshake(error) => (error.refusal(Bootstrap::Http1).fields())
                .filter(|(name, _)| !matches!(*name, "Content-Type" | "Connection"))
                .fold(response, |response, (name, value)| {
                    response.header(name, value.to_string())
                }),
            Self::Unauthorized { challenge } => {
                response.header(header::WWW_AUTHENTICATE, challenge.clone())
            }
            Self::Method { allowed } => response.header(header::ALLOW, list(allowed)),
            Self::Full | Self::Displaced => response.header(header::RETRY_AFTER, "1"),
            _ => response,
        }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        refusal.response()
    }
}

fn list(methods: &[Method]) -> String {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    names.join(", ")
}

/// As much of what a peer sent as is shown, and nothing in it that is not visible.
pub(crate) fn clipped(text: &str) -> String {
    let visible = |char: char| match char {
        ' '..='~' => char,
        _ => '?',
    };
    text.chars().take(Refusal::MAX_SHOWN).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Body;
    use std::time::SystemTime;

    #[test]
    fn each_has_a_status_and_a_reason_and_what_belongs_to_it() {
        let (host, origin) = (String::from("h"), String::from("http://o"));
        let challenge = HeaderValue::from_static("Bearer");
        let table = [
            (RequestError::MissingKey.into(), 400, ""),
            (
                RequestError::MissingUpgrade.into(),
                426,
                "\r\nupgrade: websocket\r\n",
            ),
            (
                RequestError::WebSocketVersion.into(),
                426,
                "\r\nsec-websocket-version: 13\r\n",
            ),
            (RequestError::Method.into(), 405, "\r\nallow: GET\r\n"),
            (Refusal::Host { host: host.clone() }, 421, ""),
            (RequestError::HostMismatch.into(), 400, ""),
            (
                Refusal::ForeignOrigin {
                    origin: origin.clone(),
                    host,
                },
                403,
                "",
            ),
            (Refusal::UnlistedOrigin { origin }, 403, ""),
            (
                Refusal::Unauthorized { challenge },
                401,
                "\r\nwww-authenticate: Bearer\r\n",
            ),
            (Refusal::NotFound, 404, ""),
            (
                Refusal::Method {
                    allowed: vec![Method::GET, Method::HEAD],
                },
                405,
                "\r\nallow: GET, HEAD\r\n",
            ),
            (ProxyHeaderError::Missing.into(), 400, ""),
            (Refusal::Full, 503, "\r\nretry-after: 1\r\n"),
            (Refusal::Displaced, 503, "\r\nretry-after: 1\r\n"),
            (Refusal::Crowd { most: 64 }, 429, ""),
            (Refusal::Failed, 500, ""),
        ];
        for (refusal, status, line) in table {
            assert_eq!(refusal.status(), status);
            let sent = refusal
                .response()
                .encode(Body::Send, SystemTime::UNIX_EPOCH);
            let sent = String::from_utf8(sent).unwrap();
            assert!(sent.starts_with(&format!("HTTP/1.1 {status} ")), "{sent}");
            assert!(sent.contains(line), "{sent}");
            assert!(sent.ends_with(&format!("\r\n\r\n{refusal}\n")), "{sent}");
            let upgrade = sent.contains("\r\nConnection: Upgrade\r\n");
            assert_eq!(upgrade, status == 426, "{sent}");
        }
    }

    #[test]
    fn what_a_peer_sent_breaks_no_line() {
        assert_eq!(clipped("a\r\nb\u{1b}[1m\u{202e}"), "a??b?[1m?");
        assert_eq!(clipped(&"张".repeat(300)).len(), Refusal::MAX_SHOWN);
    }
}
