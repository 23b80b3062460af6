//! Sending to many.

use std::task::{Context, Poll};

use ws_proto::{CloseCode, Error, Prepared};

use crate::writer::Writer;

/// A set of connections that get the same messages: see [`ws_http::Group`] for what happens to slow
/// ones.
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

/// Rooms by name, with the application's data about each connection: see [`ws_http::Rooms`].
///
/// A chat:
///
/// ```no_run
/// use ws_std::{Rooms, Server};
///
/// let rooms = Rooms::new();
/// Server::bind("127.0.0.1:9001")?
///     .websocket("/chat/{room}", move |mut ws, request| {
///         let room = request.path_param("room").unwrap_or_default();
///         let guest = rooms.enter(ws.writer(), ()); // until it is dropped
///         guest.join(&room);
///         ws.for_each(|line, _| {
///             rooms.send(&room, line);
///             Ok::<_, ws_std::Error>(())
///         })
///     })
///     .run()
/// # ; Ok::<(), std::io::Error>(())
/// ```
pub type Rooms<T = ()> = ws_http::Rooms<Writer, T>;

/// A connection among [`Rooms`], which leaves them when this is dropped.
pub type Presence<T = ()> = ws_http::Presence<Writer, T>;

impl ws_http::Member for Writer {
    fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        Self::queue_prepared(self, prepared)
    }

    fn send_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        Self::send_prepared(self, prepared)
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared().poll_room(cx.waker())
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Self::close(self, code, reason)
    }

    fn abort(&self) {
        Self::abort(self);
    }
}
