//! What goes wrong with TLS, in words for people.

use std::io;

use rustls::CertificateError;
use thiserror::Error;

/// The reasons why TLS, or its settings, can fail.
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
    /// The PEM has no certificates, or an invalid one.
    #[error("no certificates in PEM")]
    Certificates,
    /// The PEM has no private key, or not the key of the certificate.
    #[error("no private key of the certificate, in PEM")]
    Key,
    /// The platform names no certificate authority that it trusts.
    #[error("the platform trusts no certificate authority")]
    NoRoots,
    /// The host is neither a name nor an address that a certificate could be for.
    #[error("not the name of a host, nor an IP address")]
    Name,
    /// We do not accept the peer's certificate.
    #[error("the certificate is not accepted: {0}")]
    Rejected(String),
    /// The handshake failed for another reason: one side does not speak TLS, the two have no
    /// version or cipher in common, or the peer does not accept our certificate.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
}

impl TlsError {
    /// The TLS error that a transport failed with, if it was one.
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
