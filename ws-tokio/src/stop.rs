//! An end that another task or thread brings about, wherever a client waits just then.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use ws_proto::CloseCode;

use crate::home::Ask;

/// Ends a client that connects again, from any task or thread, while it waits for the next attempt,
/// connects, or has an open connection. Clones end the same client.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ws_tokio::ConnectError> {
/// use futures_util::StreamExt;
///
/// let mut connections = ws_tokio::Client::new("ws://127.0.0.1:9001/").reconnect();
/// let end = connections.stop_handle();
/// tokio::spawn(async move {
///     tokio::time::sleep(std::time::Duration::from_secs(60)).await;
///     end.stop();
/// });
/// while let Some(ws) = connections.next().await {
///     let mut ws = ws?;
///     while let Ok(Some(message)) = ws.recv().await {
///         println!("{}", message.as_text().unwrap_or("(bytes)"));
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct StopHandle(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// The connection that is open.
    open: Option<Weak<dyn Ask>>,
}

impl StopHandle {
    /// Ends the client for good. The task that has an open connection closes it with 1000 when it next
    /// waits on it: [`recv`](crate::WebSocket::recv) returns `None` once the peer has answered, or an
    /// error after the close timeout.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        let open = state.open.take();
        drop(state);
        if let Some(open) = open.and_then(|open| open.upgrade()) {
            open.ask(CloseCode::NORMAL);
        }
        self.0.changed.notify_waiters();
    }

    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Notes which connection is open now. If it was stopped meanwhile, that is over.
    pub(crate) fn opened(&self, open: &Arc<impl Ask + 'static>) {
        let mut state = self.state();
        if state.stopped {
            drop(state);
            return open.ask(CloseCode::NORMAL);
        }
        let weak: Weak<dyn Ask> = Arc::downgrade(open) as _;
        state.open = Some(weak);
    }

    /// Waits until it is called.
    pub(crate) async fn stopped(self) {
        loop {
            // Before the look, so that no call is missed.
            let changed = self.0.changed.notified();
            if self.is_stopped() {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle")
            .field("is_stopped", &self.is_stopped())
            .finish()
    }
}
