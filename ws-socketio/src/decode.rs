//! From arguments to types: bytes are the attachments that placeholders stand for.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, UnitDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use sio_proto::Args;

/// The argument at `index`, or null if there are fewer.
pub(crate) fn at<T: DeserializeOwned>(args: &Args<'_>, index: usize) -> serde_json::Result<T> {
    if args.attachments().is_empty() {
        return args.at(index);
    }
    match args.json_at(index) {
        Some(json) => one(json, args.attachments()),
        None => T::deserialize(UnitDeserializer::new()),
    }
}

/// All arguments as one value: a tuple takes one each, `()` none, and anything else the first.
pub(crate) fn all<T: DeserializeOwned>(args: &Args<'_>) -> serde_json::Result<T> {
    T::deserialize(All { args, next: 0 })
}

/// A value of this JSON, in which placeholders stand for attachments.
pub(crate) fn one<'de, T: Deserialize<'de>>(
    json: &'de str,
    attachments: &'de [Vec<u8>],
) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_str(json);
    let value = T::deserialize(Attached {
        inner: &mut json,
        attachments,
    })?;
    json.end()?;
    Ok(value)
}

/// `inner`, in which bytes are attachments: a deserializer, and every visitor, seed and access that
/// it gives out.
struct Attached<'de, I> {
    inner: I,
    attachments: &'de [Vec<u8>],
}

impl<'de, I> Attached<'de, I> {
    const fn with<J>(&self, inner: J) -> Attached<'de, J> {
        Attached {
            inner,
            attachments: self.attachments,
        }
    }
}

