//! Where a client goes: the URL as people write it, and what of it goes into each request.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header};
#[cfg(feature = "tls")]
use ws_http::Tls;
use ws_http::ws_proto::handshake::{Scheme, Uri, UriError};
use ws_http::{Proxy, Url};
use ws_tokio::Client;

use super::error::ConnectError;

/// How to get to a server, where the URL does not say it.
#[derive(Clone, Default)]
pub(super) struct Route {
    pub(super) proxy: Option<Proxy>,
    #[cfg(feature = "tls")]
    pub(super) tls: Tls,
}

/// A server, the path that it answers at, and what every request says.
pub(super) struct Target {
    /// `ws://host[:port]` or `wss://host[:port]`, and the path: what a query is added to.
    base: String,
    route: Route,
    /// The application's part of each query.
    query: Option<String>,
    pub(super) headers: HeaderMap,
}

impl Target {
    pub(super) fn parse(
        url: &str,
        path: &str,
        headers: &[(String, String)],
        route: Route,
    ) -> Result<Self, ConnectError> {
        let url = Url::parse(&as_websocket(url)).map_err(ConnectError::Url)?;
        let mut headers = header_map(headers)?;
        if let Some(own) = url.credentials() {
            headers
                .entry(header::AUTHORIZATION)
                .or_insert_with(|| own.basic());
        }
        let uri = Uri::parse(url.as_str()).map_err(|error| ConnectError::Url(error.into()))?;
        if uri.scheme() == Scheme::Wss && !cfg!(feature = "tls") {
            return Err(ConnectError::NoTls);
        }
        let resource = uri.resource_name();
        if !matches!(resource.path(), "" | "/") {
            return Err(ConnectError::Path);
        }
        let path = path.trim_matches('/');
        let slash = if path.is_empty() { "" } else { "/" };
        let scheme = match uri.scheme() {
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
        };
        let base = format!("{scheme}://{}{slash}{path}/", uri.authority());
        if path.contains(['?', '#']) || Uri::parse(&base).is_err() {
            return Err(ConnectError::Url(UriError::Character.into()));
        }
        let query = resource.query().filter(|query| !query.is_empty());
        Ok(Self {
            base,
            route,
            query: query.map(Into::into),
            headers,
        })
    }

    /// The URL of a WebSocket.
    pub(super) fn websocket(&self, query: &str) -> String {
        match &self.query {
            None => format!("{}?{query}", self.base),
            Some(own) => format!("{}?{query}&{own}", self.base),
        }
    }

    /// The URL of a request. `None` if HTTP has a rule that URLs of WebSockets have not.
    pub(super) fn request(&self, query: &str) -> Option<http::Uri> {
        let url = self.websocket(query);
        let uri = Uri::parse(&url).ok()?;
        let scheme = match uri.scheme() {
            Scheme::Ws => "http",
            Scheme::Wss => "https",
        };
        let url = format!("{scheme}://{}{}", uri.authority(), uri.resource_name());
        url.parse().ok()
    }

    /// What opens a WebSocket with this query, or with none reaches the server.
    pub(super) fn client(&self, query: Option<&str>) -> Client {
        let url = query.map_or_else(|| self.base.clone(), |query| self.websocket(query));
        let mut client = Client::new(url);
        if let Some(proxy) = &self.route.proxy {
            client = client.proxy(proxy.clone());
        }
        #[cfg(feature = "tls")]
        {
            client = client.tls(self.route.tls.clone());
        }
        client
    }
}

/// Shows the server. The query and the headers may hold tokens.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.base).finish()
    }
}

/// The URL with the scheme that it has as one of a WebSocket.
fn as_websocket(url: &str) -> String {
    let url = url.trim();
    for (http, ws) in [("http://", "ws://"), ("https://", "wss://")] {
        if let Some((scheme, rest)) = url.split_at_checked(http.len())
            && scheme.eq_ignore_ascii_case(http)
        {
            return format!("{ws}{rest}");
        }
    }
    url.into()
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, ConnectError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let invalid = || ConnectError::Header { name: name.clone() };
        let key = HeaderName::try_from(name).map_err(|_| invalid())?;
        map.append(key, HeaderValue::try_from(value).map_err(|_| invalid())?);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(url: &str, path: &str) -> String {
        match Target::parse(url, path, &[], Route::default()) {
            Ok(target) => {
                let request = target.request("EIO=4").expect("a URL of HTTP");
                format!("{} {request}", target.websocket("EIO=4"))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_people_write_becomes_the_urls_of_both_transports() {
        let both = |at: &str| format!("ws://{at} http://{at}");
        let table = [
            ("http://h:5000", "/socket.io/", "h:5000/socket.io/?EIO=4"),
            ("HTTP://h/", "socket.io", "h/socket.io/?EIO=4"),
            ("ws://h", "/a/b", "h/a/b/?EIO=4"),
            (" h:80 ", "/", "h/?EIO=4"),
            (
                "http://[::1]:5000?a=1&b",
                "/x/",
                "[::1]:5000/x/?EIO=4&a=1&b",
            ),
        ];
        for (url, path, at) in table {
            assert_eq!(urls(url, path), both(at), "{url} {path}");
        }
        let encoded = "http://h/s/?EIO=4&n=%E5%BC%A0";
        assert!(urls("http://h?n=张", "/s/").ends_with(encoded));
    }

    #[test]
    fn over_tls_both_transports_are_or_none() {
        let said = urls("https://h:1", "/x/");
        if cfg!(feature = "tls") {
            assert_eq!(said, "wss://h:1/x/?EIO=4 https://h:1/x/?EIO=4");
        } else {
            assert_eq!(said, ConnectError::NoTls.to_string());
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_said() {
        let table = [
            (
                "http://h/chat",
                "/socket.io/",
                ConnectError::Path.to_string(),
            ),
            ("http://", "/", "invalid URL".into()),
            ("ftp://h", "/", "invalid URL".into()),
            ("http://h", "/a?b", "invalid URL".into()),
            ("http://h", "/a b", "invalid URL".into()),
        ];
        for (url, path, said) in table {
            assert_eq!(urls(url, path), said, "{url} {path}");
        }
        let headers = [("a b".to_owned(), String::new())];
        let error = Target::parse("http://h", "/", &headers, Route::default()).unwrap_err();
        assert_eq!(error.to_string(), r#"invalid header "a b""#);
    }

    #[test]
    fn credentials_of_a_url_are_a_header_and_nobody_sees_them() {
        let target =
            Target::parse("http://li:s3cret@h?token=t0ken", "/", &[], Route::default()).unwrap();
        assert_eq!(target.headers[header::AUTHORIZATION], "Basic bGk6czNjcmV0");
        let shown = format!("{target:?}");
        assert!(
            !shown.contains("s3cret") && !shown.contains("t0ken"),
            "{shown}"
        );
        let headers = [("Authorization".to_owned(), "Bearer x".to_owned())];
        let target = Target::parse("http://li:s3cret@h", "/", &headers, Route::default()).unwrap();
        assert_eq!(target.headers[header::AUTHORIZATION], "Bearer x");
    }
}
