//! Sending to many.

use ws_proto::{CloseCode, Error, Prepared};

use crate::writer::Writer;

/// A set of connections that get the same messages: see [`ws_http::Group`] for what becomes of those
/// that do not keep up.
///
/// ```no_run
/// use ws_std::{Group, Server};
///
/// let everyone = Group::new();
/// Server::bind("127.0.0.1:9001")?
///     .websocket("/chat", move |mut ws, _request| {
///         let _member = everyone.join(ws.writer()); // until it is dropped
///         ws.for_each(|message, _| {
///             everyone.send(message);
///             Ok::<_, ws_std::Error>(())
///         })
///     })
///     .run()
/// # ; Ok::<(), std::io::Error>(())
/// ```
pub type Group = ws_http::Group<Writer>;

/// A place in a [`Group`], given up when it is dropped.
pub type Membership = ws_http::Membership<Writer>;

impl ws_http::Member for Writer {
    fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        Self::queue_prepared(self, prepared)
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Self::close(self, code, reason)
    }

    fn abort(&self) {
        Self::abort(self);
    }
}
