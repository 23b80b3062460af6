//! The listener: it keeps accepting whatever happens to a connection.

use std::collections::{HashSet, VecDeque};
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

/// Listens at all addresses: a name such as `localhost` has one of each family. One that this machine
/// does not have is left out if there is another. With port 0 all have the one that the first has
/// picked.
pub(crate) fn listen(addresses: impl ToSocketAddrs) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut addresses: Vec<_> = addresses.to_socket_addrs()?.collect();
    let mut seen = HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    let is_one = addresses.len() == 1;
    let mut picked = None;
    let mut lacks = io::ErrorKind::InvalidInput.into();
    for mut address in addresses {
        if address.port() == 0 {
            address.set_port(picked.unwrap_or(0));
        }
        match listen_at(address, is_one) {
            Ok(listener) => {
                if picked.is_none() {
                    picked = Some(listener.local_addr()?.port());
                }
                listeners.push(listener);
            }
            Err(error) if is_not_here(&error) => lacks = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() {
        return Err(lacks);
    }
    Ok(listeners)
}

/// The system does not speak that version of IP: an error that std has no kind for.
const NO_FAMILY: i32 = if cfg!(windows) {
    10_047
} else if cfg!(any(target_os = "android", target_os = "linux")) {
    97
} else {
    47
};

/// Whether this machine does not have such an address.
fn is_not_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_FAMILY)
}

fn listen_at(address: SocketAddr, is_one: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // As std does: a port whose last server has just ended can be bound again.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    // By itself, that for all addresses of IPv6 may be for those of IPv4, too: as the system does it.
    if address.is_ipv6() && !is_one {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts from all listeners until the server stops, and waits for the connections to end.
pub(crate) fn run(listeners: Vec<TcpListener>, core: &Arc<Core>) -> io::Result<()> {
    let ended = thread::scope(|threads| {
        let mut listeners = listeners.into_iter();
        let first = listeners.next();
        let mut others = Vec::new();
        for listener in listeners {
            let thread = thread::Builder::new().name("ws-accept".into());
            let begun = thread.spawn_scoped(threads, || accept(listener, core));
            match begun {
                Ok(thread) => others.push(thread),
                Err(error) => {
                    core.registry.stop();
                    return Err(error);
                }
            }
        }
        let mut ended = first.map_or(Ok(()), |first| accept(first, core));
        for other in others {
            // A thread that accepts does not panic.
            let other = other.join().unwrap_or(Ok(()));
            ended = ended.and(other);
        }
        ended
    });
    core.registry.wind_down(core.grace);
    ended
}

/// Accepts from one listener. If that fails, the server stops.
fn accept(listener: TcpListener, core: &Arc<Core>) -> io::Result<()> {
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
                io::ErrorKind::InvalidInput => {
                    core.registry.stop();
                    break Err(error);
                }
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
    // The system refuses clients that come now, so no client waits for us without end.
    drop((listener, refused));
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
        // A client that has received the refusal finds it counted.
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
