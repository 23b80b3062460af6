//! The application: the events that it is called for, and the actions open to it then.

use std::io;

use ws_http::{Refusal, Request};
use ws_proto::{Close, CloseCode, Message, Outgoing, Prepared, ProtocolError, SendError, TimedOut};

use crate::connections::Id;
use crate::flags::Flags;
use crate::post::Others;
use crate::topics::Slow;

/// An application on an [`EventLoop`](crate::EventLoop). The loop calls it, on its one thread, for
/// what happens to its connections. It holds the state that they share, and each has its
/// [`Data`](Self::Data).
///
/// A chat:
///
/// ```no_run
/// use ws_loop::{
///     Closed, Conn, EventLoop, Handler, Id, Message, Others, Refusal, Reply, Request, SendError,
///     Slow,
/// };
///
/// struct Chat;
///
/// impl Handler for Chat {
///     type Data = String; // the room
///
///     fn open(&mut self, request: &Request, _reply: &mut Reply) -> Result<String, Refusal> {
///         Ok(request.path_param("room").unwrap_or_default().into())
///     }
///
///     fn opened(&mut self, conn: &mut Conn<'_, String>) -> Result<(), SendError> {
///         let room = conn.data.clone();
///         conn.join(&room, Slow::Close);
///         conn.others().publish(&room, "somebody has come");
///         Ok(())
///     }
///
///     fn message(&mut self, conn: &mut Conn<'_, String>, message: Message<'_>) -> Result<(), SendError> {
///         let room = conn.data.clone();
///         conn.others().publish(&room, message);
///         Ok(())
///     }
///
///     fn closed(&mut self, others: &mut Others<'_>, _id: Id, room: String, _why: Closed<'_>) {
///         others.publish(&room, "somebody has gone");
///     }
/// }
///
/// EventLoop::bind("127.0.0.1:9001")?.websocket("/rooms/{room}").run(Chat)
/// # ; Ok::<(), std::io::Error>(())
/// ```
///
/// While the handler runs, no other connection is served: long work belongs on another thread,
/// which answers through a [`Handle`](crate::Handle). A panic ends the loop, because the state that
/// all connections share may be inconsistent.
///
/// The errors that its methods return are those of [`Conn::send`]. If one returns an error, the
/// loop closes the connection: with 1013 if too much waits for it already, with 1011 for another
/// reason. A `SendError::Closed` only means that it is closing already.
pub trait Handler {
    /// The application's data for a connection, or `()`.
    type Data;

    /// Decides about a request for a WebSocket, and makes the connection's data. For each `Ok`, the
    /// loop calls [`closed`](Self::closed) once.
    ///
    /// # Errors
    ///
    /// Returns a refusal, which becomes the answer; the connection ends.
    fn open(&mut self, request: &Request, reply: &mut Reply) -> Result<Self::Data, Refusal>;

    /// Handles a connection that is open: the client has its 101.
    ///
    /// # Errors
    ///
    /// See the [trait](Handler).
    fn opened(&mut self, conn: &mut Conn<'_, Self::Data>) -> Result<(), SendError> {
        let _ = conn;
        Ok(())
    }

    /// Handles a message. The answers to all messages of one read leave with one write.
    ///
    /// # Errors
    ///
    /// See the [trait](Handler).
    fn message(
        &mut self,
        conn: &mut Conn<'_, Self::Data>,
        message: Message<'_>,
    ) -> Result<(), SendError>;

    /// Called when queued messages have been written after the peer had stalled: there is room for
    /// more.
    ///
    /// # Errors
    ///
    /// See the [trait](Handler).
    fn drained(&mut self, conn: &mut Conn<'_, Self::Data>) -> Result<(), SendError> {
        let _ = conn;
        Ok(())
    }

    /// Handles the end of a connection: nothing more will come from it, and nothing can be sent to
    /// it.
    fn closed(&mut self, others: &mut Others<'_>, id: Id, data: Self::Data, why: Closed<'_>) {
        let _ = (others, id, data, why);
    }
}

