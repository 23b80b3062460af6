//! The payload of a Close: RFC 6455 §5.5.1.

use core::fmt;

use crate::close_code::CloseCode;
use crate::error::{ProtocolError, SendError};
use crate::header::MAX_CONTROL;
use crate::quiet::Length;
use crate::utf8;

/// The content of a Close frame: a code, and a reason of at most 123 bytes of UTF-8.
///
/// The reason is the peer's text when received. `Display` escapes control characters in it, so that
/// it cannot rewrite a log or a terminal; `Debug` shows how long it is.
///
/// ```
/// use ws_proto::{Close, CloseCode};
///
/// let close = Close::new(CloseCode::NORMAL, "done")?;
/// assert_eq!(close.to_string(), "1000 done");
/// # Ok::<(), ws_proto::SendError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Close<'a> {
    code: CloseCode,
    reason: &'a str,
}

impl<'a> Close<'a> {
    /// The longest reason, in bytes: a control frame holds 125, and the code takes two.
    pub const MAX_REASON: usize = MAX_CONTROL - 2;

    /// A code and a reason to close with.
    ///
    /// # Errors
    ///
    /// [`ReasonTooLong`](SendError::ReasonTooLong) over 123 bytes. It is not cut: only the caller
    /// knows where.
    pub const fn new(code: CloseCode, reason: &'a str) -> Result<Self, SendError> {
        if reason.len() > Self::MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        Ok(Self { code, reason })
    }

    /// Reads the payload of a Close frame. An empty one gives no code (§7.1.5).
    ///
    /// # Errors
    ///
    /// [`CloseTooShort`](ProtocolError::CloseTooShort),
    /// [`InvalidCloseCode`](ProtocolError::InvalidCloseCode) or
    /// [`InvalidUtf8`](ProtocolError::InvalidUtf8).
    pub fn decode(payload: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned
        // integer (in network byte order) representing a status code" (§5.5.1)
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(ProtocolError::CloseTooShort),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        let code = CloseCode::new(code).ok_or(ProtocolError::InvalidCloseCode(code))?;
        let reason = utf8::validate(reason)?;
        Ok(Some(Self { code, reason }))
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, empty if none was given.
    #[must_use]
    pub const fn reason(&self) -> &'a str {
        self.reason
    }
}

impl From<CloseCode> for Close<'_> {
    fn from(code: CloseCode) -> Self {
        Self { code, reason: "" }
    }
}

impl fmt::Debug for Close<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Close")
            .field("code", &self.code)
            .field("reason", &Length(self.reason.len()))
            .finish()
    }
}

impl fmt::Display for Close<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason.escape_debug())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::ToString;

    /// Written from §7.4.1, §7.4.2 and the IANA registry, apart from the code above.
    fn may_travel(code: u16) -> bool {
        let defined = [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
        ];
        let local_use = [1004, 1005, 1006, 1015];
        assert!(defined.iter().all(|code| !local_use.contains(code)));
        defined.contains(&code) || code / 1000 == 3 || code / 1000 == 4
    }

    #[test]
    fn all_65536_close_codes_in_and_out() {
        let mut travel = 0;
        for code in (0..=u16::MAX).step_by(if cfg!(miri) { 251 } else { 1 }) {
            let out = CloseCode::new(code);
            assert_eq!(out.is_some(), may_travel(code), "{code}");
            let [high, low] = code.to_be_bytes();
            let payload = [high, low, b'b', b'y', b'e'];
            match Close::decode(&payload) {
                Ok(Some(close)) => {
                    assert_eq!(Some(close.code()), out);
                    assert_eq!((close.code().get(), close.reason()), (code, "bye"));
                    travel += 1;
                }
                Ok(None) => panic!("{code}: a Close with a payload has a code"),
                Err(error) => {
                    assert_eq!(error, ProtocolError::InvalidCloseCode(code));
                    assert_eq!(error.close_code(), Some(CloseCode::PROTOCOL));
                    assert!(out.is_none(), "{code}");
                }
            }
        }
        assert!(travel == 12 + 2000 || cfg!(miri), "{travel}");
    }

    #[test]
    fn payloads_short_and_not_utf8_are_refused() {
        assert_eq!(Close::decode(&[]), Ok(None));
        assert_eq!(Close::decode(&[3]), Err(ProtocolError::CloseTooShort));
        assert_eq!(
            Close::decode(&[3, 0xE8, 0xFF]),
            Err(ProtocolError::InvalidUtf8)
        );
        assert_eq!(
            Close::decode(&[3, 0xE8, 0xE4, 0xBD]),
            Err(ProtocolError::InvalidUtf8)
        );
    }

    #[test]
    fn a_reason_over_123_bytes_is_refused_not_cut() {
        let long = "再".repeat(42);
        assert_eq!(
            Close::new(CloseCode::NORMAL, &long),
            Err(SendError::ReasonTooLong)
        );
        assert!(Close::new(CloseCode::NORMAL, &long[..123]).is_ok());
    }

    #[test]
    fn display_escapes_the_reason() {
        let close = Close::new(CloseCode::NORMAL, "a\r\n\u{1b}[2J\u{202e}").unwrap();
        assert_eq!(close.to_string(), "1000 a\\r\\n\\u{1b}[2J\\u{202e}");
    }
}
