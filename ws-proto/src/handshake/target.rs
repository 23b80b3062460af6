//! The request-target (§3, §4.1 (3), RFC 9112 §3.2).

use core::fmt;

use super::authority::{Authority, default_port, is_scheme, split_scheme};

/// A request-target in one of its four forms.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'b> {
    /// `/path?query`
    Origin { resource: &'b str },
    /// `http://host:port/path?query`
    Absolute {
        authority: Authority<'b>,
        default_port: u16,
        resource: &'b str,
    },
    /// `host:port`, of CONNECT, which names no resource.
    Authority(Authority<'b>),
    /// `*`, of OPTIONS, which names no resource either.
    Asterisk,
}

impl<'b> Target<'b> {
    /// Tells which form `text` has, or `None` if it has none of them.
    pub(super) fn parse(text: &'b str) -> Option<Self> {
        if !is_target(text) {
            return None;
        }
        if text.starts_with('/') {
            return Some(Self::Origin { resource: text });
        }
        if let Some((scheme, rest)) = split_scheme(text) {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, resource) = rest.split_at_checked(end)?;
            return Some(Self::Absolute {
                authority: Authority::parse(authority)?,
                default_port: is_scheme(scheme).then(|| default_port(scheme))??,
                resource,
            });
        }
        if text == "*" {
            return Some(Self::Asterisk);
        }
        let authority = Authority::parse(text)?;
        authority
            .port
            .is_some()
            .then_some(Self::Authority(authority))
    }

    /// The host and port that it names, and the port that stands for one that is not written.
    pub(super) const fn authority(self) -> Option<(Authority<'b>, Option<u16>)> {
        match self {
            Self::Absolute {
                authority,
                default_port,
                ..
            } => Some((authority, Some(default_port))),
            // No scheme implies a port here, and clients leave it out of Host.
            Self::Authority(authority) => Some((authority, authority.port)),
            Self::Origin { .. } | Self::Asterisk => None,
        }
    }

    /// The path, which is never empty if the target names a resource.
    ///
    /// > The "resource-name" […] can be constructed by concatenating the following: "/" if the
    /// > path component is empty […] (§3)
    pub(super) fn path(self) -> &'b str {
        let (Self::Origin { resource } | Self::Absolute { resource, .. }) = self else {
            return "";
        };
        match split_query(resource).map_or(resource, |(path, _)| path) {
            "" => "/",
            path => path,
        }
    }

    pub(super) fn query(self) -> Option<&'b str> {
        let (Self::Origin { resource } | Self::Absolute { resource, .. }) = self else {
            return None;
        };
        split_query(resource).map(|(_, query)| query)
    }
}

/// A target as it may be shown: with the names of its parameters, but not their values, which hold
/// tokens.
pub(super) struct Redacted<'b>(pub(super) &'b str);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = match split_query(self.0) {
            Some((path, query)) => (path, Some(query)),
            None => (self.0, None),
        };
        write!(f, "\"{}", path.escape_debug())?;
        for (index, param) in query
            .iter()
            .flat_map(|query| query.split(['&', ';']))
            .enumerate()
        {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match param.split_once(['=']) {
                Some((name, _)) => write!(f, "{}=..", name.escape_debug())?,
                // Without a name it may be a token itself.
                None => f.write_str("..")?,
            }
        }
        f.write_str("\"")
    }
}

/// Splits at the first `?`. It is looked for as one of a list, which can be proven not to panic.
fn split_query(resource: &str) -> Option<(&str, &str)> {
    resource.split_once(['?'])
}

/// Whether it consists of visible ASCII and UTF-8, without a `#`.
///
/// > Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used
/// > on these URIs. (§3)
///
/// Wider than RFC 3986, which has no place for `"<>\^{|}`, backticks and UTF-8: programs send JSON
/// and names in all scripts as they are, and servers accept them. A space would end the target, and
/// a control character might steer the terminal that shows it.
fn is_target(text: &str) -> bool {
    let ascii = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'#';
    text.bytes().all(|byte| ascii(byte) || !byte.is_ascii())
        && (text.is_ascii() || !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_forms() {
        type Parts = (&'static str, Option<&'static str>);
        let cases: [(&str, Option<Parts>); 34] = [
            ("/", Some(("/", None))),
            ("/a/b?c?d", Some(("/a/b", Some("c?d")))),
            ("/?", Some(("/", Some("")))),
            ("//evil.example/a", Some(("//evil.example/a", None))),
            ("/a%00|{}^", Some(("/a%00|{}^", None))),
            ("http://a", Some(("/", None))),
            ("http://a?b", Some(("/", Some("b")))),
            ("HTTPS://a:1/b?c", Some(("/b", Some("c")))),
            ("ws://[::1]:80/b", Some(("/b", None))),
            ("/http://a", Some(("/http://a", None))),
            ("*", Some(("", None))),
            ("a:443", Some(("", None))),
            ("", None),
            ("a", None),
            ("a/b", None),
            ("?a", None),
            ("**", None),
            ("/#", None),
            ("/a#b", None),
            ("/é", Some(("/é", None))),
            ("/?name=张三", Some(("/", Some("name=张三")))),
            ("/?{\"a\":[1]}", Some(("/", Some("{\"a\":[1]}")))),
            ("/`<a>\\^", Some(("/`<a>\\^", None))),
            ("http://a/é", Some(("/é", None))),
            ("http://é/", None),
            ("/\u{85}", None),
            ("/\u{9f}é", None),
            ("/a b", None),
            ("http://", None),
            ("http:///a", None),
            ("http://u@a/", None),
            ("http://a:b/", None),
            ("ftp://a/", None),
            ("://a/", None),
        ];
        for (text, expected) in cases {
            let parsed = Target::parse(text).map(|target| (target.path(), target.query()));
            assert_eq!(parsed, expected, "{text:?}");
        }
    }
}
