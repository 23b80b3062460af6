//! Pings and deadlines, on a clock that the tests set: what each call gives. What becomes of a peer
//! in the end is the table in `alive`.

use core::time::Duration;

use crate::support::End;
use ws_proto::{Connection, Instant, Limits, Liveness, TimedOut, Timeouts, Verdict};
use ws_testkit::{CLOSE, PING, PONG, TEXT, close_payload, frames};

pub(crate) const LAST_CALL: Verdict = Verdict::LastCall;
pub(crate) const NO_PONG: Verdict = Verdict::Dead(TimedOut::Pong);
pub(crate) const NO_CLOSE: Verdict = Verdict::Dead(TimedOut::Close);

pub(crate) fn at(secs: u64) -> Instant {
    Instant::from_epoch(Duration::from_secs(secs))
}

/// All is well; to be asked again at this second.
pub(crate) fn until(secs: u64) -> Verdict {
    Verdict::Alive {
        wake: Some(at(secs)),
    }
}

/// A connection that is watched, and what an adapter does with it.
struct Watched {
    connection: Connection,
    liveness: Liveness,
    pings: usize,
}

impl Watched {
    fn new() -> Self {
        Self::with(&Timeouts::default())
    }

    fn with(timeouts: &Timeouts) -> Self {
        Self {
            connection: Connection::server(&Limits::default()),
            liveness: Liveness::new(timeouts),
            pings: 0,
        }
    }

    /// Watched from the start of the clock, a Ping has just left.
    fn pinged() -> Self {
        let mut watched = Self::new();
        assert_eq!(watched.check(0), until(20));
        assert_eq!(watched.check(20), until(20));
        watched.flush();
        assert_eq!(watched.check(20), until(40));
        watched
    }

    fn check(&mut self, secs: u64) -> Verdict {
        let verdict = self.liveness.check(at(secs), &mut self.connection);
        if let Verdict::Alive { wake } = verdict {
            assert_eq!(self.deadline(), wake);
        }
        verdict
    }

    fn deadline(&self) -> Option<Instant> {
        self.liveness.deadline(&self.connection)
    }

    /// Writes everything; counts the Pings.
    fn flush(&mut self) {
        while let Some(control) = self.connection.poll_transmit() {
            self.liveness.on_written();
            let frames = frames(control.as_ref());
            self.pings += frames.iter().filter(|f| f.opcode() == PING).count();
        }
        self.liveness.on_flushed();
    }

    fn receive(&mut self, opcode: u8, payload: &[u8]) {
        let mut wire = End::Server.peer_frame(opcode, payload);
        let _ = self.connection.receive(&mut wire).expect("in order");
        self.liveness.on_received();
    }
}

/// Time begins with the first check, whatever the clock shows then; that check is due at once.
#[test]
fn time_begins_with_the_first_check() {
    let mut watched = Watched::new();
    assert_eq!(watched.deadline(), Some(at(0)));
    assert_eq!(watched.check(100), until(120));
    assert_eq!(watched.check(119), until(120));
    assert!(!watched.connection.wants_transmit());
}

/// However long an answer takes, and however late a check is.
#[test]
fn pings_are_due_on_a_grid() {
    let mut watched = Watched::new();
    assert_eq!(watched.check(100), until(120));
    for round in 1..=5 {
        let due = 100 + round * 20;
        let late = due + round;
        assert_eq!(watched.check(late), until(late), "write, then check again");
        watched.flush();
        assert_eq!(watched.check(late), until(due + 20));
        watched.receive(PONG, b"");
        assert_eq!(watched.check(late + 9), until(due + 20));
    }
    assert_eq!(watched.pings, 5);
}

/// A check that is late by more than an interval pings once, and the grid begins anew.
#[test]
fn a_late_check_pings_once() {
    let mut watched = Watched::new();
    assert_eq!(watched.check(0), until(20));
    assert_eq!(watched.check(3600), until(3600));
    watched.flush();
    assert_eq!(watched.check(3600), until(3620));
    watched.receive(TEXT, b"x");
    assert_eq!(watched.check(3600), until(3620));
    watched.flush();
    assert_eq!(watched.pings, 1);
}

