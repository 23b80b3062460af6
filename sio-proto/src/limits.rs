//! Every bound of Socket.IO, with its unit, its default, and the memory it implies.

use core::time::Duration;

/// The most that one connection may use. The defaults are safe for a public server.
///
/// ```
/// use sio_proto::Limits;
///
/// let mut limits = Limits::default();
/// limits.max_attachments = 10;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most attachments of one packet. More are refused when the packet announces them.
    ///
    /// Default: 64.
    pub max_attachments: u32,
    /// The longest packet with all its attachments, in bytes. Memory: the bytes received so far.
    ///
    /// Default: 10,000,000.
    pub max_packet: u64,
    /// The time from one message of a packet to its next.
    ///
    /// Default: 30 s.
    pub attachment_timeout: Duration,
    /// The time that a client may stay outside every namespace, from the start of the connection.
    ///
    /// Default: 45 s.
    pub connect_timeout: Duration,
    /// The most namespaces of one connection: those that it is in, has asked for, or has left.
    /// Memory: their names, 256 bytes each.
    ///
    /// Default: 64.
    pub max_namespaces: usize,
    /// The most namespaces that a client asks for at a time.
    ///
    /// Default: 16.
    pub max_connecting: usize,
    /// The most acknowledgements awaited in one namespace.
    ///
    /// Default: 1,024.
    pub max_acks: usize,
}

impl Limits {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        max_attachments: 64,
        max_packet: 10_000_000,
        attachment_timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(45),
        max_namespaces: 64,
        max_connecting: 16,
        max_acks: 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
