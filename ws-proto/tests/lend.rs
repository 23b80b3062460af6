//! *Lend*: that buffers are attached and taken back, at any point and in any order, changes no byte
//! that is sent and no event that is given; and a session keeps what it must, and no more.

#![cfg(feature = "alloc")]

#[allow(dead_code, reason = "only what is compressed comes from there")]
#[path = "support/life.rs"]
mod life;
#[path = "support/scenarios.rs"]
mod scenarios;
mod support;

use core::time::Duration;

use proptest::prelude::*;
use scenarios::{Act, KIND, Scenario};
use support::End;
use support::session::{drain, seen_control};
use ws_proto::{
    Buffers, Close, CloseCode, Instant, Limits, Message, Part, Prepared, ProtocolError, Ready,
    SendError, Session, Shutdown, State, Step,
};
use ws_testkit::counting::{Counting, Failing, failing, live, usage};
use ws_testkit::{BINARY, CONTINUATION, Got, PING, Random, TEXT, frames};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How a program takes what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Step,
    /// It asks first what there is, and lends in between.
    Ready,
    /// The same, and takes messages with their memory.
    Take,
}

/// When buffers are lent.
#[derive(Clone, Debug)]
enum Lending {
    Never,
    /// For each operation, and no longer.
    Always,
    /// What is read is handed in, with so much room before it.
    Received(usize),
    /// One pair serves another session after each operation of this one.
    Guest,
    /// As chance has it.
    Random(u64),
}

/// All that the outside can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    seen: Vec<Got>,
    wrote: Vec<u8>,
    error: Option<ProtocolError>,
    refused: Vec<SendError>,
    /// After each act.
    stands: Vec<(State, Shutdown, usize, bool, bool, Option<Instant>)>,
}

/// A session that lives through a scenario.
struct Play {
    session: Session,
    style: Style,
    lending: Lending,
    random: Random,
    /// Those that are not lent.
    pairs: Vec<Buffers>,
    guest: Option<Guest>,
    told: Told,
    /// What is still to be written from where it is.
    owed: Vec<u8>,
}

impl Play {
    fn run(scenario: &Scenario, style: Style, lending: &Lending) -> Told {
        let seed = if let Lending::Random(seed) = lending {
            *seed
        } else {
            0
        };
        let mut play = Self {
            session: make(scenario),
            style,
            lending: lending.clone(),
            random: Random::new(seed),
            pairs: vec![Buffers::new(2048), Buffers::new(600)],
            guest: matches!(lending, Lending::Guest).then(|| Guest::new(scenario.end)),
            told: Told::default(),
            owed: Vec::new(),
        };
        for act in &scenario.acts {
            play.live(act);
            let session = &play.session;
            play.told.stands.push((
                session.state(),
                session.shutdown(),
                session.unsent_len(),
                session.has_room(),
                session.wants_write(),
                session.deadline(),
            ));
        }
        play.write(usize::MAX);
        if let Some(guest) = play.guest {
            guest.end();
        }
        play.told
    }

    /// One operation, and the lending around it.
    fn op<T>(&mut self, operation: impl FnOnce(&mut Session) -> T) -> T {
        self.lend();
        let result = operation(&mut self.session);
        self.take_back();
        result
    }

    fn lend(&mut self) {
        match self.lending {
            Lending::Never => {}
            Lending::Always | Lending::Guest => {
                // A release gives back what is lent too.
                let pair = self.pairs.pop().unwrap_or_else(|| Buffers::new(2048));
                self.session.attach(pair);
            }
            Lending::Received(_) => {}
            Lending::Random(_) => self.chance(),
        }
    }

