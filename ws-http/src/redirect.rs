//! Redirects (RFC 9110 §15.4): whether to go there, and where that is.

use std::fmt;

use http::StatusCode;
use thiserror::Error;
use ws_proto::handshake::{Scheme, Uri, UriError};

/// Follows redirects, as far as the application allows.
///
/// ```
/// use ws_http::{Redirects, StatusCode};
///
/// let mut redirects = Redirects::follow();
/// let next = redirects.next(
///     "ws://chat.example/old",
///     StatusCode::FOUND,
///     Some("https://chat.example/new"),
/// )?;
/// let next = next.expect("302 is a redirect");
/// assert_eq!(next.url, "wss://chat.example/new");
/// assert!(!next.same_origin); // no credentials go there
/// # Ok::<(), ws_http::RedirectError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redirects {
    left: u8,
}

/// Where a redirect leads.
#[derive(Clone, PartialEq, Eq)]
pub struct Redirected {
    /// A URL of a WebSocket.
    pub url: String,
    /// Whether scheme, host and port are those of the one that was asked: if not, neither
    /// Authorization nor cookies may be sent there.
    pub same_origin: bool,
}

/// Nothing of the URL, which may have a token in it.
impl fmt::Debug for Redirected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redirected")
            .field("same_origin", &self.same_origin)
            .finish_non_exhaustive()
    }
}

/// A redirect that is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// The server redirected more than [`Redirects::MAX`] times in a row.
    #[error("more than {} redirects", Redirects::MAX)]
    TooMany,
    /// From `wss://` to `ws://`: what the application meant to encrypt would be readable.
    #[error("a redirect from wss:// to ws://")]
    Insecure,
    /// It has no Location.
    #[error("a redirect without a Location")]
    NoLocation,
    /// Its Location is not the URL of a WebSocket.
    #[error("a redirect to what is no URL of a WebSocket: {0}")]
    Url(UriError),
}

impl Redirects {
    /// The most that are followed, one after the other.
    pub const MAX: u8 = 5;

    /// Follows none: a redirect is a refusal.
    #[must_use]
    pub const fn none() -> Self {
        Self { left: 0 }
    }

    /// Follows up to [`MAX`](Self::MAX) of them.
    #[must_use]
    pub const fn follow() -> Self {
        // One more than it follows: `none` is not `too many`.
        Self {
            left: Self::MAX + 1,
        }
    }

    /// Says where to ask next, after `from` answered with this status and Location; or `None` if
    /// that was no redirect, or none are followed.
    ///
    /// # Errors
    ///
    /// The redirect is not followed.
    pub fn next(
        &mut self,
        from: &str,
        status: StatusCode,
        location: Option<&str>,
    ) -> Result<Option<Redirected>, RedirectError> {
        let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        if !is_redirect || self.left == 0 {
            return Ok(None);
        }
        if self.left == 1 {
            return Err(RedirectError::TooMany);
        }
        self.left -= 1;
        let from = Uri::parse(from).map_err(RedirectError::Url)?;
        let url = resolve(&from, location.ok_or(RedirectError::NoLocation)?.trim());
        let to = Uri::parse(&url).map_err(RedirectError::Url)?;
        if (from.scheme(), to.scheme()) == (Scheme::Wss, Scheme::Ws) {
            return Err(RedirectError::Insecure);
        }
        let origin = |uri: &Uri<'_>| (uri.scheme(), uri.host().to_ascii_lowercase(), uri.port());
        let same_origin = origin(&from) == origin(&to);
        Ok(Some(Redirected { url, same_origin }))
    }
}

/// A reference, seen from a URL (RFC 3986 §5.2.2), without its fragment.
fn resolve(from: &Uri<'_>, location: &str) -> String {
    let location = location
        .split_once('#')
        .map_or(location, |(before, _)| before);
    let (own, query) = match location.split_once('?') {
        Some((own, query)) => (own, Some(query)),
        None => (location, None),
    };
    let (given, own) = match own.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, own),
    };
    let scheme = given.map_or_else(|| from.scheme().as_str(), websocket);
    let base = from.resource_name();
    let (authority, path, query) = match own.strip_prefix("//") {
        Some(own) => {
            let (authority, path) = own.split_at(own.find('/').unwrap_or(own.len()));
            (authority, without_dots(path), query)
        }
        // Without an authority it is the URL of something else.
        None if given.is_some() => return format!("{scheme}:{own}"),
        None if own.is_empty() => {
            let query = query.or_else(|| base.query());
            (from.authority(), base.path().into(), query)
        }
        None if own.starts_with('/') => (from.authority(), without_dots(own), query),
        None => {
            let (folder, _) = base.path().rsplit_once('/').unwrap_or_default();
            let path = without_dots(&format!("{folder}/{own}"));
            (from.authority(), path, query)
        }
    };
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    format!("{scheme}://{authority}{path}{query}")
}

/// Whether that is what stands before a colon: a path with one in it has a slash before it.
fn is_scheme(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

/// The scheme of a WebSocket in place of that of a page.
fn websocket(scheme: &str) -> &str {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => "ws",
        _ if scheme.eq_ignore_ascii_case("https") => "wss",
        scheme => scheme,
    }
}

