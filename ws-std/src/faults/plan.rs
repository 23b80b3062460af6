//! The faults of a connection, and the calls at which they happen.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use crate::stream::Socket;

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Peek,
    Write,
    WriteAtOnce,
    /// It moves no bytes: an option of the socket, or its end.
    Setting,
}

/// A socket on which the planned calls fail.
pub(crate) struct Faulty {
    pub(crate) tcp: TcpStream,
    pub(crate) plan: Arc<Plan>,
}

impl Faulty {
    fn ask(&self, ask: impl FnOnce(&TcpStream) -> io::Result<()>) -> io::Result<()> {
        self.plan.make(Call::Setting, 0, |_| Ok(0))?;
        ask(&self.tcp)
    }
}

impl Socket for Faulty {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        let given = room.len();
        let make = |len| Socket::read(&self.tcp, &mut room[..len]);
        self.plan.make(Call::Read, given, make)
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.plan.write(Call::Write, pieces, |pieces| {
            Socket::write(&self.tcp, pieces)
        })
    }

    fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.plan.write(Call::WriteAtOnce, pieces, |pieces| {
            self.tcp.write_at_once(pieces)
        })
    }

    fn wait_readable(&self) -> io::Result<()> {
        self.plan.make(Call::Peek, 0, |_| Ok(0))?;
        self.tcp.wait_readable()
    }

    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.ask(|tcp| Socket::set_read_timeout(tcp, timeout))
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.ask(|tcp| Socket::set_write_timeout(tcp, timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.ask(|tcp| Socket::shutdown(tcp, how))
    }

    fn prepare(&self) -> io::Result<()> {
        self.ask(Socket::prepare)
    }
}

/// The fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It moves one byte.
    Short,
    /// It moves nothing, and says so.
    Zero,
    /// It moves nothing, and claims one byte more than there is room for.
    Lie,
    Error(io::ErrorKind),
}

/// The calls that fail, of those that a fault applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fails {
    /// So many from one on.
    From {
        first: usize,
        times: usize,
    },
    EveryOther,
    /// Two, and then one that does not.
    TwoOfThree,
    All,
}

/// The plan for one connection, and what came of it.
#[derive(Debug)]
pub(crate) struct Plan {
    fault: Option<Fault>,
    fails: Fails,
    /// Calls of other kinds do not.
    only: Option<Call>,
    /// Moved on by each call that is made to wait, as waiting would.
    clock: Option<Clock>,
    met: Mutex<Met>,
}

/// The calls that were made.
#[derive(Debug, Default)]
struct Met {
    /// Those that the fault applies to.
    calls: usize,
    failed: Vec<Call>,
}

/// More calls than any conversation takes, a byte at a time.
const FOR_EVER: usize = 5_000_000;

/// The time that a call seems to wait that is made to block.
const WAITED: Duration = Duration::from_secs(5);

impl Plan {
    pub(crate) fn new(fault: Fault, fails: Fails) -> Self {
        let fault = Some(fault);
        Self {
            fault,
            fails,
            only: None,
            clock: None,
            met: Mutex::default(),
        }
    }

    /// Nothing goes wrong.
    pub(crate) fn none() -> Self {
        Self {
            fault: None,
            ..Self::new(Fault::Short, Fails::All)
        }
    }

    /// Makes calls that wait move a clock on.
    pub(crate) fn on(mut self, clock: &Clock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Leaves calls of other kinds alone.
    pub(crate) const fn only(mut self, call: Call) -> Self {
        self.only = Some(call);
        self
    }

    /// The calls that failed.
    pub(crate) fn failed(&self) -> Vec<Call> {
        self.met.lock().unwrap().failed.clone()
    }

    pub(crate) fn make(
        &self,
        call: Call,
        given: usize,
        make: impl FnOnce(usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        match self.next(call) {
            None => make(given),
            Some(Fault::Short) => make(given.min(1)),
            Some(Fault::Zero) => Ok(0),
            Some(Fault::Lie) => Ok(given + 1),
            Some(Fault::Error(kind)) => {
                // A write that does not wait takes no time.
                if let Some(clock) = &self.clock
                    && call != Call::WriteAtOnce
                {
                    clock.advance(WAITED);
                }
                Err(kind.into())
            }
        }
    }

    /// Makes a write of `pieces`, of the first byte of them if it is to be short.
    fn write(
        &self,
        call: Call,
        pieces: &[IoSlice<'_>],
        make: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let given = pieces.iter().map(|piece| piece.len()).sum();
        self.make(call, given, |len| match pieces {
            [first, ..] if len < given => make(&[IoSlice::new(&first[..len])]),
            _ => make(pieces),
        })
    }

    /// The fault of this call.
    fn next(&self, call: Call) -> Option<Fault> {
        let fault = self.fault.filter(|fault| fault.concerns(call))?;
        if self.only.is_some_and(|only| only != call) {
            return None;
        }
        let once = matches!(self.fails, Fails::From { times: 1, .. });
        // No real socket fails at shutdown again and again.
        if call == Call::Setting && !once {
            return None;
        }
        let mut met = self.met.lock().unwrap();
        let at = met.calls;
        met.calls += 1;
        assert!(at < FOR_EVER, "a call is made for ever");
        let fails = match self.fails {
            Fails::From { first, times } => at >= first && at - first < times,
            Fails::EveryOther => at.is_multiple_of(2),
            Fails::TwoOfThree => at % 3 < 2,
            Fails::All => true,
        };
        fails.then(|| met.failed.push(call))?;
        Some(fault)
    }
}

impl Fault {
    /// Options of a socket are not interrupted, and do not wait; a peek moves nothing.
    fn concerns(self, call: Call) -> bool {
        match self {
            Self::Short => !matches!(call, Call::Setting | Call::Peek),
            Self::Zero | Self::Lie => !matches!(call, Call::Setting | Call::Peek),
            Self::Error(io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                call != Call::Setting
            }
            Self::Error(_) => true,
        }
    }
}
