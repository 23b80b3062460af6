//! The listener: it keeps accepting whatever happens to a connection.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use ws_http::Refusal;

use super::registry::Registry;
use super::serve::{answer_and_end, open, refused, serve};
use super::{Core, Stream};
use crate::first::first;

/// The time to wait for descriptors or memory to become free.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// The most refused clients whose answer is still on the way; more are just dropped.
const REFUSALS: usize = 64;

/// The time that a refused client has to read its answer.
const REFUSAL: Duration = Duration::from_secs(1);

pub(super) async fn run<S: Stream>(
    listener: TcpListener,
    address: SocketAddr,
    registry: &Arc<Registry>,
    core: Arc<Core<S>>,
) -> io::Result<()> {
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let ended = loop {
        let stopping = pin!(registry.stopping());
        match first(pin!(listener.accept()), stopping).await {
            Err(()) => break Ok(()),
            Ok(Ok((stream, peer))) => start(&core, registry, (stream, peer, address), &refusals),
            Ok(Err(error)) => match error.kind() {
                io::ErrorKind::InvalidInput => break Err(error),
                // The client gave up before we came, or a signal did.
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted => {}
                // No descriptors or no memory: they become free when connections end.
                _ => sleep(EXHAUSTED).await,
            },
        }
    };
    // The system refuses clients that come now, so no client waits for us without end.
    drop(listener);
    registry.wind_down(core.grace).await;
    ended
}

/// Serves a connection in a task of its own, or refuses it.
fn start<S: Stream>(
    core: &Arc<Core<S>>,
    registry: &Arc<Registry>,
    (stream, peer, address): (TcpStream, SocketAddr, SocketAddr),
    refusals: &Arc<Semaphore>,
) {
    if let Some(entry) = registry.enter(core.max_connections) {
        let id = entry.id();
        let opening = Box::pin(open(Arc::clone(core), stream, (peer, address), entry));
        let task = tokio::spawn(serve(Arc::clone(core), opening));
        registry.runs(id, task.abort_handle());
        return;
    }
    core.log(peer, &Refusal::Full);
    if let Ok(permit) = Arc::clone(refusals).try_acquire_owned() {
        let shaking = (core.shake)(stream);
        tokio::spawn(async move {
            if let Ok(Ok(mut stream)) = timeout(REFUSAL, shaking).await {
                let answer = refused(&Refusal::Full);
                answer_and_end(&mut stream, &answer, REFUSAL).await;
            }
            drop(permit);
        });
    }
}
