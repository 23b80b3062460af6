//! The handlers of one namespace: a task that runs them one after the other.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use sio_proto::{Args, Packet as Decoded};
use tokio::sync::mpsc;

use super::namespace::{Job, Packet};
use super::shared::Shared;
use super::socket::{Alive, Socket};
use super::state::Place;
use crate::error::HandlerError;
use crate::handler::{Handler, Handling};
use crate::reason::Reason;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
type OnEvent = dyn Fn(Socket, &Args<'_>) -> Result<Handling, HandlerError> + Send + Sync;
type OnConnect = dyn Fn(Socket) -> Running + Send + Sync;
type OnDisconnect = dyn Fn(Socket, Reason) -> Running + Send + Sync;
type OnError = dyn Fn(&str, &str, &HandlerError) + Send + Sync;

/// What the application does in one namespace.
#[derive(Default)]
pub(super) struct Handlers {
    events: HashMap<String, Box<OnEvent>>,
    on_connect: Option<Box<OnConnect>>,
    on_disconnect: Option<Box<OnDisconnect>>,
}

impl Handlers {
    pub(super) fn on<P: 'static>(&mut self, event: &str, handler: impl Handler<Socket, P>) {
        let call = move |socket, args: &Args<'_>| handler.call(socket, args);
        self.events.insert(event.into(), Box::new(call));
    }

    pub(super) fn on_connect<F, R>(&mut self, hook: F)
    where
        F: Fn(Socket) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.on_connect = Some(Box::new(move |socket| Box::pin(hook(socket))));
    }

    pub(super) fn on_disconnect<F, R>(&mut self, hook: F)
    where
        F: Fn(Socket, Reason) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.on_disconnect = Some(Box::new(move |socket, why| Box::pin(hook(socket, why))));
    }

    /// Whether there is a hook for each connect.
    pub(super) const fn greets(&self) -> bool {
        self.on_connect.is_some()
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.events.keys()).finish()
    }
}

/// Runs the handlers of one namespace.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) alive: Weak<Alive>,
    pub(super) namespace: Arc<str>,
    pub(super) handlers: Arc<Handlers>,
    pub(super) on_error: Arc<OnError>,
}

impl Worker {
    /// Runs until there is no more to do, ever. What a handler does is a task of its own, so that a
    /// panic ends nothing else; the next one begins when it has ended.
    pub(super) async fn run(self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Connect { session } => {
                    self.hook("connect", Place::Hook, |handlers, socket| {
                        Some(handlers.on_connect.as_ref()?(socket))
                    })
                    .await;
                    self.shared.lock().greeted(&self.namespace, session);
                    self.shared.wake();
                }
                Job::Event(packet) => self.event(packet).await,
                Job::Disconnect(why) => {
                    self.hook("disconnect", Place::Elsewhere, move |handlers, socket| {
                        Some(handlers.on_disconnect.as_ref()?(socket, why))
                    })
                    .await;
                }
            }
        }
    }

    async fn hook(
        &self,
        name: &str,
        place: Place,
        begin: impl FnOnce(&Handlers, Socket) -> Option<Running> + Send + 'static,
    ) {
        let (handlers, socket) = (Arc::clone(&self.handlers), self.socket(place));
        let running = async move {
            if let Some(running) = begin(&handlers, socket) {
                running.await;
            }
        };
        if tokio::spawn(running).await.is_err() {
            (self.on_error)(&self.namespace, name, &HandlerError::Panicked);
        }
    }

    async fn event(&self, mut packet: Packet) {
        let has_room = {
            let mut state = self.shared.lock();
            let found = state.namespace_mut(&self.namespace);
            found.is_some_and(|found| found.taken(&packet))
        };
        if has_room {
            self.shared.wake();
        }
        let ack = packet.ack.take();
        if !self.handlers.events.contains_key(&packet.name) {
            return;
        }
        let name = packet.name.clone();
        let (handlers, socket) = (Arc::clone(&self.handlers), self.socket(Place::Elsewhere));
        let handled = tokio::spawn(async move { handlers.handle(socket, &packet)?.await }).await;
        match handled.unwrap_or(Err(HandlerError::Panicked)) {
            Ok(answer) => {
                if let Some(ack) = ack {
                    self.shared.answer(&self.namespace, ack, &answer).await;
                }
            }
            Err(error) => (self.on_error)(&self.namespace, &name, &error),
        }
    }

    fn socket(&self, place: Place) -> Socket {
        let alive = self.alive.upgrade();
        Socket::new(&self.shared, alive, &self.namespace, place)
    }
}

impl Handlers {
    /// Begins to handle an event for which there is a handler.
    fn handle(&self, socket: Socket, packet: &Packet) -> Result<Handling, HandlerError> {
        let decoded = Decoded::decode(&packet.text, &packet.attachments);
        match (self.events.get(&packet.name), decoded) {
            (Some(handler), Ok(Decoded::Event { args, .. })) => handler(socket, &args),
            // It was read before, and somebody wants it.
            _ => Err(HandlerError::Failed("not an event".into())),
        }
    }
}
