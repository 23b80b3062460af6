//! The URL of a WebSocket as people write it, and what of it goes where.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;
use ws_proto::handshake::{Uri, UriError};

use crate::auth::{Credentials, InvalidCredentials};

/// A URL as people write it: turned into one that [`Uri`] parses, without the parts that a
/// WebSocket URL cannot have.
///
/// | written | becomes |
/// |---|---|
/// | no scheme | `ws://` |
/// | `user:password@`, percent-encoded where it has to be | [`credentials`](Self::credentials) |
/// | spaces, tabs and line ends around it | nothing |
/// | a space within it | `%20` |
/// | `[fe80::1%25eth0]`, or with `%` alone | the address, and its [`zone`](Self::zone) |
/// | a host like `münchen.example`, with the feature `idn` | `xn--mnchen-3ya.example` |
///
/// ```
/// use ws_http::Url;
///
/// let url = Url::parse("li:s3cret@chat.example:9001/rooms?name=Li Lei")?;
/// assert_eq!(url.as_str(), "ws://chat.example:9001/rooms?name=Li%20Lei");
/// assert_eq!(url.credentials().map(|own| own.user()), Some("li"));
/// # Ok::<(), ws_http::InvalidUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    credentials: Option<Credentials>,
    zone: Option<String>,
}

/// The application gave something that is not the URL of a WebSocket. The error does not show it:
/// it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// A part of it breaks the rules.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The user or the password cannot be sent.
    #[error("the credentials of a URL: {0}")]
    Credentials(InvalidCredentials),
    /// The host is not ASCII, and cannot be converted to a name in the DNS (UTS #46).
    #[error("the host is no internationalized domain name")]
    Idn,
}

impl Url {
    /// Parses `[ws[s]://][user[:password]@]host[:port][/path][?query]`.
    ///
    /// # Errors
    ///
    /// The first fault found.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = split_scheme(text.trim_matches(AROUND));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(end);
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, authority),
        };
        let credentials = user.map(Credentials::percent_decoded).transpose();
        let (authority, zone) = split_zone(authority);
        let authority = to_ascii(&authority)?;
        let text = format!("{scheme}://{authority}{}", resource.replace(' ', "%20"));
        Uri::parse(&text)?;
        Ok(Self {
            text,
            credentials: credentials.map_err(InvalidUrl::Credentials)?,
            zone,
        })
    }

    /// The URL itself, as [`Uri`] parses it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The credentials of the URL, for Authorization.
    #[must_use]
    pub const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The local interface for a link-local address (RFC 6874), to look up as `address%zone`. It is
    /// never sent.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }
}

/// Shows the host: user, password and query may be secrets.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Url").field(&Uri::parse(&self.text)).finish()
    }
}

/// What comes along when a URL is copied.
const AROUND: [char; 4] = [' ', '\t', '\r', '\n'];

/// The scheme, or `ws` where the text has none: `localhost:9001` has none.
fn split_scheme(text: &str) -> (&str, &str) {
    let is_scheme = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
        _ => ("ws", text),
    }
}

/// An address without its zone, and the zone.
fn split_zone(authority: &str) -> (Cow<'_, str>, Option<String>) {
    let zoned = || {
        let (address, rest) = authority.strip_prefix('[')?.split_once('%')?;
        let (zone, port) = rest.split_once(']')?;
        let zone = zone.strip_prefix("25").unwrap_or(zone);
        let is_zone = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (!zone.is_empty() && zone.bytes().all(is_zone))
            .then(|| (Cow::Owned(format!("[{address}]{port}")), Some(zone.into())))
    };
    zoned().unwrap_or((Cow::Borrowed(authority), None))
}

