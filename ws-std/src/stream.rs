//! The socket of a connection: the trait of those that can be one, and the one place where each call
//! on one is made. Connecting (`dial.rs`), listening and accepting (`server/accept.rs`) come before
//! there is one; closing the descriptor, by dropping it, cannot fail.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::time::Duration;

mod system;

/// A connected socket, or anything that carries bytes as one does: TLS, a Unix socket, a pipe in
/// memory.
///
/// `TcpStream` is one, and so is `UnixStream`. One thread reads, others write, and any thread may
/// end the connection; so every method takes `&self`, and only [`read`](Self::read),
/// [`write`](Self::write) and [`wait_readable`](Self::wait_readable) may wait. An implementation
/// must not hold a lock while it waits; otherwise a reader that waits for its peer would block the
/// writers.
///
/// A socket that counts what it carries:
///
/// ```
/// use std::io::{self, IoSlice};
/// use std::net::{Shutdown, SocketAddr, TcpStream};
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::time::Duration;
///
/// use ws_std::Socket;
///
/// struct Counted {
///     tcp: TcpStream,
///     bytes: AtomicUsize,
/// }
///
/// impl Counted {
///     fn count(&self, len: usize) -> usize {
///         self.bytes.fetch_add(len, Ordering::Relaxed);
///         len
///     }
/// }
///
/// impl Socket for Counted {
///     fn read(&self, room: &mut [u8]) -> io::Result<usize> {
///         Socket::read(&self.tcp, room).map(|len| self.count(len))
///     }
///
///     fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
///         Socket::write(&self.tcp, pieces).map(|len| self.count(len))
///     }
///
///     fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
///         self.tcp.write_at_once(pieces).map(|len| self.count(len))
///     }
///
///     fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
///         Socket::set_read_timeout(&self.tcp, timeout)
///     }
///
///     fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
///         Socket::set_write_timeout(&self.tcp, timeout)
///     }
///
///     fn shutdown(&self, how: Shutdown) -> io::Result<()> {
///         Socket::shutdown(&self.tcp, how)
///     }
///
///     fn peer_addr(&self) -> Option<SocketAddr> {
///         Socket::peer_addr(&self.tcp)
///     }
/// }
/// ```
pub trait Socket: Send + Sync + 'static {
    /// Reads some bytes into `room`, waiting for the first of them, and returns how many; 0 at the
    /// end of the stream. One thread at a time calls it.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing came before the read timeout: nothing
    /// was read, and the next call continues. After `Interrupted`, the connection calls it again at
    /// once. After any other error the connection has failed.
    fn read(&self, room: &mut [u8]) -> io::Result<usize>;

    /// Writes from `pieces`, in order, waiting until it can take some, and returns how many bytes
    /// it took, at least one. Those bytes get to the peer without a further call. One thread at a
    /// time calls it.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it could take nothing before the write timeout.
    /// Then, and after `Interrupted`, the next call begins with the same bytes, if there is one.
    /// After any other error the connection has failed.
    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Writes as [`write`](Self::write) does, without waiting. The default takes nothing; then a
    /// thread that may wait writes everything.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write): `WouldBlock` if it can take nothing now.
    fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let _ = pieces;
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Waits for something to read, or the end of the stream, at most for the read timeout, and
    /// reads nothing. So a connection that waits needs no buffer. The default does not wait: the
    /// read after it does, and needs a buffer.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn wait_readable(&self) -> io::Result<()> {
        Ok(())
    }

    /// Sets how long a read may wait, from the next one on: at least a millisecond.
    ///
    /// # Errors
    ///
    /// It cannot be set, and the connection has failed.
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()>;

    /// Sets how long a write may wait, from the next one on: at least a millisecond.
    ///
    /// # Errors
    ///
    /// It cannot be set, and the connection has failed.
    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()>;

    /// Ends one direction of the stream, or both. After `Write`, the peer reads the end of the
    /// stream. After `Read`, a read that waits in another thread ends at once, as at the end of the
    /// stream, and so does each later one; after `Both`, so does a write, with an error.
    ///
    /// # Errors
    ///
    /// The stream has ended already.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Prepares the socket for messages. It is called before the first write, and possibly again.
    /// For TCP it turns Nagle's algorithm off, so that each message is sent when it is written, and
    /// keeps what the peer does not read in the connection's queue rather than the system's, where
    /// a Ping would come after all of it. The default does nothing.
    ///
    /// # Errors
    ///
    /// The socket cannot be prepared, and the connection is not opened.
    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    /// The descriptor that becomes writable when [`write_at_once`](Self::write_at_once) can go on,
    /// after it took nothing: with it, one thread of the process waits for all slow peers. With
    /// `None`, the default, each slow peer needs a thread of its own, in [`write`](Self::write).
    #[cfg(unix)]
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The address of the peer. `None`, the default, if it has no IP address.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// The local address that the peer connected to. `None`, the default, if it has no IP address.
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
}

/// The socket of a connection. The lengths that it reports are checked before they are used.
pub(crate) struct Stream(Box<dyn Socket>);

