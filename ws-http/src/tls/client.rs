//! A client's TLS: which authorities it trusts, and its own certificate.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::danger::AcceptAny;
use super::error::TlsError;
use super::parts::{certificates, http_1, key, provider, roots};

/// The TLS settings of a client: which authorities it trusts, and its own certificate. For
/// `Client::tls` of an adapter.
///
/// ```no_run
/// use ws_http::Tls;
///
/// // A server whose certificate an authority of one's own has issued.
/// let tls = Tls::new().ca(&std::fs::read("ca.pem")?)?;
/// // let ws = Client::new("wss://chat.example/").tls(tls).connect()?;
/// # let _ = tls;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Clones share TLS sessions, so a client that connects again needs fewer messages.
#[derive(Clone)]
#[must_use]
pub struct Tls {
    trust: Trust,
    own: Option<Arc<Own>>,
    name: Option<ServerName<'static>>,
    config: Made,
}

/// What rustls makes of the settings, when it is first needed.
type Made = Arc<OnceLock<Arc<ClientConfig>>>;

/// That of the defaults, for all clients: to read what the platform trusts takes a while.
static DEFAULT: LazyLock<Made> = LazyLock::new(Arc::default);

#[derive(Clone)]
enum Trust {
    Platform,
    These(Arc<RootCertStore>),
    Any,
}

/// The client's own certificate, with its chain, and its key.
struct Own {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    /// Trusts the certificate authorities that the platform trusts.
    pub fn new() -> Self {
        Self {
            trust: Trust::Platform,
            own: None,
            name: None,
            config: DEFAULT.clone(),
        }
    }

    /// Trusts these certificate authorities, in PEM, and no others. A self-signed certificate can
    /// be one, too.
    ///
    /// # Errors
    ///
    /// [`TlsError::Certificates`].
    pub fn ca(mut self, pem: &[u8]) -> Result<Self, TlsError> {
        self.trust = Trust::These(Arc::new(roots(pem)?));
        Ok(self.anew())
    }

    /// Shows this certificate to a server that asks for one: the certificate, then those that lead
    /// to its authority, and its private key; all in PEM.
    ///
    /// # Errors
    ///
    /// [`TlsError::Certificates`] or [`TlsError::Key`].
    pub fn certificate(mut self, chain: &[u8], own_key: &[u8]) -> Result<Self, TlsError> {
        self.own = Some(Arc::new(Own {
            chain: certificates(chain)?,
            key: key(own_key)?,
        }));
        self = self.anew();
        // A key of another certificate is an error now, and not when connecting.
        self.config()?;
        Ok(self)
    }

    /// Expects the certificate of this host, a name or an IP address, in place of the URL's.
    ///
    /// # Errors
    ///
    /// [`TlsError::Name`].
    pub fn server_name(mut self, name: impl Into<String>) -> Result<Self, TlsError> {
        self.name = Some(server_name(name.into())?);
        Ok(self)
    }

    /// Accepts any certificate of anybody: anyone on the path can read and change everything. For
    /// tests against your own server, and never with secrets.
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.trust = Trust::Any;
        self.anew()
    }

    /// Forgets what was made for other settings.
    fn anew(mut self) -> Self {
        self.config = Arc::default();
        self
    }

    /// Returns the settings for a different server, to which a redirect leads. They lack our own
    /// certificate: that server need not know who we are.
    pub fn elsewhere(&self) -> Self {
        Self {
            own: None,
            name: None,
            ..self.clone()
        }
        .anew()
    }

    /// Returns the configuration of rustls, for the adapter.
    ///
    /// # Errors
    ///
    /// [`TlsError::NoRoots`]; [`TlsError::Key`].
    pub fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let config = Arc::new(self.make()?);
        Ok(self.config.get_or_init(|| config).clone())
    }

    /// Returns the name that the certificate of a server looked up as `host` has to be for.
    ///
    /// # Errors
    ///
    /// [`TlsError::Name`].
    pub fn expected(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => server_name(host.into()),
        }
    }

    fn make(&self) -> Result<ClientConfig, TlsError> {
        let provider = provider();
        let verifier: Arc<dyn ServerCertVerifier> = match &self.trust {
            Trust::Any => Arc::new(AcceptAny(provider.clone())),
            Trust::These(roots) => verifier(roots.clone())?,
            Trust::Platform => verifier(Arc::new(platform()?))?,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.own {
            None => builder.with_no_client_auth(),
            Some(own) => builder
                .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
                .map_err(|_| TlsError::Key)?,
        };
        config.alpn_protocols = http_1();
        Ok(config)
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

/// Nothing of the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trust = match &self.trust {
            Trust::Platform => "the platform's",
            Trust::These(_) => "given",
            Trust::Any => "any: dangerous",
        };
        f.debug_struct("Tls")
            .field("trust", &trust)
            .field("own", &self.own.is_some())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Verifies as the web does.
fn verifier(roots: Arc<RootCertStore>) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    WebPkiServerVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|_| TlsError::NoRoots)
}

fn platform() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Some stores have one among hundreds that does not parse.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(TlsError::NoRoots),
        false => Ok(roots),
    }
}

fn server_name(host: String) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(host).map_err(|_| TlsError::Name)
}
