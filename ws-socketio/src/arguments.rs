//! Arguments that outlive the packet that they came in.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sio_proto::{Args, Encoded};

use crate::decode;
use crate::error::{EmitError, HandlerError};
use crate::reply::Reply;

/// The arguments of an event, for handlers of events of any name. They stay JSON text until the
/// handler reads them.
///
/// `Debug` shows only how many there are.
#[derive(Clone, Default)]
pub struct Arguments {
    each: Vec<Box<RawValue>>,
    attachments: Vec<Vec<u8>>,
}

impl Arguments {
    pub(crate) fn new(args: &Args<'_>) -> Self {
        let each = (0..args.len()).filter_map(|index| args.at(index).ok());
        Self {
            each: each.collect(),
            attachments: args.attachments().to_vec(),
        }
    }

    /// Returns the arguments after the first `count`, to pass on.
    #[must_use]
    pub fn skip(&self, count: usize) -> Self {
        Self {
            each: self.each.iter().skip(count).cloned().collect(),
            // Those that remain are known by their numbers.
            attachments: self.attachments.clone(),
        }
    }

    /// The number of arguments.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.each.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// The argument at `index`, from 0; null if there are fewer. Bytes are attachments.
    ///
    /// # Errors
    ///
    /// It is not a `T`.
    pub fn at<T: DeserializeOwned>(&self, index: usize) -> serde_json::Result<T> {
        decode::one(self.json_at(index).unwrap_or("null"), &self.attachments)
    }

    /// An event with these arguments, as they are.
    pub(crate) fn event(&self, name: &str) -> Result<Encoded, EmitError> {
        self.add_to(Encoded::event(name)?)
            .map_err(EmitError::Encode)
    }

    /// Placeholders are the numbers of attachments, which stay what they are.
    fn add_to(&self, mut to: Encoded) -> serde_json::Result<Encoded> {
        for bytes in &self.attachments {
            let _placeholder = to.attach(bytes.clone());
        }
        self.each.iter().try_fold(to, |to, json| to.arg(&**json))
    }

    /// The text of the argument at `index`, if there is one.
    #[must_use]
    pub fn json_at(&self, index: usize) -> Option<&str> {
        self.each.get(index).map(|json| json.get())
    }
}

/// The event is acknowledged with them, as they are.
impl Reply for Arguments {
    fn into_answer(self) -> Result<Encoded, HandlerError> {
        self.add_to(Encoded::ack()).map_err(HandlerError::Encode)
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, attachments) = (self.len(), self.attachments.len());
        write!(f, "Arguments({len}, {attachments} attachments)")
    }
}