#[test]
fn no_pong_is_noticed_when_its_time_is_over() {
    let mut watched = Watched::pinged();
    assert_eq!(watched.check(39), until(40));
    assert_eq!(watched.check(40), LAST_CALL);
    assert_eq!(watched.deadline(), Some(at(40)), "check again at once");
    assert_eq!(watched.check(40), NO_PONG);
    assert_eq!(watched.check(41), NO_PONG, "and stays dead");
    assert_eq!(watched.pings, 1);
}

/// What the last call brings counts as what came in time; then there is another last call.
#[test]
fn the_last_call_is_heard() {
    let mut watched = Watched::pinged();
    for round in 2..6 {
        let due = round * 20;
        assert_eq!(watched.check(due), LAST_CALL);
        watched.receive(PONG, b"");
        assert_eq!(watched.check(due), until(due), "a Ping is due as well");
        watched.flush();
        assert_eq!(watched.check(due), until(due + 20));
    }
}

/// So late that the Ping after the next was due already.
#[test]
fn a_late_last_call_is_heard() {
    let mut watched = Watched::pinged();
    assert_eq!(watched.check(3600), LAST_CALL);
    watched.receive(TEXT, b"x");
    assert_eq!(watched.check(3600), until(3600));
    watched.flush();
    assert_eq!(watched.check(3600), until(3620));
    assert_eq!(watched.pings, 2);
}

/// "a peer that vanishes is noticed within 40 s": at whatever moment it does, be it after a Pong,
/// while we wait for one or in between.
#[test]
fn a_peer_that_vanishes_is_noticed_within_40_s() {
    // Miri is slow.
    for vanishes in (0..200_u64).step_by(if cfg!(miri) { 19 } else { 1 }) {
        let mut watched = Watched::new();
        let mut now = 0;
        let noticed = loop {
            // A live peer sends something each third second and answers at once.
            let alive = now <= vanishes;
            if alive && now % 3 == 0 {
                watched.receive(TEXT, b"x");
            }
            if let Verdict::Dead(_) = watched.check(now) {
                break now;
            }
            let before = watched.pings;
            watched.flush();
            match watched.check(now) {
                Verdict::Alive { wake } => assert!(wake > Some(at(now)), "asked later"),
                verdict => {
                    assert_eq!(verdict, NO_PONG);
                    break now;
                }
            }
            if alive && watched.pings > before {
                watched.receive(PONG, b"");
                let _ = watched.check(now);
            }
            now += 1;
            assert!(now < 1000, "never noticed");
        };
        assert!(
            noticed > vanishes,
            "{noticed} though it was there until {vanishes}"
        );
        assert!(noticed - vanishes <= 40, "{noticed} for {vanishes}");
    }
}

/// An adapter that sleeps until `wake` notices it in time as well: it is asked at no other times.
#[test]
fn a_peer_that_vanishes_is_noticed_by_an_adapter_that_sleeps() {
    let mut watched = Watched::new();
    let mut now = at(0);
    let mut checks = vec![];
    loop {
        checks.push(now.since_epoch().as_secs());
        assert!(checks.len() < 10, "{checks:?}");
        match watched.liveness.check(now, &mut watched.connection) {
            Verdict::Alive { wake } => now = now.max(wake.expect("pings are on")),
            Verdict::LastCall => {}
            Verdict::Dead(_) => break,
        }
        watched.flush();
    }
    assert_eq!(checks, [0, 20, 20, 40, 40]);
}

/// The clock for the Pong starts when the Ping was flushed, not when it was queued: what waits
/// for a slow transport is not held against the peer. What it takes of it shows life.
#[test]
fn the_pong_clock_starts_when_the_ping_is_flushed() {
    let mut watched = Watched::new();
    let _ = watched.check(0);
    assert_eq!(watched.check(20), until(20));
    assert_eq!(watched.check(20), until(25), "a quarter of the timeout");
    // Some of the output goes, the Ping not yet: the peer reads, and so it is there.
    watched.liveness.on_written();
    assert_eq!(watched.check(35), until(40));
    assert_eq!(watched.check(54), until(55));
    watched.liveness.on_written();
    assert_eq!(watched.check(54), until(59));
    watched.flush();
    assert_eq!(watched.check(60), until(80));
    assert_eq!(watched.check(79), until(80));
    assert_eq!(watched.check(80), LAST_CALL);
    assert_eq!(watched.check(80), NO_PONG);
}

