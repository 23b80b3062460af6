//! A peer, a socket, and an adapter that moves the bytes, on a clock that counts seconds.

use core::time::Duration;
use std::collections::VecDeque;

use ws_proto::{Connection, Instant, Limits, Liveness, Opcode, State, TimedOut, Verdict};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Data,
    Ping,
    Close,
}

#[derive(Debug)]
struct Item {
    what: What,
    bytes: u64,
    begun: bool,
}

#[derive(Debug)]
pub(crate) struct World<'s> {
    story: &'s Story,
    pub(crate) now: u64,
    connection: Connection,
    liveness: Liveness,
    /// Ours, not taken by the socket.
    queue: VecDeque<Item>,
    /// The last write left something of it.
    waits: bool,
    /// How many bytes the socket took, and the peer read.
    fed: u64,
    drained: u64,
    allowance: u64,
    /// Where in the stream the Pings and the Close end.
    marks: VecDeque<(u64, What)>,
    /// What is on its way to us.
    answers: Vec<(u64, What)>,
    /// Unread.
    socket: u64,
    close_came: bool,
    pub(crate) pings: u64,
    pub(crate) past: Past,
}

impl<'s> World<'s> {
    pub(crate) fn new(story: &'s Story) -> Self {
        Self {
            story,
            now: 0,
            connection: Connection::server(&Limits::default()),
            liveness: Liveness::new(&story.timeouts),
            queue: VecDeque::new(),
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
            socket: 0,
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
            self.socket += amounts(&self.story.says, self.now).sum::<u64>();
        }
        if self.connection.state() == State::Open {
            for bytes in amounts(&self.story.sends, self.now) {
                self.queue.push_back(Item::new(What::Data, bytes));
            }
            if self.story.close == Some(self.now) {
                self.connection.close(None).expect("open");
                self.past.close_queued = Some(self.now);
            }
        }
        self.peer();
        if self.story.is_busy(self.now) {
            self.past.back = self.now + 1;
            return None;
        }
        self.adapter(watch)
    }

    /// Whether there is something that the adapter could read or write now.
    pub(crate) fn can_move(&self) -> bool {
        self.socket > 0 || (!self.queue.is_empty() && self.room() > 0)
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
                        assert_eq!(wake, self.liveness.deadline(&self.connection));
                    }
                }
            }
            // Once more after something has moved.
            check = self.move_bytes() && watch == Watch::EachSecond;
            if self.connection.state() == State::Closed && self.queue.is_empty() {
                return Some(Fate::Closed);
            }
            if !check && !self.is_due() {
                return None;
            }
        }
    }

    fn is_due(&self) -> bool {
        let deadline = self.liveness.deadline(&self.connection);
        deadline.is_some_and(|deadline| deadline <= at(self.now))
    }

    fn check(&mut self) -> Verdict {
        let verdict = self.liveness.check(at(self.now), &mut self.connection);
        if self.connection.wants_transmit() && self.connection.state() == State::Open {
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
            self.frame();
            let wrote = self.write();
            self.peer();
            if !read && !wrote {
                return moved;
            }
            moved = true;
        }
    }

    fn read(&mut self) -> bool {
        if self.socket == 0 {
            return false;
        }
        self.socket = 0;
        self.past.sign = self.now;
        self.liveness.on_received();
        if self.close_came && !self.connection.is_closed_by_peer() {
            let was_open = self.connection.state() == State::Open;
            let mut close = [0x88, 0x80, 1, 2, 3, 4];
            let _ = self.connection.receive(&mut close).expect("in order");
            if was_open {
                self.past.close_queued = Some(self.now);
            }
        }
        true
    }

    /// A Ping goes before what was not begun to be written, the Close after all.
    fn frame(&mut self) {
        while let Some(control) = self.connection.poll_transmit() {
            let bytes = control.as_ref().len() as u64;
            match control.opcode() {
                Opcode::Close => self.queue.push_back(Item::new(What::Close, bytes)),
                _ => {
                    self.pings += 1;
                    let begun = self.queue.iter().filter(|item| item.begun).count();
                    self.queue.insert(begun, Item::new(What::Ping, bytes));
                }
            }
        }
    }

    fn room(&self) -> u64 {
        match self.allowance {
            u64::MAX => u64::MAX,
            _ => self.story.pipe - (self.fed - self.drained).min(self.story.pipe),
        }
    }

    /// One write.
    fn write(&mut self) -> bool {
        if self.queue.is_empty() {
            return false;
        }
        let waited = self.waits;
        let mut room = self.room();
        let taken = self.fed;
        while let Some(item) = self.queue.front_mut()
            && room > 0
        {
            let part = item.bytes.min(room);
            room -= part;
            item.bytes -= part;
            item.begun = true;
            self.fed += part;
            if item.bytes == 0 {
                let what = item.what;
                self.queue.pop_front();
                match what {
                    What::Data => continue,
                    What::Ping => self.past.ping_left = Some(self.now),
                    What::Close => self.past.close_left = Some(self.now),
                }
                self.marks.push_back((self.fed, what));
            }
        }
        self.waits = !self.queue.is_empty();
        self.past.waited |= self.waits;
        if self.fed == taken {
            self.liveness.on_blocked();
            return false;
        }
        self.liveness.on_written();
        if !self.waits {
            self.liveness.on_flushed();
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

    /// The peer reads what its rate allows, and answers.
    fn peer(&mut self) {
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
                What::Data => None,
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
                self.socket += 1;
                self.close_came = what == What::Close;
            }
        }
    }
}

impl Item {
    const fn new(what: What, bytes: u64) -> Self {
        Self {
            what,
            bytes,
            begun: false,
        }
    }
}

fn at(secs: u64) -> Instant {
    Instant::from_epoch(Duration::from_secs(secs))
}
