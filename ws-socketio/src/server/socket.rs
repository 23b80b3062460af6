//! A client in a namespace.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sio_proto::Encoded;
use sio_proto::engine::Transport;
use ws_http::Request;

use super::link::Link;
use super::members::JoinError;
use super::namespace::{Hall, Namespace};
use super::to::To;
use crate::arguments::Arguments;
use crate::call::{Call, Waiting};
use crate::encode;
use crate::error::EmitError;
use crate::reason::Reason;

/// A client in a namespace. Clones are the same socket; use it from any task or thread.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    id: Arc<str>,
    hall: Arc<Hall>,
    link: Arc<Link>,
    values: Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>,
}

/// Whether an event has to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Sure,
    /// Not if anything else waits.
    Volatile,
}

impl Socket {
    /// A client that asks to come in: it is among the members from now on.
    pub(super) fn enter(id: &str, hall: Arc<Hall>, link: Arc<Link>) -> Self {
        let socket = Self(Arc::new(Inner {
            id: id.into(),
            hall,
            link,
            values: Mutex::default(),
        }));
        socket.hall().members().enter(&socket.0.id, socket.clone());
        socket
    }

    /// The id of this client in this namespace, until it disconnects. It is not a secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        let hall = Arc::clone(&self.0.hall);
        Namespace { hall }
    }

    /// The request that the session began with: its headers, its query, its peer.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.0.link.request
    }

    /// The transport of the session now.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.link.transport()
    }

    /// Whether events can be sent to it.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.link.is_joined(self)
    }

    /// Sends an event.
    ///
    /// # Errors
    ///
    /// [`EmitError`]: nothing was sent.
    pub fn emit(&self, event: &str, args: impl Serialize) -> Result<(), EmitError> {
        let event = encode::event(event, &args)?;
        self.0.link.emit(self, event)
    }

    /// Sends an event with received arguments, unchanged.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    pub fn relay(&self, event: &str, args: &Arguments) -> Result<(), EmitError> {
        self.0.link.emit(self, args.event(event)?)
    }

    /// Asks a question: await the result to send it and to get the client's answer. `R` is a tuple
    /// for several arguments.
    ///
    /// ```no_run
    /// # async fn ask(socket: ws_socketio::Socket) -> Result<(), ws_socketio::CallError> {
    /// let sum: i64 = socket.call("add", (1, 2)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<R: DeserializeOwned>(&self, event: &str, args: impl Serialize) -> Call<R> {
        let event = encode::event(event, &args);
        let socket = self.clone();
        Call::new(move |timeout, waiting| socket.ask(&event?, timeout, waiting))
    }

    /// Selects a room, or the socket with that id, and never this socket.
    pub fn to(&self, room: impl Into<String>) -> To {
        self.broadcast().to(room)
    }

    /// Selects everybody but those in a room, and never this socket.
    pub fn except(&self, room: impl Into<String>) -> To {
        self.broadcast().except(room)
    }

    /// Selects everybody but this socket.
    pub fn broadcast(&self) -> To {
        To::everybody(Arc::clone(&self.0.hall)).except(self.id())
    }

    /// Joins a room.
    ///
    /// # Errors
    ///
    /// [`JoinError`]: the socket did not join.
    pub fn join(&self, room: impl AsRef<str>) -> Result<(), JoinError> {
        self.0.hall.members().join(self.id(), room.as_ref())
    }

    /// Leaves a room, if the socket is in it.
    pub fn leave(&self, room: &str) {
        self.0.hall.members().quit(self.id(), room);
    }

    /// The rooms that the socket is in.
    #[must_use]
    pub fn rooms(&self) -> Vec<String> {
        self.0.hall.members().rooms_of(self.id())
    }

    /// Stores a value with the socket, one of each type: the user, for example.
    pub fn set<T: Send + Sync + 'static>(&self, value: T) {
        self.values().insert(TypeId::of::<T>(), Box::new(value));
    }

    /// The value of this type, if there is one.
    #[must_use]
    pub fn get<T: Clone + 'static>(&self) -> Option<T> {
        let values = self.values();
        values.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }

    /// Changes the value of this type, starting from its default if there is none.
    pub fn update<T: Default + Send + Sync + 'static, R>(
        &self,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let mut values = self.values();
        let value = values.entry(TypeId::of::<T>());
        let value = value.or_insert_with(|| Box::new(T::default()));
        value.downcast_mut().map(change)
    }

    /// Removes the client from the namespace. Its connection stays, for other namespaces.
    pub fn disconnect(&self) {
        self.0.link.put_out(self);
    }

    /// Ends the client's connection, and with it all of its namespaces.
    pub fn close(&self) {
        self.0.link.end(Reason::Left);
    }

    pub(super) fn hall(&self) -> &Arc<Hall> {
        &self.0.hall
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Sends an event that is for many; whether it was queued.
    pub(super) fn deliver(&self, event: &Encoded, delivery: Delivery) -> bool {
        self.0.link.deliver(self, event, delivery)
    }

    /// Sends a question.
    pub(super) fn ask(
        &self,
        event: &Encoded,
        timeout: Duration,
        waiting: Waiting,
    ) -> Result<(), EmitError> {
        self.0.link.ask(self, event, timeout, waiting)
    }

    fn values(&self) -> MutexGuard<'_, HashMap<TypeId, Box<dyn Any + Send + Sync>>> {
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({:?} in {:?})", self.0.id, self.0.hall.name)
    }
}
