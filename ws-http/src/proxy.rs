//! Proxies: given by the application, or by the usual environment variables.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;
use ws_proto::handshake::{Origin, Scheme, Uri};

use crate::auth::{Credentials, InvalidCredentials};
use crate::trusted::Network;

/// A proxy: `http://[user:password@]host[:port]`, or the same with `socks5` or `socks5h`. With each
/// of these, the proxy looks names up.
///
/// ```
/// use ws_http::{Proxy, ProxyKind};
///
/// let proxy = Proxy::parse("socks5://li:s3cret@proxy.example")?;
/// assert_eq!(proxy.kind(), ProxyKind::Socks5);
/// assert_eq!((proxy.host(), proxy.port()), ("proxy.example", 1080));
/// assert_eq!(proxy.to_string(), "socks5://proxy.example:1080");
/// # Ok::<(), ws_http::InvalidProxy>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    kind: ProxyKind,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

/// The protocol that a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyKind {
    /// HTTP: CONNECT.
    Http,
    /// SOCKS5.
    Socks5,
}

/// The application gave something that is not a proxy. The error does not show it: it may hold a
/// password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// The scheme is missing, or another one.
    #[error("a proxy is http://, socks5:// or socks5h://")]
    Scheme,
    /// What follows it is not `[user:password@]host[:port]`.
    #[error("a proxy is scheme://[user:password@]host[:port], and no path")]
    Host,
    /// The user or the password cannot be sent.
    #[error("the credentials of a proxy: {0}")]
    Credentials(InvalidCredentials),
}

impl Proxy {
    /// Parses the URL of a proxy. The default port is 80 for HTTP and 1080 for SOCKS; the text may
    /// end in a slash. User and password are percent-encoded where they have to be.
    ///
    /// # Errors
    ///
    /// It is not the URL of a proxy, or its protocol is not supported.
    pub fn parse(text: &str) -> Result<Self, InvalidProxy> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidProxy::Scheme)?;
        let (kind, default) = match &*scheme.to_ascii_lowercase() {
            "http" => (ProxyKind::Http, 80),
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            _ => return Err(InvalidProxy::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        // A scheme that implies no port.
        let origin = format!("proxy://{authority}");
        let origin = Origin::parse(&origin).map_err(|_| InvalidProxy::Host)?;
        let port = origin.port().unwrap_or(default);
        if port == 0 {
            return Err(InvalidProxy::Host);
        }
        let host = origin.host().trim_matches(['[', ']']).to_owned();
        let credentials = user.map(Credentials::percent_decoded).transpose();
        let credentials = credentials.map_err(InvalidProxy::Credentials)?;
        Ok(Self {
            kind,
            host,
            port,
            credentials,
        })
    }

    /// Sets the credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The protocol that it speaks.
    #[must_use]
    pub const fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// The host as a look-up wants it: a name, or an IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The credentials, if there are any.
    #[must_use]
    pub const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

/// Without its credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Socks5 => "socks5",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// The proxies that the environment names, and the hosts that are reached without one.
///
/// | for | the first of these that is set |
/// |---|---|
/// | `ws://` | `ws_proxy`, `http_proxy`, `all_proxy` |
/// | `wss://` | `wss_proxy`, `https_proxy`, `all_proxy` |
///
/// The variables may be in lower or upper case, except for `HTTP_PROXY`, which is ignored: in a CGI
/// program a client can set it, with a header `Proxy`. There is no proxy for this machine, nor for
/// what `no_proxy` lists: names, with all names below them, addresses and networks (`10.0.0.0/8`),
/// `*`, each with a port or without.
///
/// ```
/// use ws_http::Proxies;
/// use ws_proto::handshake::Uri;
///
/// // `Proxies::of(|name| std::env::var(name).ok())` asks the environment.
/// let proxies = Proxies::of(|name| match name {
///     "https_proxy" => Some("http://proxy.example:3128".into()),
///     "no_proxy" => Some("intern.example".into()),
///     _ => None,
/// });
/// let proxy = |url| proxies.proxy(&Uri::parse(url).expect("a URL"));
/// assert!(proxy("wss://chat.example/")?.is_some());
/// assert!(proxy("wss://chat.intern.example/")?.is_none());
/// assert!(proxy("wss://localhost/")?.is_none());
/// # Ok::<(), ws_http::InvalidProxy>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    plain: Option<Result<Proxy, InvalidProxy>>,
    tls: Option<Result<Proxy, InvalidProxy>>,
    none: Vec<Exception>,
}

/// For what there is no proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    Network(Network),
    /// A name and all below it, in lower case, without a dot at its ends.
    Name(String),
}

