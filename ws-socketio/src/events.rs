//! The handlers of the events of one namespace, at either end.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::sync::Arc;

use sio_proto::Args;

use crate::arguments::Arguments;
use crate::handler::{Erased, Handler, Handling, erase};
use crate::reply::Reply;

type Fallback<Socket> = dyn Fn(Socket, String, Arguments) -> Handling + Send + Sync;

/// One handler for each name, and one for events that have none of their own.
pub(crate) struct Events<Socket> {
    named: HashMap<Arc<str>, Erased<Socket>>,
    fallback: Option<Box<Fallback<Socket>>>,
}

impl<Socket: Send + 'static> Events<Socket> {
    pub(crate) fn on<P>(&mut self, event: &str, handler: impl Handler<Socket, P>) {
        self.named.insert(event.into(), erase(handler));
    }

    pub(crate) fn fallback<F, Running, R>(&mut self, handler: F)
    where
        F: Fn(Socket, String, Arguments) -> Running + Send + Sync + 'static,
        Running: Future<Output = R> + Send + 'static,
        R: Reply,
    {
        let handler = Arc::new(handler);
        self.fallback = Some(Box::new(move |socket, name, args| {
            let handler = Arc::clone(&handler);
            Box::pin(async move { handler(socket, name, args).await.into_answer() })
        }));
    }

    /// The work for an event, and its name. `None`: no handler wants it.
    pub(crate) fn find(
        &self,
        socket: Socket,
        name: &str,
        args: &Args<'_>,
    ) -> Option<(Arc<str>, Handling)> {
        if let Some((name, handler)) = self.named.get_key_value(name) {
            let handling = handler(socket, args);
            let handling = handling.unwrap_or_else(|error| Box::pin(ready(Err(error))));
            return Some((Arc::clone(name), handling));
        }
        let fallback = self.fallback.as_ref()?;
        let handling = fallback(socket, name.into(), Arguments::new(args));
        Some((name.into(), handling))
    }

    /// The names that have a handler.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.named.keys()
    }
}

impl<Socket> Default for Events<Socket> {
    fn default() -> Self {
        Self {
            named: HashMap::new(),
            fallback: None,
        }
    }
}
