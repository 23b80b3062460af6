//! A peer, a socket, and an adapter that moves the bytes, on a clock that counts seconds. What moves
//! is noted by the [driver](Driver); the world notes it a second time, for the oracle.

use core::mem;
use core::time::Duration;
use std::collections::VecDeque;

use ws_proto::{Instant, Role, State, TimedOut, Verdict};

use crate::drivers::Driver;
use crate::mouth::{Mouth, What};
use crate::story::{Fate, Story, amounts};

/// When the adapter checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Only when it is due.
    WhenDue,
    EachSecond,
}

/// What the naive oracle needs to know of the past: when the peer was seen to be there, and what
/// was asked of it when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// Something was received, or something was taken that had had to wait.
    pub(crate) sign: u64,
    /// Something was taken that had had to wait.
    pub(crate) taken: u64,
    pub(crate) ping_queued: Option<u64>,
    pub(crate) ping_left: Option<u64>,
    pub(crate) close_queued: Option<u64>,
    pub(crate) close_left: Option<u64>,
    /// Our adapter did something, after it had not.
    pub(crate) back: u64,
    /// Something had to wait, ever.
    pub(crate) waited: bool,
}

#[derive(Debug)]
pub(crate) struct World<'s, D> {
    story: &'s Story,
    pub(crate) now: u64,
    ours: D,
    peer: Mouth,
    /// The last write left something of it.
    waits: bool,
    /// How many bytes the socket took, and the peer read.
    fed: u64,
    drained: u64,
    allowance: u64,
    /// Where in the stream the Pings and the Close end that the peer has not read.
    marks: VecDeque<(u64, What)>,
    /// What is on its way to us.
    answers: Vec<(u64, What)>,
    /// Unread.
    socket: Vec<u8>,
    close_came: bool,
    pub(crate) pings: u64,
    pub(crate) past: Past,
}

impl<'s, D: Driver> World<'s, D> {
    /// One in which we have `role`.
    pub(crate) fn new(story: &'s Story, role: Role) -> Self {
        Self {
            story,
            now: 0,
            ours: D::new(role, &story.timeouts),
            peer: Mouth::new(match role {
                Role::Server => Role::Client,
                Role::Client => Role::Server,
            }),
            waits: false,
            fed: 0,
            drained: 0,
            allowance: 0,
            marks: VecDeque::new(),
            answers: story
                .peer_close
                .map(|at| (at, What::Close))
                .into_iter()
                .collect(),
            socket: vec![],
            close_came: false,
            pings: 0,
            past: Past::default(),
        }
    }

    /// Lives until `end`; what became of it, and when.
    pub(crate) fn live(&mut self, watch: Watch, end: u64) -> (Fate, u64) {
        loop {
            if let Some(fate) = self.second(watch) {
                return (fate, self.now);
            }
            if self.now == end {
                return (Fate::Alive, end);
            }
            self.now += 1;
        }
    }

    /// One second: what the peer and the application do, then what the adapter does about it.
    pub(crate) fn second(&mut self, watch: Watch) -> Option<Fate> {
        self.allowance = match self.is_gone() {
            true => 0,
            false => self.story.taken_at(self.now),
        };
        if !self.is_gone() && !self.close_came {
            self.says();
        }
        if self.ours.state() == State::Open {
            for bytes in amounts(&self.story.sends, self.now) {
                self.ours.send(bytes);
            }
            if self.story.close == Some(self.now) {
                self.ours.close();
                self.past.close_queued = Some(self.now);
            }
        }
        self.answer();
        if self.story.is_busy(self.now) {
            self.past.back = self.now + 1;
            return None;
        }
        self.adapter(watch)
    }

    /// Whether there is something that the adapter could read or write now.
    pub(crate) fn can_move(&self) -> bool {
        !self.socket.is_empty() || (self.ours.wants_write() && self.room() > 0)
    }

