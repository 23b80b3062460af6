//! The grammar of Sec-WebSocket-Extensions (§9.1), without the meaning of any name.
//!
//! ```text
//! extension-list  = 1#extension
//! extension       = extension-token *( ";" extension-param )
//! extension-param = token [ "=" (token | quoted-string) ]
//! ```

use core::fmt;
use core::str;

use super::error::InvalidExtensions;
use super::fields::{List, Values};
use super::syntax::is_token_byte;
use crate::quiet::show;

/// The extensions that a head lists, in order, over all its Sec-WebSocket-Extensions headers.
///
/// > If a value is received by either the client or the server during negotiation that does not
/// > conform to the ABNF below, the recipient of such malformed data MUST immediately _Fail the
/// > WebSocket Connection_. (§9.1)
///
/// So the iterator ends after its first error, and the handshake with it.
///
/// ```
/// use ws_proto::handshake::Request;
///
/// let request = Request::parse(
///     b"GET / HTTP/1.1\r\nSec-WebSocket-Extensions: mux; max-channels=\"4\"; flow, b\r\n\r\n",
/// )?;
/// let mut extensions = request.extensions();
/// let mux = extensions.next().unwrap()?;
/// assert_eq!(mux.name(), "mux");
/// let mut params = mux.params();
/// assert!(params.next().is_some_and(|(name, value)| name == "max-channels" && value.unwrap() == "4"));
/// assert!(params.next().is_some_and(|(name, value)| name == "flow" && value.is_none()));
/// assert_eq!(extensions.next().unwrap()?.name(), "b");
/// assert!(extensions.next().is_none());
/// # Ok::<(), ws_proto::handshake::RequestError>(())
/// ```
#[derive(Clone)]
pub struct Extensions<'b> {
    values: Values<'b>,
    /// The rest of the current header.
    rest: &'b str,
    found: Found,
}

/// The part of `1#extension` seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    NoHeader,
    /// A header, but so far it lists nothing.
    Header,
    Extension,
}

impl<'b> Extensions<'b> {
    pub(super) fn of(list: List<'b>) -> Self {
        Self {
            values: list.values(),
            rest: "",
            found: Found::NoHeader,
        }
    }

    fn fail(&mut self) -> InvalidExtensions {
        *self = Self {
            values: Values::default(),
            rest: "",
            found: Found::NoHeader,
        };
        InvalidExtensions
    }
}

impl<'b> Iterator for Extensions<'b> {
    type Item = Result<Extension<'b>, InvalidExtensions>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
            if !self.rest.is_empty() {
                self.found = Found::Extension;
                let Some((extension, rest)) = take_extension(self.rest) else {
                    return Some(Err(self.fail()));
                };
                self.rest = rest;
                return Some(Ok(extension));
            }
            match (self.values.next().map(str::from_utf8), self.found) {
                (Some(Ok(value)), found) => {
                    self.rest = value;
                    if found == Found::NoHeader {
                        self.found = Found::Header;
                    }
                }
                // "The empty string is not the same as the null value for these purposes"
                // (§4.2.2): a list has one element or more.
                (Some(Err(_)), _) | (None, Found::Header) => return Some(Err(self.fail())),
                (None, Found::NoHeader | Found::Extension) => return None,
            }
        }
    }
}

impl core::iter::FusedIterator for Extensions<'_> {}

/// Shows the names of those that are left.
impl fmt::Debug for Extensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.clone().map(|extension| extension.map(|it| it.name()));
        f.debug_list().entries(names).finish()
    }
}

/// An extension that is offered or agreed: a name, and parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extension<'b> {
    name: &'b str,
    /// `; a; b=c` and so on, checked.
    params: &'b str,
}

impl<'b> Extension<'b> {
    /// The name, a token.
    #[must_use]
    pub const fn name(&self) -> &'b str {
        self.name
    }

    /// The parameters in order: a name, and a value if there is one. The extension decides whether
    /// names may repeat.
    #[must_use]
    pub const fn params(&self) -> Params<'b> {
        Params { rest: self.params }
    }
}

