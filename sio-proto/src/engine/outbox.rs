//! The queue of what waits to leave, in order, by whichever transport.
//!
//! Each packet leaves by one way only, and is forgotten when it does. So a change of transport needs
//! no thought: what has not left by the old one leaves by the new one.

use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use ws_proto::Message;

use super::error::SendError;
use super::packet::{Data, Packet, encode_base64};
use super::payload::SEPARATOR;
use super::query::Binary;

/// A packet, as it leaves.
#[derive(Clone)]
pub(super) enum Queued {
    Text(Cow<'static, str>),
    Binary(Vec<u8>),
}

impl Queued {
    pub(super) fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(bytes) => Message::Binary(bytes),
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::Text(Cow::Borrowed(text)) => text.len(),
            Self::Text(Cow::Owned(text)) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// The length as the text of a payload.
    const fn text_len(&self) -> usize {
        match self {
            Self::Text(_) => self.len(),
            Self::Binary(bytes) => base64_len(bytes.len()),
        }
    }
}

#[derive(Clone)]
pub(super) struct Outbox {
    packets: VecDeque<Queued>,
    /// The sum of their lengths.
    bytes: usize,
    /// The high-water mark.
    limit: usize,
}

impl Outbox {
    /// The most packets of a payload: servers and clients in Python refuse more, and the session is
    /// over then.
    pub(super) const MAX_PACKETS: usize = 16;

    pub(super) const fn new(limit: usize) -> Self {
        Self {
            packets: VecDeque::new(),
            bytes: 0,
            limit,
        }
    }

    /// Queues messages, all or none of them.
    pub(super) fn send(&mut self, messages: &[Message<'_>]) -> Result<(), SendError> {
        let splits = |message: &Message<'_>| {
            (message.as_text()).is_some_and(|text| text.contains(SEPARATOR))
        };
        if self.bytes >= self.limit {
            return Err(SendError::Full { limit: self.limit });
        }
        if messages.iter().any(splits) {
            return Err(SendError::Separator);
        }
        for message in messages {
            self.push(match message {
                Message::Text(text) => {
                    let mut packet = String::with_capacity(1 + text.len());
                    Packet::Message(Data::Text(text)).encode_text(&mut packet);
                    Queued::Text(packet.into())
                }
                Message::Binary(bytes) => Queued::Binary(bytes.to_vec()),
            });
        }
        Ok(())
    }

    /// Queues a packet of ours.
    pub(super) fn push_control(&mut self, packet: &'static str) {
        self.push(Queued::Text(packet.into()));
    }

    fn push(&mut self, packet: Queued) {
        self.bytes = self.bytes.saturating_add(packet.len());
        self.packets.push_back(packet);
    }

    /// The next packet, for a WebSocket.
    pub(super) fn pop(&mut self, binary: Binary) -> Option<Queued> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.len();
        Some(match (packet, binary) {
            (Queued::Binary(bytes), Binary::Base64) => {
                let mut text = String::with_capacity(base64_len(bytes.len()));
                encode_base64(&bytes, &mut text);
                Queued::Text(text.into())
            }
            (packet, _) => packet,
        })
    }

    /// The next packets as one payload: of at most `limit` bytes, or of one packet that is longer, and
    /// of at most `most` packets.
    pub(super) fn join(&mut self, limit: u64, most: usize) -> String {
        let mut payload = String::new();
        for _ in 0..most {
            let Some(packet) = self.packets.front() else {
                break;
            };
            let len = payload.len() + usize::from(!payload.is_empty()) + packet.text_len();
            if !payload.is_empty() && len as u64 > limit {
                break;
            }
            if !payload.is_empty() {
                payload.push(SEPARATOR);
            }
            match self.pop(Binary::Base64) {
                Some(Queued::Text(text)) => payload.push_str(&text),
                Some(Queued::Binary(_)) | None => {}
            }
        }
        payload
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The length of bytes as the text of a packet.
pub(super) const fn base64_len(len: usize) -> usize {
    1 + len.div_ceil(3).saturating_mul(4)
}
