//! Sending to many.

use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use ws_proto::{CloseCode, Error, Prepared};

use crate::split::Writer;

/// A set of connections that get the same messages: see [`ws_http::Group`] for what happens to slow
/// ones.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ws_tokio::Error> {
/// use ws_tokio::{Message, WebSocket, ws_http::Group};
///
/// let everyone = Group::new();
/// let (mut client, server) = WebSocket::pair();
/// let (mut reader, writer) = server.split();
/// let member = everyone.join(writer); // until it is dropped
/// assert_eq!(everyone.send("hello"), 1);
/// assert_eq!(client.recv().await?, Some(Message::Text("hello")));
/// drop(member);
/// assert_eq!(everyone.send("is anybody there?"), 0);
/// # drop(reader);
/// # Ok(())
/// # }
/// ```
pub type Group<S = TcpStream> = ws_http::Group<Writer<S>>;

/// A place in a [`Group`], given up when it is dropped.
pub type Membership<S = TcpStream> = ws_http::Membership<Writer<S>>;

/// Rooms by name, with the application's data about each connection: see [`ws_http::Rooms`].
/// [`Slow::Wait`](ws_http::Slow::Wait) acts as `Close`, because a task must not block.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ws_tokio::Error> {
/// use ws_tokio::{Message, WebSocket, ws_http::Rooms};
///
/// let rooms = Rooms::new();
/// let (mut client, server) = WebSocket::pair();
/// let (reader, writer) = server.split();
/// let guest = rooms.enter(writer, "Ada"); // until it is dropped
/// guest.join("tea");
/// assert_eq!(*rooms.members("tea")[0], "Ada");
/// assert_eq!(rooms.send("tea", "hello"), 1);
/// assert_eq!(client.recv().await?, Some(Message::Text("hello")));
/// # drop(reader);
/// # Ok(())
/// # }
/// ```
pub type Rooms<T = (), S = TcpStream> = ws_http::Rooms<Writer<S>, T>;

/// A connection among [`Rooms`], which leaves them when this is dropped.
pub type Presence<T = (), S = TcpStream> = ws_http::Presence<Writer<S>, T>;

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> ws_http::Member for Writer<S> {
    fn queue_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        Self::queue_prepared(self, prepared)
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        Self::poll_room(self, cx)
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Self::close(self, code, reason)
    }

    fn abort(&self) {
        Self::abort(self);
    }
}