/// Shows its name and those of its parameters.
impl fmt::Debug for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension")
            .field("name", &self.name)
            .field("params", &self.params())
            .finish()
    }
}

/// The iterator over the parameters of an [`Extension`].
#[derive(Clone)]
pub struct Params<'b> {
    rest: &'b str,
}

impl<'b> Iterator for Params<'b> {
    type Item = (&'b str, Option<ParamValue<'b>>);

    fn next(&mut self) -> Option<Self::Item> {
        let param = skip_space(self.rest).strip_prefix(';')?;
        let (name, value, rest) = take_param(param)?;
        self.rest = rest;
        Some((name, value))
    }
}

/// Shows the names of those that are left.
impl fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.clone().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// The value of a parameter: a token, whether it was written as one or in quotes.
///
/// Compare it with a `str`, go through its characters, or format it; `Debug` shows how long it is.
#[derive(Clone, Copy)]
pub struct ParamValue<'b> {
    /// As written between the quotes. A token has no backslash, so each one here is an escape.
    raw: &'b str,
}

impl<'b> ParamValue<'b> {
    /// The characters of the token, all of them ASCII.
    pub fn chars(self) -> impl Iterator<Item = char> + Clone + use<'b> {
        self.raw.chars().filter(|&char| char != '\\')
    }

    /// The token, if it was written without escapes, as in practice it always is.
    #[must_use]
    pub fn as_str(self) -> Option<&'b str> {
        (!self.raw.contains('\\')).then_some(self.raw)
    }
}

impl PartialEq for ParamValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for ParamValue<'_> {}

impl PartialEq<str> for ParamValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl PartialEq<&str> for ParamValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for ParamValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars()
            .try_for_each(|char| fmt::Write::write_char(f, char))
    }
}

impl fmt::Debug for ParamValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "ParamValue", self.chars().count())
    }
}

fn take_extension(text: &str) -> Option<(Extension<'_>, &str)> {
    let (name, params) = take_token(text)?;
    let mut rest = params;
    loop {
        rest = skip_space(rest);
        if rest.is_empty() || rest.starts_with(',') {
            let (params, rest) = params.split_at_checked(params.len() - rest.len())?;
            return Some((Extension { name, params }, rest));
        }
        (_, _, rest) = take_param(rest.strip_prefix(';')?)?;
    }
}

/// A parameter, after its semicolon. RFC 2616's "implied \*LWS" allows space around `=`.
fn take_param(text: &str) -> Option<(&str, Option<ParamValue<'_>>, &str)> {
    let (name, rest) = take_token(skip_space(text))?;
    let Some(rest) = skip_space(rest).strip_prefix('=') else {
        return Some((name, None, rest));
    };
    let rest = skip_space(rest);
    let (raw, rest) = match rest.strip_prefix('"') {
        Some(rest) => take_quoted(rest)?,
        None => take_token(rest)?,
    };
    Some((name, Some(ParamValue { raw }), rest))
}

/// A quoted string, after its opening quote.
///
/// > When using the quoted-string syntax variant, the value after quoted-string unescaping MUST
/// > conform to the 'token' ABNF. (§9.1)
fn take_quoted(text: &str) -> Option<(&str, &str)> {
    let mut bytes = text.bytes().enumerate();
    loop {
        match bytes.next()? {
            (0, b'"') => return None,
            (end, b'"') => return Some((text.get(..end)?, text.get(end + 1..)?)),
            (_, b'\\') => bytes.next().filter(|&(_, byte)| is_token_byte(byte))?,
            byte => Some(byte).filter(|&(_, byte)| is_token_byte(byte))?,
        };
    }
}

