//! The two ends of a connection, which differ in which masks (RFC 6455 §5.1) and which closes the
//! TCP connection first (§7.1.1).

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that accepted: receives masked frames, sends unmasked ones.
    Server,
    /// The end that connected: receives unmasked frames, sends masked ones.
    Client,
}
