//! A namespace: its handlers, its sockets, its rooms.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::hooks::{self, ConnectHook, Hooks};
use super::members::Members;
use super::socket::Socket;
use super::to::To;
use crate::arguments::Arguments;
use crate::error::{EmitError, HandlerError};
use crate::handler::Handler;
use crate::reason::Reason;
use crate::reply::Reply;

/// A namespace of a server. Register its handlers here, once for all of its sockets.
///
/// Handlers and hooks are async functions. Those of one socket run one after another, in the order
/// in which their events came. The server keeps reading meanwhile, so a handler can ask the client a
/// [question](Socket::call) and await the answer.
///
/// ```
/// use ws_socketio::{Ack, Server, Socket};
///
/// let io = Server::new();
/// io.of("/chat")
///     .on("say", async |socket: Socket, room: String, text: String| {
///         socket.to(room).emit("said", (socket.id(), text)).map(|_| ())
///     })
///     .on("add", async |_: Socket, a: i64, b: i64| Ack(a + b));
/// ```
#[derive(Clone)]
pub struct Namespace {
    pub(super) hall: Arc<Hall>,
}

/// What all handles of a namespace share.
pub(super) struct Hall {
    pub(super) name: Arc<str>,
    pub(super) hooks: Arc<Hooks>,
    members: Mutex<Members<Socket>>,
}

impl Hall {
    pub(super) fn new(name: &str, hooks: Arc<Hooks>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            hooks,
            members: Mutex::default(),
        })
    }

    pub(super) fn members(&self) -> MutexGuard<'_, Members<Socket>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Namespace {
    /// The name, with its `/`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.hall.name
    }

    /// Sets the hook that decides which clients may join: see [`ConnectHook`]. Events that the hook
    /// emits to the socket leave after the client has joined, or never. Without a hook every client
    /// may join.
    pub fn connect<P>(&self, hook: impl ConnectHook<P>) -> &Self {
        let hook = Arc::new(hook);
        let connect = move |socket, auth: &str| Arc::clone(&hook).decide(socket, auth);
        self.hall.hooks.write().connect = Some(Box::new(connect));
        self
    }

    /// Calls `handler` for each event of this name: see [`Handler`]. A later handler of that name
    /// replaces it.
    pub fn on<P>(&self, event: &str, handler: impl Handler<Socket, P>) -> &Self {
        self.hall.hooks.write().events.on(event, handler);
        self
    }

    /// Calls `handler`, with the event's name, for events that have no handler of their own.
    pub fn fallback<F, Running, R>(&self, handler: F) -> &Self
    where
        F: Fn(Socket, String, Arguments) -> Running + Send + Sync + 'static,
        Running: Future<Output = R> + Send + 'static,
        R: Reply,
    {
        self.hall.hooks.write().events.fallback(handler);
        self
    }

    /// Calls `hook` when a socket that had joined has left, after its handlers have ended. The
    /// socket is still in its rooms then.
    pub fn disconnect<F, Running>(&self, hook: F) -> &Self
    where
        F: Fn(Socket, Reason) -> Running + Send + Sync + 'static,
        Running: Future<Output = ()> + Send + 'static,
    {
        self.hall.hooks.write().disconnect = Some(hooks::disconnect(hook));
        self
    }

    /// Calls `hook` when a handler fails, with the name of its event. Without a hook, such errors
    /// are dropped.
    pub fn failed(
        &self,
        hook: impl Fn(&Socket, &str, &HandlerError) + Send + Sync + 'static,
    ) -> &Self {
        self.hall.hooks.write().failed = Some(Arc::new(hook));
        self
    }

    /// Selects a room, or the socket with that id.
    pub fn to(&self, room: impl Into<String>) -> To {
        self.all().to(room)
    }

    /// Selects everybody except those in a room, or except the socket with that id.
    pub fn except(&self, room: impl Into<String>) -> To {
        self.all().except(room)
    }

    /// Selects everybody.
    pub fn all(&self) -> To {
        To::everybody(Arc::clone(&self.hall))
    }

    /// Sends an event to everybody: see [`To::emit`].
    ///
    /// # Errors
    ///
    /// As [`To::emit`].
    pub fn emit(&self, event: &str, args: impl Serialize) -> Result<usize, EmitError> {
        self.all().emit(event, args)
    }

    /// The socket with this id, if it is connected.
    #[must_use]
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.hall.members().find(id).cloned()
    }

    /// All sockets.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        self.hall.members().all().cloned().collect()
    }

    /// Removes everybody from a room.
    pub fn close_room(&self, room: &str) {
        self.hall.members().close(room);
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sockets = self.hall.members().len();
        write!(f, "Namespace({:?}, {sockets} sockets)", self.hall.name)
    }
}
