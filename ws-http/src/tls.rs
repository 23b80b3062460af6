//! TLS: who is trusted, and who one is. Adapters move the bytes.

mod client;
mod danger;
mod error;
mod parts;
mod server;

pub use client::Tls;
pub use error::TlsError;
pub use server::ServerTls;
