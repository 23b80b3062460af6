//! A circumstance: calls on a socket go wrong, each of them once, some, or all.
//!
//! A [`Plan`] says which calls fail, and how. An adapter's tests have their socket make its calls
//! through one, over a [`Pipe`](crate::Pipe) or what else carries bytes.

use core::fmt;
use std::io;
use std::sync::Mutex;

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// To read.
    Read,
    /// To wait for something to read.
    Wait,
    /// To write, and wait.
    Write,
    /// To write what can be written at once.
    WriteAtOnce,
    /// It moves no bytes: an option of the socket, or its end.
    Setting,
}

/// The fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It moves one byte.
    Short,
    /// It moves nothing, and says so.
    Zero,
    /// It moves nothing, and claims one byte more than there is room for.
    Lie,
    /// It fails.
    Error(io::ErrorKind),
}

/// The calls that fail, of those that a fault applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// So many from one on.
    From {
        /// The number of the first, from 0.
        first: usize,
        /// How many.
        times: usize,
    },
    /// The first, the third, and so on.
    EveryOther,
    /// Two, and then one that does not.
    TwoOfThree,
    /// Each.
    All,
}

/// The plan for one connection, and what came of it.
pub struct Plan {
    fault: Option<Fault>,
    fails: Fails,
    /// Calls of other kinds do not.
    only: Option<Call>,
    /// Is called by each call that waits and fails with an error.
    waited: Option<Box<dyn Fn() + Send + Sync>>,
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

impl Plan {
    /// Those calls fail so.
    #[must_use]
    pub fn new(fault: Fault, fails: Fails) -> Self {
        let fault = Some(fault);
        Self {
            fault,
            fails,
            only: None,
            waited: None,
            met: Mutex::default(),
        }
    }

    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self {
            fault: None,
            ..Self::new(Fault::Short, Fails::All)
        }
    }

    /// Has each call that may wait and fails with an error call `waited`: to move a clock on, as
    /// waiting would.
    #[must_use]
    pub fn waiting(mut self, waited: impl Fn() + Send + Sync + 'static) -> Self {
        self.waited = Some(Box::new(waited));
        self
    }

    /// Leaves calls of other kinds alone.
    #[must_use]
    pub fn only(mut self, call: Call) -> Self {
        self.only = Some(call);
        self
    }

    /// The calls that failed.
    ///
    /// # Panics
    ///
    /// If a call panicked.
    #[must_use]
    pub fn failed(&self) -> Vec<Call> {
        self.met.lock().expect("no call panics").failed.clone()
    }

    /// Makes a call that may move `given` bytes: `make` is given how many it may.
    ///
    /// # Errors
    ///
    /// As planned, or what `make` fails with.
    pub fn make(
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
                if let Some(waited) = &self.waited
                    && call != Call::WriteAtOnce
                {
                    waited();
                }
                Err(kind.into())
            }
        }
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
        let mut met = self.met.lock().expect("no call panics");
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
    /// Options of a socket are not interrupted, and do not wait; waiting moves nothing.
    fn concerns(self, call: Call) -> bool {
        match self {
            Self::Short | Self::Zero | Self::Lie => !matches!(call, Call::Setting | Call::Wait),
            Self::Error(io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                call != Call::Setting
            }
            Self::Error(_) => true,
        }
    }

    /// Whether a conversation in which these calls failed goes on as if nothing had happened.
    #[must_use]
    pub fn is_survived(self, failed: &[Call]) -> bool {
        match self {
            Self::Short | Self::Error(io::ErrorKind::Interrupted) => true,
            Self::Error(io::ErrorKind::WouldBlock) => !failed.contains(&Call::Write),
            Self::Zero | Self::Lie | Self::Error(_) => false,
        }
    }

    /// Whether an error, as `Debug` writes it, says what went wrong.
    #[must_use]
    pub fn is_told_by(self, error: &str, failed: &[Call]) -> bool {
        let read = failed.contains(&Call::Read);
        let wrote = failed.contains(&Call::Write) || failed.contains(&Call::WriteAtOnce);
        if self.is_survived(failed) {
            return false;
        }
        match self {
            Self::Error(io::ErrorKind::WouldBlock) => {
                ["TimedOut(Pong)", "TimedOut(Close)"].contains(&error)
            }
            Self::Zero => match error {
                "Protocol(UnexpectedEof)" | "Io(Kind(UnexpectedEof))" => read,
                _ => wrote && error == "Io(Kind(WriteZero))",
            },
            Self::Lie => error == "Io(Kind(InvalidData))",
            Self::Error(kind) => error == format!("Io(Kind({kind:?}))"),
            Self::Short => false,
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("fault", &self.fault)
            .field("fails", &self.fails)
            .field("met", &self.met)
            .finish_non_exhaustive()
    }
}
