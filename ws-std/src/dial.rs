//! Connecting to a host: the look-up, and its addresses, of which the first to connect wins.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mio::net::TcpStream as Socket;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use ws_http::{Attempt, Attempts};
use ws_proto::Instant;

use crate::error::Stage;
use crate::stop::Busy;
use crate::trip::{Failed, Trip};

/// Connects to a host, which is a name or an IP address without brackets.
pub(crate) fn reach(host: &str, port: u16, trip: &mut Trip<'_>) -> Result<TcpStream, Failed> {
    // Without any time left, do not begin.
    trip.deadline.left()?;
    let mut waiting = Waiting::new()?;
    trip.stop.enter(Busy::Dialing(waiting.waker.clone()))?;
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => {
            let host = host.to_owned();
            let ask = move || Ok((&*host, port).to_socket_addrs()?.collect());
            trip.stage = Stage::LookUp;
            look_up(ask, &mut waiting, trip)?
        }
    };
    trip.stage = Stage::Connect;
    first_of(addresses, &mut waiting, trip)
}

/// The place where a client waits for a look-up and for sockets, and where it can be woken.
struct Waiting {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
}

/// No socket has so high a number.
const WOKEN: Token = Token(usize::MAX);

/// The longest that is waited in one go: not every system takes any number.
const LONGEST: Duration = Duration::from_secs(60 * 60);

impl Waiting {
    fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WOKEN)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(16),
            waker,
        })
    }

    /// Waits until something has happened, or `until` at most.
    fn wait(&mut self, until: Option<Instant>, trip: &Trip<'_>) -> Result<(), Failed> {
        let left = trip.deadline.left()?.min(LONGEST);
        let now = trip.deadline.now();
        let left = until.map_or(left, |until| left.min(until.saturating_duration_since(now)));
        match self.poll.poll(&mut self.events, Some(left)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        Ok(trip.stop.check()?)
    }
}

/// Looks a name up, in a thread of its own, because the system may take any time.
fn look_up(
    ask: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
    waiting: &mut Waiting,
    trip: &Trip<'_>,
) -> Result<Vec<SocketAddr>, Failed> {
    let (tell, told) = mpsc::sync_channel(1);
    let waker = waiting.waker.clone();
    let thread = thread::Builder::new().name("ws-look-up".into());
    thread.spawn(move || {
        // Nobody listens any more if the time is up.
        let _ = tell.send(ask());
        let _ = waker.wake();
    })?;
    loop {
        match told.try_recv() {
            Ok(addresses) => return Ok(addresses?),
            Err(_) => waiting.wait(None, trip)?,
        }
    }
}

/// Connects to one of the addresses; the attempts at the others end with this.
fn first_of(
    addresses: Vec<SocketAddr>,
    waiting: &mut Waiting,
    trip: &mut Trip<'_>,
) -> Result<TcpStream, Failed> {
    let mut attempts = Attempts::new(addresses);
    let mut sockets: Vec<Option<Socket>> = Vec::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let until = match attempts.next(trip.deadline.now()) {
            Attempt::Begin(address) => {
                trip.tried.note_address(address);
                match begin(address, waiting.poll.registry(), Token(sockets.len())) {
                    Ok(socket) => sockets.push(Some(socket)),
                    Err(error) => {
                        attempts.failed();
                        last = error;
                    }
                }
                continue;
            }
            Attempt::Wait(until) => until,
            Attempt::Over => return Err(last.into()),
        };
        waiting.wait(until, trip)?;
        for event in &waiting.events {
            let slot = sockets.get_mut(event.token().0);
            let Some(place @ Some(_)) = slot else {
                continue;
            };
            match place.as_ref().map_or(Ok(false), is_connected) {
                Ok(false) => {}
                Ok(true) => {
                    if let Some(socket) = place.take() {
                        return Ok(blocking(socket, waiting.poll.registry())?);
                    }
                }
                Err(error) => {
                    *place = None;
                    attempts.failed();
                    last = error;
                }
            }
        }
    }
}

