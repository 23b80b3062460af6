//! The way to a server: the options that are the same for every command that connects.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ws_proto::handshake::Uri;
use ws_std::{Client, ConnectError, Proxies, Proxy, Timeouts, Tls, Url};

use crate::args::{DeflateArgs, bytes, plain, seconds, unless_zero, without_number};
use crate::ask::AskArgs;
use crate::text::{Escaped, chain};

/// What is asked for, of whom, and on which way.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReachArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// Follow redirects, up to five; credentials do not go along to another origin
    #[arg(short = 'L', long, help_heading = WAY)]
    follow: bool,

    /// Trust the authorities in this PEM file, and no others [default: those of the platform]
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", help_heading = TLS)]
    ca: Option<PathBuf>,

    /// Show this certificate, if the server asks for one: a chain as PEM; needs --key
    #[arg(long, value_name = "FILE", requires = "key", help_heading = TLS)]
    cert: Option<PathBuf>,

    /// The key of --cert, as PEM
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = TLS)]
    key: Option<PathBuf>,

    /// Expect a certificate for this name in place of the URL's host
    #[arg(long, value_name = "NAME", help_heading = TLS)]
    server_name: Option<String>,

    /// Accept any certificate: whoever stands in between can read and change everything
    #[arg(short = 'k', long, help_heading = TLS)]
    insecure: bool,

    /// Connect through a proxy: http://[name:password@]host:port, or socks5:// [default: what the
    /// environment names: https_proxy, all_proxy, no_proxy]
    #[arg(long, value_name = "URL", value_parser = Proxy::parse, help_heading = WAY)]
    proxy: Option<Proxy>,

    /// Use no proxy, whatever the environment names
    #[arg(long, conflicts_with = "proxy", help_heading = WAY)]
    no_proxy: bool,

    /// Connect to this host and port; the URL's stays the one that is asked for
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port, help_heading = WAY)]
    connect_to: Option<(String, u16)>,

    /// Connect to this Unix socket; the URL's host stays the one that is asked for
    #[cfg(unix)]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["connect_to", "proxy"], help_heading = WAY)]
    unix: Option<PathBuf>,

    /// How long connecting may take, up to the server's answer; an open connection has no limit
    #[arg(short, long, value_name = "SECONDS", default_value = "10", value_parser = seconds, help_heading = BOUNDS)]
    timeout: Duration,

    /// The longest message accepted, such as 4096, 64KiB or 16MiB
    #[arg(long, value_name = "BYTES", default_value = "16MiB", value_parser = bytes, help_heading = BOUNDS)]
    max_message: u64,

    /// How often to ping the server; 0 for never
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds, help_heading = BOUNDS)]
    ping_interval: Duration,

    #[command(flatten)]
    deflate: DeflateArgs,
}

const TLS: &str = "TLS";
const WAY: &str = "Way to the server";
const BOUNDS: &str = "Bounds";

impl ReachArgs {
    /// A client for this URL.
    ///
    /// # Errors
    ///
    /// The option that is wrong, in words.
    pub(crate) fn client(&self, url: &str) -> Result<Client, String> {
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.ping_interval = unless_zero(self.ping_interval);
        let mut client = Client::new(url)
            .handshake_timeout(self.timeout)
            .timeouts(timeouts)
            .max_message(self.max_message)
            .tls(self.tls()?);
        if let Some(deflate) = self.deflate.settings() {
            client = client.deflate(deflate);
        }
        client = self.ask.of(client);
        if self.follow {
            client = client.follow_redirects();
        }
        if let Some((host, port)) = &self.connect_to {
            client = client.connect_to(host, *port);
        }
        #[cfg(unix)]
        if let Some(path) = &self.unix {
            client = client.connect_to_unix(path);
        }
        Ok(match self.proxy_for(url)? {
            Some(proxy) => client.proxy(proxy),
            None => client,
        })
    }

    fn tls(&self) -> Result<Tls, String> {
        let mut tls = Tls::new();
        if self.insecure {
            tls = tls.danger_accept_any_certificate();
        }
        if let Some(path) = &self.ca {
            tls = tls.ca(&read(path)?).map_err(|e| wrong(path, &e))?;
        }
        if let (Some(chain), Some(key)) = (&self.cert, &self.key) {
            tls = tls
                .certificate(&read(chain)?, &read(key)?)
                .map_err(|e| wrong(chain, &e))?;
        }
        match &self.server_name {
            None => Ok(tls),
            Some(name) => tls
                .server_name(name)
                .map_err(|error| format!("{name:?}: {}", chain(&error))),
        }
    }

    /// The proxy on the way to this URL, if there is one.
    fn proxy_for(&self, url: &str) -> Result<Option<Proxy>, String> {
        #[cfg(unix)]
        let is_direct = self.no_proxy || self.unix.is_some();
        #[cfg(not(unix))]
        let is_direct = self.no_proxy;
        if is_direct || self.proxy.is_some() {
            return Ok(self.proxy.clone());
        }
        // A URL that is wrong is reported when it is connected to.
        let Ok(url) = Url::parse(url) else {
            return Ok(None);
        };
        let Ok(uri) = Uri::parse(url.as_str()) else {
            return Ok(None);
        };
        let proxies = Proxies::of(|name| std::env::var(name).ok());
        match proxies.proxy(&uri) {
            Ok(proxy) => Ok(proxy.cloned()),
            Err(error) => Err(format!("the proxy in the environment: {error}")),
        }
    }
}

/// The reason why there is no connection, on one line.
pub(crate) fn no_connection(url: &str, error: &ConnectError) -> String {
    let mut line = match error {
        ConnectError::Url(_) | ConnectError::NoTls => format!("{} in {url:?}", chain(error)),
        _ => without_number(&chain(error)),
    };
    if let ConnectError::Refused(answer) = error {
        let body = String::from_utf8_lossy(answer.body());
        let header = |name| {
            answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if let Some(location) = header("location") {
            let _ = write!(line, ", and points to {location}: --follow goes there");
        } else if let Some(first) = body.lines().next()
            && header("content-type").is_some_and(|kind| kind.starts_with("text/plain"))
        {
            let _ = write!(line, ": {}", first.chars().take(200).collect::<String>());
        }
    }
    Escaped(&line).to_string()
}

/// Reads `host:port`, with brackets around an IPv6 address.
pub(crate) fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let wrong = || "not HOST:PORT, such as localhost:9001 or [::1]:9001".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match bare.unwrap_or(host) {
        "" => Err(wrong()),
        host if bare.is_none() && host.contains(':') => Err(wrong()),
        host => Ok((host.into(), port)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {}", path.display(), plain(&error)))
}

fn wrong(path: &Path, error: &dyn std::error::Error) -> String {
    format!("{}: {}", path.display(), chain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_its_port() {
        assert_eq!(host_and_port("a:1"), Ok(("a".into(), 1)));
        assert_eq!(host_and_port("[::1]:9001"), Ok(("::1".into(), 9001)));
        for text in ["", "a", ":1", "a:", "a:70000", "::1:9", "[]:1"] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
