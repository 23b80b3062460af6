//! The application's handles: the client as a whole, and a socket for each namespace.

use std::fmt;
use std::sync::{Arc, Weak};

use serde::Serialize;
use sio_proto::engine::Transport;

use super::error::ConnectError;
use super::namespace::{Namespace, Stand};
use super::shared::Shared;
use super::state::{Place, Unsent};
use crate::call::{Call, Waiting};
use crate::encode;
use crate::error::EmitError;

/// A client that is connected or reconnecting, made by [`Client::connect`](super::Client::connect).
///
/// It runs until it, its clones and the sockets from [`of`](Self::of) are all dropped, or until you
/// call [`disconnect`](Self::disconnect).
#[derive(Clone)]
#[must_use = "it disconnects when it is dropped"]
pub struct Connected {
    seat: Seat,
    alive: Arc<Alive>,
}

/// A client in one of its namespaces. It is cheap to clone, and usable from any task.
///
/// It outlives connections: it keeps what you emit while there is none, and sends it on the next.
///
/// | emitted | what becomes of it |
/// |---|---|
/// | while connected | it leaves at once |
/// | while not | it is kept, until there are [`max_unsent`](super::Client::max_unsent) bytes of them, and leaves in order, after what the connect hook emits |
/// | as [volatile](Self::emit_volatile), while not | it is dropped |
/// | just before a connection is lost | it may be lost; a [`call`](Self::call) that was answered has arrived |
#[derive(Clone)]
pub struct Socket {
    seat: Seat,
    /// Absent in handlers of a client that nobody else holds any more.
    _alive: Option<Arc<Alive>>,
    namespace: Arc<str>,
    place: Place,
}

/// Keeps a client going.
pub(super) struct Alive(Arc<Shared>);

/// What the client's own tasks make sockets of, without keeping the client going.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) shared: Arc<Shared>,
    pub(super) alive: Weak<Alive>,
}

impl Seat {
    pub(super) fn socket(&self, namespace: &Arc<str>, place: Place) -> Socket {
        Socket {
            seat: self.clone(),
            _alive: self.alive.upgrade(),
            namespace: Arc::clone(namespace),
            place,
        }
    }
}

impl Connected {
    /// A client, and what its tasks make sockets of.
    pub(super) fn new(shared: Shared) -> (Self, Seat) {
        let shared = Arc::new(shared);
        let alive = Arc::new(Alive(Arc::clone(&shared)));
        let seat = Seat {
            shared,
            alive: Arc::downgrade(&alive),
        };
        let connected = Self {
            seat: seat.clone(),
            alive,
        };
        (connected, seat)
    }

    /// Returns the socket of a namespace. If the client was not configured with it,
    /// [`emit`](Socket::emit) fails.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Socket {
        Socket {
            seat: self.seat.clone(),
            _alive: Some(Arc::clone(&self.alive)),
            namespace: namespace.into(),
            place: Place::Elsewhere,
        }
    }

    /// Leaves all namespaces after the emitted events have left, and ends the session.
    /// [`wait`](Self::wait) returns when that is done.
    pub fn disconnect(&self) {
        self.seat.shared.lock().leave_all(&self.seat);
        self.seat.shared.wake();
    }

    /// Waits until the client has ended: it disconnected, the server removed it from its last
    /// namespace, or it gave up.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again.
    ///
    /// # Errors
    ///
    /// The error of the last attempt, if the client gave up.
    pub async fn wait(&self) -> Result<(), Arc<ConnectError>> {
        self.seat.shared.over().await
    }

    /// The transport of the session now. `None` while there is none.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        let state = self.seat.shared.lock();
        state.link.as_ref().map(|link| link.engine.transport())
    }
}

impl Socket {
    /// Emits an event. Events that were kept before it leave first.
    ///
    /// # Errors
    ///
    /// [`Full`](EmitError::Full) if too much waits already;
    /// [`Disconnected`](EmitError::Disconnected) if the namespace was left or refused, or is not
    /// one of this client's; otherwise the fault of the event. Nothing was sent or kept.
    pub fn emit(&self, event: &str, args: impl Serialize) -> Result<(), EmitError> {
        self.send(event, &args, Unsent::Kept).map(drop)
    }

    /// Emits an event if it can leave now, and returns whether it did. Otherwise the event is
    /// dropped.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    pub fn emit_volatile(&self, event: &str, args: impl Serialize) -> Result<bool, EmitError> {
        self.send(event, &args, Unsent::Dropped)
    }

    /// Waits until there is room for an event: until then [`emit`](Self::emit) says
    /// [`Full`](EmitError::Full). If several tasks wait, another may take the room first.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again.
    ///
    /// # Errors
    ///
    /// [`Disconnected`](EmitError::Disconnected), as for [`emit`](Self::emit).
    pub async fn room(&self) -> Result<(), EmitError> {
        self.seat.shared.room(&self.namespace, self.place).await
    }

    /// Asks a question: an event that the server answers. It is kept as other events are, and
    /// meanwhile its timeout runs.
    ///
    /// ```no_run
    /// # async fn sum(socket: ws_socketio::client::Socket) -> Result<(), ws_socketio::CallError> {
    /// let sum: u32 = socket.call("add", (1, 2)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<R>(&self, event: &str, args: impl Serialize) -> Call<R> {
        let event = encode::event(event, &args);
        let socket = self.clone();
        Call::new(move |timeout, waiting: Waiting| {
            let shared = &socket.seat.shared;
            let until = shared.clock.now().after(timeout);
            let (namespace, place) = (&socket.namespace, socket.place);
            shared
                .lock()
                .ask(namespace, event?, until, waiting, place)?;
            shared.wake();
            Ok(())
        })
    }

    /// Leaves this namespace after the events emitted there have left. The client does not rejoin
    /// it.
    pub fn disconnect(&self) {
        let Seat { shared, .. } = &self.seat;
        shared.lock().leave(&self.namespace, &self.seat);
        shared.wake();
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The id of this client in this namespace: a new one for each connection, unless its state was
    /// [recovered](Self::recovered). `None` while there is none.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.of_namespace(|found| found.sid.clone()).flatten()
    }

    /// Whether the client is in this namespace now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let is_in = |found: &Namespace| matches!(found.stand, Stand::Greeting | Stand::Joined);
        self.of_namespace(is_in).unwrap_or_default()
    }

    /// Whether the last connection recovered the former state: the same id and rooms, and the
    /// missed events.
    #[must_use]
    pub fn recovered(&self) -> bool {
        self.of_namespace(|found| found.recovered)
            .unwrap_or_default()
    }

    fn of_namespace<T>(&self, read: impl FnOnce(&Namespace) -> T) -> Option<T> {
        let state = self.seat.shared.lock();
        state.namespace(&self.namespace).map(read)
    }

    fn send(&self, event: &str, args: &impl Serialize, unsent: Unsent) -> Result<bool, EmitError> {
        let event = encode::event(event, args)?;
        let Seat { shared, .. } = &self.seat;
        let sent = (shared.lock()).emit(&self.namespace, event, self.place, unsent);
        shared.wake();
        sent
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connected")
            .field(&*self.seat.shared.lock())
            .finish()
    }
}

/// Shows the namespace: an id is for the server.
impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.namespace).finish()
    }
}
