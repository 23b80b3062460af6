//! Sockets: every system call on one is made here. None of them waits.

#[cfg(unix)]
use std::fs;
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::fs::FileTypeExt;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockRef, Socket, Type};
use ws_http::Hosts;

/// The number of connections that the kernel holds for us while we are busy. std asks for 128, and
/// beyond that, clients wait a second for their next attempt.
const BACKLOG: i32 = 4096;

/// The most bytes that the system keeps unsent before it takes no more: the rest waits in our queue,
/// where a Ping can overtake it.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 512 << 10;

/// The most pieces of one write.
pub(crate) const PIECES: usize = 16;

/// Whether a read that gets less than it has room for has got all there was. Elsewhere only
/// `WouldBlock` has the system report the next bytes.
pub(crate) const SHORT_READ_IS_LAST: bool = cfg!(unix);

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    /// It has ended.
    Closed,
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    #[inline]
    pub(crate) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => (&mut { tcp }).read(room),
            #[cfg(unix)]
            Self::Unix(unix) => (&mut { unix }).read(room),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    #[inline]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => (&mut { tcp }).write(bytes),
            #[cfg(unix)]
            Self::Unix(unix) => (&mut { unix }).write(bytes),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes from `pieces`, at most [`PIECES`].
    pub(crate) fn write_pieces(&self, pieces: &[&[u8]]) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        match self {
            Self::Tcp(tcp) => (&mut { tcp }).write_vectored(slices),
            #[cfg(unix)]
            Self::Unix(unix) => (&mut { unix }).write_vectored(slices),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Ends our side.
    pub(crate) fn end(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(unix) => unix.shutdown(Shutdown::Write),
            Self::Closed => Ok(()),
        }
    }

    /// The address of ours that the peer connected to, if it has one.
    fn local_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(tcp) => Some(tcp.local_addr().ok()?.ip()),
            _ => None,
        }
    }

    /// Has the system report what becomes possible with it: each time anew, and once.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interests = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(tcp) => tcp.register(registry, token, interests),
            #[cfg(unix)]
            Self::Unix(unix) => unix.register(registry, token, interests),
            Self::Closed => Ok(()),
        }
    }
}

/// A socket that accepts others.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

/// Whether other loops may listen at the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Alone,
    #[cfg(unix)]
    Shared,
}

impl Listener {
    pub(crate) fn bind(addresses: impl ToSocketAddrs, port: Port) -> io::Result<Self> {
        let mut last = io::ErrorKind::InvalidInput.into();
        for address in addresses.to_socket_addrs()? {
            match Self::bind_at(address, port) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn bind_at(address: SocketAddr, port: Port) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // As std does: a port whose last server has just ended can be bound again.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        match port {
            Port::Alone => {}
            #[cfg(unix)]
            Port::Shared => socket.set_reuse_port(true)?,
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        // What is accepted has these options, too.
        socket.set_tcp_nodelay(true)?;
        #[cfg(any(target_os = "android", target_os = "linux"))]
        socket.set_tcp_notsent_lowat(UNSENT)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket.into());
        let address = listener.local_addr()?;
        Ok(Self::Tcp(listener, address))
    }

    /// Listens at a path. A socket that a server has left there is replaced; anything else is not.
    #[cfg(unix)]
    pub(crate) fn bind_unix(path: &Path) -> io::Result<Self> {
        let is_left = |path: &Path| {
            let is_socket = fs::metadata(path).is_ok_and(|at| at.file_type().is_socket());
            is_socket && std::os::unix::net::UnixStream::connect(path).is_err()
        };
        if is_left(path) {
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&socket2::SockAddr::unix(path)?)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self::Unix(
            UnixListener::from_std(socket.into()),
            path.into(),
        ))
    }

    /// Accepts a connection; with the address that it comes from.
    pub(crate) fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Tcp(listener, _) => {
                let (tcp, peer) = listener.accept()?;
                if !cfg!(any(target_os = "android", target_os = "linux")) {
                    SockRef::from(&tcp).set_tcp_nodelay(true)?;
                }
                Ok((Stream::Tcp(tcp), peer))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (unix, _) = listener.accept()?;
                Ok((Stream::Unix(unix), LOCAL))
            }
        }
    }

    /// The address at which it listens, if it is one of the network.
    pub(crate) const fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, address) => Some(*address),
            #[cfg(unix)]
            Self::Unix(..) => None,
        }
    }

    /// The address that a connection came in by, as [`Hosts`] wants to know it. No browser connects
    /// to the socket of a path: what is true of a public address is true of it.
    pub(crate) fn address_of(&self, stream: &Stream) -> IpAddr {
        let Some(own) = self.local_addr().map(|own| own.ip()) else {
            return Ipv4Addr::UNSPECIFIED.into();
        };
        Hosts::listener(own, || stream.local_ip())
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Tcp(listener, _) => listener.register(registry, token, Interest::READABLE),
            #[cfg(unix)]
            Self::Unix(listener, _) => listener.register(registry, token, Interest::READABLE),
        }
    }
}

/// The path is free again when the listener ends.
impl Drop for Listener {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Self::Unix(_, path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

/// Who connects to the socket of a path is on this machine, and has no address.
#[cfg(unix)]
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