impl Proxies {
    /// Reads the variables through `variable`, by name.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let either = |name: &&str| {
            let upper = || match *name {
                "http_proxy" => None,
                name => set(&name.to_ascii_uppercase()),
            };
            set(name).or_else(upper)
        };
        let first = |names: [&str; 3]| {
            let value = names.iter().find_map(either)?;
            // As everybody writes it: a host and a port, without a scheme.
            let value = match value.trim() {
                url if url.contains("://") => url.into(),
                bare => format!("http://{bare}"),
            };
            Some(Proxy::parse(&value))
        };
        let none = either(&"no_proxy").unwrap_or_default();
        Self {
            plain: first(["ws_proxy", "http_proxy", "all_proxy"]),
            tls: first(["wss_proxy", "https_proxy", "all_proxy"]),
            none: none
                .split([',', ' '])
                .filter_map(Exception::parse)
                .collect(),
        }
    }

    /// The proxy for this URI, if there is one.
    ///
    /// # Errors
    ///
    /// The variable that names it is misspelt.
    pub fn proxy(&self, uri: &Uri<'_>) -> Result<Option<&Proxy>, InvalidProxy> {
        let proxy = match uri.scheme() {
            Scheme::Ws => &self.plain,
            Scheme::Wss => &self.tls,
        };
        let none = |exception: &Exception| exception.is_met(uri.host(), uri.port());
        match proxy {
            Some(_) if is_here(uri.host()) || self.none.iter().any(none) => Ok(None),
            Some(proxy) => proxy.as_ref().map(Some).map_err(|error| *error),
            None => Ok(None),
        }
    }
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_network = Network::parse(text).is_ok();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !is_network => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (text, None),
            },
            _ => (text, None),
        };
        let host = host.trim_matches(['[', ']']);
        let hosts = match Network::parse(host) {
            Ok(network) => Hosts::Network(network),
            Err(_) if host == "*" => Hosts::All,
            Err(_) => Hosts::Name(
                host.trim_start_matches("*.")
                    .trim_matches('.')
                    .to_ascii_lowercase(),
            ),
        };
        let is_empty = matches!(&hosts, Hosts::Name(name) if name.is_empty());
        (!is_empty).then_some(Self { hosts, port })
    }

    fn is_met(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_met = match (&self.hosts, host.parse::<IpAddr>()) {
            (Hosts::All, _) => true,
            (Hosts::Network(network), Ok(ip)) => network.contains(ip),
            (Hosts::Name(name), Err(_)) => (host.strip_suffix(&**name))
                .is_some_and(|above| above.is_empty() || above.ends_with('.')),
            // A name is looked up by the proxy, if at all; an address has no names below it.
            _ => false,
        };
        is_met && self.port.is_none_or(|own| own == port)
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_proxies() {
        #[rustfmt::skip]
        let table = [
            ("http://p", Ok(("http://p:80", None))),
            ("HTTP://p:3128/", Ok(("http://p:3128", None))),
            ("socks5://p", Ok(("socks5://p:1080", None))),
            ("socks5h://[::1]:9", Ok(("socks5://[::1]:9", None))),
            ("http://u:pw@p:80", Ok(("http://p:80", Some(("u", "pw"))))),
            ("http://u@p", Ok(("http://p:80", Some(("u", ""))))),
            ("http://u:p%40%3a@p", Ok(("http://p:80", Some(("u", "p@:"))))),
            ("http://u:p@w@p", Ok(("http://p:80", Some(("u", "p@w"))))),
            ("http://%E5%BC%A0:x@p", Ok(("http://p:80", Some(("张", "x"))))),
            ("https://p", Err(InvalidProxy::Scheme)),
            ("socks4://p", Err(InvalidProxy::Scheme)),
            ("p:3128", Err(InvalidProxy::Scheme)),
            ("", Err(InvalidProxy::Scheme)),
            ("http://", Err(InvalidProxy::Host)),
            ("http://p/x", Err(InvalidProxy::Host)),
            ("http://p:x", Err(InvalidProxy::Host)),
            ("http://p:0", Err(InvalidProxy::Host)),
            ("http://p:65536", Err(InvalidProxy::Host)),
            ("http://u:pw@", Err(InvalidProxy::Host)),
            ("http://a b", Err(InvalidProxy::Host)),
            ("http://u%3Av:pw@p", Err(InvalidProxy::Credentials(InvalidCredentials))),
            ("http://u:%0d%0a@p", Err(InvalidProxy::Credentials(InvalidCredentials))),
            ("http://u:%ff@p", Err(InvalidProxy::Credentials(InvalidCredentials))),
        ];
        for (text, expected) in table {
            let parsed = Proxy::parse(text);
            let got = parsed.as_ref().map(|proxy| {
                let own = proxy.credentials();
                (
                    proxy.to_string(),
                    own.map(|own| (own.user(), own.password())),
                )
            });
            let expected = expected.map(|(text, own)| (text.to_owned(), own));
            assert_eq!(got.map_err(|error| *error), expected, "{text}");
        }
    }

    /// The proxy that these variables, `name=value` with spaces between, give for a URL.
    fn chosen(variables: &str, url: &str) -> String {
        let proxies = Proxies::of(|name| {
            let mut all = variables.split(' ').filter_map(|pair| pair.split_once('='));
            all.find(|(own, _)| *own == name)
                .map(|(_, value)| value.into())
        });
        match proxies.proxy(&Uri::parse(url).unwrap()) {
            Ok(Some(proxy)) => proxy.to_string(),
            Ok(None) => "none".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn variables_say_which() {
        let misspelt = InvalidProxy::Scheme.to_string();
        let table = [
            ("", "ws://h", "none"),
            ("http_proxy=http://a", "ws://h", "http://a:80"),
            ("http_proxy=http://a", "wss://h", "none"),
            ("https_proxy=http://a", "wss://h", "http://a:80"),
            ("https_proxy=http://a", "ws://h", "none"),
            ("all_proxy=socks5://a", "ws://h", "socks5://a:1080"),
            ("ALL_PROXY=socks5://a", "wss://h", "socks5://a:1080"),
            ("HTTPS_PROXY=http://a", "wss://h", "http://a:80"),
            ("HTTP_PROXY=http://a", "ws://h", "none"),
            (
                "HTTP_PROXY=http://a all_proxy=http://b",
                "ws://h",
                "http://b:80",
            ),
            (
                "ws_proxy=http://a http_proxy=http://b",
                "ws://h",
                "http://a:80",
            ),
            (
                "wss_proxy=http://a https_proxy=http://b",
                "wss://h",
                "http://a:80",
            ),
            ("http_proxy= all_proxy=http://b", "ws://h", "http://b:80"),
            ("http_proxy=a:3128", "ws://h", "http://a:3128"),
            ("http_proxy=ftp://a", "ws://h", &misspelt),
            ("http_proxy=ftp://a", "ws://127.0.0.1", "none"),
            // This machine.
            ("all_proxy=http://a", "ws://localhost:9001", "none"),
            ("all_proxy=http://a", "ws://LOCALHOST.", "none"),
            ("all_proxy=http://a", "ws://127.8.8.8", "none"),
            ("all_proxy=http://a", "ws://[::1]:1", "none"),
            ("all_proxy=http://a", "ws://[::ffff:127.0.0.1]", "none"),
            (
                "all_proxy=http://a",
                "ws://localhost.example",
                "http://a:80",
            ),
            // What is listed.
            ("all_proxy=http://a no_proxy=h", "ws://h", "none"),
            ("all_proxy=http://a no_proxy=h", "ws://x.H.", "none"),
            ("all_proxy=http://a no_proxy=h", "ws://xh", "http://a:80"),
            ("all_proxy=http://a no_proxy=.h", "ws://x.h", "none"),
            ("all_proxy=http://a no_proxy=*.h", "ws://x.h", "none"),
            ("all_proxy=http://a no_proxy=h:81", "ws://h", "http://a:80"),
            ("all_proxy=http://a no_proxy=h:81", "ws://h:81", "none"),
            ("all_proxy=http://a no_proxy=x,h,", "ws://h", "none"),
            ("all_proxy=http://a no_proxy=,", "ws://h", "http://a:80"),
            ("all_proxy=http://a NO_PROXY=*", "ws://h", "none"),
            (
                "all_proxy=http://a no_proxy=10.0.0.1",
                "ws://10.0.0.1",
                "none",
            ),
            (
                "all_proxy=http://a no_proxy=10.0.0.0/8",
                "ws://10.1.2.3",
                "none",
            ),
            (
                "all_proxy=http://a no_proxy=10.0.0.0/8",
                "ws://11.1.2.3",
                "http://a:80",
            ),
            (
                "all_proxy=http://a no_proxy=10.0.0.0/8:81",
                "ws://10.1.2.3",
                "http://a:80",
            ),
            (
                "all_proxy=http://a no_proxy=fd00::/8",
                "ws://[fd12::1]",
                "none",
            ),
            ("all_proxy=http://a no_proxy=h.", "ws://x.h", "none"),
            ("all_proxy=http://a no_proxy=h.", "ws://h.", "none"),
            ("all_proxy=http://a no_proxy=.", "ws://h", "http://a:80"),
            (
                "all_proxy=http://a no_proxy=0.0.1",
                "ws://10.0.0.1",
                "http://a:80",
            ),
            (
                "all_proxy=http://a no_proxy=2001:db8::1",
                "ws://[2001:db8:0::1]",
                "none",
            ),
            (
                "all_proxy=http://a no_proxy=[2001:db8::1]:81",
                "ws://[2001:db8::1]:81",
                "none",
            ),
        ];
        for (variables, url, proxy) in table {
            assert_eq!(chosen(variables, url), proxy, "{variables} {url}");
        }
    }
}
