//! Percent-encoding (RFC 3986 §2.1), read back.

/// The bytes that a target stands for: what is percent-encoded, decoded.
#[must_use]
pub fn decoded(target: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), target.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let escaped = escaped.filter(|_| byte == b'%');
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    bytes
}
