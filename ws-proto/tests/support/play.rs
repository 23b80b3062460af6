//! A session that lives through a scenario, while other things happen to it between any two of its
//! operations.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use core::time::Duration;

use ws_proto::{
    Buffers, Close, CloseCode, Instant, Limits, Message, Part, Prepared, ProtocolError, Ready,
    SendError, Session, Shutdown, State, Step,
};
use ws_testkit::{CONTINUATION, Got, PING, Random, TEXT, frames};

#[cfg(feature = "deflate")]
use crate::life;
use crate::scenarios::{self, Act, KIND, Scenario};
use crate::support::session::{drain, seen_control};
use crate::support::{self, End};

/// How a program takes what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Step,
    /// It asks first what there is, and lends in between.
    Ready,
    /// The same, and takes messages with their memory.
    Take,
}

/// What else happens to the session, before and after each operation.
#[derive(Clone, Debug)]
pub(crate) enum Meanwhile {
    Nothing,
    /// Buffers are lent for each operation, and no longer.
    Lent,
    /// What is read is handed in, with so much room before it.
    Received(usize),
    /// One pair serves another session after each operation of this one.
    Guest,
    /// They are lent and taken back as chance has it.
    Random(u64),
    /// Something is begun, and dropped.
    Begun(Begun),
}

/// An operation that an adapter begins, and drops before it comes to anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// A read that writes to its buffer, and does not end.
    Read,
    /// A receive that finds out what there is, and does not take it.
    Receive,
    /// A write, of which the transport takes nothing.
    Write,
    /// The same, of several pieces.
    WriteSlices,
    /// A command that is refused.
    Send,
    /// The halves go to two tasks, and come back.
    Split,
    /// One after the other.
    All,
}

impl Begun {
    pub(crate) const EACH: [Self; 7] = [
        Self::Read,
        Self::Receive,
        Self::Write,
        Self::WriteSlices,
        Self::Send,
        Self::Split,
        Self::All,
    ];

    pub(crate) fn begin(self, session: &mut Session) {
        match self {
            Self::Read => session.spare_mut().expect("there is memory").fill(0xEE),
            // An error is there to stay: the program will see it too.
            Self::Receive => drop(session.ready()),
            Self::Write => {
                let _ = session.unsent();
            }
            Self::WriteSlices => {
                session.unsent_slices(&mut [&[][..]; 5]);
            }
            Self::Send => drop(session.ping(&[0; 126]).expect_err("it is too long")),
            Self::Split => {
                let other = Session::server(&Limits::default().into());
                let (incoming, outgoing) = core::mem::replace(session, other).split();
                *session = Session::join(incoming, outgoing);
            }
            Self::All => {
                for one in Self::EACH.into_iter().filter(|one| *one != Self::All) {
                    one.begin(session);
                }
            }
        }
    }

    /// Whether it makes the session look for what there is to write.
    pub(crate) const fn looks(self) -> bool {
        matches!(self, Self::Write | Self::WriteSlices | Self::All)
    }
}

/// All that the outside can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) seen: Vec<Got>,
    pub(crate) wrote: Vec<u8>,
    pub(crate) error: Option<ProtocolError>,
    pub(crate) refused: Vec<SendError>,
    /// After each act.
    pub(crate) stands: Vec<Stand>,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) state: State,
    pub(crate) shutdown: Shutdown,
    pub(crate) unsent: usize,
    pub(crate) has_room: bool,
    pub(crate) wants_write: bool,
    pub(crate) deadline: Option<Instant>,
}

/// A session that lives through a scenario.
pub(crate) struct Play {
    session: Session,
    style: Style,
    meanwhile: Meanwhile,
    random: Random,
    /// Those that are not lent.
    pairs: Vec<Buffers>,
    guest: Option<Guest>,
    told: Told,
    /// What is still to be written from where it is.
    owed: Vec<u8>,
}

