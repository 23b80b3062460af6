//! What an application does in a namespace: its handlers and hooks, registered once for all sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::de::DeserializeOwned;

use super::socket::Socket;
use crate::error::HandlerError;
use crate::events::Events;
use crate::reason::Reason;
use crate::refused::Refused;

/// Whether a client comes in.
pub(super) type Entering = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send>>;
/// What is done when a socket has left.
pub(super) type Leaving = Pin<Box<dyn Future<Output = ()> + Send>>;

type Connect = dyn Fn(Socket, &str) -> Entering + Send + Sync;
type Disconnect = dyn Fn(Socket, Reason) -> Leaving + Send + Sync;
type Failed = dyn Fn(&Socket, &str, &HandlerError) + Send + Sync;

/// The handlers of a namespace, or of all that one rule makes.
#[derive(Default)]
pub(super) struct Hooks(RwLock<Registered>);

#[derive(Default)]
pub(super) struct Registered {
    pub(super) connect: Option<Box<Connect>>,
    pub(super) events: Events<Socket>,
    pub(super) disconnect: Option<Box<Disconnect>>,
    pub(super) failed: Option<Arc<Failed>>,
}

impl Hooks {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Registered> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Registered> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An async function that decides whether a client may join. Its parameters are the socket, or the
/// socket and the credentials that the client sent.
///
/// It returns `()`, or a `Result` whose error becomes a [`Refused`]. If a client sends no
/// credentials, they are null: `Option` takes that. Credentials of another type are refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connect hook",
    note = "a connect hook is an async function of a `Socket`, and of credentials if it wants them",
    note = "it returns `()`, or a `Result<(), E>` where `E` becomes a `Refused`: a text, for example"
)]
pub trait ConnectHook<Params>: Send + Sync + 'static {
    /// Decides about a client from its credentials, which are JSON.
    fn decide(
        self: Arc<Self>,
        socket: Socket,
        auth: &str,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refused>> + Send>>;
}

/// The result of a connect hook.
pub trait Verdict {
    /// Whether the client comes in.
    ///
    /// # Errors
    ///
    /// The refusal.
    fn verdict(self) -> Result<(), Refused>;
}

impl Verdict for () {
    fn verdict(self) -> Result<(), Refused> {
        Ok(())
    }
}

impl<E: Into<Refused>> Verdict for Result<(), E> {
    fn verdict(self) -> Result<(), Refused> {
        self.map_err(Into::into)
    }
}

impl<F, Running, V> ConnectHook<fn() -> V> for F
where
    F: Fn(Socket) -> Running + Send + Sync + 'static,
    Running: Future<Output = V> + Send + 'static,
    V: Verdict,
{
    fn decide(self: Arc<Self>, socket: Socket, _: &str) -> Entering {
        Box::pin(async move { self(socket).await.verdict() })
    }
}

impl<F, A, Running, V> ConnectHook<fn(A) -> V> for F
where
    F: Fn(Socket, A) -> Running + Send + Sync + 'static,
    A: DeserializeOwned + Send + 'static,
    Running: Future<Output = V> + Send + 'static,
    V: Verdict,
{
    fn decide(self: Arc<Self>, socket: Socket, auth: &str) -> Entering {
        match serde_json::from_str(auth) {
            Ok(auth) => Box::pin(async move { self(socket, auth).await.verdict() }),
            Err(_) => Box::pin(std::future::ready(Err(Refused::new("invalid credentials")))),
        }
    }
}

/// An async function for sockets that have left.
pub(super) fn disconnect<F, Running>(hook: F) -> Box<Disconnect>
where
    F: Fn(Socket, Reason) -> Running + Send + Sync + 'static,
    Running: Future<Output = ()> + Send + 'static,
{
    let hook = Arc::new(hook);
    Box::new(move |socket, reason| {
        let hook = Arc::clone(&hook);
        Box::pin(async move { hook(socket, reason).await })
    })
}