/// A peer that takes nothing from us for as long is as good as gone, unless it speaks.
#[test]
fn a_ping_that_cannot_be_flushed_is_no_pong() {
    let mut watched = Watched::new();
    let _ = watched.check(0);
    assert_eq!(watched.check(20), until(20));
    assert_eq!(watched.check(30), until(35));
    watched.receive(TEXT, b"x");
    assert_eq!(watched.check(40), until(45));
    assert_eq!(watched.check(59), until(60));
    assert_eq!(watched.check(60), LAST_CALL);
    assert_eq!(watched.check(60), NO_PONG);
}

/// Any byte answers, for no Pong can come within a frame; and as often as one comes.
#[test]
fn any_byte_is_life() {
    for heard in [20, 21, 30, 40] {
        let mut watched = Watched::pinged();
        for round in 0..10 {
            let due = round * 20;
            watched.receive(TEXT, b"x");
            if heard < 40 {
                assert_eq!(watched.check(due + heard), until(due + 40));
            }
            assert_eq!(watched.check(due + 40), until(due + 40));
            watched.flush();
            assert_eq!(watched.check(due + 40), until(due + 60));
        }
        assert_eq!(watched.pings, 11);
        assert_eq!(watched.check(240), LAST_CALL);
    }
}

/// What was heard before the Ping was flushed is no answer to it.
#[test]
fn bytes_from_before_the_ping_answer_nothing() {
    let mut watched = Watched::new();
    for now in 0..20 {
        watched.receive(TEXT, b"x");
        assert_eq!(watched.check(now), until(20));
    }
    watched.receive(TEXT, b"x");
    assert_eq!(watched.check(20), until(20));
    watched.receive(TEXT, b"x");
    watched.flush();
    assert_eq!(watched.check(20), until(40));
    assert_eq!(watched.check(40), LAST_CALL);
    assert_eq!(watched.check(40), NO_PONG);
}

/// An answer that was read before anybody checked whether the Ping had left.
#[test]
fn a_pong_that_comes_before_the_check_counts() {
    let mut watched = Watched::new();
    let _ = watched.check(0);
    let _ = watched.check(20);
    watched.flush();
    watched.receive(PONG, b"");
    assert_eq!(watched.check(20), until(40));
    assert_eq!(
        watched.check(40),
        until(40),
        "the next Ping, and no last call"
    );
}

/// A transport takes bytes for a peer that is gone until its own memory is full: only what had to
/// wait shows life when it is taken.
#[test]
fn what_is_taken_without_waiting_is_no_answer() {
    let mut watched = Watched::pinged();
    for now in 21..40 {
        watched.liveness.on_written();
        watched.liveness.on_flushed();
        assert_eq!(watched.check(now), until(40));
    }
    assert_eq!(watched.check(40), LAST_CALL);
    watched.liveness.on_written();
    assert_eq!(watched.check(40), NO_PONG);
}

/// Of a message that is longer than what the transport holds, or of one that it refused.
#[test]
fn what_had_to_wait_is_an_answer_when_it_is_taken() {
    let waits: [fn(&mut Liveness); 2] = [Liveness::on_written, Liveness::on_blocked];
    for wait in waits {
        let mut watched = Watched::pinged();
        wait(&mut watched.liveness);
        assert_eq!(watched.check(30), until(40), "that alone is none");
        watched.liveness.on_written();
        watched.liveness.on_flushed();
        assert_eq!(watched.check(40), until(40), "the next Ping");
        watched.flush();
        assert_eq!(watched.check(40), until(60));
    }
}

