//! What the tests have in common: patience, two ends over a narrow pipe, and futures that are dropped.
#![allow(dead_code, reason = "each test uses some of it")]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::DuplexStream;
use ws_tokio::{Config, Session, WebSocket};

/// Waits for what takes no time, unless something is broken.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    let patience = Duration::from_secs(60);
    let waited = tokio::time::timeout(patience, future).await;
    waited.expect("it hangs")
}

/// An end of a connection in memory.
pub(crate) type End = WebSocket<DuplexStream>;

/// A client and a server over a pipe of so many bytes each way.
pub(crate) fn pair_over(pipe: usize, config: &Config) -> (End, End) {
    let (client, server) = tokio::io::duplex(pipe);
    let client = WebSocket::over(client, Session::client(config, [7; 32]));
    (client, WebSocket::over(server, Session::server(config)))
}

/// Polls a future so many times at most, and drops it: what it came to, or `None`.
pub(crate) async fn polled<F: Future>(mut polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if polls <= 1 => Poll::Ready(None),
        Poll::Pending => {
            polls -= 1;
            Poll::Pending
        }
    })
    .await
}
