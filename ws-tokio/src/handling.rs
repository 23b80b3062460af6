//! What an application does with a connection, and its clean end after that.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use ws_http::Request;
use ws_proto::CloseCode;

use crate::home::{Ask, Home};
use crate::receiving;
use crate::socket::WebSocket;

/// The errors that a handler of connections may return.
pub(crate) type Failure = Box<dyn StdError + Send + Sync>;
/// What a handler does with a connection.
type Doing = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
pub(crate) type Handler<S> = dyn Fn(WebSocket<S>, Request) -> Doing + Send + Sync;
pub(crate) type Report = dyn Fn(&(dyn StdError + Send + Sync + 'static)) + Send + Sync;

/// Makes one type of all handlers.
pub(crate) fn boxed<S, H, F, E>(handler: H) -> Arc<Handler<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(WebSocket<S>, Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Failure> + 'static,
{
    Arc::new(move |ws, request| {
        // In a box of its own, and not in an `async` block: that would have it twice.
        let mut doing = Box::pin(handler(ws, request));
        Box::pin(poll_fn(move |cx| {
            let done = doing.as_mut().poll(cx);
            done.map(|result| result.map_err(Into::into))
        }))
    })
}

/// A connection in the hands of its handler.
pub(crate) struct Handling<S: AsyncRead + AsyncWrite + Unpin> {
    /// `None` if it panicked before there was anything to wait for.
    doing: Option<Doing>,
    home: Arc<Home<S>>,
    /// The moment from which the core counts.
    epoch: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Handling<S> {
    /// Gives a connection to its handler. `lent` is called with its home before that.
    pub(crate) fn begin(
        mut ws: WebSocket<S>,
        request: Request,
        handler: &Handler<S>,
        lent: impl FnOnce(&Arc<Home<S>>),
    ) -> Self {
        let home = Arc::new(Home::new());
        let epoch = ws.receiving.epoch();
        ws.wire.lend(Arc::clone(&home));
        lent(&home);
        let doing = guarded(|| handler(ws, request));
        Self { doing, home, epoch }
    }

    /// Waits until the handler is done, and ends the connection: with 1000 after `Ok`, with 1011 after
    /// an error, which `report` gets, or a panic.
    pub(crate) async fn run(self, report: Option<&Report>) {
        let code = match self.doing {
            Some(doing) => handle(doing, report).await,
            None => CloseCode::INTERNAL,
        };
        Box::pin(finish(self.home, self.epoch, code)).await;
    }
}

/// Runs the handler; the code to close with.
async fn handle(mut doing: Doing, report: Option<&Report>) -> CloseCode {
    let handled = poll_fn(|cx| match guarded(|| doing.as_mut().poll(cx)) {
        Some(Poll::Pending) => Poll::Pending,
        Some(Poll::Ready(result)) => Poll::Ready(Some(result)),
        None => Poll::Ready(None),
    });
    match handled.await {
        Some(Ok(())) => CloseCode::NORMAL,
        Some(Err(error)) => {
            if let Some(report) = report {
                guarded(|| report(&*error));
            }
            CloseCode::INTERNAL
        }
        None => CloseCode::INTERNAL,
    }
}

/// Ends the connection cleanly, whatever the handler did with it. If another task has it, one that
/// the handler has spawned for example, asks that task to close it.
async fn finish<S: AsyncRead + AsyncWrite + Unpin + Send>(
    home: Arc<Home<S>>,
    epoch: Instant,
    code: CloseCode,
) {
    home.ask(code);
    if let Some(mut wire) = home.returned().await {
        receiving::finish(&mut wire, epoch, code).await;
    }
}

/// Runs the application's code; `None` if it panicked, which has been reported by the panic hook
/// and concerns this connection only.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(run)).ok()
}
