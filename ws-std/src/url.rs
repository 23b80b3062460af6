//! WebSocket URLs: RFC 6455 §3.

use http::Uri;

use crate::error::UrlError;

/// `ws://host[:port][/path][?query]`, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// For the look-up: without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// For the Host header: the port only if it is not the scheme's own.
    pub(crate) authority: String,
    /// "Resource name": path and query.
    pub(crate) target: String,
}

/// The port of `ws` (§3).
const PORT: u16 = 80;

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        // `Uri` drops a fragment without a word.
        if url.contains('#') {
            return Err(UrlError::Fragment);
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Malformed);
        }
        let uri: Uri = url.parse().map_err(|_| UrlError::Malformed)?;
        match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("ws") => {}
            Some(scheme) if scheme.eq_ignore_ascii_case("wss") => return Err(UrlError::NoTls),
            _ => return Err(UrlError::Scheme),
        }
        let authority = uri.authority().ok_or(UrlError::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Credentials);
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(UrlError::NoHost);
        }
        // Neither `host:` nor `host:99999` has a port, and neither is meant. `Uri` finds one behind
        // the last colon, whatever stands before that.
        let port = match authority.as_str().strip_prefix(host) {
            Some("") => PORT,
            Some(port) if is_port(port) => authority.port_u16().ok_or(UrlError::Malformed)?,
            _ => return Err(UrlError::Malformed),
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            authority: if port == PORT {
                host.into()
            } else {
                format!("{host}:{port}")
            },
            host: host.trim_matches(['[', ']']).into(),
            port,
            target: match target.as_bytes() {
                [b'?', ..] => format!("/{target}"),
                _ => target.into(),
            },
        })
    }
}

/// A colon and digits.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':');
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> Result<(String, u16, String, String), UrlError> {
        Url::parse(url).map(|url| (url.host, url.port, url.authority, url.target))
    }

    #[test]
    fn urls_in_parts() {
        let cases = [
            ("ws://example.com", ("example.com", 80, "example.com", "/")),
            (
                "ws://example.com:80/",
                ("example.com", 80, "example.com", "/"),
            ),
            (
                "ws://example.com:9001/chat?room=1&name=%E4%BD%A0",
                (
                    "example.com",
                    9001,
                    "example.com:9001",
                    "/chat?room=1&name=%E4%BD%A0",
                ),
            ),
            (
                "WS://EXAMPLE.com/A",
                ("EXAMPLE.com", 80, "EXAMPLE.com", "/A"),
            ),
            ("ws://h?q=1", ("h", 80, "h", "/?q=1")),
            ("ws://127.0.0.1:1/", ("127.0.0.1", 1, "127.0.0.1:1", "/")),
            ("ws://[::1]:9001/x", ("::1", 9001, "[::1]:9001", "/x")),
            ("ws://[::1]/x", ("::1", 80, "[::1]", "/x")),
        ];
        for (url, (host, port, authority, target)) in cases {
            let expected = (host.into(), port, authority.into(), target.into());
            assert_eq!(parts(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn urls_refused() {
        let cases = [
            ("", UrlError::Malformed),
            ("example.com", UrlError::Scheme),
            ("/chat", UrlError::Scheme),
            ("http://example.com/", UrlError::Scheme),
            ("wss://example.com/", UrlError::NoTls),
            ("WSS://example.com/", UrlError::NoTls),
            ("ws:///chat", UrlError::Malformed),
            ("ws://", UrlError::Malformed),
            ("ws://h/#top", UrlError::Fragment),
            ("ws://u:p@h/", UrlError::Credentials),
            ("ws://:80/", UrlError::NoHost),
            ("ws://h:/", UrlError::Malformed),
            ("ws://h:99999/", UrlError::Malformed),
            ("ws://h:x/", UrlError::Malformed),
            ("ws://h:1[::1]:2", UrlError::Malformed),
            ("ws://h[::1]:2/", UrlError::Malformed),
            ("ws://[::1]2:3/", UrlError::Malformed),
            ("ws://h/a b", UrlError::Malformed),
            ("ws://h/\r\nX: y", UrlError::Malformed),
            ("ws://h/é", UrlError::Malformed),
            ("ws://münchen.example/", UrlError::Malformed),
        ];
        for (url, error) in cases {
            assert_eq!(parts(url), Err(error), "{url}");
        }
    }
}
