//! Checks JSON before anything parses it: how deep it is, and that each placeholder stands for an
//! attachment of its own.
//!
//! Both walk over text that is known to be JSON, and do not recurse: the peer decides how deep it is.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::error::PacketError;

/// The deepest that serde_json makes a value of. What is deeper would be accepted here and fail
/// wherever somebody looks at it.
pub(crate) const MAX_DEPTH: usize = 127;

/// Refuses JSON that is deeper than [`MAX_DEPTH`].
pub(crate) fn check_depth(json: &str) -> Result<(), PacketError> {
    let bytes = json.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'"' => string_end(bytes, at),
            _ => at + 1,
        };
        match byte {
            b'[' | b'{' if depth == MAX_DEPTH => return Err(PacketError::Depth),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a placeholder `{"_placeholder":true,"num":n}` unless `n` is below `count` and the only one
/// of its number. No encoder writes one twice, and each would be a copy of the attachment: 25,000 of
/// them in one packet were many gigabytes.
pub(crate) fn check_placeholders(json: &str, count: usize) -> Result<(), PacketError> {
    let bytes = json.as_bytes();
    let mut seen = alloc::vec![false; count];
    // At most as deep as `check_depth` allows.
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b'"' => string_end(bytes, at),
            b'0'..=b'9' | b'-' | b'a'..=b'z' => word_end(bytes, at),
            _ => at + 1,
        };
        let token = json.get(at..end).unwrap_or_default();
        at = end;
        match (byte, open.last_mut()) {
            (b'"', Some(Level::Object(object))) if object.expects == Expects::Key => {
                object.key = Key::of(token);
            }
            (b':', Some(Level::Object(object))) => object.expects = Expects::Value,
            (b',', Some(Level::Object(object))) => object.expects = Expects::Key,
            (b'}' | b']', _) => {
                if let Some(Level::Object(object)) = open.pop()
                    && object.marked
                {
                    let place = object.num.and_then(|num| seen.get_mut(num));
                    match place {
                        Some(seen) if !*seen => *seen = true,
                        _ => return Err(PacketError::Placeholder),
                    }
                }
            }
            (b'"' | b'{' | b'[' | b'0'..=b'9' | b'-' | b'a'..=b'z', parent) => {
                if let Some(Level::Object(object)) = parent {
                    object.value(token);
                }
                match byte {
                    b'{' => open.push(Level::Object(Object::default())),
                    b'[' => open.push(Level::Array),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Ok(())
}

enum Level {
    Array,
    Object(Object),
}

/// An object so far.
#[derive(Default)]
struct Object {
    expects: Expects,
    key: Key,
    /// `_placeholder` is `true`.
    marked: bool,
    /// `num`, if that is a number as encoders write it.
    num: Option<usize>,
}

#[derive(Default, PartialEq, Eq)]
enum Expects {
    #[default]
    Key,
    Value,
}

#[derive(Default)]
enum Key {
    Placeholder,
    Num,
    #[default]
    Other,
}

impl Object {
    /// The value of the last key begins. Of a key that comes twice, the last value is meant.
    fn value(&mut self, token: &str) {
        match self.key {
            Key::Placeholder => self.marked = token == "true",
            Key::Num => self.num = token.parse().ok(),
            Key::Other => {}
        }
    }
}

impl Key {
    /// The key in its quotes, which may be written with escapes.
    fn of(quoted: &str) -> Self {
        let key = match quoted.get(1..quoted.len().saturating_sub(1)) {
            Some(key) if !key.contains('\\') => Cow::Borrowed(key),
            _ => Cow::Owned(serde_json::from_str(quoted).unwrap_or_default()),
        };
        match key.as_ref() {
            "_placeholder" => Self::Placeholder,
            "num" => Self::Num,
            _ => Self::Other,
        }
    }
}

/// The end of the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of the number or word that begins at `start`.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| is_part(byte)).count()
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn what_is_not_too_deep_can_be_looked_at() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let deepest = nested(MAX_DEPTH);
        assert_eq!(check_depth(&deepest), Ok(()));
        serde_json::from_str::<serde_json::Value>(&deepest).unwrap();
        let deeper = nested(MAX_DEPTH + 1);
        assert_eq!(check_depth(&deeper), Err(PacketError::Depth));
        serde_json::from_str::<serde_json::Value>(&deeper).unwrap_err();
    }

    #[test]
    fn brackets_in_strings_are_not_deep() {
        let text = format!(r#"["{}\"{}"]"#, "[".repeat(200), "{".repeat(200));
        assert_eq!(check_depth(&text), Ok(()));
    }

    #[test]
    fn placeholders_are_found_where_they_are_and_nowhere_else() {
        let good = [
            r#"[{"_placeholder":true,"num":0},{"num":1,"_placeholder":true}]"#,
            r#"[[{"a":{"_placeholder" : true , "num" : 1}}]]"#,
            // Not placeholders.
            r#"["{\"_placeholder\":true}",{"_placeholder":false},{"_placeholder":"true"},{"num":9}]"#,
            r#"[{"_placeholder":[true],"num":9},{"x":"_placeholder","num":true}]"#,
            r#"[{"_placeholder":{"a":true}},{"a":{"num":7},"_placeholder":1}]"#,
            r#"[{"_placeholder":true,"_placeholder":false,"num":7}]"#,
            // The last of a key counts; what stands between does not.
            r#"[{"num":7,"x":[{"num":8}],"num":1,"_placeholder":true}]"#,
            "[]",
        ];
        for text in good {
            assert_eq!(check_placeholders(text, 2), Ok(()), "{text}");
        }
        let bad = [
            r#"[{"_placeholder":true,"num":2}]"#,
            r#"[{"_placeholder":true,"num":-1}]"#,
            r#"[{"_placeholder":true,"num":0.0}]"#,
            r#"[{"_placeholder":true,"num":"0"}]"#,
            r#"[{"_placeholder":true,"num":18446744073709551616}]"#,
            r#"[{"_placeholder":true,"num":null}]"#,
            r#"[{"_placeholder":true,"num":[0]}]"#,
            r#"[{"_placeholder":true}]"#,
            r#"[{"_placeholder":true,"num":0},[{"_placeholder":true,"num":0}]]"#,
            r#"[{"\u005fplaceholder":true,"nu\u006d":2}]"#,
            r#"[{"_placeholder":true,"num":0,"num":2}]"#,
        ];
        for text in bad {
            let got = check_placeholders(text, 2);
            assert_eq!(got, Err(PacketError::Placeholder), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_ends_as_well() {
        for text in ["\"", "\"\\", "[\"a", "}}]]", "{:,:", "-", "é\"é"] {
            let _ = (check_depth(text), check_placeholders(text, 1));
        }
    }
}
