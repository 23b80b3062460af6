//! What a client's adapter has to do.

use alloc::borrow::Cow;
use alloc::format;
use core::fmt;

use ws_proto::Message;

/// An action for the adapter. At most one of each kind is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action<'c> {
    /// Makes a GET with this query: a secret. Ends in [`Client::got`](super::Client::got) or [`Client::failed`](super::Client::failed).
    Get {
        /// The query, to follow the `?` and to precede what the application adds.
        query: &'c str,
    },
    /// Makes a POST with this query and body, as `text/plain; charset=UTF-8`. Ends in
    /// [`Client::posted`](super::Client::posted) or [`Client::failed`](super::Client::failed).
    Post {
        /// What follows the `?`.
        query: &'c str,
        /// The body.
        body: &'c str,
    },
    /// Opens a WebSocket with this query. Continues in [`Client::opened`](super::Client::opened), and ends in
    /// [`Client::gone`](super::Client::gone).
    Open {
        /// What follows the `?`.
        query: &'c str,
    },
    /// Sends a message on the WebSocket.
    Frame(Message<'c>),
    /// Closes the WebSocket, after what was sent on it. Do not report it as gone.
    HangUp,
}

impl fmt::Debug for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name: Cow<'_, str> = match self {
            Self::Get { .. } => "Get".into(),
            Self::Post { body, .. } => format!("Post({} bytes)", body.len()).into(),
            Self::Open { .. } => "Open".into(),
            Self::Frame(message) => format!(
                "Frame({:?}, {} bytes)",
                message.kind(),
                message.as_bytes().len()
            )
            .into(),
            Self::HangUp => "HangUp".into(),
        };
        f.write_str(&name)
    }
}