    fn take_back(&mut self) {
        match self.lending {
            Lending::Never => {}
            Lending::Always | Lending::Received(_) => self.pairs.extend(self.session.detach()),
            Lending::Guest => {
                let pair = self.session.detach().unwrap_or_default();
                let guest = self.guest.as_mut().expect("there is one");
                self.pairs.push(guest.turn(pair));
            }
            Lending::Random(_) => self.chance(),
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
        let room = match self.lending {
            Lending::Received(room) => Some(room),
            Lending::Random(_) if self.random.below(4) == 0 => Some(self.random.below(300)),
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
fn conversations() -> Vec<Scenario> {
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

fn check(scenario: &Scenario, style: Style, lending: &Lending, expected: &Told) {
    let told = Play::run(scenario, style, lending);
    let Scenario { name, end, .. } = scenario;
    assert_eq!(
        told.seen, expected.seen,
        "{name}, {end:?}, {style:?}, {lending:?}"
    );
    assert!(
        told == *expected,
        "{name}, {end:?}, {style:?}, {lending:?}: {:?}\n{:?}",
        told.stands,
        expected.stands
    );
}

#[test]
fn lend_at_each_operation_changes_no_byte_and_no_event() {
    for scenario in conversations() {
        let expected = Play::run(&scenario, Style::Step, &Lending::Never);
        for style in [Style::Step, Style::Ready, Style::Take] {
            for lending in [
                Lending::Never,
                Lending::Always,
                Lending::Received(0),
                Lending::Received(10),
                Lending::Received(Limits::LEFT_OVER),
                Lending::Guest,
            ] {
                check(&scenario, style, &lending, &expected);
            }
        }
    }
}

#[test]
fn lend_by_chance_changes_no_byte_and_no_event() {
    for scenario in conversations() {
        let expected = Play::run(&scenario, Style::Step, &Lending::Never);
        for seed in 0..if cfg!(miri) { 1 } else { 12 } {
            let style =
                [Style::Step, Style::Ready, Style::Take][usize::try_from(seed % 3).unwrap()];
            check(&scenario, style, &Lending::Random(seed), &expected);
        }
    }
}

/// Anything at all, of which messages that arrive in pieces are the larger part.
fn act(end: End, what: u8, len: u16) -> Act {
    let len = usize::from(len);
    let bytes = vec![what; len];
    let portion = [1, 7, 100, 1000, 1 << 20][len % 5];
    match what % 20 {
        0 => Act::Read(end.peer_frame(BINARY, &bytes), portion.max(len / 50)),
        1 => Act::Read(end.peer_frame(TEXT, &vec![b'x'; len % 200]), portion),
        2 => Act::Read(end.peer_frame(PING, &bytes[..len % 126]), portion),
        3 => Act::Read(
            [
                end.peer_part(TEXT, &vec![b'x'; len % 3000]),
                end.peer_frame(PING, b"between"),
                end.peer_frame(CONTINUATION, &vec![b'x'; len % 300]),
            ]
            .concat(),
            portion.max(7),
        ),
        4 => Act::Read(
            end.peer_frame(BINARY, &bytes[..len % 100]).repeat(9),
            portion,
        ),
        5 => Act::Send(bytes),
        6 => Act::Send(vec![what; len % 200]),
        7 => Act::SendPrepared(bytes),
        8 => Act::SendPrepared(vec![what; 4096]),
        9 => Act::SendPart(vec![what; len % 2000], Part::More),
        10 => Act::SendPart(vec![what; len % 2000], Part::Last),
        11 => Act::Ping(vec![what; len % 126]),
        12 => Act::Pong(vec![what; len % 126]),
        13 => Act::SendLent(bytes),
        14 => Act::Write(len % 7),
        15 => Act::Write(len % 300),
        16 | 17 => Act::Write(len),
        18 => Act::TakeUnsent,
        _ => Act::Release,
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 400 })
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn lend_in_any_conversation_changes_no_byte_and_no_event(
        server in any::<bool>(),
        compressed in any::<bool>(),
        max_unsent in prop::sample::select(vec![1 << 20, 3000]),
        acts in prop::collection::vec((any::<u8>(), 0_u16..10_000), 1..25),
        seed in any::<u32>(),
    ) {
        let end = if server { End::Server } else { End::Client };
        let mut limits = Limits::default();
        limits.max_unsent = max_unsent;
        limits.read_buffer = 4096;
        let scenario = Scenario {
            name: "any",
            end,
            compressed,
            limits,
            acts: acts.into_iter().map(|(what, len)| act(end, what, len)).collect(),
            hard: 0,
        };
        let expected = Play::run(&scenario, Style::Step, &Lending::Never);
        let style = [Style::Step, Style::Ready, Style::Take][(seed % 3) as usize];
        check(&scenario, style, &Lending::Random(seed.into()), &expected);
        check(&scenario, style, &Lending::Always, &expected);
        check(&scenario, style, &Lending::Received(20), &expected);
    }
}

/// However much waits: it is not copied at each turn, neither what was received nor what is to be
/// sent. What is allocated for a copy is counted.
#[test]
fn lend_with_megabytes_left_over_copies_none_of_them() {
    const LEN: usize = 4 << 20;
    for end in End::BOTH {
        let mut limits = Limits::default();
        limits.max_message = 2 * LEN as u64;
        let mut session = end.session(&limits);
        let mut pair = Buffers::new(64 << 10);
        // A message of which half has come, and one of which half was written.
        let wire = end.peer_frame(BINARY, &vec![7; LEN]);
        for piece in wire[..LEN / 2].chunks(32 << 10) {
            session.attach(pair);
            let mut piece = piece;
            while !piece.is_empty() {
                let read = support::session::read(&mut session, piece).expect("memory");
                piece = &piece[read..];
                assert_eq!(session.step(), Ok(Step::NeedData));
            }
            pair = session.detach().expect("memory");
        }
        session.send(&vec![9; LEN]).expect("room");
        session.sent(LEN / 2);

        let (mut lent, turns) = (Some(pair), 200);
        let ((), counted) = usage(|| {
            for _ in 0..turns {
                session.attach(lent.take().expect("it came back"));
                assert_eq!(session.step(), Ok(Step::NeedData));
                assert!(session.unsent().len() > LEN / 4);
                session.sent(1);
                lent = session.detach();
            }
        });
        assert!(counted.calls <= 2, "{counted:?}");
        assert!(counted.moved + counted.peak <= 64 << 10, "{counted:?}");
        let mut rest = &wire[LEN / 2..];
        while !rest.is_empty() {
            let read = support::session::read(&mut session, rest).expect("memory");
            rest = &rest[read..];
            match session.step().expect("in order") {
                Step::NeedData => {}
                Step::Message(message) => assert_eq!(message.as_bytes(), vec![7; LEN]),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(session.step(), Ok(Step::NeedData));
        assert_eq!(
            drain(&mut session).len(),
            session_frame_len(end, LEN) - LEN / 2 - turns
        );
    }
}

const fn session_frame_len(end: End, len: usize) -> usize {
    match end {
        End::Server => len + 10,
        End::Client => len + 14,
    }
}

/// Without memory for what is left over, the buffers stay where they are, and nothing is lost.
#[test]
fn lend_without_memory_for_what_is_left_over_takes_nothing_back() {
    for end in End::BOTH {
        let wire = [
            end.peer_frame(TEXT, b"a cut one"),
            end.peer_frame(TEXT, b"another"),
        ]
        .concat();
        for cut in 1..wire.len() {
            for at in 1.. {
                let mut session = end.session(&Limits::default());
                session.attach(Buffers::new(1024));
                session.spare_mut().expect("memory")[..cut].copy_from_slice(&wire[..cut]);
                session.filled(cut);
                session.send("unsent").expect("room");
                let mut seen = Vec::new();
                seen.extend(support::session::step(&mut session).expect("in order"));
                let (taken, failed) = failing(Failing::From(at), || session.detach());
                let taken = taken.is_some_and(|pair| pair.has_memory());
                assert!(taken || failed > 0);
                session.push(&wire[cut..]);
                while let Some(next) = support::session::step(&mut session).expect("in order") {
                    seen.push(next);
                }
                let texts = [Got::Text("a cut one".into()), Got::Text("another".into())];
                assert_eq!(seen, texts, "cut at {cut}, from {at} no memory");
                let written = frames(&drain(&mut session));
                assert_eq!(written[0].payload, b"unsent");
                if failed == 0 {
                    break;
                }
            }
        }
    }
}

/// A loop that serves many: each owns what is left over of its own, and nothing else; and nothing
/// at all once nothing is left over.
#[test]
fn lend_leaves_a_session_what_is_left_over_and_no_more() {
    for end in End::BOTH {
        let wire = end.peer_frame(TEXT, &[b'x'; 100]);
        let mut sessions: Vec<_> = (0..100).map(|_| end.session(&Limits::default())).collect();
        let mut pair = Some(Buffers::new(64 << 10));
        let mut turn = |session: &mut Session, bytes: &[u8]| {
            session.attach(pair.take().expect("it came back"));
            assert_eq!(support::session::read(session, bytes), Ok(bytes.len()));
            while let Step::Message(message) = session.step().expect("in order") {
                assert_eq!(message.as_bytes().len(), 100);
            }
            pair = session.detach();
        };
        sessions.iter_mut().for_each(|session| turn(session, &wire));
        let idle = live();
        sessions
            .iter_mut()
            .for_each(|session| turn(session, &wire[..5]));
        let each = (live() - idle) / 100;
        assert!((1..=256).contains(&each), "{each} for a cut header");
        sessions
            .iter_mut()
            .for_each(|session| turn(session, &wire[5..60]));
        let each = (live() - idle) / 100;
        assert!((1..=512).contains(&each), "{each} for half a message");
        sessions
            .iter_mut()
            .for_each(|session| turn(session, &wire[60..]));
        assert!(live() <= idle + 1024, "{}", live() - idle);
        assert!(sessions.iter().all(Session::is_released));
    }
}

/// A large message has left the loop a large buffer. A session that is cut within a short message
/// takes what it has of that, and the large buffer stays with the loop.
#[test]
fn lend_leaves_the_large_buffer_with_who_lent_it() {
    const LEN: usize = 1 << 20;
    for end in End::BOTH {
        let mut limits = Limits::default();
        limits.max_message = LEN as u64;
        let mut pair = Some(Buffers::new(64 << 10));
        let mut turn = |session: &mut Session, mut bytes: &[u8]| {
            session.attach(pair.take().expect("it came back"));
            let mut messages = 0;
            while !bytes.is_empty() {
                let read = support::session::read(session, bytes).expect("memory");
                bytes = &bytes[read..];
                while let Step::Message(_) = session.step().expect("in order") {
                    messages += 1;
                }
            }
            pair = session.detach();
            messages
        };
        let large = end.peer_frame(BINARY, &vec![7; LEN]);
        assert_eq!(turn(&mut end.session(&limits), &large), 1);

        let short = end.peer_frame(BINARY, &vec![7; 100_000]);
        let mut sessions: Vec<_> = (0..20).map(|_| end.session(&limits)).collect();
        let idle = live();
        for session in &mut sessions {
            assert_eq!(turn(session, &short[..90_000]), 0);
        }
        let each = (live() - idle) / 20;
        assert!((90_000..=92_000).contains(&each), "{each}");
        for session in &mut sessions {
            assert_eq!(turn(session, &short[90_000..]), 1);
        }
        assert!(live() <= idle + 1024, "{} too many", live() - idle);
        // It is still as large.
        let (messages, counted) = usage(|| turn(&mut sessions[0], &large));
        assert_eq!(messages, 1);
        assert!(counted.peak < LEN / 2, "{counted:?}");
        // Also for one whose header was cut before.
        assert_eq!(turn(&mut sessions[0], &large[..5]), 0);
        let (messages, counted) = usage(|| turn(&mut sessions[0], &large[5..]));
        assert_eq!(messages, 1);
        assert!(counted.peak < LEN / 2, "{counted:?}");
    }
}

/// Little that is left over moves to what is lent, which has room for more; much stays where it is.
#[test]
fn lend_moves_what_is_little_and_leaves_what_is_much() {
    for end in End::BOTH {
        let mut pair = Some(Buffers::new(1024));
        let mut other = end.session(&Limits::default());
        other.attach(pair.take().expect("it is there"));
        other.send(&[7; 60_000]).expect("room");
        let _ = drain(&mut other);
        let pair = other.detach().expect("memory");
        let mut session = end.session(&Limits::default());
        session.send("unsent").expect("room");
        session.attach(pair);
        let (sent, counted) = usage(|| session.send(&[7; 50_000]));
        assert_eq!((sent, counted.calls), (Ok(()), 0), "{end:?}: {counted:?}");
        let written = frames(&drain(&mut session));
        let lens = written.iter().map(|frame| frame.payload.len());
        assert!(lens.eq([6, 50_000]));

        // Nobody has asked for what was received.
        let wire = end.peer_frame(BINARY, &[7; 100]).repeat(50);
        let mut session = end.session(&Limits::default());
        session.push(&wire);
        session.attach(Buffers::received(vec![0xEE; 20_000], 0..0));
        let mut pair = session.detach().expect("memory");
        assert!(
            pair.take_bytes().iter().all(|&byte| byte == 0xEE),
            "nothing was copied"
        );
        for _ in 0..50 {
            assert!(matches!(session.step(), Ok(Step::Message(_))));
        }
        assert_eq!(session.step(), Ok(Step::NeedData));
    }
}

/// A pair that was never taken back is the session's own: no chain of them grows.
#[test]
fn lend_again_and_again_keeps_one_pair() {
    for end in End::BOTH {
        let wire = end.peer_frame(TEXT, b"a message that is cut at each byte");
        let mut session = end.session(&Limits::default());
        session.attach(Buffers::new(4096));
        session.send("unsent").expect("room");
        let one = live();
        let mut seen = Vec::new();
        for byte in wire.chunks(1) {
            session.attach(Buffers::new(4096));
            assert_eq!(support::session::read(&mut session, byte), Ok(1));
            while let Some(next) = support::session::step(&mut session).expect("in order") {
                seen.push(next);
            }
        }
        let more = live() - one;
        assert!(more <= 3 * 4096, "{more}");
        let text = "a message that is cut at each byte";
        assert_eq!(seen, [Got::Text(text.into())]);
        let written = frames(&drain(&mut session));
        assert_eq!(written[0].payload, b"unsent");
        assert!(session.detach().is_some());
    }
}

/// What was swapped out to be written is not lent away with the pair it is in.
#[test]
fn lend_does_not_take_what_is_to_be_written() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        let mut pair = Buffers::default();
        session.send("first").expect("room");
        let (_, outgoing) = session.halves();
        outgoing.swap(&mut pair);
        outgoing.send("second").expect("room");
        outgoing.attach(&mut pair);
        let mut pieces = [&[][..]; 4];
        let count = pair.unsent_slices(&mut pieces);
        let mut written = pieces[..count].concat();
        written.extend(drain(&mut session));
        let payloads = frames(&written).into_iter().map(|frame| frame.payload);
        assert!(payloads.eq([b"first".to_vec(), b"second".to_vec()]));
    }
}
