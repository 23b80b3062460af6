//! The headers that a handshake is judged by (§4.1, §4.2.1), noted in one walk over the lines.
//!
//! For each it matters whether it is there, what it says, and whether it is there again. A list may
//! be spread over several lines (RFC 9110 §5.3): only then are the lines walked a second time.

use super::error::HeadError;
use super::headers::{HeaderIter, Headers};
use super::syntax::{elements, is_field_value, is_token};

/// The occurrences of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Field<'b> {
    #[default]
    Missing,
    Value(&'b [u8]),
    Repeated,
}

impl<'b> Field<'b> {
    const fn note(&mut self, value: &'b [u8]) {
        *self = match self {
            Self::Missing => Self::Value(value),
            Self::Value(_) | Self::Repeated => Self::Repeated,
        };
    }
}

/// The fields of a request or of a response.
#[derive(Clone, Copy)]
pub(super) struct Fields<'b> {
    pub(super) headers: Headers<'b>,
    pub(super) host: Field<'b>,
    pub(super) origin: Field<'b>,
    pub(super) version: Field<'b>,
    pub(super) key: Field<'b>,
    pub(super) accept: Field<'b>,
    pub(super) content_length: Field<'b>,
    pub(super) transfer_encoding: Field<'b>,
    upgrade: Field<'b>,
    connection: Field<'b>,
    protocol: Field<'b>,
    extensions: Field<'b>,
}

impl<'b> Fields<'b> {
    /// Notes the fields of `headers`, which `parsed` goes through.
    pub(super) fn note(
        headers: Headers<'b>,
        parsed: impl Iterator<Item = (&'b str, &'b [u8])>,
    ) -> Self {
        let mut this = Self {
            headers,
            host: Field::Missing,
            origin: Field::Missing,
            version: Field::Missing,
            key: Field::Missing,
            accept: Field::Missing,
            content_length: Field::Missing,
            transfer_encoding: Field::Missing,
            upgrade: Field::Missing,
            connection: Field::Missing,
            protocol: Field::Missing,
            extensions: Field::Missing,
        };
        for (name, value) in parsed {
            if let Some(field) = this.named(name) {
                field.note(value);
            }
        }
        this
    }

    /// Notes the fields of headers that another library took apart.
    ///
    /// # Errors
    ///
    /// [`HeaderName`](HeadError::HeaderName) and [`ControlCharacter`](HeadError::ControlCharacter):
    /// a line of a head could not have held that.
    pub(super) fn of_parts(headers: Headers<'b>) -> Result<Self, HeadError> {
        for (name, value) in headers {
            if !is_token(name.as_bytes()) {
                return Err(HeadError::HeaderName);
            }
            if !is_field_value(value) {
                return Err(HeadError::ControlCharacter);
            }
        }
        Ok(Self::note(headers, headers.iter()))
    }

    /// Finds the field of that name: the lengths tell nearly all names apart.
    fn named(&mut self, name: &str) -> Option<&mut Field<'b>> {
        let (known, field) = match name.len() {
            4 => ("Host", &mut self.host),
            6 => ("Origin", &mut self.origin),
            7 => (UPGRADE, &mut self.upgrade),
            10 => (CONNECTION, &mut self.connection),
            14 => ("Content-Length", &mut self.content_length),
            17 if name.starts_with(['T', 't']) => {
                ("Transfer-Encoding", &mut self.transfer_encoding)
            }
            17 => ("Sec-WebSocket-Key", &mut self.key),
            20 => ("Sec-WebSocket-Accept", &mut self.accept),
            21 => ("Sec-WebSocket-Version", &mut self.version),
            22 => (PROTOCOL, &mut self.protocol),
            24 => (EXTENSIONS, &mut self.extensions),
            _ => return None,
        };
        name.eq_ignore_ascii_case(known).then_some(field)
    }

    pub(super) const fn upgrade(&self) -> List<'b> {
        self.list(UPGRADE, self.upgrade)
    }

    pub(super) const fn connection(&self) -> List<'b> {
        self.list(CONNECTION, self.connection)
    }

    pub(super) const fn protocol(&self) -> List<'b> {
        self.list(PROTOCOL, self.protocol)
    }

    pub(super) const fn extensions(&self) -> List<'b> {
        self.list(EXTENSIONS, self.extensions)
    }

    const fn list(&self, name: &'static str, field: Field<'b>) -> List<'b> {
        List {
            field,
            headers: self.headers,
            name,
        }
    }
}

const UPGRADE: &str = "Upgrade";
const CONNECTION: &str = "Connection";
const PROTOCOL: &str = "Sec-WebSocket-Protocol";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// A list that may be spread over several lines.
#[derive(Clone, Copy)]
pub(super) struct List<'b> {
    pub(super) field: Field<'b>,
    headers: Headers<'b>,
    name: &'static str,
}