/// The host as it is looked up, and the port as it was written.
fn to_ascii(authority: &str) -> Result<Cow<'_, str>, InvalidUrl> {
    if authority.is_ascii() {
        return Ok(authority.into());
    }
    #[cfg(feature = "idn")]
    {
        let end = authority.find(':').unwrap_or(authority.len());
        let (host, port) = authority.split_at(end);
        let host = idna::domain_to_ascii_cow(host.as_bytes(), idna::AsciiDenyList::URL);
        Ok(format!("{}{port}", host.map_err(|_| InvalidUrl::Idn)?).into())
    }
    #[cfg(not(feature = "idn"))]
    Err(InvalidUrl::Uri(UriError::HostNotAscii))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match Url::parse(text) {
            Ok(url) => {
                let user = url.credentials().map_or(String::new(), |own| {
                    format!(" {}:{}", own.user(), own.password())
                });
                let zone = url.zone().map_or(String::new(), |zone| format!(" %{zone}"));
                format!("{}{user}{zone}", url.as_str())
            }
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn what_people_write() {
        let not = |why: UriError| format!("! {why}");
        let table = [
            ("ws://h/", "ws://h/".into()),
            (" ws://h/ \n", "ws://h/".into()),
            ("WSS://h", "WSS://h".into()),
            ("h", "ws://h".into()),
            ("127.0.0.1:9001/echo", "ws://127.0.0.1:9001/echo".into()),
            ("localhost:9001", "ws://localhost:9001".into()),
            ("[::1]:9/", "ws://[::1]:9/".into()),
            ("h/?to=ws://x/", "ws://h/?to=ws://x/".into()),
            ("ws://h/a b?c d", "ws://h/a%20b?c%20d".into()),
            ("ws://h/?name=张三", "ws://h/?name=张三".into()),
            ("ws://li:s3cret@h:9/x", "ws://h:9/x li:s3cret".into()),
            ("ws://li@h", "ws://h li:".into()),
            ("ws://@h", "ws://h :".into()),
            ("ws://a%40b:c%3Ad%20@h", "ws://h a@b:c:d ".into()),
            ("ws://a@b:p@h", "ws://h a@b:p".into()),
            ("ws://h/a@b:c", "ws://h/a@b:c".into()),
            ("ws://h?a@b:c", "ws://h?a@b:c".into()),
            ("ws://[fe80::1%25lo]:9/", "ws://[fe80::1]:9/ %lo".into()),
            ("ws://[fe80::1%eth0.1]/", "ws://[fe80::1]/ %eth0.1".into()),
            ("ws://[fe80::1%25]/", not(UriError::Host)),
            ("ws://[fe80::1%25l o]/", not(UriError::Character)),
            ("ws://[fe80::1%25lo", not(UriError::Host)),
            ("", not(UriError::NoHost)),
            ("ws://", not(UriError::NoHost)),
            ("li:s3cret@", not(UriError::NoHost)),
            ("http://h/", not(UriError::Scheme)),
            ("://h/", not(UriError::Scheme)),
            ("ws://h/#top", not(UriError::Fragment)),
            ("ws://h/a\r\nb", not(UriError::Character)),
            ("ws://h o/", not(UriError::Character)),
            ("ws://h:x/", not(UriError::Port)),
            (
                "ws://a%0Ab@h/",
                format!("! the credentials of a URL: {InvalidCredentials}"),
            ),
            (
                "ws://%FF@h/",
                format!("! the credentials of a URL: {InvalidCredentials}"),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[cfg(feature = "idn")]
    #[test]
    fn a_host_in_any_script_becomes_the_name_that_is_looked_up() {
        let table = [
            (
                "ws://münchen.example:9/ü",
                "ws://xn--mnchen-3ya.example:9/ü",
            ),
            ("MÜNCHEN.example", "ws://xn--mnchen-3ya.example"),
            ("ws://例え.テスト/", "ws://xn--r8jz45g.xn--zckzah/"),
            ("ws://h\u{3002}example/", "ws://h.example/"),
            ("wss://li:pw@faß.example", "wss://xn--fa-hia.example li:pw"),
            // A character that looks like a slash, and characters that are not letters.
            (
                "ws://ü\u{ff0f}x/",
                "! the host is no internationalized domain name",
            ),
            (
                "ws://\u{2028}/",
                "! the host is no internationalized domain name",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[cfg(not(feature = "idn"))]
    #[test]
    fn a_host_that_is_not_ascii_is_refused() {
        let error = InvalidUrl::Uri(UriError::HostNotAscii);
        assert_eq!(Url::parse("ws://münchen.example/"), Err(error));
    }

    #[test]
    fn no_secret_is_shown() {
        let url = Url::parse("ws://li:s3cret@h/?token=s3cret").unwrap();
        assert!(!format!("{url:?}").contains("s3cret"), "{url:?}");
    }
}