/// One Ping at a time, and the next at the first point of the grid after the answer.
#[test]
fn an_interval_shorter_than_the_timeout_asks_once_at_a_time() {
    let mut timeouts = Timeouts::default();
    timeouts.pong_timeout = Duration::from_secs(60);
    let mut watched = Watched::with(&timeouts);
    let _ = watched.check(0);
    let _ = watched.check(20);
    watched.flush();
    assert_eq!(watched.check(20), until(40));
    assert_eq!(watched.check(40), until(60));
    watched.flush();
    assert_eq!(watched.pings, 1);
    watched.receive(PONG, b"");
    assert_eq!(watched.check(60), until(60));
    watched.flush();
    assert_eq!(watched.check(60), until(80));
    assert_eq!(watched.pings, 2);
    assert_eq!(watched.check(119), until(120));
    assert_eq!(watched.check(120), LAST_CALL);
}

type Ending = fn(&mut Watched);

/// Whoever closed first: the other has the time of the close timeout to complete it, whatever the
/// pings were at.
#[test]
fn no_close_is_noticed_when_its_time_is_over() {
    let by_us: Ending = |watched| watched.connection.close(None).expect("open");
    let by_peer: Ending = |watched| watched.receive(CLOSE, &close_payload(1000, ""));
    let by_error: Ending = |watched| {
        let _ = watched
            .connection
            .receive(&mut [0xFF])
            .expect_err("reserved");
    };
    let new: Ending = |_| {};
    let quiet: Ending = |watched| {
        let _ = watched.check(0);
    };
    let queued: Ending = |watched| {
        let _ = watched.check(0);
        let _ = watched.check(20);
    };
    let left: Ending = |watched| {
        let _ = watched.check(0);
        let _ = watched.check(20);
        watched.flush();
    };
    let waiting: Ending = |watched| *watched = Watched::pinged();
    let called: Ending = |watched| {
        *watched = Watched::pinged();
        assert_eq!(watched.check(40), LAST_CALL);
    };
    for before in [new, quiet, queued, left, waiting, called] {
        for ending in [by_us, by_peer, by_error] {
            let mut watched = Watched::new();
            before(&mut watched);
            ending(&mut watched);
            assert_eq!(watched.deadline(), Some(at(0)), "that is news");
            assert_eq!(watched.check(45), until(45), "write, then check again");
            watched.flush();
            let pings = watched.pings;
            assert_eq!(watched.check(45), until(55));
            watched.liveness.on_received();
            assert_eq!(watched.check(54), until(55), "nothing extends it");
            for _ in 0..64 {
                assert_eq!(
                    watched.check(55),
                    LAST_CALL,
                    "its Close may be in the next read"
                );
                watched.liveness.on_received();
            }
            assert_eq!(watched.check(55), NO_CLOSE, "it goes on and on");
            assert_eq!(watched.check(56), NO_CLOSE, "and stays dead");
            watched.flush();
            assert_eq!(watched.pings, pings, "no Ping after a Close");
        }
    }
}

#[test]
fn a_last_call_that_brings_nothing_is_the_last() {
    let mut watched = Watched::new();
    let _ = watched.check(0);
    watched.connection.close(None).expect("open");
    let _ = watched.check(1);
    watched.flush();
    let _ = watched.check(1);
    for _ in 0..3 {
        assert_eq!(watched.check(11), LAST_CALL);
        watched.liveness.on_received();
    }
    assert_eq!(watched.check(11), LAST_CALL);
    assert_eq!(watched.check(11), NO_CLOSE);
}

/// While what stands before our Close is taken, its time has not begun; once it has left, nothing
/// puts it off.
#[test]
fn the_close_clock_starts_when_the_close_can_leave() {
    let mut watched = Watched::new();
    let _ = watched.check(0);
    watched.connection.close(None).expect("open");
    assert_eq!(watched.check(3), until(3));
    let quarter = Instant::from_epoch(Duration::from_millis(5500));
    let look = Verdict::Alive {
        wake: Some(quarter),
    };
    assert_eq!(watched.check(3), look);
    for now in [12, 21, 30] {
        watched.liveness.on_written();
        assert!(matches!(watched.check(now), Verdict::Alive { .. }));
    }
    watched.liveness.on_received();
    assert_eq!(watched.check(40), LAST_CALL, "what it says does not help");
    watched.liveness.on_written();
    watched.flush();
    assert_eq!(watched.check(40), until(50), "the last call was heard");
    watched.liveness.on_written();
    watched.liveness.on_flushed();
    assert_eq!(watched.check(50), LAST_CALL);
    assert_eq!(watched.check(50), NO_CLOSE);
}