    fn adapter(&mut self, watch: Watch) -> Option<Fate> {
        let mut checks = 0;
        let mut check = watch == Watch::EachSecond;
        // The check comes first: whoever is judged has been read from only if it sees to that.
        loop {
            if check || self.is_due() {
                checks += 1;
                assert!(checks < 6, "it is never content");
                match self.check() {
                    Verdict::Dead(TimedOut::Pong) => return Some(Fate::NoPong),
                    Verdict::Dead(TimedOut::Close) => return Some(Fate::NoClose),
                    Verdict::Dead(other) => panic!("{other}"),
                    Verdict::LastCall => assert!(self.is_due(), "the last call is now"),
                    Verdict::Alive { wake } => {
                        assert_eq!(wake, self.ours.deadline());
                    }
                }
            }
            // Once more after something has moved.
            check = self.move_bytes() && watch == Watch::EachSecond;
            if self.ours.state() == State::Closed && !self.ours.wants_write() {
                return Some(Fate::Closed);
            }
            if !check && !self.is_due() {
                return None;
            }
        }
    }

    fn is_due(&self) -> bool {
        let deadline = self.ours.deadline();
        deadline.is_some_and(|deadline| deadline <= at(self.now))
    }

    fn check(&mut self) -> Verdict {
        let now = at(self.now);
        let verdict = self.ours.check(now);
        // What is due now is to write what was queued.
        let queued = verdict == Verdict::Alive { wake: Some(now) };
        if queued && self.ours.state() == State::Open {
            self.past.ping_queued = Some(self.now);
            self.past.ping_left = None;
        }
        verdict
    }

    /// Reads and writes until there is nothing to do but to wait; whether anything moved.
    fn move_bytes(&mut self) -> bool {
        let mut moved = false;
        loop {
            let read = self.read();
            let wrote = self.write();
            self.answer();
            if !read && !wrote {
                return moved;
            }
            moved = true;
        }
    }

    fn read(&mut self) -> bool {
        if self.socket.is_empty() {
            return false;
        }
        self.past.sign = self.now;
        let was_open = self.ours.state() == State::Open;
        self.ours.read(&mem::take(&mut self.socket));
        if was_open && self.ours.state() != State::Open {
            self.past.close_queued = Some(self.now);
        }
        true
    }

    fn room(&self) -> u64 {
        match self.allowance {
            u64::MAX => u64::MAX,
            _ => self.story.pipe - (self.fed - self.drained).min(self.story.pipe),
        }
    }

    /// Writes as much as the socket takes.
    fn write(&mut self) -> bool {
        if !self.ours.wants_write() {
            return false;
        }
        let mut left = vec![];
        let taken = self.ours.write(self.room(), &mut left);
        for (position, what) in left {
            match what {
                What::Ping => {
                    self.pings += 1;
                    self.past.ping_left = Some(self.now);
                }
                What::Close => self.past.close_left = Some(self.now),
            }
            self.marks.push_back((self.fed + position, what));
        }
        self.fed += taken;
        let waited = mem::replace(&mut self.waits, self.ours.wants_write());
        self.past.waited |= self.waits;
        if taken == 0 {
            return false;
        }
        if waited {
            self.past.sign = self.now;
            self.past.taken = self.now;
        }
        true
    }

    fn is_gone(&self) -> bool {
        self.now >= self.story.gone
    }

    /// The peer says what it says of its own accord: in one frame, while the story has it in one.
    fn says(&mut self) {
        let said = |at| amounts(&self.story.says, at).sum::<u64>();
        let frames = self.story.frames.iter();
        let within = frames.filter(|when| when.contains(&self.now));
        let end = within.map(|when| when.end).max();
        let len = (self.now..end.unwrap_or(self.now + 1)).map(said).sum();
        self.peer.say(said(self.now), len, &mut self.socket);
    }

    /// The peer reads what its rate allows, and answers.
    fn answer(&mut self) {
        let read = self.allowance.min(self.fed - self.drained);
        self.drained += read;
        if self.allowance != u64::MAX {
            self.allowance -= read;
        }
        while let Some((position, what)) = self.marks.front().copied()
            && position <= self.drained
        {
            self.marks.pop_front();
            let delay = match what {
                What::Ping => self.story.pong,
                What::Close => self.story.closes,
            };
            let answer = delay.map(|delay| (self.now + delay, what));
            self.answers.extend(answer);
        }
        let within = self
            .story
            .frames
            .iter()
            .any(|when| when.contains(&self.now));
        if within || self.is_gone() {
            return;
        }
        for (_, what) in self.answers.extract_if(.., |(at, _)| *at <= self.now) {
            if !self.close_came {
                self.peer.answer(what, &mut self.socket);
                self.close_came = what == What::Close;
            }
        }
    }
}

fn at(secs: u64) -> Instant {
    Instant::from_epoch(Duration::from_secs(secs))
}
