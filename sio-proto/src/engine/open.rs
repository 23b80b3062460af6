//! The handshake: what the server says in its open packet (Engine.IO 4, "Handshake").

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::error::ProtocolError;

/// The id of a session: 120 random bits, as 20 characters of base64url. It alone identifies the
/// client, so `Debug` does not show it.
///
/// ```
/// use sio_proto::engine::Sid;
///
/// let random = [7; 15]; // fresh from the operating system each time
/// let sid = Sid::new(random);
/// assert_eq!(Sid::parse(sid.as_str()), Some(sid));
/// assert_eq!(format!("{sid:?}"), "Sid");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid([u8; Self::LEN]);

impl Sid {
    /// The length, in bytes. Some cluster adapters tell ids from rooms by it.
    pub const LEN: usize = 20;

    /// Makes an id from random bytes. Never take them from the client.
    #[must_use]
    pub fn new(random: [u8; 15]) -> Self {
        let mut id = [b'A'; Self::LEN];
        // 15 bytes are 20 characters, without padding: it fits.
        let written = URL_SAFE_NO_PAD.encode_slice(random, &mut id);
        debug_assert_eq!(written, Ok(Self::LEN));
        Self(id)
    }

    /// Reads an id as a client sends it. `None` if no session can have it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id: [u8; Self::LEN] = text.as_bytes().try_into().ok()?;
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        id.iter().all(fits).then_some(Self(id))
    }

    /// The id as it travels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // It is ASCII, by both ways in which it is made.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid")
    }
}

/// The server's description of a session that it opens.
///
/// ```
/// use std::time::Duration;
/// use sio_proto::engine::Open;
///
/// let open = Open::decode(
///     r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
/// )?;
/// assert_eq!(open.sid(), "lv_VI97HAXpY6yYWAAAC");
/// assert!(open.offers_websocket());
/// assert_eq!(open.patience(), Duration::from_secs(45));
/// # Ok::<(), sio_proto::engine::ProtocolError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    sid: String,
    upgrades: Vec<String>,
    /// In milliseconds.
    ping_interval: u32,
    /// In milliseconds.
    ping_timeout: u32,
    /// In bytes. Servers before 2021 do not say it.
    #[serde(default = "default_max_payload")]
    max_payload: u64,
}

impl Open {
    /// The longest id that a client accepts from a server, in bytes. It goes into every URL.
    pub const MAX_SID: usize = 256;

    pub(super) fn new(
        sid: &Sid,
        websocket: bool,
        ping_interval: Duration,
        ping_timeout: Duration,
        max_payload: u64,
    ) -> Self {
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        Self {
            sid: sid.as_str().into(),
            upgrades: websocket.then(|| "websocket".into()).into_iter().collect(),
            ping_interval: millis(ping_interval),
            ping_timeout: millis(ping_timeout),
            max_payload,
        }
    }

    /// Reads the data of an open packet. What it says beyond these fields is ignored.
    ///
    /// # Errors
    ///
    /// [`Handshake`](ProtocolError::Handshake): not this object, or an id that no URL may contain.
    pub fn decode(data: &str) -> Result<Self, ProtocolError> {
        let open: Self = serde_json::from_str(data).map_err(|_| ProtocolError::Handshake)?;
        // What RFC 3986 reserves would end the parameter of the query, or mean something else in it.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_id = !open.sid.is_empty() && open.sid.len() <= Self::MAX_SID;
        if !is_id || !open.sid.bytes().all(fits) {
            return Err(ProtocolError::Handshake);
        }
        Ok(open)
    }

    /// The data of an open packet.
    #[must_use]
    pub fn encode(&self) -> String {
        // Strings and numbers: nothing that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The id of the session: a secret.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Whether a session that began by polling may move to a WebSocket.
    #[must_use]
    pub fn offers_websocket(&self) -> bool {
        self.upgrades.iter().any(|upgrade| upgrade == "websocket")
    }

    /// Returns how long the server may be silent: one interval and one timeout, and at least a
    /// second. Some servers round both down to whole seconds.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let millis = u64::from(self.ping_interval) + u64::from(self.ping_timeout);
        Duration::from_millis(millis).max(Duration::from_secs(1))
    }

    /// The longest body and the longest message that the server takes, in bytes.
    #[must_use]
    pub const fn max_payload(&self) -> u64 {
        self.max_payload
    }
}

/// What servers take that do not say it.
const fn default_max_payload() -> u64 {
    1_000_000
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("upgrades", &self.upgrades)
            .field("ping_interval", &self.ping_interval)
            .field("ping_timeout", &self.ping_timeout)
            .field("max_payload", &self.max_payload)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_servers_handshake_is_written_as_the_reference_writes_it() {
        let seconds = Duration::from_secs;
        let open = Open::new(
            &Sid::new([0; 15]),
            true,
            seconds(25),
            seconds(20),
            1_000_000,
        );
        let text = r#"{"sid":"AAAAAAAAAAAAAAAAAAAA","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        assert_eq!(open.encode(), text);
        assert_eq!(Open::decode(text), Ok(open));
    }

    #[test]
    fn foreign_servers_say_more_or_less() {
        let open = Open::decode(
            r#"{"sid":"a.b~c","upgrades":["websocket","webtransport"],"pingInterval":0,"pingTimeout":0,"x":[1]}"#,
        )
        .unwrap();
        assert_eq!(open.max_payload(), 1_000_000);
        assert_eq!(open.patience(), Duration::from_secs(1));
    }

    #[test]
    fn an_id_that_would_change_the_url_is_refused() {
        let long = "a".repeat(Open::MAX_SID + 1);
        for sid in ["", "a&b", "a b", "a#", "a\\r\\n", "é", "a%20", &long] {
            let text =
                format!(r#"{{"sid":"{sid}","upgrades":[],"pingInterval":1,"pingTimeout":1}}"#);
            assert_eq!(Open::decode(&text), Err(ProtocolError::Handshake), "{sid}");
        }
        for text in ["", "{}", "[]", "null", "{\"sid\":1}"] {
            assert_eq!(Open::decode(text), Err(ProtocolError::Handshake), "{text}");
        }
    }

    #[test]
    fn an_id_is_20_characters_of_base64url() {
        assert_eq!(Sid::new([0xFF; 15]).as_str(), "____________________");
        for text in ["", "short", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAA+AAAAAAAAA"] {
            assert_eq!(Sid::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ids_are_not_shown() {
        let open = Open::new(&Sid::new([0; 15]), true, Duration::ZERO, Duration::ZERO, 0);
        assert!(!format!("{open:?}").contains("AAAA"));
    }
}
