//! The values of the headers that a handshake consists of, whichever library writes them (§4.1,
//! §4.2.2).

use core::fmt;

use super::deflate::{Agreed, Compression};
use super::key::{AcceptToken, KeyText};
use super::write::Writer;

/// The value of a header that we send: format it.
///
/// With the feature `http` it becomes a `HeaderValue`.
#[derive(Clone, Copy)]
pub struct FieldValue<'a>(Text<'a>);

/// The text of a value: nothing in it can end its line.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    Plain(&'a str),
    Key(KeyText),
    Token(AcceptToken),
    List(&'a [&'a str]),
    Offered(Compression),
    Agreed(Agreed),
}

impl FieldValue<'_> {
    /// Gives its pieces, in order.
    pub(super) fn pieces(&self, mut put: impl FnMut(&str)) {
        match &self.0 {
            Text::Plain(text) => put(text),
            Text::Key(key) => put(key.as_str()),
            Text::Token(token) => put(token.as_str()),
            Text::List(list) => {
                for (index, element) in list.iter().enumerate() {
                    if index > 0 {
                        put(", ");
                    }
                    put(element);
                }
            }
            Text::Offered(compression) => compression.offered(put),
            Text::Agreed(agreed) => agreed.pieces(put),
        }
    }
}

impl<'a> From<Text<'a>> for FieldValue<'a> {
    fn from(text: Text<'a>) -> Self {
        Self(text)
    }
}

impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        self.pieces(|piece| {
            if result.is_ok() {
                result = f.write_str(piece);
            }
        });
        result
    }
}

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FieldValue::from(Text::Agreed(*self)).fmt(f)
    }
}

/// Not what it is: cookies and credentials are among the values.
impl fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldValue(..)")
    }
}

/// Writes a line for each header, and the empty line.
pub(super) fn write_fields<'a>(
    writer: &mut Writer<'_>,
    fields: impl Iterator<Item = (&'a str, FieldValue<'a>)>,
) {
    for (name, value) in fields {
        writer.put(name);
        writer.put(": ");
        value.pieces(|piece| writer.put(piece));
        writer.put("\r\n");
    }
    writer.put("\r\n");
}
