//! Arguments to send, of an event or an acknowledgement, encoded once for all receivers.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use crate::args::{Args, Attachment};
use crate::error::PacketError;
use crate::header::{Header, Kind};
use crate::packet::check_name;

/// The payload of an event or an acknowledgement. You can send the same one to many peers, in any
/// namespace and with any id.
///
/// ```
/// use sio_proto::Encoded;
///
/// let event = Encoded::event("said")?.arg("Ann")?.bytes(vec![1, 2, 3]);
/// let (text, attachments) = event.packet("/chat", None);
/// assert_eq!(text, r#"51-/chat,["said","Ann",{"_placeholder":true,"num":0}]"#);
/// assert_eq!(attachments, [[1, 2, 3]]);
///
/// let answer = Encoded::ack().arg(&true)?;
/// assert_eq!(answer.packet("/", Some(7)).0, "37[true]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    what: What,
    /// An array without its last bracket.
    json: String,
    attachments: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Event,
    Ack,
}

impl Encoded {
    /// Makes an event without arguments.
    ///
    /// # Errors
    ///
    /// [`Name`](PacketError::Name) if it is too long, or
    /// [`ReservedName`](PacketError::ReservedName): a peer would close the connection.
    pub fn event(name: &str) -> Result<Self, PacketError> {
        check_name(name)?;
        let mut event = Self::new(What::Event);
        event.push(name).map_err(|_| PacketError::Name)?;
        Ok(event)
    }

    /// Makes an acknowledgement without arguments.
    #[must_use]
    pub const fn ack() -> Self {
        Self::new(What::Ack)
    }

    const fn new(what: What) -> Self {
        Self {
            what,
            json: String::new(),
            attachments: Vec::new(),
        }
    }

    /// Makes an event that passes on received arguments, whose text stays as it is.
    ///
    /// # Errors
    ///
    /// As [`event`](Self::event).
    pub fn relay(name: &str, args: &Args<'_>) -> Result<Self, PacketError> {
        let mut event = Self::event(name)?;
        for index in 0..args.len() {
            if let Some(json) = args.json_at(index) {
                event.json.push(',');
                event.json.push_str(json);
            }
        }
        event.attachments = args.attachments().to_vec();
        Ok(event)
    }

    /// Adds an argument. A tuple becomes one array: call this once for each argument instead. A
    /// `&RawValue` is written as it is.
    ///
    /// # Errors
    ///
    /// JSON cannot hold the value.
    pub fn arg<T: Serialize + ?Sized>(mut self, argument: &T) -> serde_json::Result<Self> {
        self.push(argument)?;
        Ok(self)
    }

    /// Adds an argument of bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: Vec<u8>) -> Self {
        let placeholder = self.attach(bytes);
        // Of two fields, both of which JSON can hold.
        let pushed = self.push(&placeholder);
        debug_assert!(pushed.is_ok());
        self
    }

    /// Attaches bytes that belong somewhere within an argument: put the returned placeholder there.
    #[must_use = "bytes are referred to by it"]
    pub fn attach(&mut self, bytes: Vec<u8>) -> Attachment {
        let index = u32::try_from(self.attachments.len()).unwrap_or(u32::MAX);
        self.attachments.push(bytes);
        Attachment(index)
    }

    /// The text of the packet, and the attachments that follow it.
    #[must_use]
    pub fn packet(&self, namespace: &str, id: Option<u64>) -> (String, &[Vec<u8>]) {
        let attachments = u32::try_from(self.attachments.len()).unwrap_or(u32::MAX);
        let header = Header {
            kind: match (self.what, attachments) {
                (What::Event, 0) => Kind::Event,
                (What::Event, _) => Kind::BinaryEvent,
                (What::Ack, 0) => Kind::Ack,
                (What::Ack, _) => Kind::BinaryAck,
            },
            attachments,
            namespace,
            query: None,
            id,
            payload: "[",
        };
        let mut text = String::with_capacity(namespace.len() + self.json.len() + 32);
        header.encode(&mut text);
        text.push_str(&self.json);
        text.push(']');
        (text, &self.attachments)
    }

    pub(crate) const fn what(&self) -> What {
        self.what
    }

    /// Appends an argument.
    fn push<T: Serialize + ?Sized>(&mut self, argument: &T) -> serde_json::Result<()> {
        let argument = serde_json::to_string(argument)?;
        if !self.json.is_empty() {
            self.json.push(',');
        }
        self.json.push_str(&argument);
        Ok(())
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, count) = (self.json.len(), self.attachments.len());
        write!(f, "Encoded({len} bytes, {count} attachments)")
    }
}
