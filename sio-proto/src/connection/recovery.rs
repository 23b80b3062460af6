//! Connection state recovery: what a client says about its former stay (Socket.IO 4.6, "Connection
//! state recovery").

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::args::Args;

/// The data with which a client comes back: the secret that names its former stay in a namespace,
/// and the offset of the last event that it received there, if any.
///
/// `Debug` shows neither.
///
/// ```
/// use sio_proto::Recovery;
///
/// let recovery = Recovery::of_auth(r#"{"pid":"P","offset":"17-0","token":"abc"}"#).expect("it is back");
/// assert_eq!((recovery.pid(), recovery.offset()), ("P", Some("17-0")));
/// assert_eq!(Recovery::of_auth(r#"{"token":"abc"}"#), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Recovery {
    pid: String,
    offset: Option<String>,
}

impl Recovery {
    /// The longest `pid` and the longest offset that a client remembers, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Reads the recovery from the credentials with which a client joins. `None` if it joins anew.
    #[must_use]
    pub fn of_auth(auth: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Auth<'a> {
            #[serde(borrow)]
            pid: Option<&'a RawValue>,
            #[serde(borrow)]
            offset: Option<&'a RawValue>,
        }
        let auth: Auth<'_> = serde_json::from_str(auth).ok()?;
        let text = |json: &RawValue| serde_json::from_str::<String>(json.get()).ok();
        let mut recovery = Self::new(&text(auth.pid?)?)?;
        if let Some(offset) = auth.offset.and_then(text) {
            recovery.on_offset(offset);
        }
        Some(recovery)
    }

    /// A stay that has just begun. `None` if its name is empty, or too long.
    pub(super) fn new(pid: &str) -> Option<Self> {
        ((1..=Self::MAX_LEN).contains(&pid.len())).then(|| Self {
            pid: pid.into(),
            offset: None,
        })
    }

    /// An event has come: its last argument is an offset if it is a text. Nothing says so. An event
    /// that is not kept for those who come back has none, and may end in a text of its own, so the
    /// application sees the argument in any case, as the reference has it.
    pub(super) fn on_event(&mut self, args: &Args<'_>) {
        let last = args
            .len()
            .checked_sub(1)
            .and_then(|last| args.json_at(last));
        if let Some(last) = last.and_then(|last| serde_json::from_str(last).ok()) {
            self.on_offset(last);
        }
    }

    fn on_offset(&mut self, offset: String) {
        if offset.len() <= Self::MAX_LEN {
            self.offset = Some(offset);
        }
    }

    /// The name of the stay: a secret.
    #[must_use]
    pub fn pid(&self) -> &str {
        &self.pid
    }

    /// The offset of the last event. Without one, the client has received no event, and a server
    /// starts from the beginning of the stay.
    #[must_use]
    pub fn offset(&self) -> Option<&str> {
        self.offset.as_deref()
    }

    /// Credentials with it: they are a JSON object, or nothing.
    pub(super) fn with_auth(&self, auth: &str) -> String {
        let pid = quoted(&self.pid);
        let offset = self.offset.as_deref().map(quoted);
        let offset = offset.map_or(String::new(), |offset| format!(r#","offset":{offset}"#));
        let rest = auth.trim_ascii().trim_start_matches('{').trim_ascii_start();
        match rest {
            "" | "}" => format!(r#"{{"pid":{pid}{offset}}}"#),
            _ => format!(r#"{{"pid":{pid}{offset},{rest}"#),
        }
    }
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recovery")
    }
}

/// Text as JSON.
pub(super) fn quoted(text: &str) -> Cow<'static, str> {
    // There is no text that JSON cannot hold.
    Cow::Owned(serde_json::to_string(text).unwrap_or_default())
}