impl Play {
    pub(crate) fn run(scenario: &Scenario, style: Style, meanwhile: &Meanwhile) -> Told {
        let seed = if let Meanwhile::Random(seed) = meanwhile {
            *seed
        } else {
            0
        };
        let mut play = Self {
            session: make(scenario),
            style,
            meanwhile: meanwhile.clone(),
            random: Random::new(seed),
            pairs: vec![Buffers::new(2048), Buffers::new(600)],
            guest: matches!(meanwhile, Meanwhile::Guest).then(|| Guest::new(scenario.end)),
            told: Told::default(),
            owed: Vec::new(),
        };
        for act in &scenario.acts {
            play.live(act);
            let session = &play.session;
            play.told.stands.push(Stand {
                state: session.state(),
                shutdown: session.shutdown(),
                unsent: session.unsent_len(),
                has_room: session.has_room(),
                wants_write: session.wants_write(),
                deadline: session.deadline(),
            });
        }
        play.write(usize::MAX);
        if let Some(guest) = play.guest {
            guest.end();
        }
        play.told
    }

    /// Asserts that exactly what is expected comes of it.
    pub(crate) fn check(scenario: &Scenario, style: Style, meanwhile: &Meanwhile, expected: &Told) {
        let told = Self::run(scenario, style, meanwhile);
        let Scenario { name, end, .. } = scenario;
        assert_eq!(
            told.seen, expected.seen,
            "{name}, {end:?}, {style:?}, {meanwhile:?}"
        );
        assert!(
            told == *expected,
            "{name}, {end:?}, {style:?}, {meanwhile:?}: {:?}\n{:?}",
            told.stands,
            expected.stands
        );
    }

    /// One operation, and what happens around it.
    fn op<T>(&mut self, operation: impl FnOnce(&mut Session) -> T) -> T {
        self.before();
        let result = operation(&mut self.session);
        self.after();
        result
    }

    fn before(&mut self) {
        match self.meanwhile {
            Meanwhile::Nothing | Meanwhile::Received(_) => {}
            Meanwhile::Lent | Meanwhile::Guest => {
                // A release gives back what is lent too.
                let pair = self.pairs.pop().unwrap_or_else(|| Buffers::new(2048));
                self.session.attach(pair);
            }
            Meanwhile::Random(_) => self.chance(),
            Meanwhile::Begun(begun) => begun.begin(&mut self.session),
        }
    }

