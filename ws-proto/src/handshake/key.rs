//! Sec-WebSocket-Key and Sec-WebSocket-Accept (§4.1 (7), §4.2.2 (5)).

use core::fmt;
use core::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::error::RequestError;
use crate::quiet::show;

/// The nonce of a handshake: 16 bytes, which travel as base64 in Sec-WebSocket-Key.
///
/// It proves that the server has read this handshake; it is not a secret.
///
/// ```
/// use ws_proto::handshake::Key;
///
/// let key = Key::new(*b"the sample nonce");
/// assert_eq!(key.encode().as_str(), "dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(key.accept_token().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

/// Shows nothing of the nonce.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// Makes a key from fresh entropy (§4.1 (7)): "The nonce MUST be selected randomly for each
    /// connection."
    #[must_use]
    pub const fn new(nonce: [u8; 16]) -> Self {
        Self(nonce)
    }

    /// Decodes a key.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`](RequestError::InvalidKey) if `text` is not 16 bytes in the base64 of
    /// RFC 4648 §4: 24 characters, two of them padding, with no bits left over (§4.2.1 (5)).
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        // 24 characters without padding are 18 bytes.
        let mut bytes = [0; 18];
        match STANDARD.decode_slice(text, &mut bytes) {
            Ok(16) => bytes.first_chunk().copied().map(Self),
            _ => None,
        }
        .ok_or(RequestError::InvalidKey)
    }

    /// The text of the key, as it is sent.
    #[must_use]
    pub fn encode(&self) -> KeyText {
        KeyText(base64(self.0))
    }

    /// The server's answer to this key.
    ///
    /// > concatenating /key/ […] with the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking
    /// > the SHA-1 hash of this concatenated value to obtain a 20-byte value and base64-encoding
    /// > […] this 20-byte hash. (§4.2.2)
    #[must_use]
    pub fn accept_token(&self) -> AcceptToken {
        let digest = Sha1::new()
            // The text of the key: one that was parsed is canonical, so this is what was sent.
            .chain_update(self.encode().as_str())
            .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
            .finalize();
        AcceptToken(base64::<20, 28>(digest.into()))
    }
}

/// The text of a [`Key`]: 24 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyText([u8; 24]);

impl KeyText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As of the [`Key`], nothing is shown of it.
impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "KeyText", self.0.len())
    }
}

/// The value of Sec-WebSocket-Accept: 28 characters of base64 (§4.2.2 (5)).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AcceptToken([u8; 28]);

impl AcceptToken {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Display for AcceptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AcceptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AcceptToken({self})")
    }
}

fn base64<const BYTES: usize, const CHARS: usize>(bytes: [u8; BYTES]) -> [u8; CHARS] {
    const { assert!(CHARS == BYTES.div_ceil(3) * 4) };
    let mut text = [0; CHARS];
    STANDARD
        .encode_slice(bytes, &mut text)
        .expect("the length was computed at compile time");
    text
}

/// Shows all of it: base64 is ASCII.
fn ascii(base64: &[u8]) -> &str {
    debug_assert!(base64.is_ascii());
    str::from_utf8(base64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // §1.3, §4.2.2
        let key = Key::parse("dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(key, Key::new(*b"the sample nonce"));
        assert_eq!(key.accept_token().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_are_canonical_base64_of_16_bytes() {
        // §4.1 (7) prints this key as "AQIDBAUGBwgJCgsMDQ4PEC==", which has bits left over.
        let counting = Key::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(counting.encode().as_str(), "AQIDBAUGBwgJCgsMDQ4PEA==");
        assert_eq!(Key::parse("AQIDBAUGBwgJCgsMDQ4PEA=="), Ok(counting));

        let refused = [
            "",
            "AQIDBAUGBwgJCgsMDQ4PEC==",
            "AQIDBAUGBwgJCgsMDQ4PEB==",
            "AQIDBAUGBwgJCgsMDQ4PEA",
            "AQIDBAUGBwgJCgsMDQ4PEA=",
            "AQIDBAUGBwgJCgsMDQ4PEA===",
            "AQIDBAUGBwgJCgsMDQ4PEA==\n",
            " AQIDBAUGBwgJCgsMDQ4PEA==",
            "AQIDBAUGBwgJCgsMDQ4P",
            "AQIDBAUGBwgJCgsMDQ4PEBE=",
            "AQIDBAUGBwgJCgsMDQ4PEBES",
            "AQIDBAUGBwgJCgsMDQ4PEBESEw==",
            "AQIDBAUGBwgJ-gsMDQ4PEA==",
            "AQIDBAUGBwgJ_gsMDQ4PEA==",
            "AQIDBAUGBwgJ gsMDQ4PEA==",
            "AQID====BwgJCgsMDQ4PEA==",
            "ÀQIDBAUGBwgJCgsMDQ4PEA==",
        ];
        for text in refused {
            assert_eq!(Key::parse(text), Err(RequestError::InvalidKey), "{text:?}");
        }
    }
}