/// The reason why a connection is over.
#[derive(Debug)]
#[non_exhaustive]
pub enum Closed<'a> {
    /// Both sides have closed; the peer with this code and reason, if it gave any.
    Done(Option<Close<'a>>),
    /// The peer broke the protocol or exceeded a limit, and got a Close that says so; or its stream
    /// ended without a Close.
    Protocol(ProtocolError),
    /// The peer did not answer in time.
    TimedOut(TimedOut),
    /// The transport failed.
    Io(io::Error),
    /// The loop has ended without waiting for it.
    Shutdown,
}

/// A connection, while the handler is called for it.
#[derive(Debug)]
pub struct Conn<'a, D> {
    /// The application's data, which [`open`](Handler::open) returned.
    pub data: &'a mut D,
    pub(crate) id: Id,
    pub(crate) outgoing: &'a mut Outgoing,
    pub(crate) flags: &'a mut Flags,
    pub(crate) others: Others<'a>,
}

impl<'a, D> Conn<'a, D> {
    /// Its name, for sending to it from elsewhere.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// Sends a message: `&str` is text, `&[u8]` binary. It leaves when all messages of this read
    /// have been handled, or earlier when much waits.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) if [`max_unsent`](ws_proto::Limits::max_unsent) bytes wait: the
    /// peer is slow. [`Closed`](SendError::Closed) if a Close is on its way;
    /// [`OutOfMemory`](SendError::OutOfMemory).
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let len = message.as_bytes().len();
        (self.others.post).with_context(self.outgoing, len, |outgoing| outgoing.send(message))
    }

    /// Sends a message that was prepared for many connections.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        let len = message.message().as_bytes().len();
        let send = |outgoing: &mut Outgoing| outgoing.send_prepared(message);
        self.others.post.with_context(self.outgoing, len, send)
    }

    /// Sends a Ping with at most 125 bytes of payload. Keepalive does not need it: the loop sends
    /// Pings of its own.
    ///
    /// # Errors
    ///
    /// [`ControlTooLong`](SendError::ControlTooLong), and as [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.ping(payload)
    }

    /// Starts the closing handshake, after the messages sent before. Messages from the peer still
    /// arrive until it has closed, too.
    ///
    /// # Errors
    ///
    /// The reason has more than 123 bytes, or a Close is on its way already.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.outgoing.close(Some(Close::new(code, reason)?))
    }

    /// The number of bytes that wait to be written.
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.outgoing.unsent_len()
    }

    /// Whether the next message will not be [`Full`](SendError::Full), whatever its length.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outgoing.has_room()
    }

    /// Makes it a member of a topic, a named set of connections, until it leaves or ends. `slow`
    /// says what happens if it takes the messages too slowly.
    pub fn join(&mut self, topic: &str, slow: Slow) {
        self.flags.set(Flags::MEMBER);
        self.others.post.topics.join(self.id.slot(), topic, slow);
    }

    /// Ends its membership of a topic.
    pub fn leave(&mut self, topic: &str) {
        self.others.post.topics.leave(self.id.slot(), topic);
    }

    /// Sends a message to the members of a topic, except to this one.
    pub fn publish_to_others<'m>(&mut self, topic: &str, message: impl Into<Message<'m>>) {
        (self.others).publish_except(topic, message, Some(self.id));
    }

    /// All connections: to send to others, or to a topic.
    pub const fn others(&mut self) -> &mut Others<'a> {
        &mut self.others
    }
}

/// The changes that a handler makes to the 101.
#[derive(Debug, Default)]
pub struct Reply {
    pub(crate) subprotocol: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Reply {
    /// Chooses the subprotocol. If the client did not offer it, the handshake fails with 500.
    pub fn subprotocol(&mut self, name: impl Into<String>) {
        self.subprotocol = Some(name.into());
    }

    /// Adds a header. If HTTP cannot hold it, or it belongs to the handshake, the handshake fails
    /// with 500.
    pub fn header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.headers.push((name.into(), value.into()));
    }
}
