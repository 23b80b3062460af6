//! The run: one thread, all connections, nothing that waits but the poll.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token};
use ws_proto::{Config, Instant, Limits};

use super::opening::{Encoding, Opening, Turned};
use super::payload::Payload;
use super::peer::{Peer, Wake, Work};
use super::progress::Progress;
use super::schedule::Schedule;
use super::target::Target;
use super::{CLOSING, PATIENCE};
use crate::args::plain;

/// The amount of load, and its duration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) in_flight: u64,
    pub(crate) span: Span,
    /// Messages a second over all connections; without it, each echo brings the next.
    pub(crate) rate: Option<f64>,
    /// The time in which the connections are made, evenly.
    pub(crate) ramp: Duration,
}

/// The end of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Span {
    /// After this time, and the time before it that is not counted.
    Time {
        warm_up: Duration,
        measured: Duration,
    },
    /// After this many messages.
    Messages(u64),
}

/// A run under way.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    plan: Plan,
    target: &'a Target<'a>,
    stop: &'a AtomicBool,
    config: Config,
    poll: Poll,
    places: Vec<Place>,
    open: usize,
    pub(crate) work: Work,
    pub(crate) is_compressed: bool,
    /// The beginning and the end of the measurement.
    began: Option<Instant>,
    ended: Instant,
}

/// A connection, by its stage.
#[derive(Debug)]
enum Place {
    Opening(Box<Opening>),
    Open(Box<Peer>),
    Over,
}

impl<'a> Load<'a> {
    pub(crate) fn new(
        plan: Plan,
        target: &'a Target<'a>,
        payload: Payload,
        stop: &'a AtomicBool,
    ) -> Result<Self, String> {
        let mut config = Config::from(limits(&payload, plan.in_flight));
        config.deflate = target.deflate;
        let left = match plan.span {
            Span::Time { .. } => u64::MAX,
            Span::Messages(messages) => messages,
        };
        let work = Work::new(payload, left, &config.limits).map_err(|error| error.to_string())?;
        Ok(Self {
            plan,
            target,
            stop,
            config,
            poll: Poll::new().map_err(|error| plain(&error))?,
            places: Vec::with_capacity(plan.connections),
            open: 0,
            is_compressed: target.deflate.is_some(),
            began: None,
            ended: work.clock.now(),
            work,
        })
    }

    /// Connects, loads and measures. The measurements are there even if it failed.
    pub(crate) fn run(&mut self, progress: &Progress) -> Result<(), String> {
        let ran = self.open_all(progress).and_then(|()| self.load(progress));
        if self.plan.rate.is_none() || ran.is_err() {
            self.ended = self.work.clock.now();
        }
        ran
    }

    pub(crate) const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The time for which it was measured, if it came to that.
    pub(crate) fn measured(&self) -> Option<Duration> {
        let began = self.began?;
        Some(self.ended.saturating_duration_since(began))
    }

    /// Makes all connections, a few at a time: a listener has a queue of some hundred at most.
    fn open_all(&mut self, progress: &Progress) -> Result<(), String> {
        let mut events = Events::with_capacity(EVENTS);
        let begun = self.work.clock.now();
        while self.open < self.plan.connections && !self.is_stopped() {
            let wanted = self.plan.connections.min(self.open + AT_ONCE);
            while self.places.len() < wanted.min(self.ramped(begun)) {
                let token = Token(self.places.len());
                let opening =
                    Opening::start(self.target, &self.config, self.poll.registry(), token)?;
                self.places.push(Place::Opening(Box::new(opening)));
            }
            progress.connecting(self.open, self.plan.connections);
            let tick = match self.plan.ramp.is_zero() {
                true => TICK,
                false => RAMP,
            };
            self.wait(&mut events, tick)?;
            for event in &events {
                self.turn(event)?;
            }
            if self.open == self.places.len() {
                // The next is not due yet.
                self.work.heard = self.work.clock.now();
            }
            if self.silence() > PATIENCE {
                return Err(format!("no connection within {} s", PATIENCE.as_secs()));
            }
        }
        Ok(())
    }