fn take_token(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !is_token_byte(byte));
    let (token, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    (!token.is_empty()).then_some((token, rest))
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{format, string::String, vec::Vec};

    use super::super::fields::Fields;
    use super::super::headers::Headers;
    use super::*;

    fn listed(lines: &[u8]) -> Extensions<'_> {
        let headers = Headers::of_lines(lines);
        Extensions::of(Fields::note(headers, headers.iter()).extensions())
    }

    /// Writes what was parsed in one canonical way.
    fn parsed(values: &[&str]) -> Result<String, InvalidExtensions> {
        let mut head = String::new();
        for value in values {
            head += &format!("sec-websocket-EXTENSIONS:{value}\r\nOther: x\r\n");
        }
        let mut all = Vec::new();
        for extension in listed(head.as_bytes()) {
            let extension = extension?;
            let mut text = String::from(extension.name());
            for (name, value) in extension.params() {
                text += &match value {
                    Some(value) => format!(";{name}={value}"),
                    None => format!(";{name}"),
                };
            }
            all.push(text);
        }
        Ok(all.join(","))
    }

    #[test]
    fn the_grammar() {
        let good = [
            ("foo", "foo"),
            (" foo , bar; baz=2", "foo,bar;baz=2"),
            (
                "mux; max-channels=4; flow-control,  deflate-stream",
                "mux;max-channels=4;flow-control,deflate-stream",
            ),
            (
                "permessage-deflate; client_max_window_bits",
                "permessage-deflate;client_max_window_bits",
            ),
            ("a;b=\"10\"", "a;b=10"),
            ("a;b=\"\\1\\0\"", "a;b=10"),
            ("a ; b = c\t;\td", "a;b=c;d"),
            (",, a,\t,b,", "a,b"),
            ("a;b;b=1;b", "a;b;b=1;b"),
            ("a;b=c\\", "!"),
            ("constructor; __proto__=x", "constructor;__proto__=x"),
        ];
        for (value, expected) in good {
            let expected = match expected {
                "!" => Err(InvalidExtensions),
                expected => Ok(String::from(expected)),
            };
            assert_eq!(parsed(&[value]), expected, "{value:?}");
        }
        let bad = [
            "",
            " ",
            ",",
            ";",
            "a;",
            "a;;b",
            "a; ,b",
            "=",
            "a=b",
            "a b",
            "a;b=",
            "a;b= ;c",
            "a;=b",
            "a;b=\"\"",
            "a;b=\"",
            "a;b=\"c",
            "a;b=\"c d\"",
            "a;b=\"c,d\"",
            "a;b=\"c\"d",
            "a;b=\"c\\\"",
            "a;b=\"\\\\\"",
            "a;b=\"\\\"\"",
            "a;b=\"c\\",
            "a;b=c=d",
            "a;b=c d",
            "a/b",
            "\"a\"",
            "é",
            "a;é",
            "a;b=\"é\"",
            "a;b=\"\\é\"",
            "a, b c",
        ];
        for value in bad {
            let expected = Err(InvalidExtensions);
            assert_eq!(parsed(&[value]), expected, "{value:?}");
        }
    }

    #[test]
    fn headers_add_up() {
        assert_eq!(parsed(&[]), Ok(String::new()));
        assert_eq!(parsed(&["foo", "bar; baz=2"]), parsed(&["foo, bar; baz=2"]));
        assert_eq!(parsed(&["", "foo"]), parsed(&["foo"]));
        assert_eq!(parsed(&["a;b=\"c", "d\""]), Err(InvalidExtensions));
    }

    #[test]
    fn nothing_follows_an_error() {
        let head = b"Sec-WebSocket-Extensions: a, b;, c\r\nSec-WebSocket-Extensions: d\r\n";
        let results: Vec<_> = listed(head).collect();
        assert_eq!(results.len(), 2);
        assert!(results[0].is_ok());
        assert_eq!(results[1], Err(InvalidExtensions));
    }

    #[test]
    fn values_compare_unescaped() {
        let (_, value, _) = take_param("a=\"1\\0\"").unwrap();
        let value = value.unwrap();
        assert_eq!(value, "10");
        assert_ne!(value, "1\\0");
        assert_eq!(value.as_str(), None);
        assert_eq!(format!("{value} {value:?}"), "10 ParamValue(2 bytes)");
        let (_, plain, _) = take_param("a=10").unwrap();
        assert_eq!(plain, Some(value));
        assert_eq!(plain.unwrap().as_str(), Some("10"));
    }
}