/// The methods of a deserializer that both of ours hand on, with what they take besides a visitor.
macro_rules! for_each_kind {
    ($macro:ident) => {
        $macro! {
            deserialize_any() deserialize_bool()
            deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
            deserialize_i128()
            deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
            deserialize_u128()
            deserialize_f32() deserialize_f64()
            deserialize_char() deserialize_str() deserialize_string()
            deserialize_option() deserialize_seq() deserialize_map()
            deserialize_unit_struct(name: &'static str)
            deserialize_newtype_struct(name: &'static str)
            deserialize_tuple_struct(name: &'static str, len: usize)
            deserialize_struct(name: &'static str, fields: &'static [&'static str])
            deserialize_enum(name: &'static str, variants: &'static [&'static str])
            deserialize_identifier() deserialize_ignored_any()
        }
    };
}

macro_rules! attached {
    ($($method:ident($($name:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $($name: $type,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            let visitor = self.with(visitor);
            self.inner.$method($($name,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Attached<'de, D> {
    type Error = D::Error;

    for_each_kind!(attached);

    attached!(deserialize_unit() deserialize_tuple(len: usize));

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let bytes = Bytes(self.with(visitor));
        self.inner.deserialize_any(bytes)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_bytes(visitor)
    }
}

macro_rules! scalars {
    ($($method:ident: $scalar:ty;)*) => {$(
        fn $method<E: serde::de::Error>(self, value: $scalar) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Attached<'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    scalars! {
        visit_bool: bool;
        visit_i64: i64;
        visit_i128: i128;
        visit_u64: u64;
        visit_u128: u128;
        visit_f64: f64;
        visit_str: &str;
        visit_borrowed_str: &'de str;
        visit_string: String;
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.with(value);
        self.inner.visit_some(value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.with(value);
        self.inner.visit_newtype_struct(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        let seq = self.with(seq);
        self.inner.visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let map = self.with(map);
        self.inner.visit_map(map)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        let data = self.with(data);
        self.inner.visit_enum(data)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Attached<'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.with(deserializer);
        self.inner.deserialize(deserializer)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Attached<'de, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.with(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Attached<'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Attached<'de, A> {
    type Error = A::Error;
    type Variant = Attached<'de, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let attachments = self.attachments;
        let (value, inner) = self.inner.variant_seed(seed)?;
        Ok((value, Attached { inner, attachments }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Attached<'de, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.with(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.with(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}

/// Wants bytes: those of a placeholder, those of a text, or an array of numbers, as serde has it.
struct Bytes<'de, V>(Attached<'de, V>);

impl<'de, V: Visitor<'de>> Visitor<'de> for Bytes<'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attachment")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        #[derive(Deserialize)]
        struct Placeholder {
            _placeholder: bool,
            num: usize,
        }
        let placeholder = Placeholder::deserialize(MapAccessDeserializer::new(map))?;
        let attachment = self.0.attachments.get(placeholder.num);
        match attachment.filter(|_| placeholder._placeholder) {
            Some(bytes) => self.0.inner.visit_borrowed_bytes(bytes),
            None => Err(A::Error::custom("no such attachment")),
        }
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        self.0.inner.visit_borrowed_bytes(text.as_bytes())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<V::Value, E> {
        self.0.inner.visit_bytes(text.as_bytes())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.0.inner.visit_seq(seq)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.0.inner.visit_unit()
    }
}

/// All arguments, one after another for a type that wants several.
struct All<'a, 'de> {
    args: &'a Args<'de>,
    next: usize,
}

macro_rules! first {
    ($($method:ident($($name:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $($name: $type,)*
            visitor: V,
        ) -> serde_json::Result<V::Value> {
            let json = self.args.json_at(0).unwrap_or("null");
            let first = Attached {
                inner: &mut serde_json::Deserializer::from_str(json),
                attachments: self.args.attachments(),
            };
            first.$method($($name,)* visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for All<'_, 'de> {
    type Error = serde_json::Error;

    for_each_kind!(first);

    first!(deserialize_bytes() deserialize_byte_buf());

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        visitor.visit_seq(self)
    }
}

impl<'de> SeqAccess<'de> for All<'_, 'de> {
    type Error = serde_json::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> serde_json::Result<Option<S::Value>> {
        let Some(json) = self.args.json_at(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        let mut json = serde_json::Deserializer::from_str(json);
        let argument = Attached {
            inner: &mut json,
            attachments: self.args.attachments(),
        };
        seed.deserialize(argument).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde_bytes::ByteBuf;
    use serde_json::{Value, json, value::RawValue};
    use sio_proto::Packet;

    use super::*;

    fn with<T>(text: &str, read: impl FnOnce(&Args<'_>) -> T) -> T {
        let attachments = [vec![1], vec![2, 3]];
        let count = if text.starts_with('5') { 2 } else { 0 };
        match Packet::decode(text, &attachments[..count]) {
            Ok(Packet::Event { args, .. } | Packet::Ack { args, .. }) => read(&args),
            other => panic!("{other:?}"),
        }
    }

    const BINARY: &str = r#"52-["e",{"_placeholder":true,"num":1},{"text":"x","picture":{"_placeholder":true,"num":0},"kind":{"Raw":[1]}}]"#;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Said {
        text: String,
        picture: Option<ByteBuf>,
        kind: Kind,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    enum Kind {
        Raw(ByteBuf),
    }

    #[test]
    fn bytes_are_attachments_wherever_they_are() {
        let said = Said {
            text: "x".into(),
            picture: Some(ByteBuf::from([1])),
            kind: Kind::Raw(ByteBuf::from([1])),
        };
        with(BINARY, |args| {
            assert_eq!(at::<ByteBuf>(args, 0).unwrap(), [2, 3]);
            assert_eq!(at::<Said>(args, 1).unwrap(), said);
            assert_eq!(all::<(ByteBuf, Said)>(args).unwrap().1, said);
            assert_eq!(all::<ByteBuf>(args).unwrap(), [2, 3]);
        });
    }

    #[test]
    fn a_value_shows_the_placeholder_and_raw_json_is_as_it_came() {
        with(BINARY, |args| {
            let placeholder = json!({"_placeholder": true, "num": 1});
            assert_eq!(at::<Value>(args, 0).unwrap(), placeholder);
            let raw = at::<Box<RawValue>>(args, 0).unwrap();
            assert_eq!(raw.get(), r#"{"_placeholder":true,"num":1}"#);
        });
    }

    #[test]
    fn a_tuple_takes_several_and_unit_none() {
        with(r#"31["a",[1,2]]"#, |args| {
            assert_eq!(
                all::<(String, Vec<u8>)>(args).unwrap(),
                ("a".into(), vec![1, 2])
            );
            assert_eq!(all::<String>(args).unwrap(), "a");
            all::<()>(args).unwrap();
            assert!(all::<(String, Vec<u8>, u8)>(args).is_err());
            assert!(all::<u8>(args).is_err());
            assert_eq!(at::<Option<u8>>(args, 2).unwrap(), None);
        });
        with("31[]", |args| {
            all::<()>(args).unwrap();
            assert_eq!(all::<Option<u8>>(args).unwrap(), None);
            assert!(all::<u8>(args).is_err());
        });
        with("31[[1,2]]", |args| {
            assert_eq!(all::<Vec<u8>>(args).unwrap(), [1, 2]);
        });
    }

    #[test]
    fn a_placeholder_that_is_none_is_no_bytes() {
        for json in [
            r#"{"_placeholder":false,"num":0}"#,
            r#"{"_placeholder":true,"num":9}"#,
            "{}",
        ] {
            assert!(one::<ByteBuf>(json, &[vec![1]]).is_err(), "{json}");
        }
        assert_eq!(one::<ByteBuf>("[7]", &[]).unwrap(), [7]);
    }
}
