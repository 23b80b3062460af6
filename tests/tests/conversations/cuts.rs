//! Recorded conversations from their first byte on, opening handshake included: cut at every place,
//! into single bytes, and at many places at random, the same comes of them, and the same is sent.
//! By the core and by a session, through every inlet; compressed ones by the session.

use std::thread;

use crate::recordings::{KEY, Recording, accepted, offer, recordings};
use ws_proto::handshake::{Compression, Request, RequestError, ResponseError, Scan};
use ws_proto::{Role, Shutdown, State};
use ws_testkit::{Core, Driven, Engine, Frame, Got, Inlet, Random};

/// What reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Core,
    Session(Inlet),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reception {
    refused: Option<Refused>,
    answer: Vec<u8>,
    got: Vec<Got>,
    out: Vec<u8>,
    ends: Option<(Shutdown, State)>,
}

/// Why the opening handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Request(RequestError),
    Response(ResponseError),
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<ResponseError> for Refused {
    fn from(error: ResponseError) -> Self {
        Self::Response(error)
    }
}

/// An endpoint whose first bytes are those of a head.
struct Opening<'r> {
    recording: &'r Recording,
    way: Way,
    head: Vec<u8>,
    scan: Scan,
    engine: Option<Box<dyn Engine>>,
    outcome: Reception,
}

impl Recording {
    fn ways(&self) -> Vec<Way> {
        let core = self.compression.is_none().then_some(Way::Core);
        core.into_iter()
            .chain(Inlet::ALL.map(Way::Session))
            .collect()
    }

    /// What comes of it by some `way`, in pieces that end at `cuts`.
    fn outcome(&self, way: Way, cuts: &[usize]) -> Reception {
        let mut opening = Opening::new(self, way);
        let mut from = 0;
        for &to in cuts.iter().chain([&self.wire.len()]) {
            opening.receive(&self.wire[from..to]);
            from = to;
        }
        opening.end()
    }

    fn engine(&self, way: Way, agreed: Option<Compression>) -> Box<dyn Engine> {
        let Way::Session(inlet) = way else {
            return Box::new(Core::new(&self.setup, usize::MAX));
        };
        assert_eq!(agreed, self.compression, "they have agreed");
        Box::new(Driven::new(&self.setup, inlet))
    }
}

impl<'r> Opening<'r> {
    fn new(recording: &'r Recording, way: Way) -> Self {
        Self {
            recording,
            way,
            head: Vec::new(),
            scan: Scan::new(),
            engine: None,
            outcome: Reception {
                refused: None,
                answer: Vec::new(),
                got: Vec::new(),
                out: Vec::new(),
                ends: None,
            },
        }
    }

    fn receive(&mut self, piece: &[u8]) {
        if let Some(engine) = &mut self.engine {
            return engine.receive(piece, &mut self.outcome.got);
        }
        self.head.extend(piece);
        match self.open() {
            Ok(None) => {}
            Ok(Some((len, agreed))) => {
                let mut engine = self.recording.engine(self.way, agreed);
                engine.receive(&self.head[len..], &mut self.outcome.got);
                self.engine = Some(engine);
            }
            Err(error) => {
                let told = self.outcome.refused.get_or_insert(error);
                assert_eq!(*told, error, "a verdict stays");
            }
        }
    }

    /// Where the head ends, and what was agreed on.
    fn open(&mut self) -> Result<Option<(usize, Option<Compression>)>, Refused> {
        let limits = &self.recording.setup.limits;
        let ours = self.recording.compression;
        Ok(match self.recording.setup.role {
            Role::Server => match Request::parse_prefix(&mut self.scan, &self.head, limits)? {
                Some((_, len)) => {
                    let (answer, agreed) = accepted(&self.head[..len], ours)?;
                    self.outcome.answer = answer;
                    Some((len, agreed))
                }
                None => None,
            },
            Role::Client => {
                let offer = offer(ours);
                match offer.verify(&KEY, &mut self.scan, &self.head, limits)? {
                    Some((response, len)) => Some((len, offer.agreed(&response)?)),
                    None => None,
                }
            }
        })
    }