    fn after(&mut self) {
        match self.meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Lent | Meanwhile::Received(_) => self.pairs.extend(self.session.detach()),
            Meanwhile::Guest => {
                let pair = self.session.detach().unwrap_or_default();
                let guest = self.guest.as_mut().expect("there is one");
                self.pairs.push(guest.turn(pair));
            }
            Meanwhile::Random(_) => self.chance(),
            Meanwhile::Begun(begun) => begun.begin(&mut self.session),
        }
    }

    fn chance(&mut self) {
        for _ in 0..self.random.below(3) {
            if self.random.below(2) == 0 {
                if let Some(pair) = self.pairs.pop() {
                    self.session.attach(pair);
                }
            } else {
                self.pairs.extend(self.session.detach());
            }
        }
        if self.pairs.len() > 3 {
            self.pairs.truncate(1);
        }
    }

    fn live(&mut self, act: &Act) {
        match act {
            Act::Make | Act::Prepare(_) | Act::IntoParts => {}
            Act::Read(bytes, portion) | Act::Lent(bytes, portion) => {
                for portion in bytes.chunks(*portion) {
                    self.read(portion);
                    self.steps();
                }
            }
            Act::Push(bytes) => {
                self.read(bytes);
                self.steps();
            }
            Act::Eof => {
                let end = self.op(Session::eof);
                self.note(end);
                self.steps();
            }
            Act::Send(bytes) => self.command(|session| session.send(bytes)),
            Act::SendText(text) => self.command(|session| session.send(text)),
            Act::SendLent(bytes) => {
                let mut len = 0;
                self.command(|session| {
                    len = session.send_by_reference(Message::Binary(bytes))?.len();
                    Ok(())
                });
                self.owed = bytes[..len].into();
                if len > 0 {
                    self.write(3);
                    self.write(len / 2);
                    self.write(usize::MAX);
                }
            }
            Act::SendPrepared(bytes) => {
                let prepared = Prepared::new(bytes);
                self.command(|session| session.send_prepared(&prepared));
            }
            Act::SendPart(bytes, part) => {
                self.command(|session| session.send_part(KIND, bytes, *part));
            }
            Act::Ping(bytes) => self.command(|session| session.ping(bytes)),
            Act::Pong(bytes) => self.command(|session| session.pong(bytes)),
            Act::Close(reason) => {
                let close = Close::new(CloseCode::NORMAL, reason).expect("a short one");
                self.command(|session| session.close(Some(close)));
            }
            Act::Write(most) => self.write(*most),
            Act::TakeUnsent => {
                let mut taken = Buffers::default();
                self.op(|session| {
                    let (_, outgoing) = session.halves();
                    outgoing.swap(&mut taken);
                    outgoing.on_written(0);
                });
                let mut slices = [&[][..]; 64];
                let count = taken.unsent_slices(&mut slices);
                self.told.wrote.extend(slices[..count].concat());
            }
            Act::Wait(seconds) => {
                let now = Instant::from_epoch(Duration::from_secs(*seconds));
                let _ = self.op(|session| session.check(now));
            }
            Act::Release => self.op(Session::release),
        }
    }

    /// All of `bytes` is received, however much room there is at once.
    fn read(&mut self, mut bytes: &[u8]) {
        let room = match self.meanwhile {
            Meanwhile::Received(room) => Some(room),
            Meanwhile::Random(_) if self.random.below(4) == 0 => Some(self.random.below(300)),
            _ => None,
        };
        if let Some(room) = room {
            let mut memory = vec![0xEE; room];
            memory.extend(bytes);
            memory.extend([0xEE; 9]);
            let pair = Buffers::received(memory, room..room + bytes.len());
            self.session.attach(pair);
            return;
        }
        while !bytes.is_empty() {
            let read = self.op(|session| support::session::read(session, bytes));
            bytes = &bytes[read.expect("there is memory")..];
        }
    }

    fn steps(&mut self) {
        while self.told.error.is_none() {
            let stepped = match self.style {
                Style::Step => self.op(|session| {
                    Ok(match session.step()? {
                        Step::Message(message) => Some(Got::from(message)),
                        Step::Control(event) => Some(seen_control(event)),
                        Step::NeedData | Step::Closed => None,
                    })
                }),
                Style::Ready | Style::Take => self.asked(),
            };
            match stepped {
                Ok(Some(seen)) => self.told.seen.push(seen),
                Ok(None) => return,
                Err(error) => self.note(Err(error)),
            }
        }
    }

    fn asked(&mut self) -> Result<Option<Got>, ProtocolError> {
        let takes = self.style == Style::Take;
        let seen = match self.op(Session::ready)? {
            Ready::Message if takes => {
                self.op(|session| Ok(session.take_message()?.map(|it| it.as_message().into())))
            }
            Ready::Message => self.op(|session| Ok(session.message()?.map(Got::from))),
            Ready::Control => self.op(|session| Ok(session.control()?.map(seen_control))),
            Ready::NeedData | Ready::Closed => return Ok(None),
        };
        assert_ne!(seen, Ok(None), "what was ready is gone");
        seen
    }

    fn note(&mut self, result: Result<(), ProtocolError>) {
        if let Err(error) = result {
            assert_eq!(*self.told.error.get_or_insert(error), error);
        }
    }

    fn command(&mut self, command: impl FnOnce(&mut Session) -> Result<(), SendError>) {
        if let Err(error) = self.op(command) {
            self.told.refused.push(error);
        }
    }

    /// The transport takes at most so many bytes: as many pieces as there are in one write.
    fn write(&mut self, most: usize) {
        let mut left = most;
        while left > 0 {
            let written = self.op(|session| {
                let mut slices = [&[][..]; 5];
                let count = session.unsent_slices(&mut slices);
                let mut written = slices[..count].concat();
                written.truncate(left);
                session.sent(written.len());
                written
            });
            if written.is_empty() {
                break;
            }
            left -= written.len();
            self.told.wrote.extend(written);
        }
        let owed = left.min(self.owed.len());
        if owed > 0 {
            self.told.wrote.extend(self.owed.drain(..owed));
            self.op(|session| session.sent(owed));
        }
    }
}

/// The other session that a pair is lent to. Each turn cuts what it receives and what it sends.
struct Guest {
    session: Session,
    stream: Vec<u8>,
    /// How long its last message is.
    last: usize,
    received: usize,
    messages: usize,
    sent: usize,
    wrote: Vec<u8>,
}

impl Guest {
    fn new(end: End) -> Self {
        Self {
            session: end.session(&Limits::default()),
            last: end.peer_frame(TEXT, b"whole").len(),
            stream: [
                end.peer_part(TEXT, b"in "),
                end.peer_frame(CONTINUATION, b"pieces"),
                end.peer_frame(TEXT, b"whole"),
            ]
            .concat(),
            received: 0,
            messages: 0,
            sent: 0,
            wrote: Vec::new(),
        }
    }

