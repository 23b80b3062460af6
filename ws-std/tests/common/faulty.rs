//! Sockets of ours on which calls fail as planned.

#![allow(dead_code, reason = "each test that has it uses its part")]

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use ws_std::Socket;
use ws_testkit::Pipe;
use ws_testkit::faults::{Call, Plan};

/// Our end of a stream in memory.
pub(crate) struct Ours(pub(crate) Arc<Pipe>);

impl Socket for Ours {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let pieces: Vec<_> = pieces.iter().map(|piece| &**piece).collect();
        self.0.write(&pieces.concat())
    }

    fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(pieces)
    }

    fn set_read_timeout(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shut(how);
        Ok(())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.0.shut(Shutdown::Both);
    }
}

/// A socket that is told what it will have to write later.
pub(crate) trait Owes: Socket {
    fn owe(&self, _len: usize) {}
}

impl Owes for TcpStream {}

impl Owes for Ours {
    fn owe(&self, len: usize) {
        self.0.owe(len);
    }
}

/// A socket on which calls fail as planned.
pub(crate) struct Faulty<S> {
    pub(crate) socket: S,
    pub(crate) plan: Arc<Plan>,
}

impl<S: Owes> Faulty<S> {
    fn ask(&self, ask: impl FnOnce(&S) -> io::Result<()>) -> io::Result<()> {
        self.plan.make(Call::Setting, 0, |_| Ok(0))?;
        ask(&self.socket)
    }

    /// Makes a write of `pieces`, or of the first byte of them.
    fn write(
        &self,
        call: Call,
        pieces: &[IoSlice<'_>],
        write: impl FnOnce(&S, &[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let given = pieces.iter().map(|piece| piece.len()).sum();
        let written = self.plan.make(call, given, |len| match pieces {
            [first, ..] if len < given => write(&self.socket, &[IoSlice::new(&first[..len])]),
            _ => write(&self.socket, pieces),
        });
        if let Err(error) = &written
            && error.kind() == io::ErrorKind::WouldBlock
        {
            self.socket.owe(given);
        }
        written
    }
}

impl<S: Owes> Socket for Faulty<S> {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        let given = room.len();
        let read = |len| self.socket.read(&mut room[..len]);
        self.plan.make(Call::Read, given, read)
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(Call::Write, pieces, S::write)
    }

    fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(Call::WriteAtOnce, pieces, S::write_at_once)
    }

    fn wait_readable(&self) -> io::Result<()> {
        self.plan.make(Call::Wait, 0, |_| Ok(0))?;
        self.socket.wait_readable()
    }

    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.ask(|socket| socket.set_read_timeout(timeout))
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.ask(|socket| socket.set_write_timeout(timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.ask(|socket| socket.shutdown(how))
    }

    fn prepare(&self) -> io::Result<()> {
        self.ask(S::prepare)
    }
}
