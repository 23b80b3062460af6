//! From types to arguments: a tuple is several, `()` none, bytes anywhere are attachments.

use std::io;

use serde::ser::{self, Impossible, Serialize, SerializeTuple, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::value::RawValue;
use sio_proto::Encoded;

use crate::error::EmitError;

/// An event with these arguments.
pub(crate) fn event<T: Serialize + ?Sized>(name: &str, args: &T) -> Result<Encoded, EmitError> {
    arguments(Encoded::event(name)?, args).map_err(EmitError::Encode)
}

/// An acknowledgement of these arguments.
pub(crate) fn answer<T: Serialize + ?Sized>(args: &T) -> serde_json::Result<Encoded> {
    arguments(Encoded::ack(), args)
}

fn arguments<T: Serialize + ?Sized>(to: Encoded, args: &T) -> serde_json::Result<Encoded> {
    let mut several = Several { to: Some(to) };
    match args.serialize(&mut several) {
        Ok(()) => {}
        Err(NotSeveral::One) => several.push(args)?,
        Err(NotSeveral::Json(error)) => return Err(error),
    }
    several.to.ok_or_else(lost)
}

/// Takes the elements of a tuple one by one; what is no tuple it does not take.
struct Several {
    /// Absent only while an argument is added, and after that failed.
    to: Option<Encoded>,
}

impl Several {
    fn push<T: Serialize + ?Sized>(&mut self, argument: &T) -> serde_json::Result<()> {
        let mut to = self.to.take().ok_or_else(lost)?;
        let mut json = Vec::with_capacity(64);
        argument.serialize(&mut serde_json::Serializer::with_formatter(
            &mut json,
            Attaching { to: &mut to },
        ))?;
        let json = String::from_utf8(json).map_err(ser::Error::custom)?;
        self.to = Some(to.arg(&*RawValue::from_string(json)?)?);
        Ok(())
    }
}

fn lost() -> serde_json::Error {
    ser::Error::custom("an earlier argument failed")
}

/// Writes bytes as placeholders, and attaches them.
struct Attaching<'a> {
    to: &'a mut Encoded,
}

impl Formatter for Attaching<'_> {
    fn write_byte_array<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        value: &[u8],
    ) -> io::Result<()> {
        let placeholder = self.to.attach(value.to_vec());
        let mut serializer = serde_json::Serializer::with_formatter(writer, CompactFormatter);
        placeholder
            .serialize(&mut serializer)
            .map_err(io::Error::from)
    }
}

/// Why the elements were not taken.
#[derive(Debug)]
enum NotSeveral {
    /// It is no tuple.
    One,
    Json(serde_json::Error),
}

impl std::fmt::Display for NotSeveral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One => f.write_str("not a tuple"),
            Self::Json(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotSeveral {}

impl ser::Error for NotSeveral {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Json(ser::Error::custom(message))
    }
}

impl SerializeTuple for &mut Several {
    type Ok = ();
    type Error = NotSeveral;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotSeveral> {
        self.push(value).map_err(NotSeveral::Json)
    }

    fn end(self) -> Result<(), NotSeveral> {
        Ok(())
    }
}

macro_rules! one {
    ($($method:ident($($parameter:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $parameter),*) -> Result<$ok, NotSeveral> {
            Err(NotSeveral::One)
        }
    )*};
}

type No = Impossible<(), NotSeveral>;

impl Serializer for &mut Several {
    type Ok = ();
    type Error = NotSeveral;
    type SerializeSeq = No;
    type SerializeTuple = Self;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

    fn serialize_unit(self) -> Result<(), NotSeveral> {
        Ok(())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, NotSeveral> {
        Ok(self)
    }

    one! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_i128(i128) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_u128(u128) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> No;
        serialize_tuple_struct(&'static str, usize) -> No;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No;
        serialize_map(Option<usize>) -> No;
        serialize_struct(&'static str, usize) -> No;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), NotSeveral> {
        Err(NotSeveral::One)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<(), NotSeveral> {
        Err(NotSeveral::One)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), NotSeveral> {
        Err(NotSeveral::One)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_bytes::{ByteBuf, Bytes};
    use serde_json::json;

    use super::*;

    fn packet<T: Serialize>(args: T) -> (String, Vec<Vec<u8>>) {
        let event = event("e", &args).expect("it can be encoded");
        let (text, attachments) = event.packet("/", None);
        (text, attachments.to_vec())
    }

    #[test]
    fn a_tuple_is_several_arguments_and_unit_is_none() {
        assert_eq!(packet(()).0, r#"2["e"]"#);
        assert_eq!(packet(1).0, r#"2["e",1]"#);
        assert_eq!(packet("a\u{1e}").0, "2[\"e\",\"a\\u001e\"]");
        assert_eq!(packet((1, "two", [3])).0, r#"2["e",1,"two",[3]]"#);
        assert_eq!(packet(vec![1, 2]).0, r#"2["e",[1,2]]"#);
        assert_eq!(packet([1, 2]).0, r#"2["e",1,2]"#);
        assert_eq!(packet((vec![1, 2],)).0, r#"2["e",[1,2]]"#);
        assert_eq!(packet(None::<i32>).0, r#"2["e",null]"#);
        assert_eq!(packet(json!({"a": [1]})).0, r#"2["e",{"a":[1]}]"#);
    }

    #[test]
    fn bytes_are_attachments_wherever_they_are() {
        #[derive(Serialize)]
        struct Said {
            text: &'static str,
            picture: Option<ByteBuf>,
        }
        let (text, attachments) = packet((
            Bytes::new(&[1]),
            Said {
                text: "x",
                picture: Some(ByteBuf::from([2, 3])),
            },
        ));
        assert_eq!(
            text,
            r#"52-["e",{"_placeholder":true,"num":0},{"text":"x","picture":{"_placeholder":true,"num":1}}]"#
        );
        assert_eq!(attachments, [vec![1], vec![2, 3]]);
    }

    #[test]
    fn what_json_cannot_hold_fails() {
        let keys = std::collections::BTreeMap::from([([1u8], 1)]);
        for error in [
            event("e", &keys),
            event("e", &(1, &keys)),
            event("connect", &()),
        ] {
            assert!(error.is_err());
        }
    }
}
