//! The two ends of a connection, which differ in masking (RFC 6455 §5.1) and in which closes the
//! TCP connection first (§7.1.1).

/// An end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that accepted: receives masked frames, sends unmasked ones.
    Server,
    /// The end that connected: receives unmasked frames, sends masked ones.
    Client,
}