    fn turn(&mut self, pair: Buffers) -> Buffers {
        self.session.attach(pair);
        for _ in 0..7 {
            let at = self.received % self.stream.len();
            let read = support::session::read(&mut self.session, &self.stream[at..=at]);
            self.received += read.expect("there is memory");
        }
        while let Some(seen) = support::session::step(&mut self.session).expect("in order") {
            let expected = ["in pieces", "whole"][self.messages % 2];
            assert_eq!(seen, Got::Text(expected.into()));
            self.messages += 1;
        }
        if self.session.unsent_len() < 100 {
            self.session.send("from the guest").expect("room");
            self.sent += 1;
        }
        let unsent = self.session.unsent();
        let len = unsent.len().min(9);
        self.wrote.extend(&unsent[..len]);
        self.session.sent(len);
        self.session.detach().unwrap_or_default()
    }

    fn end(mut self) {
        self.wrote.extend(drain(&mut self.session));
        let written = frames(&self.wrote);
        assert!(
            written
                .iter()
                .all(|frame| frame.payload == b"from the guest")
        );
        assert_eq!(written.len(), self.sent);
        // Two messages in each round of the stream, and the first of the next if it is there.
        let whole = self.stream.len() - self.last;
        let first = self.received % self.stream.len() >= whole;
        let rounds = self.received / self.stream.len();
        assert_eq!(self.messages, 2 * rounds + usize::from(first));
    }
}

fn make(scenario: &Scenario) -> Session {
    let mut session = scenario.end.session(&scenario.limits);
    let _ = session.check(Instant::default());
    #[cfg(feature = "deflate")]
    if scenario.compressed {
        return session.compressed(&life::settings(), &life::agreed(12));
    }
    session
}

/// Conversations in which much is cut.
pub(crate) fn conversations() -> Vec<Scenario> {
    let mut all = scenarios::all();
    for end in End::BOTH {
        all.extend(cut(end));
    }
    all
}

fn cut(end: End) -> Vec<Scenario> {
    use Act::{Ping, Read, Release, Send, SendPart, SendPrepared, Wait, Write};
    let ping = end.peer_frame(PING, b"how are you");
    let nothing = [
        end.peer_part(TEXT, b""),
        ping.clone(),
        end.peer_part(CONTINUATION, b""),
        end.peer_frame(CONTINUATION, b""),
    ]
    .concat();
    let new = |name, acts| Scenario {
        name,
        end,
        compressed: false,
        limits: Limits::default(),
        acts,
        hard: 0,
    };
    let pinged = |acts: Vec<Act>| -> Vec<Act> {
        let ping = || Read(ping.clone(), 5);
        let between = acts
            .into_iter()
            .flat_map(|act| [act, ping(), ping(), ping()]);
        between.collect()
    };
    vec![
        new(
            "a message of empty fragments",
            vec![Read(nothing.clone(), 100), Read(nothing.clone(), 1)],
        ),
        new("the same, and silence", vec![Read(nothing, 1), Release]),
        new(
            "pinged while a shared payload is written",
            pinged(vec![
                SendPrepared(vec![1; 9000]),
                Write(14),
                Write(4000),
                SendPrepared(vec![2; 5000]),
                Write(5000),
                Send(vec![3; 10]),
                Write(4000),
                Ping(b"?".into()),
                Write(1),
                Write(1100),
            ]),
        ),
        new(
            "what is heard is a sign of life",
            vec![
                Wait(15),
                Read(ping.clone(), 100),
                Write(100),
                Wait(25),
                Wait(44),
                Write(100),
                Read(ping.clone(), 3),
                Wait(60),
                Wait(70),
            ],
        ),
        new("pinged, and reads in drops", pinged(vec![Write(1); 60])),
        new(
            "pinged within frames",
            pinged(vec![
                SendPart(vec![1; 100], Part::More),
                Write(50),
                SendPart(vec![1; 1000], Part::More),
                Write(700),
                SendPart(vec![1; 100], Part::Last),
                Write(700),
            ]),
        ),
        new(
            "more than is copied at each turn",
            pinged(vec![
                Send(vec![1; 100_000]),
                Write(50_000),
                Send(vec![2; 5000]),
                Write(60_000),
                Write(60_000),
            ]),
        ),
    ]
}
