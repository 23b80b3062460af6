//! An open connection: its messages in flight, and the echoes that bring the next.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::mem;

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use ws_proto::{
    Buffers, Close, CloseCode, Instant, Limits, ProtocolError, SendError, Session, Step,
};
use ws_std::Clock;

use super::payload::{Check, Payload};
use crate::args::plain;
use crate::text::Escaped;

/// The part that the connections of a run share.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) clock: Clock,
    pub(crate) payload: Payload,
    /// In nanoseconds, from handing a message over until its echo was read.
    pub(crate) latencies: Histogram<u64>,
    /// The number of messages that may still be sent.
    pub(crate) left: u64,
    /// The time at which something was last received.
    pub(crate) heard: Instant,
    /// Each echo brings the next message.
    pub(crate) is_closed_loop: bool,
    /// The buffer that all connections read into: it stays in the processor's cache.
    buffers: Buffers,
}

impl Work {
    pub(crate) fn new(
        payload: Payload,
        left: u64,
        limits: &Limits,
    ) -> Result<Self, hdrhistogram::CreationError> {
        let clock = Clock::system();
        Ok(Self {
            heard: clock.now(),
            clock,
            payload,
            is_closed_loop: true,
            latencies: Histogram::new_with_bounds(1, LONGEST, DIGITS)?,
            left,
            buffers: Buffers::new(limits.read_buffer),
        })
    }

    /// Takes up to `wanted` from what may still be sent.
    fn allot(&mut self, wanted: u64) -> u64 {
        let allotted = wanted.min(self.left);
        self.left -= allotted;
        allotted
    }
}

/// The longest latency that is distinguished from longer ones, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// Latencies that differ in the first three digits are distinguished.
const DIGITS: u8 = 3;

/// A connection that carries load.
#[derive(Debug)]
pub(crate) struct Peer {
    socket: TcpStream,
    session: Session,
    /// The time from which the latency of each message in flight counts, the oldest first: when it was
    /// handed over, or was due.
    in_flight: VecDeque<Instant>,
    /// Messages that are due and not handed over yet, by the time at which they were.
    due: VecDeque<Instant>,
    echoed: u64,
    /// Messages to be sent as soon as there is room for them.
    owed: u64,
    end: End,
}

/// The stage of the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Far,
    /// We have closed.
    Asked,
    /// Nothing more will come.
    Reached,
}

/// The purpose of a wake-up of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wake {
    pub(crate) is_readable: bool,
    /// The end of the stream is there to be read: what was received before it does not say so.
    pub(crate) has_ended: bool,
}

impl Peer {
    pub(crate) const fn new(socket: TcpStream, session: Session) -> Self {
        Self {
            socket,
            session,
            in_flight: VecDeque::new(),
            due: VecDeque::new(),
            echoed: 0,
            owed: 0,
            end: End::Far,
        }
    }

    /// Sends the first messages.
    pub(crate) fn begin(&mut self, in_flight: u64, work: &mut Work) -> Result<(), String> {
        self.owed = work.allot(in_flight);
        self.transmit(work.clock.now(), work)
    }

    /// Owes a message since this time.
    pub(crate) fn owe(&mut self, due: Instant) {
        self.due.push_back(due);
    }

    /// Sends what it owes.
    pub(crate) fn pay(&mut self, work: &mut Work) -> Result<(), String> {
        self.transmit(work.clock.now(), work)
    }

    /// Whether all that was due has come back.
    pub(crate) fn is_even(&self) -> bool {
        self.in_flight.is_empty() && self.due.is_empty()
    }

    /// Reads what is there, and sends as many messages as were answered.
    pub(crate) fn turn(&mut self, wake: Wake, work: &mut Work) -> Result<(), String> {
        self.session.attach(mem::take(&mut work.buffers));
        let turned = self.turn_attached(wake, work);
        // If there is no memory for what is left over, the buffers stay with the session.
        work.buffers = self.session.detach().unwrap_or_default();
        turned
    }

    fn turn_attached(&mut self, wake: Wake, work: &mut Work) -> Result<(), String> {
        let mut now = None;
        if wake.is_readable {
            match self.receive(wake, work) {
                Ok(at) => now = at,
                Err(line) => {
                    // A peer that broke the protocol gets our Close, if that takes no waiting.
                    let _ = self.write();
                    return Err(line);
                }
            }
        }
        let now = now.unwrap_or_else(|| work.clock.now());
        self.transmit(now, work)
    }

