//! What the application does in one namespace: its handlers and hooks.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::socket::Socket;
use crate::events::Events;
use crate::reason::Reason;

pub(super) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
type OnConnect = dyn Fn(Socket) -> Running + Send + Sync;
type OnDisconnect = dyn Fn(Socket, Reason) -> Running + Send + Sync;

/// The handlers of one namespace.
#[derive(Default)]
pub(super) struct Handlers {
    pub(super) events: Events<Socket>,
    on_connect: Option<Box<OnConnect>>,
    on_disconnect: Option<Box<OnDisconnect>>,
}

impl Handlers {
    pub(super) fn on_connect<F, R>(&mut self, hook: F)
    where
        F: Fn(Socket) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let hook = Arc::new(hook);
        self.on_connect = Some(Box::new(move |socket| {
            let hook = Arc::clone(&hook);
            Box::pin(async move { hook(socket).await })
        }));
    }

    pub(super) fn on_disconnect<F, R>(&mut self, hook: F)
    where
        F: Fn(Socket, Reason) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let hook = Arc::new(hook);
        self.on_disconnect = Some(Box::new(move |socket, why| {
            let hook = Arc::clone(&hook);
            Box::pin(async move { hook(socket, why).await })
        }));
    }

    /// The hook to call at each connect.
    pub(super) fn connect(&self, socket: Socket) -> Option<Running> {
        Some(self.on_connect.as_ref()?(socket))
    }

    /// The hook to call when the client has left the namespace.
    pub(super) fn disconnect(&self, socket: Socket, why: Reason) -> Option<Running> {
        Some(self.on_disconnect.as_ref()?(socket, why))
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.events.names()).finish()
    }
}
