//! Handshakes in the types of the `http` crate: what hyper, axum, h2 and h3 speak.
//!
//! Nothing is printed and nothing is parsed again: a request is judged where it lies, and an answer
//! is made of its status and its headers. Each of those libraries has its own type for the
//! `:protocol` of an extended CONNECT, so it is given as text.

use alloc::string::{String, ToString as _};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version};

use super::authority::{Authority, default_port};
use super::error::{ArgumentError, RequestError};
use super::target::Target;
use super::value::FieldValue;
use super::{Accept, HttpVersion, Key, Offer, Refusal, Request};

impl<'b> Request<'b> {
    /// Takes the parts of an `http::Request`; `protocol` is the `:protocol` of an extended
    /// CONNECT.
    ///
    /// ```
    /// use ws_proto::handshake::Request;
    ///
    /// let received = http::Request::get("/chat")
    ///     .header("host", "example.com")
    ///     .header("upgrade", "websocket")
    ///     .header("connection", "Upgrade")
    ///     .header("sec-websocket-version", "13")
    ///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    ///     .body(())?;
    /// let request = Request::from_http(
    ///     received.method(), received.uri(), received.version(), received.headers(), None)?;
    /// let answer = request.accept()?.to_http()?;
    /// assert_eq!(answer.status(), 101);
    /// assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`from_parts`](Self::from_parts).
    pub fn from_http(
        method: &'b Method,
        uri: &'b Uri,
        version: Version,
        headers: &'b HeaderMap,
        protocol: Option<&'b str>,
    ) -> Result<Self, RequestError> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let version = version.into();
        match (protocol, authority) {
            (Some(protocol), authority) if *method == Method::CONNECT => Self::extended_connect(
                version,
                protocol,
                authority.unwrap_or_default(),
                path,
                headers,
            ),
            // Another method has no `:protocol` (RFC 8441 §4).
            (Some(_), _) => Err(RequestError::Method),
            // HTTP/2 takes each request apart like this, and HTTP/1.1 those to a proxy.
            (None, Some(authority)) => {
                let target = absolute(uri.scheme_str(), authority, path);
                let target = target.ok_or(RequestError::Target)?;
                let text = match target {
                    Target::Authority(_) => authority,
                    _ => path,
                };
                Self::of_parts(method.as_str(), (text, target), version, headers.into())
            }
            (None, None) => Self::from_parts(method.as_str(), path, version, headers),
        }
    }
}

/// A target that names its authority.
fn absolute<'b>(scheme: Option<&str>, authority: &'b str, resource: &'b str) -> Option<Target<'b>> {
    let authority = Authority::parse(authority)?;
    let Some(scheme) = scheme else {
        return Some(Target::Authority(authority));
    };
    Some(Target::Absolute {
        authority,
        default_port: default_port(scheme)?,
        resource,
    })
}

impl Accept<'_> {
    /// The response: status and headers. Except for `:protocol` it is the same over HTTP/2 and
    /// HTTP/3.
    ///
    /// # Errors
    ///
    /// [`HeaderName`](ArgumentError::HeaderName) for a name of 64 KiB, which `http` does not
    /// support.
    pub fn to_http(&self) -> Result<http::Response<()>, ArgumentError> {
        let mut response = http::Response::new(());
        *response.status_mut() = status(self.status());
        *response.headers_mut() = map(self.fields())?;
        Ok(response)
    }
}

impl Refusal {
    /// The response: status, headers and body. Its length is for the library that writes it.
    #[must_use]
    pub fn to_http(&self) -> http::Response<String> {
        let mut response = http::Response::new(self.body().to_string());
        *response.status_mut() = status(self.status());
        let headers = map(self.fields());
        debug_assert!(headers.is_ok(), "our own names are short");
        *response.headers_mut() = headers.unwrap_or_default();
        response
    }
}

impl Offer<'_> {
    /// The request over HTTP/1.1: a GET with an Upgrade.
    ///
    /// # Errors
    ///
    /// [`Target`](ArgumentError::Target) or [`HeaderName`](ArgumentError::HeaderName) for what
    /// `http` does not support.
    pub fn to_http(&self, key: &Key) -> Result<http::Request<()>, ArgumentError> {
        let mut request = http::Request::new(());
        *request.uri_mut() = self
            .target()
            .to_string()
            .parse()
            .map_err(|_| ArgumentError::Target)?;
        *request.headers_mut() = map(self.fields(key))?;
        Ok(request)
    }

    /// The request over HTTP/2 or HTTP/3: a CONNECT, to which the caller adds its library's type
    /// of `:protocol`, `websocket`. `scheme` is `https` or `http`.
    ///
    /// # Errors
    ///
    /// [`Target`](ArgumentError::Target) or [`HeaderName`](ArgumentError::HeaderName) for what
    /// `http` does not support.
    pub fn to_http_extended(&self, scheme: &str) -> Result<http::Request<()>, ArgumentError> {
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(self.host())
            .path_and_query(self.target().to_string());
        let mut request = http::Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri.build().map_err(|_| ArgumentError::Target)?;
        *request.headers_mut() = map(self.extended_fields())?;
        Ok(request)
    }
}

fn status(status: u16) -> StatusCode {
    let status = StatusCode::from_u16(status);
    debug_assert!(status.is_ok(), "one of ours, from 101 to 505");
    status.unwrap_or_default()
}

fn map<'a>(
    fields: impl Iterator<Item = (&'a str, FieldValue<'a>)>,
) -> Result<HeaderMap, ArgumentError> {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::try_from(name).map_err(|_| ArgumentError::HeaderName)?;
        map.append(name, value.into());
    }
    Ok(map)
}

impl From<FieldValue<'_>> for HeaderValue {
    fn from(value: FieldValue<'_>) -> Self {
        let value = Self::try_from(value.to_string());
        debug_assert!(value.is_ok(), "printable ASCII, as it was checked");
        value.unwrap_or(Self::from_static(""))
    }
}

impl From<Version> for HttpVersion {
    /// HTTP/0.9 cannot upgrade either: it becomes 1.0.
    fn from(version: Version) -> Self {
        match version {
            Version::HTTP_11 => Self::Http11,
            Version::HTTP_2 => Self::Http2,
            Version::HTTP_3 => Self::Http3,
            _ => Self::Http10,
        }
    }
}
