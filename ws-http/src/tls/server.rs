//! The certificate of a server, which may change while it runs.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use super::error::TlsError;
use super::parts::{certificates, http_1, key, provider, roots};

/// A server's certificate and key, from files, for the servers of the adapters.
///
/// ```no_run
/// use ws_http::ServerTls;
///
/// let tls = ServerTls::from_files("fullchain.pem", "privkey.pem")?;
/// let renewed = tls.clone(); // the server gets the other
/// // Where a renewal is noticed, by a signal or once a day:
/// renewed.reload()?;
/// # let _ = tls;
/// # Ok::<(), ws_http::TlsError>(())
/// ```
///
/// Clones are the same certificate.
#[derive(Clone)]
pub struct ServerTls(Arc<Files>);

struct Files {
    chain: PathBuf,
    key: PathBuf,
    clients: Option<PathBuf>,
    config: Mutex<Arc<ServerConfig>>,
}

impl ServerTls {
    /// Reads the files, in PEM: the certificate and those that lead to its authority, in this
    /// order; and the private key.
    ///
    /// # Errors
    ///
    /// They cannot be read, or do not belong together.
    pub fn from_files(
        chain: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsError> {
        Self::of(chain.into(), key.into(), None)
    }

    /// Requires clients to have a certificate that one of these authorities, in PEM, has issued. A
    /// client without one fails in the TLS handshake, before it can send a request.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has no certificate.
    pub fn require_client_certificates(self, ca: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let files = &self.0;
        Self::of(files.chain.clone(), files.key.clone(), Some(ca.into()))
    }

    /// Reads the files again: new connections use what they hold now.
    ///
    /// # Errors
    ///
    /// As [`from_files`](Self::from_files); the old certificate then stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let files = &self.0;
        let config = read(&files.chain, &files.key, files.clients.as_deref())?;
        *files.config() = config;
        Ok(())
    }

    fn of(chain: PathBuf, key: PathBuf, clients: Option<PathBuf>) -> Result<Self, TlsError> {
        let config = Mutex::new(read(&chain, &key, clients.as_deref())?);
        Ok(Self(Arc::new(Files {
            chain,
            key,
            clients,
            config,
        })))
    }

    /// Returns the configuration of rustls for the next connection, for the adapter.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.0.config().clone()
    }
}

impl Files {
    fn config(&self) -> MutexGuard<'_, Arc<ServerConfig>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(
    chain: &Path,
    own_key: &Path,
    clients: Option<&Path>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions()?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots = Arc::new(roots(&file(ca)?)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            builder.with_client_cert_verifier(verifier.build().map_err(|_| TlsError::NoRoots)?)
        }
    };
    let chain = certificates(&file(chain)?)?;
    let config = builder.with_single_cert(chain, key(&file(own_key)?)?);
    let mut config = config.map_err(|_| TlsError::Key)?;
    config.alpn_protocols = http_1();
    Ok(Arc::new(config))
}

fn file(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::File {
        path: path.display().to_string(),
        error,
    })
}

/// Where the files are.
impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("chain", &self.0.chain)
            .field("key", &self.0.key)
            .field("clients", &self.0.clients)
            .finish_non_exhaustive()
    }
}
