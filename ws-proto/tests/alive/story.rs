//! What happens to a connection, as a row of text: see the table for the words.

use core::ops::Range;
use core::time::Duration;

use ws_proto::{Role, Timeouts};

/// What a peer, our application and our adapter do, second by second.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) timeouts: Timeouts,
    /// Which end we are, if the bytes of its frames matter.
    pub(crate) role: Option<Role>,
    /// How many bytes the socket holds for the peer.
    pub(crate) pipe: u64,
    /// How many bytes a second the peer reads, when; all there are at other times.
    pub(crate) takes: Vec<(Range<u64>, u64)>,
    /// How many bytes it sends, when.
    pub(crate) says: Vec<(Range<u64>, u64, u64)>,
    /// When it is within a frame, and can send no Pong.
    pub(crate) frames: Vec<Range<u64>>,
    /// How long after it read a Ping it answers.
    pub(crate) pong: Option<u64>,
    /// How long after it read our Close it answers.
    pub(crate) closes: Option<u64>,
    /// When it closes of its own accord.
    pub(crate) peer_close: Option<u64>,
    /// From when on it neither reads nor sends.
    pub(crate) gone: u64,
    /// How many bytes our application sends, when.
    pub(crate) sends: Vec<(Range<u64>, u64, u64)>,
    pub(crate) close: Option<u64>,
    /// When our adapter does nothing.
    pub(crate) busy: Vec<Range<u64>>,
    /// It looks in every so many seconds, and does nothing between.
    pub(crate) looks: u64,
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Alive,
    NoPong,
    NoClose,
    Closed,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) story: Story,
    pub(crate) fate: Fate,
    pub(crate) at: u64,
    pub(crate) pings: Option<u64>,
}

impl Story {
    pub(crate) fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            role: None,
            pipe: 64_000,
            takes: vec![],
            says: vec![],
            frames: vec![],
            pong: None,
            closes: None,
            peer_close: None,
            gone: u64::MAX,
            sends: vec![],
            close: None,
            busy: vec![],
            looks: 1,
        }
    }

    fn add(&mut self, clause: &str) {
        let words: Vec<_> = clause.split_whitespace().collect();
        let always = || 0..u64::MAX;
        let once = |at| number(at)..number(at) + 1;
        match words[..] {
            ["pong", delay] => self.pong = Some(number(delay)),
            ["closes", delay] => self.closes = Some(number(delay)),
            ["peer-close", at] => self.peer_close = Some(number(at)),
            ["gone", at] => self.gone = number(at),
            ["pipe", bytes] => self.pipe = number(bytes),
            ["takes", rate] => self.takes.push((always(), number(rate))),
            ["takes", rate, when] => self.takes.push((span(when), number(rate))),
            ["frame", rate, when] => {
                self.frames.push(span(when));
                self.says.push((span(when), 1, number(rate)));
            }
            ["says", bytes, "at", at] => self.says.push((once(at), 1, number(bytes))),
            ["says", bytes, "every", n] => self.says.push((always(), number(n), number(bytes))),
            ["send", bytes, "at", at] => self.sends.push((once(at), 1, number(bytes))),
            ["send", bytes, "every", n] => self.sends.push((always(), number(n), number(bytes))),
            ["close", at] => self.close = Some(number(at)),
            ["busy", when] => self.busy.push(span(when)),
            ["looks", n] => self.looks = number(n),
            ["as", "server"] => self.role = Some(Role::Server),
            ["as", "client"] => self.role = Some(Role::Client),
            [] => {}
            _ => panic!("{clause:?}"),
        }
    }

    pub(crate) fn taken_at(&self, now: u64) -> u64 {
        let rate = |(when, rate): &(Range<u64>, u64)| when.contains(&now).then_some(*rate);
        self.takes.iter().rev().find_map(rate).unwrap_or(u64::MAX)
    }

    pub(crate) fn is_busy(&self, now: u64) -> bool {
        !now.is_multiple_of(self.looks) || self.busy.iter().any(|when| when.contains(&now))
    }
}

/// How many bytes are said or sent at `now`.
pub(crate) fn amounts(all: &[(Range<u64>, u64, u64)], now: u64) -> impl Iterator<Item = u64> {
    all.iter()
        .filter(move |(when, every, _)| {
            when.contains(&now) && (now - when.start).is_multiple_of(*every)
        })
        .map(|(_, _, bytes)| *bytes)
}

impl Case {
    /// Name, interval/pong timeout/close timeout, story, fate.
    pub(crate) fn parse(row: &'static str) -> Self {
        let [name, times, story, end] = row.split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("{row:?}");
        };
        let [interval, pong, close] = times.split('/').collect::<Vec<_>>()[..] else {
            panic!("{times:?}");
        };
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.ping_interval = (interval != "off").then(|| seconds(interval));
        timeouts.pong_timeout = seconds(pong);
        timeouts.close_timeout = seconds(close);
        let mut told = Story::new(timeouts);
        story.split(';').for_each(|clause| told.add(clause));
        let words: Vec<_> = end.split_whitespace().collect();
        let (fate, at, pings) = match words[..] {
            ["alive", at] => (Fate::Alive, at, None),
            ["alive", at, pings, "pings"] => (Fate::Alive, at, Some(pings)),
            ["no", "pong", at] => (Fate::NoPong, at, None),
            ["no", "close", at] => (Fate::NoClose, at, None),
            ["closed", at] => (Fate::Closed, at, None),
            _ => panic!("{end:?}"),
        };
        Self {
            name,
            story: told,
            fate,
            at: number(at),
            pings: pings.map(number),
        }
    }
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(number(text))
}

fn number(text: &str) -> u64 {
    let (digits, unit) = match text.strip_suffix('k') {
        Some(digits) => (digits, 1000),
        None => (text, 1),
    };
    digits.parse::<u64>().expect("a number") * unit
}

fn span(text: &str) -> Range<u64> {
    let (from, to) = text.split_once("..").expect("from..to");
    number(from)..number(to)
}