/// What was seen before the Close was queued gives it no time.
#[test]
fn signs_from_before_the_close_put_nothing_off() {
    let mut watched = Watched::new();
    let _ = watched.check(0);
    watched.liveness.on_written();
    watched.liveness.on_written();
    watched.receive(TEXT, b"x");
    watched.connection.close(None).expect("open");
    assert_eq!(watched.check(3), until(3));
    assert!(matches!(watched.check(9), Verdict::Alive { .. }));
    assert_eq!(watched.check(13), LAST_CALL);
    assert_eq!(watched.check(13), NO_CLOSE);
}

#[test]
fn pings_off_wakes_for_nothing_but_a_close() {
    let mut timeouts = Timeouts::default();
    timeouts.ping_interval = None;
    let mut watched = Watched::with(&timeouts);
    for now in [0, 20, 40, 1 << 32] {
        assert_eq!(watched.check(now), Verdict::Alive { wake: None });
    }
    assert!(!watched.connection.wants_transmit());
    watched.connection.close(None).expect("open");
    assert_eq!(watched.check(1 << 33), until(1 << 33));
    watched.flush();
    assert_eq!(watched.check(1 << 33), until((1 << 33) + 10));
    assert_eq!(watched.check((1 << 33) + 10), LAST_CALL);
    assert_eq!(watched.check((1 << 33) + 10), NO_CLOSE);
}

#[test]
fn timeouts_of_the_callers_own_are_kept() {
    let mut timeouts = Timeouts::default();
    timeouts.ping_interval = Some(Duration::from_secs(3));
    timeouts.pong_timeout = Duration::from_secs(5);
    timeouts.close_timeout = Duration::from_secs(7);
    let mut watched = Watched::with(&timeouts);
    assert_eq!(watched.check(0), until(3));
    assert_eq!(watched.check(3), until(3));
    watched.flush();
    assert_eq!(watched.check(4), until(6));
    assert_eq!(watched.check(8), until(9));
    watched.connection.close(None).expect("open");
    assert_eq!(watched.check(8), until(8));
    watched.flush();
    assert_eq!(watched.check(8), until(15));
    assert_eq!(watched.check(15), LAST_CALL);
    assert_eq!(watched.check(15), NO_CLOSE);
}

#[test]
fn the_defaults_are_as_documented() {
    let timeouts = Timeouts::default();
    assert_eq!(timeouts, Timeouts::DEFAULT);
    assert_eq!(timeouts.ping_interval, Some(Duration::from_secs(20)));
    assert_eq!(timeouts.pong_timeout, Duration::from_secs(20));
    assert_eq!(timeouts.close_timeout, Duration::from_secs(10));
}

/// A clock that jumps, by an hour to either side, at any moment: one Ping at most comes of it
/// before the peer has been asked, and a peer that answers is never given up.
#[test]
fn clock_jumps_fire_at_most_one_ping() {
    const HOUR: u64 = 3600;
    // Miri is slow.
    for jump in (0..100).step_by(if cfg!(miri) { 19 } else { 1 }) {
        for forward in [true, false] {
            let mut watched = Watched::new();
            let mut now = 2 * HOUR;
            let mut pings_at_jump = 0;
            for second in 0..200 {
                if second == jump {
                    pings_at_jump = watched.pings;
                    now = if forward { now + HOUR } else { now - HOUR };
                }
                let verdict = watched.check(now);
                assert!(
                    matches!(verdict, Verdict::Alive { .. }),
                    "{second} {forward}"
                );
                assert_eq!(
                    watched.check(now),
                    watched.check(now),
                    "asking changes nothing"
                );
                let before = watched.pings;
                watched.flush();
                if second == jump {
                    assert!(watched.pings - pings_at_jump <= 1);
                }
                if watched.pings > before {
                    let _ = watched.check(now);
                    watched.receive(PONG, b"");
                }
                now += 1;
            }
            // One Ping each 20 s, and one more for the jump at most.
            assert!(watched.pings <= 11, "{}", watched.pings);
            if forward {
                assert!(watched.pings >= 8, "{}", watched.pings);
            }
        }
    }
}