    fn end(mut self) -> Reception {
        if let Some(mut engine) = self.engine {
            loop {
                let more = engine.transmit();
                if more.is_empty() {
                    break;
                }
                self.outcome.out.extend(more);
            }
            self.outcome.ends = Some((engine.shutdown(), engine.state()));
        }
        if let Way::Session(Inlet::Bytewise) = self.way {
            self.outcome.out = in_order(&self.outcome.out);
        }
        self.outcome
    }
}

/// The same frames with the control frames first, and nothing masked. What is written a byte at a
/// time lets a late Pong go before a message that was not begun; both orders are right.
fn in_order(mut out: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    while let Some((frame, len)) = Frame::decode(out) {
        frames.push(Frame {
            mask: None,
            ..frame
        });
        out = &out[len..];
    }
    frames.sort_by_key(|frame| (frame.is_close(), frame.opcode() < 8));
    frames.iter().flat_map(Frame::encode).collect()
}

/// Runs `check` on all recordings, on as many threads as there are cores.
fn on_all(check: impl Fn(usize, &Recording) + Sync) {
    let recordings = recordings();
    assert!(!recordings.is_empty(), "nothing to cut");
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for first in 0..threads {
            let (recordings, check) = (&recordings, &check);
            scope.spawn(move || {
                let all = recordings.iter().enumerate();
                all.skip(first)
                    .step_by(threads)
                    .for_each(|(number, it)| check(number, it));
            });
        }
    });
}

#[test]
fn all_ways_come_to_the_same_byte_by_byte() {
    on_all(|_, recording| {
        let ways = recording.ways();
        let whole = recording.outcome(ways[0], &[]);
        let every: Vec<_> = (1..recording.wire.len()).collect();
        for way in ways {
            let mut expected = whole.clone();
            if way == Way::Session(Inlet::Bytewise) {
                expected.out = in_order(&expected.out);
            }
            let name = &recording.name;
            assert_eq!(recording.outcome(way, &[]), expected, "{name}, {way:?}");
            assert_eq!(
                recording.outcome(way, &every),
                expected,
                "{name}, {way:?}, byte by byte"
            );
        }
    });
}

/// Behind the head by every way; within it the ways take turns, since what they then get is one
/// and the same.
#[test]
fn every_single_cut() {
    on_all(|_, recording| {
        let ways = recording.ways();
        let whole: Vec<_> = ways
            .iter()
            .map(|way| recording.outcome(*way, &[]))
            .collect();
        for cut in 1..recording.wire.len() {
            for (at, (&way, whole)) in ways.iter().zip(&whole).enumerate() {
                if cut >= recording.opened || cut % ways.len() == at {
                    let outcome = recording.outcome(way, &[cut]);
                    assert_eq!(outcome, *whole, "{}, {way:?}, cut at {cut}", recording.name);
                }
            }
        }
    });
}

/// A hundred thousand of them, the same in every run: each has a seed of its own.
#[test]
fn many_cuts_at_random() {
    const RUNS: usize = 100_000;
    let recordings = recordings().len();
    on_all(|number, recording| {
        let ways = recording.ways();
        let whole: Vec<_> = ways
            .iter()
            .map(|way| recording.outcome(*way, &[]))
            .collect();
        for run in 0..RUNS.div_ceil(recordings) {
            let seed = number * RUNS + run;
            let cuts = random_cuts(seed, recording);
            let at = run % ways.len();
            let outcome = recording.outcome(ways[at], &cuts);
            let (name, way) = (&recording.name, ways[at]);
            assert_eq!(
                outcome, whole[at],
                "{name}, {way:?}, seed {seed}, cut at {cuts:?}"
            );
        }
    });
}

/// From two to a dozen cuts, half of the time behind the head; some at the same place.
fn random_cuts(seed: usize, recording: &Recording) -> Vec<usize> {
    let mut random = Random::new(seed as u64);
    let from = match random.below(2) {
        0 => 0,
        _ => recording.opened,
    };
    let len = recording.wire.len() + 1 - from;
    let count = 2 + random.below(11);
    let mut cuts: Vec<_> = (0..count).map(|_| from + random.below(len)).collect();
    cuts.sort_unstable();
    cuts
}
