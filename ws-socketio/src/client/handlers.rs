//! What the application does in one namespace: its handlers and hooks.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use sio_proto::Args;

use super::socket::Socket;
use crate::arguments::Arguments;
use crate::handler::{Erased, Handler, Handling, erase};
use crate::reason::Reason;
use crate::reply::Reply;

pub(super) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
type OnConnect = dyn Fn(Socket) -> Running + Send + Sync;
type OnDisconnect = dyn Fn(Socket, Reason) -> Running + Send + Sync;
type Fallback = dyn Fn(Socket, String, Arguments) -> Handling + Send + Sync;

/// The handlers of one namespace.
#[derive(Default)]
pub(super) struct Handlers {
    events: HashMap<Arc<str>, Erased<Socket>>,
    fallback: Option<Box<Fallback>>,
    on_connect: Option<Box<OnConnect>>,
    on_disconnect: Option<Box<OnDisconnect>>,
}

impl Handlers {
    pub(super) fn on<P>(&mut self, event: &str, handler: impl Handler<Socket, P>) {
        self.events.insert(event.into(), erase(handler));
    }

    pub(super) fn fallback<F, R, A>(&mut self, handler: F)
    where
        F: Fn(Socket, String, Arguments) -> R + Send + Sync + 'static,
        R: Future<Output = A> + Send + 'static,
        A: Reply,
    {
        let handler = Arc::new(handler);
        self.fallback = Some(Box::new(move |socket, name, args| {
            let handler = Arc::clone(&handler);
            Box::pin(async move { handler(socket, name, args).await.into_answer() })
        }));
    }

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

    /// What is to be done about an event, and its name. `None`: nobody wants it.
    pub(super) fn event(
        &self,
        socket: Socket,
        name: &str,
        args: &Args<'_>,
    ) -> Option<(Arc<str>, Handling)> {
        if let Some((name, handler)) = self.events.get_key_value(name) {
            let handling = handler(socket, args);
            let handling =
                handling.unwrap_or_else(|error| Box::pin(std::future::ready(Err(error))));
            return Some((Arc::clone(name), handling));
        }
        let fallback = self.fallback.as_ref()?;
        let handling = fallback(socket, name.into(), Arguments::new(args));
        Some((name.into(), handling))
    }

    /// What is to be done at each connect.
    pub(super) fn connect(&self, socket: Socket) -> Option<Running> {
        Some(self.on_connect.as_ref()?(socket))
    }

    /// What is to be done when the namespace is left.
    pub(super) fn disconnect(&self, socket: Socket, why: Reason) -> Option<Running> {
        Some(self.on_disconnect.as_ref()?(socket, why))
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.events.keys()).finish()
    }
}
