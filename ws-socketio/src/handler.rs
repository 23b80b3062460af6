//! Functions whose parameters are the socket and the event's arguments.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sio_proto::{Args, Encoded};

use crate::decode;
use crate::error::HandlerError;
use crate::reply::Reply;

/// What a handler does, and how its event is acknowledged.
pub(crate) type Handling = Pin<Box<dyn Future<Output = Result<Encoded, HandlerError>> + Send>>;

/// An async function whose parameters are a socket and up to eight arguments.
///
/// An argument that the peer left out is null: `Option` takes that. Further arguments than the
/// parameters are ignored. The function's return value is the acknowledgement: see [`Reply`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of events",
    note = "a handler is an async function or closure: `async |socket: Socket, text: String| {{ .. }}`",
    note = "its first parameter is the `Socket`, each other one is deserialized from an argument",
    note = "what it returns implements `Reply`, and its future is `Send`"
)]
pub trait Handler<Socket, Params>: Send + Sync + 'static {
    /// Reads the arguments, and returns the future of the handler's answer. The handler is called
    /// when that is first polled.
    ///
    /// # Errors
    ///
    /// [`HandlerError::Argument`]: one is of another type. The handler is not called.
    fn call(self: Arc<Self>, socket: Socket, args: &Args<'_>) -> Result<Handling, HandlerError>;
}

/// A handler, whatever its parameters are.
pub(crate) type Erased<Socket> =
    Box<dyn Fn(Socket, &Args<'_>) -> Result<Handling, HandlerError> + Send + Sync>;

/// Forgets the parameters.
pub(crate) fn erase<Socket: 'static, Params>(
    handler: impl Handler<Socket, Params>,
) -> Erased<Socket> {
    let handler = Arc::new(handler);
    Box::new(move |socket, args| Arc::clone(&handler).call(socket, args))
}

macro_rules! handlers {
    ($($params:ident $index:literal),*) => {
        impl<Function, Socket, Running, Returned, $($params),*>
            Handler<Socket, fn($($params),*) -> Returned> for Function
        where
            Function: Fn(Socket, $($params),*) -> Running + Send + Sync + 'static,
            Running: Future<Output = Returned> + Send + 'static,
            Returned: Reply,
            Socket: Send + 'static,
            $($params: DeserializeOwned + Send + 'static,)*
        {
            #[allow(
                non_snake_case,
                unused_variables,
                reason = "of types and parameters the names are the same; of none, none is read"
            )]
            fn call(
                self: Arc<Self>,
                socket: Socket,
                args: &Args<'_>,
            ) -> Result<Handling, HandlerError> {
                $(let $params = argument::<$params>(args, $index)?;)*
                Ok(Box::pin(async move { self(socket, $($params),*).await.into_answer() }))
            }
        }
    };
}

fn argument<T: DeserializeOwned>(args: &Args<'_>, index: usize) -> Result<T, HandlerError> {
    decode::at(args, index).map_err(|error| HandlerError::Argument { index, error })
}

handlers!();
handlers!(A 0);
handlers!(A 0, B 1);
handlers!(A 0, B 1, C 2);
handlers!(A 0, B 1, C 2, D 3);
handlers!(A 0, B 1, C 2, D 3, E 4);
handlers!(A 0, B 1, C 2, D 3, E 4, F 5);
handlers!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
handlers!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
