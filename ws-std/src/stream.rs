//! The socket of a connection: every system call on it is made here, and nowhere else, and in a
//! test any one of them can fail. Connecting (`client.rs`), listening and accepting
//! (`server/accept.rs`) come before there is one; closing the descriptor, by dropping it, cannot
//! fail.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

#[cfg(test)]
use crate::faults::Plan;

/// A connected socket. The lengths that it reports are checked before they are used.
pub(crate) struct Stream {
    tcp: TcpStream,
    /// The faults to happen, in a test.
    #[cfg(test)]
    plan: Option<std::sync::Arc<Plan>>,
}

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Peek,
    Write,
    WriteAtOnce,
    /// It moves no bytes: an option of the socket, its address, or its end.
    Setting,
}

impl Stream {
    #[cfg(test)]
    pub(crate) const fn faulty(tcp: TcpStream, plan: std::sync::Arc<Plan>) -> Self {
        let plan = Some(plan);
        Self { tcp, plan }
    }

    pub(crate) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        let tcp = &self.tcp;
        self.call(Call::Read, room.len(), |len| (&*tcp).read(&mut room[..len]))
    }

    /// Waits for something to read and leaves it there; 0 at the end of the stream.
    pub(crate) fn peek(&self) -> io::Result<usize> {
        let mut byte = [0];
        self.call(Call::Peek, byte.len(), |len| {
            self.tcp.peek(&mut byte[..len])
        })
    }

    /// Writes from `pieces`, at most [`PIECES`], and at most `most` bytes; waits until the socket
    /// takes some.
    pub(crate) fn write(&self, pieces: &[&[u8]], most: usize) -> io::Result<usize> {
        self.call(Call::Write, most, |len| {
            let (slices, count) = cut(pieces, len);
            (&self.tcp).write_vectored(&slices[..count])
        })
    }

    /// Writes as much as the socket takes now; `WouldBlock` if that is nothing.
    pub(crate) fn write_at_once(&self, pieces: &[&[u8]], most: usize) -> io::Result<usize> {
        self.call(Call::WriteAtOnce, most, |len| {
            let (slices, count) = cut(pieces, len);
            send_at_once(&self.tcp, &slices[..count])
        })
    }

    /// Sets how long a read may wait.
    pub(crate) fn set_read_timeout(&self, patience: Duration) -> io::Result<()> {
        let patience = Some(patience.max(TICK));
        self.ask(|tcp| tcp.set_read_timeout(patience))
    }

    /// Sets how long a write may wait.
    pub(crate) fn set_write_timeout(&self, patience: Duration) -> io::Result<()> {
        let patience = Some(patience.max(TICK));
        self.ask(|tcp| tcp.set_write_timeout(patience))
    }

    /// Sends each message when it is written, without waiting for another.
    pub(crate) fn set_nodelay(&self) -> io::Result<()> {
        self.ask(|tcp| tcp.set_nodelay(true))
    }

    /// Makes what the peer does not read wait in our queue and not in the system's, where a Ping
    /// would come after all of it.
    pub(crate) fn set_unsent_low(&self) -> io::Result<()> {
        #[cfg(any(target_os = "android", target_os = "linux"))]
        return self.ask(|tcp| socket2::SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT));
        #[cfg(not(any(target_os = "android", target_os = "linux")))]
        Ok(())
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.ask(|tcp| tcp.shutdown(how))
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.ask(TcpStream::peer_addr)
    }

    /// The address of ours that the peer connected to.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.ask(TcpStream::local_addr)
    }

    /// Reads and drops what still comes, until the peer has ended its side, for at most `limit`,
    /// and while `goes_on` allows it.
    pub(crate) fn linger(&self, limit: Duration, mut goes_on: impl FnMut(usize) -> bool) {
        // A limit too long to be added never comes.
        let deadline = Instant::now().checked_add(limit);
        let mut scratch = vec![0; 16 << 10];
        loop {
            let left = deadline.map_or(limit, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() || self.set_read_timeout(left).is_err() {
                return;
            }
            match self.read(&mut scratch) {
                Ok(0) => return,
                Ok(len) if goes_on(len) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Makes a call that moves no bytes.
    fn ask<T>(&self, ask: impl FnOnce(&TcpStream) -> io::Result<T>) -> io::Result<T> {
        // A planned fault comes first: there is no length to be wrong.
        self.call(Call::Setting, 0, |_| Ok(0))?;
        ask(&self.tcp)
    }

    /// Makes a call that may move `given` bytes, and believes no more of it.
    #[inline]
    fn call(
        &self,
        call: Call,
        given: usize,
        make: impl FnOnce(usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let moved = self.make(call, given, make)?;
        if moved > given {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(moved)
    }

    #[cfg(not(test))]
    #[inline]
    fn make(
        &self,
        _: Call,
        given: usize,
        make: impl FnOnce(usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        make(given)
    }

    #[cfg(test)]
    fn make(
        &self,
        call: Call,
        given: usize,
        make: impl FnOnce(usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        match &self.plan {
            Some(plan) => plan.make(call, given, make),
            None => make(given),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self {
            tcp,
            #[cfg(test)]
            plan: None,
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tcp.fmt(f)
    }
}

/// Whether a call ended because its timeout was over. That is `WouldBlock`, except on Windows;
/// elsewhere `TimedOut` is a peer that acknowledges nothing, and the end.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::WouldBlock => true,
        kind => cfg!(windows) && kind == io::ErrorKind::TimedOut,
    }
}

/// The shortest time a socket can be told to wait.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The most pieces of one write.
pub(crate) const PIECES: usize = 16;

/// The most bytes that the system keeps unsent before it takes no more. With less, two ends that
/// write at the same time, and read after that, would wait for each other sooner; with more, a peer
/// that reads 50 KiB a second would meet a Ping after them too late.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 512 << 10;

/// The first `most` bytes of `pieces`, and how many slices they are.
fn cut<'a>(pieces: &[&'a [u8]], mut most: usize) -> ([IoSlice<'a>; PIECES], usize) {
    let mut slices = [IoSlice::new(&[]); PIECES];
    let mut count = 0;
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        let piece = &piece[..piece.len().min(most)];
        if piece.is_empty() {
            break;
        }
        *slice = IoSlice::new(piece);
        most -= piece.len();
        count += 1;
    }
    (slices, count)
}

#[cfg(unix)]
fn send_at_once(tcp: &TcpStream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    /// A write to a socket that the peer has closed is an error, not a signal; Apple's systems
    /// have an option of the socket for that, which std sets.
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    const FLAGS: libc::c_int = libc::MSG_DONTWAIT;
    socket2::SockRef::from(tcp).send_vectored_with_flags(pieces, FLAGS)
}

/// Elsewhere a pump thread does all the writing.
#[cfg(not(unix))]
fn send_at_once(_: &TcpStream, _: &[IoSlice<'_>]) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Fails, Fault};
    use std::net::TcpListener;
    use std::sync::Arc;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, peer)
    }

    #[test]
    fn more_than_was_given_is_not_believed() {
        let (tcp, _peer) = pair();
        let stream = Stream::faulty(tcp, Arc::new(Plan::new(Fault::Lie, Fails::All)));
        let lies = [
            stream.read(&mut [0; 10]),
            stream.peek(),
            stream.write(&[b"hello", b" world"], 7),
            stream.write_at_once(&[b"hello"], 5),
        ];
        for lie in lies {
            assert_eq!(lie.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn no_call_goes_past_the_plan() {
        let calls: [fn(&Stream) -> io::Result<()>; 10] = [
            |stream| stream.read(&mut [0]).map(drop),
            |stream| stream.peek().map(drop),
            |stream| stream.write(&[b"x"], 1).map(drop),
            |stream| stream.write_at_once(&[b"x"], 1).map(drop),
            |stream| stream.set_read_timeout(TICK),
            |stream| stream.set_write_timeout(TICK),
            Stream::set_nodelay,
            Stream::set_unsent_low,
            |stream| stream.shutdown(Shutdown::Both),
            |stream| stream.peer_addr().map(drop),
        ];
        for (at, call) in calls.iter().enumerate() {
            let (tcp, _peer) = pair();
            let planned = Fault::Error(io::ErrorKind::AddrInUse); // which none of them gives
            let plan = Plan::new(planned, Fails::From { first: 0, times: 1 });
            let failed = call(&Stream::faulty(tcp, Arc::new(plan))).unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::AddrInUse, "call {at}");
        }
    }

    #[test]
    fn what_still_comes_is_dropped_to_its_end_or_to_a_limit() {
        let (minute, (tcp, mut peer)) = (Duration::from_secs(60), pair());
        peer.write_all(&[0; 60_000]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let interrupted = Fault::Error(io::ErrorKind::Interrupted);
        let plan = Plan::new(interrupted, Fails::EveryOther).only(Call::Read);
        let stream = Stream::faulty(tcp, Arc::new(plan));
        let mut dropped = 0;
        stream.linger(minute, |len| {
            dropped += len;
            true
        });
        assert_eq!((stream.peek().unwrap(), dropped), (0, 60_000));

        let (tcp, mut peer) = pair();
        peer.write_all(&[0; 100_000]).unwrap();
        let stream = Stream::from(tcp);
        stream.linger(minute, |_| false);
        assert_eq!(stream.peek().unwrap(), 1);
    }
}
