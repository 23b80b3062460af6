//! The same with a [`Session`], which notes the signs of life itself: its memory may be its own, or
//! lent to it for a while, and it may be in halves.

use core::mem;

use ws_proto::{
    Buffers, Config, Connection, Incoming, Instant, Limits, Message, Outgoing, Prepared, Role,
    Session, State, Step, Timeouts, Verdict,
};

use super::Driver;
use crate::ear::Ear;
use crate::mouth::What;

/// With memory of its own. It writes many pieces at once.
#[derive(Debug)]
pub(crate) struct Whole {
    session: Session,
    ear: Ear,
}

impl Whole {
    /// Takes everything that was received.
    fn step(&mut self) {
        loop {
            match self.session.step().expect("in order") {
                Step::NeedData | Step::Closed => break,
                Step::Message(_) | Step::Control(_) => {}
            }
        }
    }
}

impl Driver for Whole {
    fn new(role: Role, timeouts: &Timeouts) -> Self {
        let mut config = Config::default();
        config.limits.max_message = u64::MAX;
        config.limits.max_unsent = usize::MAX;
        config.timeouts = *timeouts;
        Self {
            session: match role {
                Role::Server => Session::server(&config),
                Role::Client => Session::client(&config, [7; 32]),
            },
            ear: Ear::default(),
        }
    }

    fn state(&self) -> State {
        self.session.state()
    }

    fn send(&mut self, bytes: u64) {
        let payload = payload(self.session.role(), bytes);
        self.session.send(&payload).expect("there is room");
    }

    fn close(&mut self) {
        self.session.close(None).expect("open");
    }

    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let spare = self.session.spare_mut().expect("memory");
            let (read, rest) = bytes.split_at(bytes.len().min(spare.len()));
            spare[..read.len()].copy_from_slice(read);
            self.session.filled(read.len());
            self.step();
            bytes = rest;
        }
    }

    fn wants_write(&self) -> bool {
        self.session.wants_write()
    }

    fn write(&mut self, room: u64, left: &mut Vec<(u64, What)>) -> u64 {
        write_all(room, left, |room, left| {
            let mut pieces = [&[][..]; 8];
            let count = self.session.unsent_slices(&mut pieces);
            let taken = self.ear.take(&pieces[..count], room, left);
            self.session.sent(taken);
            taken
        })
    }

    fn check(&mut self, now: Instant) -> Verdict {
        self.session.check(now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }
}

/// With memory that is lent for each turn, as an event loop or a runtime that fills buffers does. It
/// writes piece by piece, and its messages go to many: a large payload is a piece of its own.
#[derive(Debug)]
pub(crate) struct Lent {
    whole: Whole,
    buffers: Buffers,
}

impl Lent {
    /// In bytes.
    const BUFFER: usize = 64 << 10;

    fn turn<T>(&mut self, turn: impl FnOnce(&mut Whole) -> T) -> T {
        self.whole.session.attach(mem::take(&mut self.buffers));
        let result = turn(&mut self.whole);
        self.buffers = self.whole.session.detach().expect("memory");
        result
    }
}

impl Driver for Lent {
    fn new(role: Role, timeouts: &Timeouts) -> Self {
        Self {
            whole: Whole::new(role, timeouts),
            buffers: Buffers::new(Self::BUFFER),
        }
    }

    fn state(&self) -> State {
        self.whole.state()
    }

    fn send(&mut self, bytes: u64) {
        let payload = payload(self.whole.session.role(), bytes);
        let prepared = Prepared::new(Message::Binary(&payload));
        let sent = self.turn(|whole| whole.session.send_prepared(&prepared));
        sent.expect("there is room");
    }

    fn close(&mut self) {
        self.turn(Driver::close);
    }

    fn read(&mut self, bytes: &[u8]) {
        // Each is full when it is attached.
        for read in bytes.chunks(Self::BUFFER) {
            let mut buffer = vec![0; Limits::LEFT_OVER];
            buffer.extend(read);
            let filled = Limits::LEFT_OVER..buffer.len();
            self.buffers = Buffers::received(buffer, filled);
            self.turn(Whole::step);
        }
    }

