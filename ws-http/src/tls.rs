//! TLS: who is trusted, and who one is. Adapters move the bytes.

use std::io;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, RootCertStore};
use thiserror::Error;

mod client;
mod danger;
mod server;

pub use client::Tls;
pub use server::ServerTls;

/// What goes wrong with TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// Which.
        path: String,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// What was given as certificates has none, in PEM, or one that is none.
    #[error("no certificates in PEM")]
    Certificates,
    /// What was given as a private key is none, in PEM, or not that of the certificate.
    #[error("no private key of the certificate, in PEM")]
    Key,
    /// The platform names no certificate authority that it trusts.
    #[error("the platform trusts no certificate authority")]
    NoRoots,
    /// A certificate cannot be for such a host.
    #[error("not the name of a host, nor an IP address")]
    Name,
    /// The certificate of the peer is not accepted.
    #[error("the certificate is not accepted: {0}")]
    Rejected(String),
    /// The handshake failed for another reason: one side does not speak TLS, or nothing that the
    /// other speaks, or the peer does not accept our certificate.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
}

impl TlsError {
    /// The one that a transport failed with, if it was one.
    #[must_use]
    pub fn within(error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        Some(error.clone().into())
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(why) => Self::Rejected(rejected(&why)),
            rustls::Error::NoCertificatesPresented => Self::Rejected("there is none".into()),
            error => Self::Handshake(error.to_string()),
        }
    }
}

/// Why a certificate is not accepted, as people say it.
fn rejected(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".into()
        }
        CertificateError::UnknownIssuer => "nobody who is trusted has issued it".into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host".into()
        }
        other => other.to_string(),
    }
}

/// The algorithms, of ring.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What is spoken over TLS: a server that speaks HTTP/2 too answers with HTTP/1.1.
fn http_1() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(TlsError::Certificates),
    }
}

fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsError::Key)
}

fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|_| TlsError::Certificates)?;
    }
    Ok(roots)
}