impl Stream {
    pub(crate) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        believed(self.0.read(room)?, room.len())
    }

    /// Waits for something to read, and leaves it there.
    pub(crate) fn wait_readable(&self) -> io::Result<()> {
        self.0.wait_readable()
    }

    /// Writes from `pieces`, at most [`PIECES`], and at most `most` bytes; waits until the socket
    /// takes some.
    pub(crate) fn write(&self, pieces: &[&[u8]], most: usize) -> io::Result<usize> {
        let (slices, count) = cut(pieces, most);
        believed(self.0.write(&slices[..count])?, most)
    }

    /// Writes as much as the socket takes now; `WouldBlock` if that is nothing.
    pub(crate) fn write_at_once(&self, pieces: &[&[u8]], most: usize) -> io::Result<usize> {
        let (slices, count) = cut(pieces, most);
        believed(self.0.write_at_once(&slices[..count])?, most)
    }

    /// Sets how long a read may wait.
    pub(crate) fn set_read_timeout(&self, patience: Duration) -> io::Result<()> {
        self.0.set_read_timeout(patience.max(TICK))
    }

    /// Sets how long a write may wait.
    pub(crate) fn set_write_timeout(&self, patience: Duration) -> io::Result<()> {
        self.0.set_write_timeout(patience.max(TICK))
    }

    pub(crate) fn prepare(&self) -> io::Result<()> {
        self.0.prepare()
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }

    /// The descriptor to wait at, until it takes more.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.0.descriptor()
    }

    /// The address of the peer, or `0.0.0.0:0`.
    pub(crate) fn peer_addr(&self) -> SocketAddr {
        let none = (Ipv4Addr::UNSPECIFIED, 0);
        self.0.peer_addr().unwrap_or_else(|| none.into())
    }

    /// The local address that the peer connected to.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local_addr()
    }

    /// Reads and drops what still comes, until the peer has ended its side. Before each read
    /// `patience` says how long it may wait, or ends it, and is given how many bytes were dropped
    /// since; `None` if the last read waited in vain.
    pub(crate) fn linger(&self, mut patience: impl FnMut(Option<usize>) -> Option<Duration>) {
        let mut scratch = vec![0; 16 << 10];
        let mut dropped = Some(0);
        while let Some(left) = patience(dropped) {
            if self.set_read_timeout(left).is_err() {
                return;
            }
            dropped = match self.read(&mut scratch) {
                Ok(0) => return,
                Ok(len) => Some(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(0),
                Err(error) if is_timeout(&error) => None,
                Err(_) => return,
            };
        }
    }
}

impl<S: Socket> From<S> for Stream {
    fn from(socket: S) -> Self {
        Self(Box::new(socket))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.0.peer_addr()).finish()
    }
}

/// The number of bytes that a call says it moved of `given`, and no more.
fn believed(moved: usize, given: usize) -> io::Result<usize> {
    if moved > given {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(moved)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A socket whose every other read is interrupted.
    struct Interrupted(TcpStream, AtomicBool);

    impl Socket for Interrupted {
        fn read(&self, room: &mut [u8]) -> io::Result<usize> {
            if self.1.fetch_not(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Socket::read(&self.0, room)
        }

        fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            Socket::write(&self.0, pieces)
        }

        fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
            Socket::set_read_timeout(&self.0, timeout)
        }

        fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
            Socket::set_write_timeout(&self.0, timeout)
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            Socket::shutdown(&self.0, how)
        }
    }

    /// A socket whose calls that move bytes fail.
    struct Failing(io::ErrorKind);

    impl Socket for Failing {
        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn write(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn set_read_timeout(&self, _: Duration) -> io::Result<()> {
            Ok(())
        }

        fn set_write_timeout(&self, _: Duration) -> io::Result<()> {
            Ok(())
        }

        fn shutdown(&self, _: Shutdown) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_peer_that_is_gone_is_not_waited_for() {
        let asked = |kind| {
            let stream = Stream::from(Failing(kind));
            let mut waits = 0;
            stream.linger(|_| {
                waits += 1;
                (waits <= 5).then_some(TICK)
            });
            waits
        };
        assert_eq!(asked(io::ErrorKind::WouldBlock), 6);
        assert_eq!(asked(io::ErrorKind::ConnectionReset), 1);
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, peer)
    }

    #[test]
    fn what_still_comes_is_dropped_to_its_end_or_to_a_limit() {
        let (minute, (tcp, mut peer)) = (Duration::from_secs(60), pair());
        peer.write_all(&[0; 60_000]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let stream = Stream::from(Interrupted(tcp, AtomicBool::new(true)));
        let mut dropped = 0;
        stream.linger(|len| {
            dropped += len?;
            Some(minute)
        });
        assert_eq!(dropped, 60_000);

        let (tcp, mut peer) = pair();
        peer.write_all(&[0; 100_000]).unwrap();
        let stream = Stream::from(tcp);
        stream.linger(|len| (len == Some(0)).then_some(minute));
        assert!(stream.read(&mut [0]).unwrap() == 1);
    }
}