    fn wants_write(&self) -> bool {
        self.whole.wants_write()
    }

    fn write(&mut self, room: u64, left: &mut Vec<(u64, What)>) -> u64 {
        self.turn(|Whole { session, ear }| {
            write_all(room, left, |room, left| {
                let taken = ear.take(&[session.unsent()], room, left);
                session.sent(taken);
                taken
            })
        })
    }

    fn check(&mut self, now: Instant) -> Verdict {
        self.whole.check(now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.whole.deadline()
    }
}

/// In halves, as threads have it: what is to be written is swapped out, to be written without
/// holding the other half, and not too much at a time.
#[derive(Debug)]
pub(crate) struct Halves {
    incoming: Incoming,
    outgoing: Outgoing,
    /// What is being written.
    wire: Buffers,
    ear: Ear,
}

impl Halves {
    /// The most of one write, in bytes.
    const MOST: u64 = 64 << 10;
}

impl Driver for Halves {
    fn new(role: Role, timeouts: &Timeouts) -> Self {
        let Whole { session, ear } = Whole::new(role, timeouts);
        let (incoming, outgoing) = session.split();
        Self {
            incoming,
            outgoing,
            wire: Buffers::default(),
            ear,
        }
    }

    fn state(&self) -> State {
        self.outgoing.state()
    }

    fn send(&mut self, bytes: u64) {
        let payload = payload(self.outgoing.role(), bytes);
        self.outgoing.send(&payload).expect("there is room");
    }

    fn close(&mut self) {
        self.outgoing.close(None).expect("open");
    }

    fn read(&mut self, bytes: &[u8]) {
        self.incoming.push(bytes);
        loop {
            match self.incoming.step(&mut self.outgoing).expect("in order") {
                Step::NeedData | Step::Closed => break,
                Step::Message(_) | Step::Control(_) => {}
            }
        }
    }

    fn wants_write(&self) -> bool {
        self.wire.unsent_len() > 0 || self.outgoing.wants_write()
    }

    fn write(&mut self, room: u64, left: &mut Vec<(u64, What)>) -> u64 {
        write_all(room, left, |room, left| {
            if !self.wants_write() {
                return 0;
            }
            if self.wire.unsent_len() == 0 {
                self.outgoing.swap(&mut self.wire);
            }
            let mut pieces = [&[][..]; 8];
            let count = self.wire.unsent_slices(&mut pieces);
            let most = room.min(Self::MOST);
            let taken = self.ear.take(&pieces[..count], most, left);
            if taken == 0 {
                self.outgoing.on_blocked();
            } else {
                self.wire.sent(taken);
                self.outgoing.on_written(self.wire.unsent_len());
            }
            taken
        })
    }

    fn check(&mut self, now: Instant) -> Verdict {
        self.incoming.check(&mut self.outgoing, now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.outgoing.deadline()
    }
}

/// Writes until there is nothing left, or the transport takes nothing: `write` is one write.
fn write_all(
    room: u64,
    left: &mut Vec<(u64, What)>,
    mut write: impl FnMut(u64, &mut Vec<(u64, What)>) -> usize,
) -> u64 {
    let mut taken = 0;
    loop {
        let before = left.len();
        let more = write(room - taken, left) as u64;
        left[before..].iter_mut().for_each(|(at, _)| *at += taken);
        if more == 0 {
            return taken;
        }
        taken += more;
    }
}

/// The payload of a message whose frame has so many bytes.
fn payload(role: Role, bytes: u64) -> Vec<u8> {
    let limits = Limits::default();
    let connection = match role {
        Role::Server => Connection::server(&limits),
        Role::Client => Connection::client(&limits, [7; 32]),
    };
    let bytes = usize::try_from(bytes).expect("it fits");
    // The header grows with the payload.
    let header = connection.frame_len(bytes) - bytes;
    vec![0; bytes.saturating_sub(header)]
}