fn begin(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Socket> {
    let mut socket = Socket::connect(address)?;
    registry.register(&mut socket, token, Interest::WRITABLE)?;
    Ok(socket)
}

/// Whether an attempt has come to its end, and to a good one.
fn is_connected(socket: &Socket) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// A socket whose calls wait, as those of a connection do.
fn blocking(mut socket: Socket, registry: &Registry) -> io::Result<TcpStream> {
    registry.deregister(&mut socket)?;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::deadline::Deadline;
    use crate::error::Tried;
    use crate::stop::StopHandle;
    use std::net::TcpListener;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Runs with so much time.
    fn within<T>(time: Duration, run: impl FnOnce(&mut Waiting, &mut Trip<'_>) -> T) -> T {
        let (clock, stop) = (Clock::system(), StopHandle::default());
        let deadline = Deadline::after(&clock, time);
        let mut waiting = Waiting::new().unwrap();
        let mut trip = Trip::new(Tried::new("h:80".into()), deadline, &stop);
        run(&mut waiting, &mut trip)
    }

    fn local() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address that nobody answers at: its listener has no room for another connection. On
    /// other systems such a one refuses.
    #[cfg(target_os = "linux")]
    fn silent() -> (TcpListener, Vec<Socket>, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        // The first is accepted by the system; the others wait for room.
        let waiting = (0..4).map(|_| Socket::connect(address).unwrap()).collect();
        (listener, waiting, address)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_silent_address_does_not_keep_the_next_from_connecting() {
        let (_listener, _waiting, silent) = silent();
        let (_there, address) = local();
        within(PATIENCE, |waiting, trip| {
            let stream = first_of(vec![silent, address], waiting, trip).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address);
            assert_eq!(trip.tried.addresses(), [silent, address]);
        });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_silent_address_costs_no_more_than_the_deadline() {
        let (_listener, _waiting, silent) = silent();
        within(Duration::from_millis(10), |waiting, trip| {
            let failed = first_of(vec![silent], waiting, trip).unwrap_err();
            assert!(matches!(failed, Failed::Io(error) if error.kind() == io::ErrorKind::TimedOut));
        });
    }

    #[test]
    fn an_address_that_refuses_makes_way_at_once() {
        let (gone, refusing) = local();
        drop(gone);
        let (_there, address) = local();
        within(PATIENCE, |waiting, trip| {
            let stream = first_of(vec![refusing, address], waiting, trip).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address);
        });
        within(PATIENCE, |waiting, trip| {
            let failed = first_of(vec![refusing, refusing], waiting, trip).unwrap_err();
            let Failed::Io(error) = failed else {
                panic!("{failed:?}");
            };
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        });
    }

    #[test]
    fn a_connected_socket_waits_for_what_it_reads() {
        let (listener, address) = local();
        within(PATIENCE, |_, trip| {
            let stream = reach("127.0.0.1", address.port(), trip).unwrap();
            drop(listener);
            #[cfg(unix)]
            assert!(!socket2::SockRef::from(&stream).nonblocking().unwrap());
        });
    }

    #[test]
    fn a_look_up_that_nobody_answers_ends_with_the_deadline() {
        let (_never, answer) = mpsc::channel::<Vec<SocketAddr>>();
        within(Duration::from_millis(10), |waiting, trip| {
            let ask = move || answer.recv().map_err(io::Error::other);
            let failed = look_up(ask, waiting, trip).unwrap_err();
            assert!(matches!(failed, Failed::Io(error) if error.kind() == io::ErrorKind::TimedOut));
        });
    }

    #[test]
    fn a_look_up_gives_what_it_found() {
        let (_listener, address) = local();
        within(PATIENCE, |waiting, trip| {
            let found = look_up(move || Ok(vec![address]), waiting, trip).unwrap();
            assert_eq!(found, [address]);
            let failed = look_up(|| Err(io::Error::other("no such name")), waiting, trip);
            assert!(
                matches!(failed, Err(Failed::Io(error)) if error.to_string() == "no such name")
            );
        });
    }

    #[test]
    fn whoever_waits_for_an_address_can_be_stopped() {
        let (clock, stop) = (Clock::system(), StopHandle::default());
        let mut waiting = Waiting::new().unwrap();
        let mut trip = Trip::new(Tried::new("h:80".into()), Deadline::at(&clock, None), &stop);
        trip.stop
            .enter(Busy::Dialing(waiting.waker.clone()))
            .unwrap();
        let (_never, answer) = mpsc::channel::<Vec<SocketAddr>>();
        let other = stop.clone();
        // The look-up itself stops it: by then it is waited for.
        let ask = move || {
            other.stop();
            answer.recv().map_err(io::Error::other)
        };
        assert!(matches!(
            look_up(ask, &mut waiting, &trip),
            Err(Failed::Stopped)
        ));
        let failed = reach("127.0.0.1", 9, &mut trip);
        assert!(matches!(failed, Err(Failed::Stopped)));
    }
}
