//! The sockets of the operating system: TCP, and Unix sockets.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[cfg(unix)]
use socket2::SockRef;

use super::Socket;

impl Socket for TcpStream {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, room)
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut &*self, pieces)
    }

    /// Elsewhere a thread of its own does all the writing.
    #[cfg(unix)]
    fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        SockRef::from(self).send_vectored_with_flags(pieces, AT_ONCE)
    }

    fn wait_readable(&self) -> io::Result<()> {
        self.peek(&mut [0]).map(drop)
    }

    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    fn prepare(&self) -> io::Result<()> {
        self.set_nodelay(true)?;
        #[cfg(any(target_os = "android", target_os = "linux"))]
        SockRef::from(self).set_tcp_notsent_lowat(UNSENT)?;
        Ok(())
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr().ok()
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, room)
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut &*self, pieces)
    }

    fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        SockRef::from(self).send_vectored_with_flags(pieces, AT_ONCE)
    }

    fn wait_readable(&self) -> io::Result<()> {
        SockRef::from(self)
            .peek(&mut [std::mem::MaybeUninit::uninit()])
            .map(drop)
    }

    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

/// Has a write take what the socket takes now. One to a socket that the peer has closed is an error,
/// not a signal; Apple's systems have an option of the socket for that, which std sets.
#[cfg(all(unix, not(target_vendor = "apple")))]
const AT_ONCE: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
#[cfg(all(unix, target_vendor = "apple"))]
const AT_ONCE: libc::c_int = libc::MSG_DONTWAIT;

/// The most bytes that the system keeps unsent before it takes no more. With less, two ends that
/// write at the same time, and read after that, would wait for each other sooner; with more, a peer
/// that reads 50 KiB a second would meet a Ping after them too late.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 512 << 10;
