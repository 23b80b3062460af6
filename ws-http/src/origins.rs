//! Whose pages may connect: RFC 6455 §10.2, "Origin Considerations".
//!
//! A browser lets any page open a WebSocket to any server, with that server's cookies. Only the
//! server can tell its own pages from others, by the Origin header.

use http::header;
use thiserror::Error;
use ws_proto::handshake::{Origin, RequestError};

use crate::refusal::{Refusal, clipped};
use crate::request::Request;

/// A rule for whose pages may connect. A request without Origin, which comes from a program other
/// than a browser, always may.
///
/// ```
/// use ws_http::Origins;
///
/// let origins = Origins::list(["https://chat.example", "null"])?;
/// assert!(Origins::list(["chat.example"]).is_err()); // an origin has a scheme
/// # Ok::<(), ws_http::InvalidOrigin>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Rule);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Rule {
    #[default]
    SameHost,
    /// Each is one.
    List(Vec<String>),
    Any,
}

impl Origins {
    /// Allows pages whose origin has the host and port of the request; and `https`, if the request
    /// [came over TLS](Request::is_secure): anyone on the path could change a page that came
    /// without it.
    #[must_use]
    pub const fn same_host() -> Self {
        Self(Rule::SameHost)
    }

    /// Allows pages of these origins, each `scheme://host[:port]` and compared as a whole. `null`
    /// (sandboxed pages) and `file://` (devices and local pages) are allowed, too, but anybody can
    /// send them.
    ///
    /// # Errors
    ///
    /// One of them is not an origin.
    pub fn list<S: Into<String>>(
        origins: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidOrigin> {
        let parse = |origin: String| match Origin::parse(&origin) {
            Ok(_) => Ok(origin),
            Err(_) => Err(InvalidOrigin { origin }),
        };
        let list: Result<_, _> = origins.into_iter().map(Into::into).map(parse).collect();
        Ok(Self(Rule::List(list?)))
    }

    /// Allows all pages: for services whose answers do not depend on who asks.
    #[must_use]
    pub const fn any() -> Self {
        Self(Rule::Any)
    }

    /// Checks whose page wants to connect.
    ///
    /// # Errors
    ///
    /// [`Refusal::ForeignOrigin`] and [`Refusal::UnlistedOrigin`], which name both sides, and
    /// [`RequestError::Origin`] if the Origin is malformed or sent more than once.
    pub fn check(&self, request: &Request) -> Result<(), Refusal> {
        // Nobody reads it where it says nothing.
        let rule = match &self.0 {
            Rule::Any => return Ok(()),
            Rule::SameHost => None,
            Rule::List(list) => Some(list),
        };
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let text = match (origins.next(), origins.next()) {
            (None, _) => return Ok(()),
            (Some(origin), None) => origin.to_str().map_err(|_| RequestError::Origin)?,
            (Some(_), Some(_)) => return Err(RequestError::Origin.into()),
        };
        let origin = Origin::parse(text).map_err(|_| RequestError::Origin)?;
        match rule {
            None => {
                let host = request.host().unwrap_or_default();
                let is_secure = origin.scheme().eq_ignore_ascii_case("https");
                let same = origin.same_host(host) && (is_secure || !request.is_secure());
                same.then_some(()).ok_or_else(|| Refusal::ForeignOrigin {
                    origin: clipped(text),
                    host: clipped(host),
                })
            }
            Some(list) => {
                let mut list = list.iter();
                let listed = list.any(|own| Origin::parse(own) == Ok(origin));
                listed.then_some(()).ok_or_else(|| Refusal::UnlistedOrigin {
                    origin: clipped(text),
                })
            }
        }
    }
}

/// The application gave something that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{origin}` is not an origin: scheme://host[:port], such as https://chat.example, null or file://"
)]
pub struct InvalidOrigin {
    /// What was given.
    pub origin: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request;

    fn says(origins: &Origins, host: &str, origin: &str) -> String {
        let request = request(&format!("GET / HTTP/1.1\nHost: {host}{origin}"));
        match origins.check(&request) {
            Ok(()) => "yes".into(),
            Err(refusal) => {
                assert_eq!(refusal.status(), 403);
                refusal.to_string()
            }
        }
    }

    #[test]
    fn both_sides_are_named() {
        let list = Origins::list(["https://good.example", "null", "file://", "app://a"]);
        let list = list.unwrap();
        // (Host, Origin, what `same_host` says, what the list says)
        let table = [
            ("b:9001", "", "yes", "yes"),
            (
                "b:9001",
                "\nOrigin: http://b:9001",
                "yes",
                "origin http://b:9001 is not on the list",
            ),
            (
                "b:9001",
                "\nOrigin: http://a",
                "origin http://a is not of host b:9001",
                "origin http://a is not on the list",
            ),
            (
                "b",
                "\nOrigin: https://good.example:443",
                "origin https://good.example:443 is not of host b",
                "yes",
            ),
            ("b", "\nOrigin: null", "origin null is not of host b", "yes"),
            // What the client libraries of devices send.
            (
                "b",
                "\nOrigin: file://",
                "origin file:// is not of host b",
                "yes",
            ),
            (
                "b",
                "\nOrigin: app://a",
                "origin app://a is not of host b",
                "yes",
            ),
            (
                "b",
                "\nOrigin: http://b\nOrigin: http://b",
                "origin not allowed",
                "origin not allowed",
            ),
            (
                "b",
                "\nOrigin: b",
                "origin not allowed",
                "origin not allowed",
            ),
            (
                "b",
                "\nOrigin: http://b http://b",
                "origin not allowed",
                "origin not allowed",
            ),
            (
                "b",
                "\nOrigin: http://张",
                "origin not allowed",
                "origin not allowed",
            ),
            ("b", "\nOrigin:", "origin not allowed", "origin not allowed"),
        ];
        for (host, origin, same, listed) in table {
            assert_eq!(says(&Origins::default(), host, origin), same);
            assert_eq!(says(&list, host, origin), listed);
            assert_eq!(says(&Origins::any(), host, origin), "yes");
        }
    }

    #[test]
    fn a_page_that_came_in_the_clear_is_foreign_to_one_over_tls() {
        // (Origin, in the clear, over TLS)
        let table = [
            ("https://chat.example", true, true),
            ("HTTPS://chat.example:443", true, true),
            ("http://chat.example", true, false),
            ("http://chat.example:443", false, false),
        ];
        for (origin, clear, over_tls) in table {
            let mut request = request(&format!(
                "GET / HTTP/1.1\nHost: chat.example\nOrigin: {origin}"
            ));
            for (secure, same) in [(false, clear), (true, over_tls)] {
                request.believe(request.peer_addr(), None, Some(secure));
                let checked = Origins::same_host().check(&request);
                assert_eq!(checked.is_ok(), same, "{origin} {secure}");
            }
        }
    }

    #[test]
    fn a_misspelt_origin_is_an_error_when_it_is_given() {
        for bad in [
            "",
            "good.example",
            "https://good.example/",
            "NULL",
            "*",
            "https://",
        ] {
            let error = Origins::list(["https://good.example", bad]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{bad}` is not")));
        }
    }

    #[test]
    fn a_long_origin_is_not_told_whole() {
        let origin = format!("\nOrigin: http://{}", "a".repeat(10_000));
        assert!(says(&Origins::default(), "b", &origin).len() < 1000);
    }
}