/// The Ping was queued when the clock jumped an hour ahead and nothing had been flushed: asked
/// again and again, it does not queue another.
#[test]
fn clock_jumps_do_not_fire_twice() {
    let mut watched = Watched::new();
    let _ = watched.check(0);
    assert_eq!(watched.check(3600), until(3600));
    for _ in 0..5 {
        assert_eq!(watched.check(3600), until(3605));
    }
    watched.flush();
    for _ in 0..5 {
        assert_eq!(watched.check(3600), until(3620));
        watched.flush();
    }
    assert_eq!(watched.pings, 1);
    // Back again: the wait does not become shorter, and fires nothing.
    for now in [0, 1, 100] {
        assert_eq!(watched.check(now), until(3620));
    }
    watched.flush();
    assert_eq!(watched.pings, 1);
}

#[test]
fn instants_saturate() {
    let last = Instant::from_epoch(Duration::MAX);
    assert_eq!(last.after(Duration::from_secs(1)), last);
    assert_eq!(at(1).saturating_duration_since(at(2)), Duration::ZERO);
    assert_eq!(
        at(5).saturating_duration_since(at(2)),
        Duration::from_secs(3)
    );
    assert_eq!(at(5).after(Duration::MAX), last);
}

#[test]
fn instants_can_be_read_back() {
    let elapsed = Duration::new(5, 7);
    assert_eq!(Instant::from_epoch(elapsed).since_epoch(), elapsed);
    assert_eq!(Instant::default().since_epoch(), Duration::ZERO);
    let last = Instant::from_epoch(Duration::MAX);
    assert_eq!(last.since_epoch(), Duration::from_nanos(u64::MAX));
}

/// Never, and neither a panic nor at once; not at the last moment there is either.
#[test]
fn durations_too_long_are_never() {
    let last = Instant::from_epoch(Duration::MAX);
    let never = Verdict::Alive { wake: None };
    let mut timeouts = Timeouts::default();
    timeouts.ping_interval = Some(Duration::MAX);
    timeouts.close_timeout = Duration::MAX;
    let mut watched = Watched::with(&timeouts);
    assert_eq!(watched.check(1 << 33), never);
    assert_eq!(watched.liveness.check(last, &mut watched.connection), never);
    assert!(!watched.connection.wants_transmit());
    watched.connection.close(None).expect("open");
    assert_eq!(watched.check(7), until(7));
    assert_eq!(watched.check(7), never);

    timeouts.ping_interval = Some(Duration::from_secs(20));
    timeouts.pong_timeout = Duration::MAX;
    let mut watched = Watched::with(&timeouts);
    let _ = watched.check(0);
    let _ = watched.check(20);
    assert_eq!(watched.check(20), until(40));
    watched.flush();
    assert_eq!(watched.check(40), until(60));
    assert_eq!(watched.check(1 << 33), until((1 << 33) + 20));
    watched.receive(PONG, b"");
    assert_eq!(watched.check((1 << 33) + 20), until((1 << 33) + 20));
    watched.flush();
    assert_eq!(watched.pings, 2);
}

/// Too short to be kept in milliseconds is not zero: a peer could not be on time.
#[test]
fn durations_are_rounded_up() {
    let mut timeouts = Timeouts::default();
    timeouts.ping_interval = Some(Duration::ZERO);
    timeouts.pong_timeout = Duration::from_nanos(1_000_001);
    let mut watched = Watched::with(&timeouts);
    let after = |millis| Instant::from_epoch(Duration::from_millis(millis));
    let until = |millis| Verdict::Alive {
        wake: Some(after(millis)),
    };
    let check = |watched: &mut Watched, millis| {
        watched
            .liveness
            .check(after(millis), &mut watched.connection)
    };
    assert_eq!(check(&mut watched, 0), until(1));
    assert_eq!(check(&mut watched, 1), until(1));
    watched.flush();
    assert_eq!(check(&mut watched, 1), until(2), "the next of the grid");
    assert_eq!(check(&mut watched, 2), until(3));
    assert_eq!(check(&mut watched, 3), LAST_CALL);
}