impl<'b> List<'b> {
    /// The values of its lines, in order.
    pub(super) fn values(self) -> Values<'b> {
        match self.field {
            Field::Missing => Values::default(),
            Field::Value(value) => Values {
                only: Some(value),
                ..Values::default()
            },
            Field::Repeated => Values {
                only: None,
                headers: self.headers.iter(),
                name: self.name,
            },
        }
    }

    /// Its elements, those that are not empty.
    pub(super) fn elements(self) -> impl Iterator<Item = &'b [u8]> + Clone + use<'b> {
        self.values().flat_map(elements)
    }

    /// Looks for an element, in any case, where all elements have to be `valid`.
    pub(super) fn lists(self, wanted: &str, valid: impl Fn(&[u8]) -> bool) -> Listed {
        let mut listed = Listed::No;
        for element in self.elements() {
            if !valid(element) {
                return Listed::Malformed;
            }
            if element.eq_ignore_ascii_case(wanted.as_bytes()) {
                listed = Listed::Yes;
            }
        }
        listed
    }
}

/// Whether a list has an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Yes,
    No,
    Malformed,
}

/// The values of the lines of a list.
#[derive(Clone)]
pub(super) struct Values<'b> {
    only: Option<&'b [u8]>,
    headers: HeaderIter<'b>,
    name: &'static str,
}

impl Default for Values<'_> {
    fn default() -> Self {
        Self {
            only: None,
            headers: Headers::default().iter(),
            name: "",
        }
    }
}

impl<'b> Iterator for Values<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        if let Some(only) = self.only.take() {
            return Some(only);
        }
        let name = self.name;
        let (_, value) = self
            .headers
            .find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    fn noted(lines: &[u8]) -> Fields<'_> {
        let headers = Headers::of_lines(lines);
        Fields::note(headers, headers.iter())
    }

    #[test]
    fn missing_once_and_again() {
        let lines = b"HOST: \xff:\r\nOrigin:\r\nsec-websocket-KEY: a\r\nSec-WebSocket-Key: b\r\n";
        let fields = noted(lines);
        assert_eq!(fields.host, Field::Value(b"\xff:"));
        assert_eq!(fields.origin, Field::Value(b""));
        assert_eq!(fields.key, Field::Repeated);
        assert_eq!(fields.version, Field::Missing);
        assert_eq!(fields.transfer_encoding, Field::Missing);
        let fields = noted(b"transfer-encoding: x\r\nX-WebSocket-Key: b\r\n");
        assert_eq!(fields.transfer_encoding, Field::Value(b"x"));
        assert_eq!(fields.key, Field::Missing);
    }

    #[test]
    fn a_list_is_the_same_on_one_line_and_on_several() {
        for lines in [
            &b"Upgrade: 1, 2 ,x,, y\r\n"[..],
            b"upgrade: 1\r\nA: b\r\nUpgrade:\t2 , x,, y\r\n",
            b"UPGRADE: 1\r\nUpgrade:2\r\nUpgrade:\r\nUpgrade: ,\r\nupgradE: x,y\r\nUpgrades: z\r\n",
        ] {
            let list = noted(lines).upgrade();
            assert_eq!(
                list.elements().collect::<Vec<_>>(),
                [&b"1"[..], b"2", b"x", b"y"]
            );
            let listed = |wanted| list.lists(wanted, |element| element != b"?");
            assert_eq!(listed("X"), Listed::Yes);
            assert_eq!(listed("x,"), Listed::No);
            assert_eq!(listed(""), Listed::No);
            let strict = list.lists("x", |element| element != b"y");
            assert_eq!(
                strict,
                Listed::Malformed,
                "also after the one that is wanted"
            );
        }
    }

    #[test]
    fn parts_are_held_to_what_a_line_can_say() {
        let judged = |name, value: &'static [u8]| {
            let pairs = [("Host", &b"a"[..]), (name, value)];
            Fields::of_parts(Headers::from(&pairs[..])).map(drop)
        };
        assert_eq!(judged("A", b" \tb\xff\t "), Ok(()));
        assert_eq!(judged("A", b""), Ok(()));
        for name in ["", "a b", "a:", "a\r\nb", " a", "ä"] {
            assert_eq!(judged(name, b"x"), Err(HeadError::HeaderName), "{name:?}");
        }
        for value in [&b"x\r\nb: c"[..], b"\n", b"\0", b"\x7f", b"a\x1bb"] {
            assert_eq!(judged("A", value), Err(HeadError::ControlCharacter));
        }
        let pairs = [
            ("upgrade", &b" a "[..]),
            ("host", b" b\t"),
            ("Upgrade", b"\tc "),
        ];
        let fields = Fields::of_parts(Headers::from(&pairs[..])).unwrap();
        assert_eq!(fields.host, Field::Value(b"b"));
        let values: Vec<_> = fields.upgrade().values().collect();
        assert_eq!(values, [b"a", b"c"]);
    }
}
