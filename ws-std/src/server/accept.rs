//! The listener: accepting goes on whatever happens to a connection.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use ws_http::Refusal;

use super::answer::{REFUSAL, answer_and_end, unavailable};
use super::registry::Entry;
use super::{Core, serve};
use crate::stream::{Stream, TICK, is_timeout};

/// The number of connections that the kernel holds for us while we are busy. std asks for 128, and
/// beyond that, clients wait a second for their next attempt.
const BACKLOG: i32 = 4096;

/// The interval at which a listener that nothing woke looks whether to stop.
const LOOK: Duration = Duration::from_secs(1);

/// The time to wait for descriptors or memory to become free.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// The most refused clients whose answer is still on the way; more are just dropped.
const REFUSALS: usize = 64;

pub(crate) fn listen(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let mut last = io::ErrorKind::InvalidInput.into();
    for address in address.to_socket_addrs()? {
        match listen_at(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // As std does: a port whose last server has just ended can be bound again.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

pub(crate) fn run(listener: TcpListener, core: &Arc<Core>) -> io::Result<()> {
    // Not every system has it for accept; there the connection to ourselves wakes us.
    let _ = SockRef::from(&listener).set_read_timeout(Some(LOOK));
    let (refused, refusals) = mpsc::sync_channel(REFUSALS);
    let refuser = thread::Builder::new().name("ws-refuse".into()).spawn({
        let core = Arc::clone(core);
        move || refuse(&core, &refusals)
    })?;

    let ended = loop {
        if core.registry.is_stopping() {
            break Ok(());
        }
        match listener.accept() {
            Ok((stream, peer)) => start(core, stream.into(), peer, &refused),
            Err(error) if is_timeout(&error) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::InvalidInput => break Err(error),
                // The client gave up before we came, or a signal did.
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted => {}
                // No descriptors or no memory: they become free when connections end.
                _ => thread::sleep(EXHAUSTED),
            },
        }
    };
    // The system refuses clients that come now, so none waits for us in vain.
    drop((listener, refused));
    core.registry.wind_down(core.grace);
    let _ = refuser.join();
    ended
}

/// Serves a connection on a thread of its own, or refuses it.
fn start(core: &Arc<Core>, stream: Stream, peer: SocketAddr, refused: &Refused) {
    if core.registry.is_stopping() {
        return;
    }
    let stream = Arc::new(stream);
    let Some(entry) = core.registry.enter(&stream, core.max_connections) else {
        core.log(peer, &Refusal::Full);
        drop(refused.try_send(stream));
        return;
    };
    if spawn(core, stream.clone(), peer, entry).is_err() {
        core.log(peer, &Refusal::Full);
        let _ = refused.try_send(stream);
    }
}

/// The way for clients that there is no room for.
type Refused = SyncSender<Arc<Stream>>;

fn spawn(core: &Arc<Core>, stream: Arc<Stream>, peer: SocketAddr, entry: Entry) -> io::Result<()> {
    let thread = thread::Builder::new()
        .name("ws-connection".into())
        .stack_size(core.stack_size);
    let core = Arc::clone(core);
    thread.spawn(move || serve::serve(&core, stream, peer, &entry))?;
    Ok(())
}

/// Answers clients that there is no room for, one after the other: they cost one thread.
fn refuse(core: &Core, refused: &Receiver<Arc<Stream>>) {
    let answer = unavailable();
    for stream in refused {
        // A shutdown does not wait for as many seconds as there are clients here.
        let patience = if core.registry.is_stopping() {
            TICK
        } else {
            REFUSAL
        };
        answer_and_end(&stream, &answer, patience);
    }
}
