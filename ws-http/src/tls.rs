//! TLS: whom each side trusts, and with which certificate it identifies itself. Adapters move the
//! bytes.

mod client;
mod danger;
mod error;
mod parts;
mod server;

pub use client::Tls;
pub use error::TlsError;
pub use server::ServerTls;
