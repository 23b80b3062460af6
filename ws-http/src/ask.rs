//! A client's request: the settings that the clients of all adapters share.

use std::fmt;
#[cfg(unix)]
use std::path::PathBuf;

use ws_proto::handshake::{Offer, Uri};

use crate::auth::Credentials;
use crate::connect_error::ConnectError;
use crate::url::Url;

/// What a client asks of a server, besides what its URL says. `Debug` shows the names of the headers:
/// values and subprotocols hold tokens.
#[derive(Clone, Default)]
pub struct Ask {
    /// The Host to ask for, as `host[:port]`, in place of the URL's.
    pub host: Option<String>,
    /// The application's headers: names and values.
    pub headers: Vec<(String, String)>,
    /// The User-Agent, unless it is among the headers.
    pub user_agent: Option<String>,
    /// The credentials for Authorization, unless that is among the headers.
    pub credentials: Option<Credentials>,
    /// The subprotocols that are offered; the first is preferred.
    pub subprotocols: Vec<String>,
    /// The page on whose behalf this connects.
    pub origin: Option<String>,
}

impl Ask {
    /// Takes the user and the password of the URL, if none were set.
    pub fn take_credentials_of(&mut self, url: &Url) {
        if self.credentials.is_none() {
            self.credentials = url.credentials().cloned();
        }
    }

    /// Drops what must not be sent to another origin: headers and subprotocols may hold tokens, as
    /// credentials do, and the Host was that of the first server.
    pub fn go_elsewhere(&mut self) {
        self.credentials = None;
        self.headers.clear();
        self.subprotocols.clear();
        self.host = None;
    }

    /// Calls `then` with the opening request for `uri`.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Header`] names a header that cannot be sent, [`ConnectError::Argument`]
    /// anything else that cannot; otherwise the error of `then`.
    pub fn offer<T>(
        &self,
        uri: &Uri<'_>,
        then: impl FnOnce(Offer<'_>) -> Result<T, ConnectError>,
    ) -> Result<T, ConnectError> {
        let protocols: Vec<_> = self.subprotocols.iter().map(String::as_str).collect();
        let own = self.own_headers();
        let headers: Vec<_> = (own.iter())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let target;
        let offer = match &self.host {
            None => Offer::to(uri),
            Some(host) => {
                target = uri.resource_name().to_string();
                Offer::new(host, &target)?
            }
        };
        // One by one, so that the error can name it.
        for header in &headers {
            if let Err(error) = offer.headers(std::slice::from_ref(header)) {
                let name = header.0.into();
                return Err(ConnectError::Header { name, error });
            }
        }
        let mut offer = offer.protocols(&protocols)?.headers(&headers)?;
        if let Some(origin) = &self.origin {
            offer = offer.origin(origin)?;
        }
        then(offer)
    }

    /// The headers that are added to those of the handshake.
    fn own_headers(&self) -> Vec<(String, String)> {
        let has = |name: &str| {
            let mut names = self.headers.iter();
            names.any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        let mut all = Vec::new();
        if let Some(agent) = self.user_agent.as_ref().filter(|_| !has("User-Agent")) {
            all.push(("User-Agent".into(), agent.clone()));
        }
        if let Some(own) = self.credentials.as_ref().filter(|_| !has("Authorization")) {
            let basic = own.basic();
            let basic = String::from_utf8_lossy(basic.as_bytes()).into_owned();
            all.push(("Authorization".into(), basic));
        }
        all.extend(self.headers.iter().cloned());
        all
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Ask")
            .field("host", &self.host)
            .field("headers", &names)
            .field("credentials", &self.credentials)
            .field("subprotocols", &self.subprotocols.len())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The place that a client connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialed {
    /// A host, which is a name or an address without brackets and perhaps with a zone, and a port.
    Host(String, u16),
    /// A Unix socket, which is never reached through a proxy.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Dialed {
    /// The host of a URL.
    #[must_use]
    pub fn host_of(url: &Url, uri: &Uri<'_>) -> Self {
        let host = match url.zone() {
            Some(zone) => format!("{}%{zone}", uri.host()),
            None => uri.host().into(),
        };
        Self::Host(host, uri.port())
    }
}
