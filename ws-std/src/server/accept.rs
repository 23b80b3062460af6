//! The listener: accepting goes on whatever happens to a connection.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use ws_http::Refusal;

use super::answer::{REFUSAL, turn_away};
use super::registry::Entry;
use super::{Core, serve};
use crate::stream::{Stream, is_timeout};

/// The number of connections that the kernel holds for us while we are busy. std asks for 128, and
/// beyond that, clients wait a second for their next attempt.
const BACKLOG: i32 = 4096;

/// The interval at which a listener that nothing woke looks whether to stop.
const LOOK: Duration = Duration::from_secs(1);

/// The time to wait for descriptors or memory to become free.
const EXHAUSTED: Duration = Duration::from_millis(50);

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
    let (mut refused, mut shortage) = (Refused::default(), Shortage::default());
    let ended = loop {
        if core.registry.is_stopping() {
            break Ok(());
        }
        match listener.accept() {
            Ok((stream, peer)) => start(core, core.over_tls(stream.into()), peer, &mut refused),
            Err(error) if is_timeout(&error) => refused.forget(Instant::now()),
            Err(error) => match error.kind() {
                io::ErrorKind::InvalidInput => break Err(error),
                // The client gave up before we came, or a signal did.
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted => {}
                // No descriptors or no memory: they become free when connections end.
                _ => {
                    core.registry.counters().short();
                    if shortage.begins(Instant::now()) {
                        core.log.shortage(error);
                    }
                    thread::sleep(EXHAUSTED);
                }
            },
        }
    };
    // The system refuses clients that come now, so none waits for us in vain.
    drop((listener, refused));
    core.registry.wind_down(core.grace);
    ended
}

/// A time in which there are no descriptors, or no memory: told once, however often it is tried.
#[derive(Default)]
struct Shortage {
    last: Option<Instant>,
}

impl Shortage {
    /// The time without one after which the next is another.
    const OVER: Duration = Duration::from_secs(10);

    /// Whether this is the first try that failed.
    fn begins(&mut self, now: Instant) -> bool {
        let last = self.last.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) >= Self::OVER)
    }
}

/// Serves a connection on a thread of its own, or refuses it.
fn start(core: &Arc<Core>, stream: Stream, peer: SocketAddr, refused: &mut Refused) {
    if core.registry.is_stopping() {
        return;
    }
    let stream = Arc::new(stream);
    let entered = core.enter(&stream, peer);
    let started = entered
        .and_then(|entry| spawn(core, stream.clone(), peer, entry).map_err(|_| Refusal::Full));
    if let Err(refusal) = started {
        // Who has heard it finds it counted.
        core.log(peer, &refusal);
        turn_away(&stream, &refusal);
        refused.keep(stream, Instant::now());
    }
}

fn spawn(core: &Arc<Core>, stream: Arc<Stream>, peer: SocketAddr, entry: Entry) -> io::Result<()> {
    let thread = thread::Builder::new()
        .name("ws-connection".into())
        .stack_size(core.stack_size);
    let core = Arc::clone(core);
    thread.spawn(move || serve::serve(&core, stream, peer, &entry))?;
    Ok(())
}

/// The sockets of clients that were turned away, who have to read why: if they were closed at once,
/// what the client sends would destroy it.
#[derive(Default)]
struct Refused(VecDeque<(Instant, Arc<Stream>)>);

impl Refused {
    /// The most that are kept; the oldest gives way.
    const MOST: usize = 64;

    fn keep(&mut self, stream: Arc<Stream>, now: Instant) {
        self.forget(now);
        if self.0.len() == Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back((now, stream));
    }

    /// Closes those that were kept for long enough.
    fn forget(&mut self, now: Instant) {
        let is_over = |since: &Instant| now.saturating_duration_since(*since) >= REFUSAL;
        while self.0.front().is_some_and(|(since, _)| is_over(since)) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_told_once_until_it_was_over() {
        let (mut shortage, start) = (Shortage::default(), Instant::now());
        let mut begins = |millis| shortage.begins(start + Duration::from_millis(millis));
        assert!(begins(0));
        // Now and then one is accepted: it goes on.
        for tenth in 1..200 {
            assert!(!begins(tenth * 100));
        }
        assert!(!begins(19_900 + 9_999));
        assert!(begins(19_900 + 9_999 + 10_000));
    }
}
