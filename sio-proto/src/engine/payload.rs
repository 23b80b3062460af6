//! Payloads: the packets of a polling request or answer (Engine.IO 4, "HTTP long-polling").
//!
//! ```text
//!   4hello ␞ 2 ␞ bAQI=         joined by U+001E, which cannot be escaped: no packet contains it
//! ```
//!
//! A payload is bounded by its bytes and not by its packets: a client may fill it with thousands of
//! small ones, and the reference does. Reading packets one at a time needs no memory for them.

use core::str;

use super::error::ProtocolError;
use super::packet::Packet;

/// What stands between two packets.
pub(super) const SEPARATOR: char = '\u{1e}';

/// The packets of a body, one after the other. After an error there are no more.
///
/// ```
/// use sio_proto::engine::{Data, Packet, Payload};
///
/// let mut packets = Payload::decode(b"4hello\x1e2\x1ebAQI=", 1_000_000)?;
/// assert_eq!(packets.next(), Some(Ok(Packet::Message(Data::Text("hello")))));
/// assert_eq!(packets.next(), Some(Ok(Packet::Ping(""))));
/// assert_eq!(packets.next(), Some(Ok(Packet::Message(Data::Binary([1, 2][..].into())))));
/// assert_eq!(packets.next(), None);
/// # Ok::<(), sio_proto::engine::ProtocolError>(())
/// ```
#[derive(Clone)]
pub struct Payload<'a> {
    /// What is still to be read: `None` after the last packet. An empty rest is an empty packet.
    rest: Option<&'a str>,
}

impl<'a> Payload<'a> {
    /// Begins to read the packets of `body`, which may have at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`TooLong`](ProtocolError::TooLong) or [`Utf8`](ProtocolError::Utf8), before any packet.
    pub fn decode(body: &'a [u8], limit: u64) -> Result<Self, ProtocolError> {
        if body.len() as u64 > limit {
            return Err(ProtocolError::TooLong { limit });
        }
        let rest = str::from_utf8(body).map_err(|_| ProtocolError::Utf8)?;
        Ok(Self { rest: Some(rest) })
    }
}

impl<'a> Iterator for Payload<'a> {
    type Item = Result<Packet<'a>, ProtocolError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let packet = match rest.split_once(SEPARATOR) {
            Some((packet, rest)) => {
                self.rest = Some(rest);
                packet
            }
            None => rest,
        };
        let packet = Packet::decode_text(packet);
        if packet.is_err() {
            self.rest = None;
        }
        Some(packet)
    }
}

impl core::iter::FusedIterator for Payload<'_> {}

impl core::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Payload({} bytes)", self.rest.map_or(0, str::len))
    }
}
