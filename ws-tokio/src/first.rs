//! Waits for the first of two futures.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Waits for a future, unless another ends first.
pub(crate) async fn first<F: Future, U: Future>(
    mut future: Pin<&mut F>,
    mut until: Pin<&mut U>,
) -> Result<F::Output, U::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        until.as_mut().poll(cx).map(Err)
    })
    .await
}
