//! The end of a connection: RFC 6455 §7.1, computed from what both halves know.
//!
//! ```text
//!   the peer:   Open ── its Close ──▶ Closed ── end of its stream ──▶ Ended
//!                └── it broke the protocol, or is gone ──▶ Failed
//!
//!   the socket: NotYet ── both Closes ──────┬── a client ──▶ AwaitPeer ── its stream ends ──▶ Now
//!                 └──── or ours has failed ─┴──▶ Write ── shut down ──▶ Drain ── it ends ──┘
//! ```
//!
//! From `AwaitPeer` and `Drain` the socket also goes to `Now` with the time of the closing handshake
//! ([`liveness`](crate::Liveness)), or when more than enough was read.
//!
//! Nothing is stored twice, so no two answers can contradict each other.

use crate::close_code::CloseCode;
use crate::error::ProtocolError;
use crate::role::Role;
use crate::sender::Sender;

/// The state of a connection. There is no CONNECTING: a connection that exists is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Messages go both ways.
    Open,
    /// One side has closed, the other has not yet.
    Closing,
    /// The closing handshake is complete.
    Closed,
    /// The peer broke the protocol, or is gone.
    Failed(ProtocolError),
}

/// The next thing to do about the transport (§7.1.1).
///
/// A socket that is closed while bytes lie unread in it is reset, and the reset destroys what the
/// peer has not read yet: our Close, which says why. So the side that closes first shuts down its
/// sending side, and then reads and drops what still comes: for the rest of the [close
/// timeout](crate::Timeouts::close_timeout), and at most 16 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Nothing yet: something is left to receive or to send.
    NotYet,
    /// Both have closed, and the server closes first: read until the end of the stream.
    AwaitPeer,
    /// Shut down the sending side, then say so with [`write_shut`](crate::Session::write_shut).
    Write,
    /// Read and drop what still comes, and [say how much](crate::Session::dropped), until the
    /// stream ends.
    Drain,
    /// Close the transport.
    Now,
}

/// The peer, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Open,
    /// It has sent its Close, with this code if there was one.
    Closed(Option<CloseCode>),
    /// Its stream has ended after that.
    Ended(Option<CloseCode>),
    /// It broke the protocol, or its stream ended without a Close, or an allocation failed.
    Failed(ProtocolError),
}

/// The transport, after the last word: how many bytes were read and dropped, and, in the highest
/// bit, whether the sending side was shut down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linger(u32);

impl Linger {
    /// The most that is read and dropped, in bytes. A peer that is sent 1009 may have written all
    /// of a large message before it reads; one that continues after this much does not listen.
    pub(crate) const MAX: u32 = 16 << 20;

    pub(crate) const NONE: Self = Self(0);

    const WRITE_SHUT: u32 = 1 << 31;

    /// Notes that the sending side was shut down.
    pub(crate) const fn write_shut(&mut self) {
        self.0 |= Self::WRITE_SHUT;
    }

    /// Counts bytes that were read and dropped.
    pub(crate) fn dropped(&mut self, len: usize) {
        let len = u32::try_from(len).unwrap_or(Self::MAX).min(Self::MAX);
        let sum = (self.0 & !Self::WRITE_SHUT) + len;
        self.0 = (self.0 & Self::WRITE_SHUT) | sum.min(Self::MAX);
    }

    /// Notes that nothing more will come, because the stream has ended or its time is over.
    pub(crate) const fn ended(&mut self) {
        self.0 = (self.0 & Self::WRITE_SHUT) | Self::MAX;
    }

    const fn is_over(self) -> bool {
        self.0 & !Self::WRITE_SHUT >= Self::MAX
    }

    pub(crate) const fn is_write_shut(self) -> bool {
        self.0 & Self::WRITE_SHUT != 0
    }
}

/// Computes the state of the connection.
pub(crate) const fn state(peer: Peer, sender: &Sender) -> State {
    match (peer, sender.is_open()) {
        (Peer::Failed(error), _) => State::Failed(error),
        (Peer::Open, true) => State::Open,
        (Peer::Closed(_) | Peer::Ended(_), false) if sender.is_closed() => State::Closed,
        _ => State::Closing,
    }
}

/// Computes what to do about the transport, once everything that was queued is written.
pub(crate) const fn shutdown(peer: Peer, sender: &Sender, linger: Linger) -> Shutdown {
    // A stream that ends without a Close, for want of memory, ends in the same way.
    if !sender.is_closed() && !linger.is_write_shut() {
        return Shutdown::NotYet;
    }
    match peer {
        Peer::Ended(_) | Peer::Failed(ProtocolError::UnexpectedEof) => Shutdown::Now,
        _ if linger.is_over() => Shutdown::Now,
        // "the underlying TCP connection … SHOULD be closed first by the server" (§7.1.1)
        Peer::Closed(_) if matches!(sender.role(), Role::Client) => Shutdown::AwaitPeer,
        _ if linger.is_write_shut() => Shutdown::Drain,
        Peer::Open => Shutdown::NotYet,
        Peer::Closed(_) | Peer::Failed(_) => Shutdown::Write,
    }
}