    /// Starts the closing handshake.
    pub(crate) fn close(&mut self) -> Result<(), String> {
        self.end = End::Asked;
        self.owed = 0;
        self.due.clear();
        let close = Close::new(CloseCode::NORMAL, "").ok();
        self.session.close(close).map_err(|e| e.to_string())?;
        self.write()
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.end, End::Reached)
    }

    /// Reads until nothing is left, and returns when that was.
    fn receive(&mut self, wake: Wake, work: &mut Work) -> Result<Option<Instant>, String> {
        let mut now = None;
        loop {
            let spare = self.session.spare_mut().map_err(broken)?;
            let room = spare.len();
            match self.socket.read(spare) {
                Ok(0) => {
                    self.end = match self.end {
                        End::Far => {
                            return self
                                .session
                                .eof()
                                .map_or_else(|e| Err(broken(e)), |()| Ok(now));
                        }
                        _ => End::Reached,
                    };
                    return Ok(now);
                }
                Ok(len) => {
                    self.session.filled(len);
                    let at = work.clock.now();
                    now = Some(at);
                    work.heard = at;
                    self.take_echoes(at, work)?;
                    if len < room && SHORT_READ_IS_ALL && !wake.has_ended {
                        return Ok(now);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(now),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    /// Deals with everything that was received, at one reading of the clock.
    fn take_echoes(&mut self, at: Instant, work: &mut Work) -> Result<(), String> {
        let before = self.echoed;
        loop {
            match self.session.step().map_err(broken)? {
                Step::Message(message) => {
                    let check = match self.echoed {
                        0 => Check::Whole,
                        _ => Check::Number,
                    };
                    let Some(sent) = self.in_flight.pop_front() else {
                        return Err("the server sent a message that is no echo".into());
                    };
                    if !work.payload.is_echoed(message, self.echoed, check) {
                        return Err("the echo differs from what was sent".into());
                    }
                    self.echoed += 1;
                    let latency = at.saturating_duration_since(sent).as_nanos();
                    let latency = u64::try_from(latency).unwrap_or(u64::MAX);
                    work.latencies.saturating_record(latency);
                }
                Step::Control(_) => {}
                Step::NeedData => break,
                Step::Closed => {
                    if self.end == End::Far {
                        return Err(self.closed());
                    }
                    break;
                }
            }
        }
        if self.end == End::Far && work.is_closed_loop {
            self.owed += work.allot(self.echoed - before);
        }
        Ok(())
    }

    /// Frames what is to be sent and writes it, until there is nothing left or the socket takes no
    /// more. A client masks what it sends, so the one copy of a message is the masked one.
    fn transmit(&mut self, mut now: Instant, work: &mut Work) -> Result<(), String> {
        loop {
            while self.owed > 0 || !self.due.is_empty() {
                let number = self.echoed + self.in_flight.len() as u64;
                match self.session.send(work.payload.numbered(number)) {
                    Ok(()) => match self.due.pop_front() {
                        Some(due) => {
                            self.in_flight.push_back(due);
                            continue;
                        }
                        None => self.in_flight.push_back(now),
                    },
                    Err(SendError::Full { .. }) => break,
                    Err(error) => return Err(error.to_string()),
                }
                self.owed -= 1;
            }
            self.write()?;
            let is_paid = self.owed == 0 && self.due.is_empty();
            if is_paid || !self.session.unsent().is_empty() {
                return Ok(());
            }
            now = work.clock.now();
        }
    }

    /// Writes until nothing is unsent, or the socket takes no more.
    fn write(&mut self) -> Result<(), String> {
        loop {
            let unsent = self.session.unsent();
            if unsent.is_empty() {
                return Ok(());
            }
            match self.socket.write(unsent) {
                Ok(len) => self.session.sent(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    fn closed(&self) -> String {
        match self.session.peer_close() {
            Some(close) if close.reason().is_empty() => {
                format!("the server closed with {}", close.code())
            }
            Some(close) => {
                let reason = Escaped(close.reason());
                format!("the server closed with {}: {reason}", close.code())
            }
            None => "the server closed without a status code".into(),
        }
    }
}

/// Where the poll says that more has come, even if a read did not empty the socket before: not
/// where it says so only after a read that had to wait.
const SHORT_READ_IS_ALL: bool = cfg!(unix);

fn broken(error: ProtocolError) -> String {
    match error {
        ProtocolError::UnexpectedEof => "the connection was lost: it ended without a close".into(),
        ProtocolError::MessageTooBig { .. } => "the echo differs from what was sent".into(),
        error if error.is_limit() => format!("the server sent more than is accepted: {error}"),
        error => format!("the server broke the protocol: {error}"),
    }
}

fn lost(error: &io::Error) -> String {
    format!("the connection was lost: {}", plain(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net;
    use std::time::Duration;
    use ws_proto::{Config, Kind};

    /// What a stall of ours holds up is in the latencies, as what a stall of the server holds up.
    #[test]
    fn a_message_that_leaves_late_counts_from_when_it_was_due() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let mut work = Work::new(Payload::new(Kind::Binary, 16), 1, &Limits::DEFAULT).unwrap();
        (work.clock, work.is_closed_loop) = (Clock::manual(), false);
        let session = Session::client(&Config::DEFAULT, [7; 32]);
        let mut peer = Peer::new(TcpStream::from_std(socket), session);

        peer.owe(work.clock.now());
        work.clock.advance(Duration::from_secs(2));
        peer.pay(&mut work).unwrap();
        assert!(!peer.is_even());
        let mut echo = Session::server(&Config::DEFAULT);
        while echo.unsent().is_empty() {
            let len = server.read(echo.spare_mut().unwrap()).unwrap();
            echo.filled(len);
            let (incoming, outgoing) = echo.halves();
            if let Step::Message(message) = incoming.step(outgoing).unwrap() {
                outgoing.send(message).unwrap();
            }
        }
        server.write_all(echo.unsent()).unwrap();
        work.clock.advance(Duration::from_secs(1));
        let wake = Wake {
            is_readable: true,
            has_ended: false,
        };
        // Its socket waits, as it was not told otherwise.
        while !peer.is_even() {
            peer.turn(wake, &mut work).unwrap();
        }
        let latency = Duration::from_nanos(work.latencies.max());
        assert_eq!((work.latencies.len(), latency.as_secs()), (1, 3));
    }
}
