//! From messages to packets: a text, and the attachments that it announces, with nothing between.
//!
//! ```text
//!            text that announces some          the last one
//!   Between ──────────────────────────▶ Open ───────────────▶ Between
//!      ▲  │ any other text                │ ▲
//!      └──┘                               └─┘ an attachment
//! ```

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ws_proto::{Instant, Message};

use crate::error::PacketError;
use crate::header::Header;
use crate::limits::Limits;
use crate::packet::Packet;

/// Joins messages into packets.
///
/// ```
/// use sio_proto::{Assembly, Instant, Limits, Message, Packet};
///
/// let now = Instant::default();
/// let mut assembly = Assembly::new(&Limits::default());
/// let text = r#"51-["picture",{"_placeholder":true,"num":0}]"#;
/// assert_eq!(assembly.receive(Message::Text(text), now)?, None);
/// let packet = assembly.receive(Message::Binary(&[1, 2, 3]), now)?;
/// let Some(Packet::Event { args, .. }) = packet else { panic!() };
/// assert_eq!(args.attachments(), [[1, 2, 3]]);
/// # Ok::<(), sio_proto::PacketError>(())
/// ```
pub struct Assembly {
    limits: Limits,
    /// The packet that is not whole yet, or, between two of them, the last one that had attachments.
    packet: Partial,
}

#[derive(Default)]
struct Partial {
    text: String,
    attachments: Vec<Vec<u8>>,
    /// How many are to come.
    missing: u32,
    bytes: u64,
    /// When the next one has to be here.
    until: Instant,
}

impl Assembly {
    /// Makes an assembly that has received nothing yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            packet: Partial::default(),
        }
    }

    /// Takes a message, and returns the packet that it completes; `None` asks for the next
    /// attachment. After an error the connection is over.
    ///
    /// # Errors
    ///
    /// A [`PacketError`].
    pub fn receive<'b>(
        &'b mut self,
        message: Message<'b>,
        now: Instant,
    ) -> Result<Option<Packet<'b>>, PacketError> {
        match message {
            Message::Text(_) if self.packet.missing > 0 => Err(PacketError::TextBetween),
            Message::Text(text) => self.text(text, now),
            Message::Binary(bytes) => self.attachment(bytes, now),
        }
    }

    fn text<'b>(
        &'b mut self,
        text: &'b str,
        now: Instant,
    ) -> Result<Option<Packet<'b>>, PacketError> {
        // The memory of the last packet with attachments is not kept.
        self.packet = Partial::default();
        let header = Header::decode(text)?;
        if header.attachments == 0 {
            return Packet::with_header(header, &[]).map(Some);
        }
        let limit = self.limits.max_attachments;
        if header.attachments > limit {
            return Err(PacketError::TooManyAttachments { limit });
        }
        self.count(text.len())?;
        self.packet.text = text.to_owned();
        self.packet.missing = header.attachments;
        self.packet.until = now.after(self.limits.attachment_timeout);
        Ok(None)
    }

    fn attachment(
        &mut self,
        bytes: &[u8],
        now: Instant,
    ) -> Result<Option<Packet<'_>>, PacketError> {
        if self.packet.missing == 0 {
            return Err(PacketError::UnexpectedBinary);
        }
        self.count(bytes.len())?;
        self.packet.missing -= 1;
        self.packet.until = now.after(self.limits.attachment_timeout);
        self.packet.attachments.push(bytes.to_vec());
        if self.packet.missing > 0 {
            return Ok(None);
        }
        Packet::decode(&self.packet.text, &self.packet.attachments).map(Some)
    }

    /// Counts bytes against the limit before they are kept.
    fn count(&mut self, len: usize) -> Result<(), PacketError> {
        let limit = self.limits.max_packet;
        let bytes = self.packet.bytes.saturating_add(len as u64);
        if bytes > limit {
            return Err(PacketError::TooLong { limit });
        }
        self.packet.bytes = bytes;
        Ok(())
    }

    /// The time by which the next attachment must arrive, if one is missing.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (self.packet.missing > 0).then_some(self.packet.until)
    }

    /// Checks whether an attachment is late.
    ///
    /// # Errors
    ///
    /// [`TooSlow`](PacketError::TooSlow).
    pub fn check(&self, now: Instant) -> Result<(), PacketError> {
        match self.deadline() {
            Some(until) if until <= now => Err(PacketError::TooSlow),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly")
            .field("missing", &self.packet.missing)
            .field("bytes", &self.packet.bytes)
            .finish_non_exhaustive()
    }
}