/// A path without `.` and `..` (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    let mut out: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    out.pop();
                }
                if last {
                    out.push("");
                }
            }
            segment => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a redirect leads, with `!` if it is another origin, or why not.
    fn led(from: &str, location: &str) -> String {
        match Redirects::follow().next(from, StatusCode::FOUND, Some(location)) {
            Ok(Some(Redirected {
                url,
                same_origin: true,
            })) => url,
            Ok(Some(Redirected { url, .. })) => format!("! {url}"),
            Ok(None) => "nowhere".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn where_a_redirect_leads() {
        let (ws, wss) = ("ws://a.example:81/b/c?d", "wss://a.example/b/c?d");
        let not = |why| RedirectError::Url(why).to_string();
        #[rustfmt::skip]
        let table = [
            (ws, "ws://a.example:81/x", "ws://a.example:81/x".into()),
            (ws, "WS://A.example:81/x", "WS://A.example:81/x".into()),
            (ws, "http://a.example:81/x?y#z", "ws://a.example:81/x?y".into()),
            (wss, "https://a.example:443", "wss://a.example:443".into()),
            (ws, "ws://a.example/x", "! ws://a.example/x".into()),
            (ws, "https://a.example:81/", "! wss://a.example:81/".into()),
            (ws, "ws://evil.example:81/", "! ws://evil.example:81/".into()),
            (ws, "//evil.example/x", "! ws://evil.example/x".into()),
            (wss, "//a.example/x", "wss://a.example/x".into()),
            (wss, "http://a.example/x", RedirectError::Insecure.to_string()),
            (wss, "ws://a.example:443/x", RedirectError::Insecure.to_string()),
            (ws, "/x", "ws://a.example:81/x".into()),
            (ws, " /x ", "ws://a.example:81/x".into()),
            (ws, "/x/../y/./z", "ws://a.example:81/y/z".into()),
            (ws, "/../..", "ws://a.example:81/".into()),
            (ws, "//a.example:81/x/../../y", "ws://a.example:81/y".into()),
            (ws, "ws://a.example:81/./x/..?..", "ws://a.example:81/?..".into()),
            (ws, "x", "ws://a.example:81/b/x".into()),
            (ws, "../x?y=../z", "ws://a.example:81/x?y=../z".into()),
            (ws, "..", "ws://a.example:81/".into()),
            (ws, ".", "ws://a.example:81/b/".into()),
            (ws, "x/", "ws://a.example:81/b/x/".into()),
            (ws, "x:y", not(UriError::Scheme)),
            (ws, "./x:y", "ws://a.example:81/b/x:y".into()),
            (ws, "?x", "ws://a.example:81/b/c?x".into()),
            (ws, "#x", "ws://a.example:81/b/c?d".into()),
            (ws, "", "ws://a.example:81/b/c?d".into()),
            (ws, "?x:y/z", "ws://a.example:81/b/c?x:y/z".into()),
            (ws, "/张", "ws://a.example:81/张".into()),
            ("ws://a.example", "x", "ws://a.example/x".into()),
            ("ws://[::1]:9/", "/x", "ws://[::1]:9/x".into()),
            (ws, "ftp://a.example/", not(UriError::Scheme)),
            (ws, "file:///etc/passwd", not(UriError::Scheme)),
            (ws, "ws://u:pw@a.example:81/", not(UriError::UserInfo)),
            (ws, "ws://", not(UriError::NoHost)),
            (ws, "http:x", not(UriError::NoHost)),
            (ws, "/a b", not(UriError::Character)),
            (ws, "/a\r\nb", not(UriError::Character)),
        ];
        for (from, location, expected) in table {
            assert_eq!(led(from, location), expected, "{from} {location}");
        }
    }

    #[test]
    fn only_redirects_are_followed_and_only_if_asked_for() {
        let url = "ws://a/";
        for status in (100..=599).filter_map(|status| StatusCode::from_u16(status).ok()) {
            let is_redirect = [301, 302, 303, 307, 308].contains(&status.as_u16());
            let next = Redirects::follow().next(url, status, Some("/x"));
            assert_eq!(next.unwrap().is_some(), is_redirect, "{status}");
            assert_eq!(Redirects::none().next(url, status, Some("/x")), Ok(None));
        }
        let none = Redirects::follow().next(url, StatusCode::FOUND, None);
        assert_eq!(none, Err(RedirectError::NoLocation));
        assert_eq!(Redirects::default(), Redirects::none());
    }

    #[test]
    fn they_end() {
        let mut redirects = Redirects::follow();
        for _ in 0..Redirects::MAX {
            let next = redirects.next("ws://a/", StatusCode::FOUND, Some("/"));
            assert_eq!(next.unwrap().unwrap().url, "ws://a/");
        }
        for _ in 0..2 {
            let next = redirects.next("ws://a/", StatusCode::FOUND, Some("/"));
            assert_eq!(next, Err(RedirectError::TooMany));
        }
    }
}
