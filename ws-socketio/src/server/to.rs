//! Selections of sockets: rooms, ids, and exceptions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sio_proto::Encoded;

use super::members::JoinError;
use super::namespace::Hall;
use super::socket::{Delivery, Socket};
use crate::arguments::Arguments;
use crate::call::Answered;
use crate::encode;
use crate::error::{CallError, EmitError};

/// A selection of sockets: those in any of its rooms, or everybody if it names no room.
///
/// ```
/// # fn news(socket: &ws_socketio::Socket) -> Result<(), ws_socketio::EmitError> {
/// socket.to("news").to("sport").except("asleep").emit("headline", "rain")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "call `emit`"]
pub struct To {
    hall: Arc<Hall>,
    rooms: Vec<String>,
    except: Vec<String>,
    delivery: Delivery,
}

impl To {
    pub(super) const fn everybody(hall: Arc<Hall>) -> Self {
        Self {
            hall,
            rooms: Vec::new(),
            except: Vec::new(),
            delivery: Delivery::Sure,
        }
    }

    /// Adds a room, or the socket with that id.
    pub fn to(mut self, room: impl Into<String>) -> Self {
        self.rooms.push(room.into());
        self
    }

    /// Leaves out a room, or the socket with that id.
    pub fn except(mut self, room: impl Into<String>) -> Self {
        self.except.push(room.into());
        self
    }

    /// Sends only to sockets for which nothing else waits: for events that the next one makes
    /// obsolete.
    pub const fn volatile(mut self) -> Self {
        self.delivery = Delivery::Volatile;
        self
    }

    /// Sends only to the sockets of this server, as everything does while there is only one server.
    pub const fn local(self) -> Self {
        self
    }

    /// Sends an event, encoded once for everybody. Returns the number of this server's sockets for
    /// which it was queued. [`WhenFull`](super::WhenFull) decides about sockets that read too
    /// slowly.
    ///
    /// # Errors
    ///
    /// [`EmitError::Name`] or [`EmitError::Encode`]: the event was sent to nobody.
    pub fn emit(&self, event: &str, args: impl Serialize) -> Result<usize, EmitError> {
        Ok(self.deliver(&encode::event(event, &args)?))
    }

    /// Sends an event with received arguments, unchanged.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    pub fn relay(&self, event: &str, args: &Arguments) -> Result<usize, EmitError> {
        Ok(self.deliver(&args.event(event)?))
    }

    fn deliver(&self, event: &Encoded) -> usize {
        let members = self.sockets();
        let got = members.iter();
        got.filter(|socket| socket.deliver(event, self.delivery))
            .count()
    }

    /// Asks all selected sockets, and waits until each has answered, left, or timed out. Returns
    /// their answers in no particular order. The question is encoded once.
    ///
    /// # Cancel safety
    ///
    /// The questions leave when this is first polled. If it is dropped after that, their answers are
    /// ignored.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit): nobody was asked.
    pub async fn call_each<R: DeserializeOwned + Send + 'static>(
        &self,
        event: &str,
        args: impl Serialize,
        timeout: Duration,
    ) -> Result<Vec<(Socket, Result<R, CallError>)>, EmitError> {
        let event = encode::event(event, &args)?;
        let ask = |socket: Socket| {
            let (waiting, answered) = Answered::new();
            let asked = socket.ask(&event, timeout, waiting);
            (socket, asked.map(|()| answered))
        };
        // All of them, before the first is waited for.
        let asked: Vec<_> = self.sockets().into_iter().map(ask).collect();
        let mut answers = Vec::with_capacity(asked.len());
        for (socket, asked) in asked {
            let answer = match asked {
                Ok(answered) => answered.wait().await,
                Err(error) => Err(error.into()),
            };
            answers.push((socket, answer));
        }
        Ok(answers)
    }

    /// The selected sockets.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        self.hall.members().select(&self.rooms, &self.except)
    }

    /// Makes all of them join a room.
    ///
    /// # Errors
    ///
    /// Returns the first socket that could not join, and its error; the others have joined.
    pub fn join(&self, room: &str) -> Result<(), (Socket, JoinError)> {
        let mut failed = Ok(());
        for socket in self.sockets() {
            if let Err(error) = socket.join(room) {
                failed = failed.and(Err((socket, error)));
            }
        }
        failed
    }

    /// Removes all of them from a room.
    pub fn leave(&self, room: &str) {
        for socket in self.sockets() {
            socket.leave(room);
        }
    }

    /// Disconnects all of them from this namespace.
    pub fn disconnect(&self) {
        for socket in self.sockets() {
            socket.disconnect();
        }
    }
}

impl fmt::Debug for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("To")
            .field("namespace", &self.hall.name)
            .field("rooms", &self.rooms)
            .field("except", &self.except)
            .finish_non_exhaustive()
    }
}
