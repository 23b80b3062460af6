//! The way through a proxy: bytes each way, until the connection to the target is open.

use crate::proxy::{Proxy, ProxyKind};

mod connect;
mod error;
mod socks;
mod unsent;

pub use error::{SocksReply, TunnelError};

use connect::Connect;
use socks::Socks;

/// A conversation with a [`Proxy`] that ends in a connection to a host beyond it.
///
/// It works on the caller's slices: write what is [`unsent`](Self::unsent),
/// [`receive`](Self::receive) what is read, until it [is open](Self::is_open). It keeps no more
/// than a head of [`MAX_HEAD`](Self::MAX_HEAD) bytes.
///
/// ```
/// use ws_http::{Proxy, Tunnel};
///
/// let proxy = Proxy::parse("http://li:s3cret@proxy.example:3128")?;
/// let mut tunnel = Tunnel::new(&proxy, "chat.example", 443)?;
/// assert!(tunnel.unsent().starts_with(b"CONNECT chat.example:443 HTTP/1.1\r\n"));
/// tunnel.sent(tunnel.unsent().len());
/// let answer = b"HTTP/1.1 200 OK\r\n\r\nhello";
/// let len = tunnel.receive(answer)?;
/// assert!(tunnel.is_open());
/// assert_eq!(&answer[len..], b"hello"); // from behind the proxy
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Tunnel {
    machine: Machine,
    failed: Option<TunnelError>,
}

#[derive(Debug)]
enum Machine {
    Connect(Connect),
    Socks(Socks),
}

impl Tunnel {
    /// The longest head of an answer, in bytes: interim ones together with the last.
    pub const MAX_HEAD: usize = error::MAX_HEAD;

    /// Begins to ask a proxy for a connection to a host, which is a name or an IP address without
    /// brackets. The proxy looks the name up.
    ///
    /// # Errors
    ///
    /// [`TunnelError::Host`].
    pub fn new(proxy: &Proxy, host: &str, port: u16) -> Result<Self, TunnelError> {
        let credentials = proxy.credentials();
        let machine = match proxy.kind() {
            ProxyKind::Http => Machine::Connect(Connect::new(host, port, credentials)?),
            ProxyKind::Socks5 => Machine::Socks(Socks::new(host, port, credentials)?),
        };
        Ok(Self {
            machine,
            failed: None,
        })
    }

    /// The bytes to write next.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        match &self.machine {
            Machine::Connect(connect) => connect.unsent(),
            Machine::Socks(socks) => socks.unsent(),
        }
    }

    /// Reports that the first `len` unsent bytes were written.
    pub fn sent(&mut self, len: usize) {
        match &mut self.machine {
            Machine::Connect(connect) => connect.sent(len),
            Machine::Socks(socks) => socks.sent(len),
        }
    }

    /// Takes bytes that were read, and returns how many of them came from the proxy itself: what
    /// follows is from the target, once this [is open](Self::is_open).
    ///
    /// # Errors
    ///
    /// The proxy refused; every later call returns the same error.
    pub fn receive(&mut self, input: &[u8]) -> Result<usize, TunnelError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let taken = match &mut self.machine {
            Machine::Connect(connect) => connect.receive(input),
            Machine::Socks(socks) => socks.receive(input),
        };
        self.failed = taken.err();
        taken
    }

    /// Reports that the stream has ended.
    ///
    /// # Errors
    ///
    /// [`TunnelError::Eof`], unless this is open or has failed before.
    pub fn eof(&mut self) -> Result<(), TunnelError> {
        if self.failed.is_none() && !self.is_open() {
            self.failed = Some(TunnelError::Eof);
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Whether the connection to the target is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match &self.machine {
            Machine::Connect(connect) => connect.is_open(),
            Machine::Socks(socks) => socks.is_open(),
        }
    }
}
