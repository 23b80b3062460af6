//! Arguments as they came: JSON that stays text until somebody asks, and attachments.

use core::fmt;
use core::marker::PhantomData;

use serde::de::value::{SeqAccessDeserializer, UnitDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::value::RawValue;

use crate::error::PacketError;

/// The arguments of an event or an acknowledgement.
///
/// They are checked to be JSON, and not too deep, but not interpreted: numbers of any length, the
/// order of keys and lone surrogates are as the peer wrote them. If a type cannot hold an argument,
/// only that argument fails. `Debug` shows only how many there are.
///
/// ```
/// use sio_proto::{Attachment, Packet};
///
/// let attachments = [vec![1, 2, 3]];
/// let text = r#"51-["said","Ann",{"_placeholder":true,"num":0}]"#;
/// let Packet::Event { name, args, .. } = Packet::decode(text, &attachments)? else { panic!() };
/// assert_eq!(name, "said");
/// assert_eq!(args.len(), 2);
/// assert_eq!(args.at::<&str>(0)?, "Ann");
/// let (who, picture): (&str, Attachment) = args.all()?;
/// assert_eq!((who, args.attachment(picture)), ("Ann", Some(&[1, 2, 3][..])));
/// // One that is not there is null.
/// assert_eq!(args.at::<Option<u32>>(2)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Args<'a> {
    /// An array.
    json: &'a str,
    /// How many of its elements come before the arguments: an event has its name there.
    skip: usize,
    len: usize,
    attachments: &'a [alloc::vec::Vec<u8>],
}

impl<'a> Args<'a> {
    /// Reads an array, and the text of its first element. The attachments are those of its
    /// placeholders.
    pub(crate) fn split(
        json: &'a str,
        attachments: &'a [alloc::vec::Vec<u8>],
    ) -> Result<(Option<&'a str>, Self), PacketError> {
        let Split { first, len } = serde_json::from_str(json).map_err(|_| PacketError::Payload)?;
        let all = Self {
            json,
            skip: 0,
            len,
            attachments,
        };
        Ok((first.map(RawValue::get), all))
    }

    /// Without the first.
    pub(crate) const fn after_first(self) -> Self {
        Self {
            skip: self.skip + 1,
            len: self.len.saturating_sub(1),
            ..self
        }
    }

    /// The number of arguments.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no arguments.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The argument at `index`, from 0. A missing argument reads as null. A `&str` borrows from the
    /// packet, which fails for text with escapes in it: use a `String` or a `Cow` there.
    ///
    /// # Errors
    ///
    /// It is not a `T`.
    pub fn at<T: Deserialize<'a>>(&self, index: usize) -> serde_json::Result<T> {
        if index >= self.len {
            return T::deserialize(UnitDeserializer::new());
        }
        self.read(Nth {
            skip: self.skip + index,
            read: PhantomData,
        })
    }

    /// All arguments, as a tuple or as a list. A tuple ignores the arguments after its last
    /// element.
    ///
    /// # Errors
    ///
    /// They are not a `T`, or there are too few.
    pub fn all<T: Deserialize<'a>>(&self) -> serde_json::Result<T> {
        self.read(All {
            skip: self.skip,
            read: PhantomData,
        })
    }

    /// The text of the argument at `index`, if there is one.
    #[must_use]
    pub fn json_at(&self, index: usize) -> Option<&'a str> {
        if index >= self.len {
            return None;
        }
        self.at::<&RawValue>(index).ok().map(RawValue::get)
    }

    /// The text of the whole array, and how many of its elements come before the arguments: what a
    /// relay passes on.
    #[must_use]
    pub const fn json(&self) -> (&'a str, usize) {
        (self.json, self.skip)
    }

    /// All attachments, in the order in which they came.
    #[must_use]
    pub const fn attachments(&self) -> &'a [alloc::vec::Vec<u8>] {
        self.attachments
    }

    /// The bytes that a placeholder stands for. `None` if it belongs to another packet.
    #[must_use]
    pub fn attachment(&self, placeholder: Attachment) -> Option<&'a [u8]> {
        let index = usize::try_from(placeholder.0).ok()?;
        self.attachments.get(index).map(alloc::vec::Vec::as_slice)
    }

    fn read<V: Visitor<'a>>(&self, visitor: V) -> serde_json::Result<V::Value> {
        serde_json::Deserializer::from_str(self.json).deserialize_seq(visitor)
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Args({}, {} attachments)",
            self.len,
            self.attachments.len()
        )
    }
}

/// Stands in JSON for the bytes of an attachment: `{"_placeholder":true,"num":0}`. Fields of this
/// type are found with [`Args::attachment`], and made by [`Encoded::attach`](crate::Encoded::attach).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attachment(pub(crate) u32);

impl Serialize for Attachment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Attachment", 2)?;
        object.serialize_field("_placeholder", &true)?;
        object.serialize_field("num", &self.0)?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Attachment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Placeholder {
            _placeholder: bool,
            num: u32,
        }
        let placeholder = Placeholder::deserialize(deserializer)?;
        if placeholder._placeholder {
            Ok(Self(placeholder.num))
        } else {
            Err(serde::de::Error::custom("not a placeholder"))
        }
    }
}

/// The first element of an array, and how many there are.
struct Split<'a> {
    first: Option<&'a RawValue>,
    len: usize,
}

impl<'de> Deserialize<'de> for Split<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Split<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Split<'de>, A::Error> {
                let first = seq.next_element()?;
                let len = usize::from(first.is_some()) + rest(&mut seq)?;
                Ok(Split { first, len })
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

/// Reads the argument after `skip` elements.
struct Nth<T> {
    skip: usize,
    read: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Nth<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        skip(&mut seq, self.skip)?;
        let argument = seq.next_element_seed(self.read)?;
        rest(&mut seq)?;
        argument.ok_or_else(|| serde::de::Error::custom("no such argument"))
    }
}

/// Reads the arguments after `skip` elements.
struct All<T> {
    skip: usize,
    read: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for All<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        skip(&mut seq, self.skip)?;
        let arguments = self
            .read
            .deserialize(SeqAccessDeserializer::new(&mut seq))?;
        rest(&mut seq)?;
        Ok(arguments)
    }
}

fn skip<'de, A: SeqAccess<'de>>(seq: &mut A, count: usize) -> Result<(), A::Error> {
    for _ in 0..count {
        seq.next_element::<IgnoredAny>()?;
    }
    Ok(())
}

/// Passes over what is left, and says how much that was.
fn rest<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<usize, A::Error> {
    let mut count = 0;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}