    /// The number of connections that may have been begun by now.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of them, between none and all"
    )]
    fn ramped(&self, begun: Instant) -> usize {
        let all = self.plan.connections;
        if self.plan.ramp.is_zero() {
            return all;
        }
        let since = self.work.clock.now().saturating_duration_since(begun);
        let part = since.as_secs_f64() / self.plan.ramp.as_secs_f64();
        ((all as f64 * part) as usize + 1).min(all)
    }

    /// Sends the messages that are due, and returns when the next is.
    fn send_due(&mut self, schedule: &mut Schedule, now: Instant) -> Result<Instant, String> {
        let all = self.places.len();
        let (mut first, mut count) = (0, 0);
        while let Some((number, due)) = schedule.take(now) {
            let at = usize::try_from(number % all as u64).unwrap_or_default();
            if count == 0 {
                first = at;
            }
            count += 1;
            if let Place::Open(peer) = &mut self.places[at] {
                peer.owe(due);
            }
        }
        for at in (first..).take(count.min(all)) {
            if let Place::Open(peer) = &mut self.places[at % all] {
                peer.pay(&mut self.work)?;
            }
        }
        Ok(schedule.due())
    }

    /// Waits for the echoes of what was due, so that those count that take longest.
    fn settle(&mut self, events: &mut Events) -> Result<(), String> {
        while !self.is_even() && !self.is_stopped() {
            if self.silence() > PATIENCE {
                return Err(format!("nothing was received for {} s", PATIENCE.as_secs()));
            }
            self.wait(events, TICK)?;
            for event in &*events {
                self.turn(event)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, progress: &Progress) -> Result<(), String> {
        let mut events = Events::with_capacity(EVENTS);
        let started = self.work.clock.now();
        self.work.heard = started;
        if let Span::Messages(_) = self.plan.span {
            self.began = Some(started);
        }
        let mut schedule = self.plan.rate.map(|rate| Schedule::new(started, rate));
        self.work.is_closed_loop = schedule.is_none();
        for place in &mut self.places {
            if let Place::Open(peer) = place
                && self.work.is_closed_loop
            {
                peer.begin(self.plan.in_flight, &mut self.work)?;
            }
        }
        let mut show_at = started;
        while !self.is_stopped() && !self.is_done() {
            let now = self.work.clock.now();
            let due = self.due(started);
            if now >= due {
                if self.began.is_some() {
                    break;
                }
                self.work.latencies.reset();
                self.began = Some(now);
            }
            if self.silence() > PATIENCE {
                return Err(format!("nothing was received for {} s", PATIENCE.as_secs()));
            }
            if now >= show_at {
                show_at = now.after(TICK);
                self.show(progress, now);
            }
            let mut next = due;
            if let Some(schedule) = &mut schedule {
                next = next.min(self.send_due(schedule, now)?);
                // What has not come back yet is no silence if nothing is under way.
                if self.is_even() {
                    self.work.heard = now;
                }
            }
            let left = next.saturating_duration_since(self.work.clock.now());
            let wait = match schedule {
                Some(_) => precise(left.min(TICK)),
                None => left.min(TICK),
            };
            self.wait(&mut events, wait)?;
            for event in &events {
                self.turn(event)?;
            }
        }
        self.ended = self.work.clock.now();
        match schedule {
            Some(_) => self.settle(&mut events),
            None => Ok(()),
        }
    }

    fn is_even(&self) -> bool {
        let is_even = |place: &Place| !matches!(place, Place::Open(peer) if !peer.is_even());
        self.places.iter().all(is_even)
    }

    /// The end of the warm-up, and after that, of the run.
    fn due(&self, started: Instant) -> Instant {
        match (self.plan.span, self.began) {
            (Span::Messages(_), _) => Instant::from_epoch(Duration::MAX),
            (Span::Time { warm_up, .. }, None) => started.after(warm_up),
            (Span::Time { measured, .. }, Some(began)) => began.after(measured),
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.plan.span, Span::Messages(wanted) if self.work.latencies.len() >= wanted)
    }

    fn show(&self, progress: &Progress, now: Instant) {
        let Some(began) = self.began else {
            return progress.warming_up();
        };
        let since = now.saturating_duration_since(began);
        let echoed = self.work.latencies.len();
        #[expect(clippy::cast_precision_loss, reason = "a bar has few columns")]
        let part = match self.plan.span {
            Span::Time { measured, .. } => since.as_secs_f64() / measured.as_secs_f64(),
            Span::Messages(wanted) => echoed as f64 / wanted as f64,
        };
        progress.running(part, echoed, since);
    }

    /// Closes all connections in good order, as far as that goes in time.
    pub(crate) fn close(&mut self) {
        let mut events = Events::with_capacity(EVENTS);
        self.open = 0;
        for place in &mut self.places {
            match place {
                Place::Open(peer) => match peer.close() {
                    Ok(()) => self.open += 1,
                    Err(_) => *place = Place::Over,
                },
                _ => *place = Place::Over,
            }
        }
        let until = self.work.clock.now().after(CLOSING);
        while self.open > 0 {
            let left = until.saturating_duration_since(self.work.clock.now());
            if left.is_zero() || self.wait(&mut events, left.min(TICK)).is_err() {
                break;
            }
            for event in &events {
                // The run is over: how a connection ends does not change the measurements.
                if self.turn(event).is_err() {
                    self.places[event.token().0] = Place::Over;
                    self.open -= 1;
                }
            }
        }
    }

    fn wait(&mut self, events: &mut Events, at_most: Duration) -> Result<(), String> {
        match self.poll.poll(events, Some(at_most)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(plain(&error)),
            _ => Ok(()),
        }
    }

    /// Takes one connection further.
    fn turn(&mut self, event: &Event) -> Result<(), String> {
        let Some(place) = self.places.get_mut(event.token().0) else {
            return Ok(());
        };
        let wake = Wake {
            is_readable: event.is_readable() || event.is_error(),
            has_ended: event.is_read_closed(),
        };
        match place {
            Place::Open(peer) => {
                peer.turn(wake, &mut self.work)?;
                if peer.is_over() {
                    *place = Place::Over;
                    self.open -= 1;
                }
            }
            Place::Opening(_) => {
                let Place::Opening(opening) = mem::replace(place, Place::Over) else {
                    return Ok(());
                };
                match opening.turn(self.target)? {
                    Turned::Opening(opening) => *place = Place::Opening(opening),
                    Turned::Open(peer, encoding) => {
                        *place = Place::Open(peer);
                        self.open += 1;
                        self.is_compressed &= encoding == Encoding::Compressed;
                        self.work.heard = self.work.clock.now();
                        // What came after the handshake.
                        return self.turn(event);
                    }
                }
            }
            Place::Over => {}
        }
        Ok(())
    }

    fn silence(&self) -> Duration {
        let now = self.work.clock.now();
        now.saturating_duration_since(self.work.heard)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The limits of one connection: enough that all its echoes come with one read and leave with one
/// write, up to a size that a processor's cache holds.
fn limits(payload: &Payload, in_flight: u64) -> Limits {
    /// In bytes.
    const BATCH: usize = 256 << 10;
    /// The longest header of a frame with its mask.
    const HEADER: usize = 14;
    let mut limits = Limits::DEFAULT;
    let batch = usize::try_from(in_flight)
        .unwrap_or(usize::MAX)
        .saturating_mul(payload.len() + HEADER);
    limits.read_buffer = batch.clamp(limits.read_buffer, BATCH);
    limits.max_unsent = BATCH;
    limits.max_message = payload.len() as u64;
    limits
}

/// Systems wait in milliseconds: what is due sooner is waited for with open eyes.
const fn precise(wait: Duration) -> Duration {
    if wait.as_millis() == 0 {
        return Duration::ZERO;
    }
    // A little less than it is, so that it is not over when it is looked at again.
    wait.saturating_sub(Duration::from_millis(1))
}

/// The number of connections that are being made at a time.
const AT_ONCE: usize = 64;

/// The most wake-ups of one call.
const EVENTS: usize = 1024;

/// The interval at which to look for the next connection of a ramp.
const RAMP: Duration = Duration::from_millis(5);

/// The interval at which to look at the time when nothing happens, and to show the progress.
const TICK: Duration = Duration::from_millis(100);
