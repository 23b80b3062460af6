//! What the tests of the client share: patience, and a way for handlers to say what they see.

use std::future::{Ready, ready};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;

/// How long anything may take. Nothing takes a tenth of it on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What comes of something, within a time.
pub(crate) async fn soon<T>(what: impl IntoFuture<Output = T>) -> T {
    let what = what.into_future();
    timeout(PATIENCE, what).await.expect("in time")
}

/// Where handlers write what happens.
pub(crate) fn log<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    mpsc::unbounded_channel()
}

/// What a handler does that only writes.
pub(crate) fn note<T>(to: &UnboundedSender<T>, what: T) -> Ready<()> {
    assert!(to.send(what).is_ok(), "somebody reads it");
    ready(())
}
