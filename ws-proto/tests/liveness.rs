//! Pings and deadlines, on a clock that the tests set.

mod support;

use core::time::Duration;

use support::{CLOSE, End, PING, PONG, TEXT, close_payload, frames};
use ws_proto::{Connection, Instant, Limits, Liveness, Silence, Timeouts, Verdict};

const NO_PONG: Verdict = Verdict::Dead(Silence::NoPong);
const NO_CLOSE: Verdict = Verdict::Dead(Silence::NoClose);

fn at(secs: u64) -> Instant {
    Instant::since_epoch(Duration::from_secs(secs))
}

/// All is well; to be asked again at this second.
fn until(secs: u64) -> Verdict {
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
    fn new(start: u64) -> Self {
        Self::with(Timeouts::default(), start)
    }

    fn with(timeouts: Timeouts, start: u64) -> Self {
        Self {
            connection: Connection::server(&Limits::default()),
            liveness: Liveness::new(timeouts, at(start)),
            pings: 0,
        }
    }

    fn check(&mut self, secs: u64) -> Verdict {
        self.liveness.check(at(secs), &mut self.connection)
    }

    /// Writes everything; counts the Pings.
    fn flush(&mut self) {
        while let Some(control) = self.connection.poll_transmit() {
            self.liveness.wrote();
            let frames = frames(control.as_ref());
            self.pings += frames.iter().filter(|f| f.opcode() == PING).count();
        }
        self.liveness.flushed();
    }

    fn receive(&mut self, opcode: u8, payload: &[u8]) {
        let mut wire = End::Server.peer_frame(opcode, payload);
        let _ = self.connection.receive(&mut wire).expect("in order");
        self.liveness.heard();
        if opcode == PONG {
            self.liveness.answered();
        }
    }
}

#[test]
fn pong_in_time_starts_the_interval_anew() {
    let mut watched = Watched::new(100);
    assert_eq!(watched.check(100), until(120));
    assert_eq!(watched.check(119), until(120));
    assert!(!watched.connection.wants_transmit());
    for round in 0..5 {
        let start = 120 + round * 25;
        assert_eq!(watched.check(start), until(start + 20));
        watched.flush();
        assert_eq!(watched.check(start), until(start + 20));
        watched.receive(PONG, b"");
        assert_eq!(watched.check(start + 5), until(start + 25));
    }
    assert_eq!(watched.pings, 5);
}

/// It is not answered by whatever it gets: only a Pong is a Pong.
#[test]
fn no_pong_is_noticed_when_its_time_is_over() {
    let mut watched = Watched::new(0);
    assert_eq!(watched.check(20), until(40));
    watched.flush();
    assert_eq!(watched.check(20), until(40));
    assert_eq!(watched.check(39), until(40));
    assert_eq!(watched.check(40), NO_PONG);
    assert_eq!(watched.check(41), NO_PONG, "and stays dead");
    assert_eq!(watched.pings, 1);
}

/// "a peer that vanishes is noticed within 40 s": at whatever moment it does, be it after a Pong,
/// while we wait for one or in between.
#[test]
fn a_peer_that_vanishes_is_noticed_within_40_s() {
    // Miri is slow.
    for vanishes in (0..200_u64).step_by(if cfg!(miri) { 19 } else { 1 }) {
        let mut watched = Watched::new(0);
        let mut now = 0;
        let noticed = loop {
            // A live peer sends something each third second and answers at once.
            let alive = now <= vanishes;
            if alive && now % 3 == 0 {
                watched.receive(TEXT, b"x");
            }
            let verdict = watched.check(now);
            let Verdict::Alive { wake } = verdict else {
                break now;
            };
            assert!(
                wake.is_some_and(|wake| wake > at(now)),
                "it wants to be asked later"
            );
            let before = watched.pings;
            watched.flush();
            let _ = watched.check(now);
            if alive && watched.pings > before {
                watched.receive(PONG, b"");
                let _ = watched.check(now);
            }
            now += 1;
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
    let mut watched = Watched::new(0);
    let mut now = at(0);
    let mut checks = 0;
    while let Verdict::Alive { wake } = watched.liveness.check(now, &mut watched.connection) {
        watched.flush();
        // Before it waits it asks again, for the flush may have changed the answer.
        let before_wait = watched.liveness.check(now, &mut watched.connection);
        assert!(matches!(before_wait, Verdict::Alive { wake: again } if again >= wake));
        now = wake.expect("pings are on");
        checks += 1;
        assert!(checks < 10);
    }
    assert_eq!(now, at(40));
}

/// The clock for the Pong starts when the Ping was flushed, not when it was queued: what waits
/// behind a slow transport is not held against the peer.
#[test]
fn the_pong_clock_starts_when_the_ping_is_flushed() {
    let mut watched = Watched::new(0);
    assert_eq!(watched.check(20), until(40));
    // Some of the output goes, the Ping not yet: the peer reads, and so it is there.
    watched.liveness.wrote();
    assert_eq!(watched.check(35), until(55));
    watched.liveness.wrote();
    assert_eq!(watched.check(50), until(70));
    watched.flush();
    assert_eq!(watched.check(60), until(80));
    assert_eq!(watched.check(79), until(80));
    assert_eq!(watched.check(80), NO_PONG);
}

/// A peer that takes nothing from us for as long is as good as gone.
#[test]
fn a_ping_that_cannot_be_flushed_is_no_pong() {
    let mut watched = Watched::new(0);
    assert_eq!(watched.check(20), until(40));
    assert_eq!(watched.check(39), until(40));
    // What it says does not help: it does not read.
    watched.receive(TEXT, b"x");
    assert_eq!(watched.check(40), NO_PONG);
}

/// Bytes that come in while we wait show that the peer is there and busy: it gets the time once
/// more, and only once.
#[test]
fn received_bytes_extend_the_wait_once() {
    for heard in [21, 30, 40] {
        let mut watched = Watched::new(0);
        let _ = watched.check(20);
        watched.flush();
        assert_eq!(watched.check(20), until(40));
        if heard < 40 {
            watched.receive(TEXT, b"x");
            assert_eq!(watched.check(heard), until(40), "not before it is needed");
        } else {
            watched.receive(TEXT, b"x");
        }
        assert_eq!(watched.check(40), until(60));
        for now in 41..60 {
            watched.receive(TEXT, b"x");
            assert_eq!(watched.check(now), until(60));
        }
        assert_eq!(watched.check(60), NO_PONG, "once, not for ever");
        assert_eq!(watched.pings, 1);
    }
}

/// What was heard before the Ping was flushed does not count as life after it.
#[test]
fn bytes_from_before_the_ping_extend_nothing() {
    let mut watched = Watched::new(0);
    for now in 0..20 {
        watched.receive(TEXT, b"x");
        assert_eq!(watched.check(now), until(20));
    }
    watched.receive(TEXT, b"x");
    assert_eq!(watched.check(20), until(40));
    watched.flush();
    assert_eq!(watched.check(20), until(40));
    assert_eq!(watched.check(40), NO_PONG);
}

/// A Pong during the extension ends the wait.
#[test]
fn a_pong_in_the_extension_is_in_time() {
    let mut watched = Watched::new(0);
    let _ = watched.check(20);
    watched.flush();
    let _ = watched.check(20);
    watched.receive(TEXT, b"x");
    assert_eq!(watched.check(40), until(60));
    watched.receive(PONG, b"");
    assert_eq!(watched.check(59), until(79));
    // The next wait can be extended again.
    let _ = watched.check(79);
    watched.flush();
    let _ = watched.check(79);
    watched.receive(TEXT, b"x");
    assert_eq!(watched.check(99), until(119));
}

/// A Pong that comes at the very moment its time is over is still one.
#[test]
fn a_pong_at_the_deadline_is_in_time() {
    let mut watched = Watched::new(0);
    let _ = watched.check(20);
    watched.flush();
    let _ = watched.check(20);
    watched.receive(PONG, b"");
    assert_eq!(watched.check(40), until(60));
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
    let quiet: Ending = |_| {};
    let queued: Ending = |watched| {
        let _ = watched.check(20);
    };
    let waiting: Ending = |watched| {
        let _ = watched.check(20);
        watched.flush();
        let _ = watched.check(20);
    };
    for before in [quiet, queued, waiting] {
        for ending in [by_us, by_peer, by_error] {
            let mut watched = Watched::new(0);
            before(&mut watched);
            ending(&mut watched);
            assert_eq!(watched.check(25), until(35));
            watched.flush();
            let pings = watched.pings;
            watched.liveness.heard();
            watched.liveness.answered();
            assert_eq!(watched.check(34), until(35), "nothing extends it");
            assert_eq!(watched.check(35), NO_CLOSE);
            watched.flush();
            assert_eq!(watched.pings, pings, "no Ping behind a Close");
        }
    }
}

#[test]
fn pings_off_wakes_for_nothing_but_a_close() {
    let mut timeouts = Timeouts::default();
    timeouts.ping_interval = None;
    let mut watched = Watched::with(timeouts, 0);
    for now in [0, 20, 40, 1 << 32] {
        assert_eq!(watched.check(now), Verdict::Alive { wake: None });
    }
    assert!(!watched.connection.wants_transmit());
    watched.connection.close(None).expect("open");
    assert_eq!(watched.check(1 << 33), until((1 << 33) + 10));
    assert_eq!(watched.check((1 << 33) + 10), NO_CLOSE);
}

#[test]
fn timeouts_of_the_callers_own_are_kept() {
    let mut timeouts = Timeouts::default();
    timeouts.ping_interval = Some(Duration::from_secs(3));
    timeouts.pong_timeout = Duration::from_secs(5);
    timeouts.close_timeout = Duration::from_secs(7);
    let mut watched = Watched::with(timeouts, 0);
    assert_eq!(watched.check(0), until(3));
    assert_eq!(watched.check(3), until(8));
    watched.flush();
    assert_eq!(watched.check(4), until(9));
    watched.connection.close(None).expect("open");
    assert_eq!(watched.check(5), until(12));
    assert_eq!(watched.check(12), NO_CLOSE);
}

/// A clock that jumps, by an hour to either side, at any moment: one Ping at most comes of it
/// before the peer has been asked, and a peer that answers is never given up.
#[test]
fn clock_jumps_fire_at_most_one_ping() {
    const HOUR: u64 = 3600;
    // Miri is slow.
    for jump in (0..100).step_by(if cfg!(miri) { 19 } else { 1 }) {
        for forward in [true, false] {
            let mut watched = Watched::new(2 * HOUR);
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
    let mut watched = Watched::new(0);
    let first = watched.check(3600);
    assert_eq!(first, until(3620));
    for _ in 0..5 {
        assert_eq!(watched.check(3600), first);
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
    let last = Instant::since_epoch(Duration::MAX);
    assert_eq!(last.after(Duration::from_secs(1)), last);
    assert_eq!(at(1).saturating_duration_since(at(2)), Duration::ZERO);
    assert_eq!(
        at(5).saturating_duration_since(at(2)),
        Duration::from_secs(3)
    );
    assert_eq!(at(5).after(Duration::MAX), last);

    // An interval longer than time itself: never, and no overflow.
    let mut timeouts = Timeouts::default();
    timeouts.ping_interval = Some(Duration::MAX);
    let mut watched = Watched::with(timeouts, 7);
    assert_eq!(watched.check(1 << 33), Verdict::Alive { wake: Some(last) });
}

/// A session tells its watcher by itself what was heard, written, flushed and answered.
#[cfg(feature = "alloc")]
mod session {
    use super::*;
    use crate::support::session;
    use ws_proto::Session;

    fn watched() -> Session {
        let mut session = Session::server(&Limits::default().into());
        let _ = session.check(at(0));
        session
    }

    fn receive(server: &mut Session, opcode: u8) {
        server.push(&End::Server.peer_frame(opcode, b""));
        while session::step(server).expect("in order").is_some() {}
    }

    #[test]
    fn time_begins_with_the_first_look_at_the_clock() {
        let mut server = Session::server(&Limits::default().into());
        let wake = Some(at((1 << 33) + 20));
        assert_eq!(server.check(at(1 << 33)), Verdict::Alive { wake });
    }

    #[test]
    fn pong_is_seen() {
        let mut server = watched();
        assert_eq!(server.check(at(0)), until(20));
        assert_eq!(server.check(at(20)), until(40));
        let written = frames(&session::drain(&mut server));
        assert_eq!(written[0].opcode(), PING);
        assert_eq!(server.check(at(20)), until(40));
        receive(&mut server, PONG);
        assert_eq!(server.check(at(33)), until(53));
    }

    #[test]
    fn bytes_are_heard_and_extend_once() {
        let mut server = watched();
        let _ = server.check(at(20));
        session::drain(&mut server);
        let _ = server.check(at(20));
        receive(&mut server, TEXT);
        assert_eq!(server.check(at(40)), until(60));
        receive(&mut server, TEXT);
        assert_eq!(server.check(at(60)), NO_PONG);
    }

    /// A large message that comes in, and never a whole one.
    #[test]
    #[cfg_attr(miri, ignore = "so many bytes take Miri many minutes")]
    fn bytes_of_a_part_are_heard() {
        let mut server = watched();
        let wire = End::Server.peer_frame(support::BINARY, &[0; 200_000]);
        let mut at_byte = 0;
        let mut read = |server: &mut Session| {
            let end = at_byte + 50_000;
            while at_byte < end {
                at_byte += session::read(server, &wire[at_byte..end]).expect("memory");
                assert_eq!(session::step(server), Ok(None));
            }
        };
        read(&mut server);
        let _ = server.check(at(20));
        session::drain(&mut server);
        assert_eq!(server.check(at(20)), until(40));
        read(&mut server);
        assert_eq!(server.check(at(40)), until(60));
    }

    #[test]
    fn the_clock_starts_when_all_is_flushed() {
        let mut server = watched();
        server.send(&[0; 1000]).expect("room");
        let _ = server.unsent();
        server.sent(1);
        assert_eq!(server.check(at(20)), until(40));
        let _ = server.unsent();
        server.sent(500);
        assert_eq!(server.check(at(39)), until(59));
        assert_eq!(server.check(at(58)), until(59), "nothing was written since");
        session::drain(&mut server);
        assert_eq!(server.check(at(58)), until(78));
        assert_eq!(server.check(at(78)), NO_PONG);
    }

    /// What was taken is not written yet: the program says when it is.
    #[test]
    fn what_take_unsent_took_counts_when_it_is_flushed() {
        let mut server = watched();
        let _ = server.check(at(20));
        let mut bytes = Vec::new();
        server.halves().1.take_unsent(&mut bytes);
        assert_eq!(bytes, [0x89, 0x00]);
        assert_eq!(server.check(at(30)), until(40));
        server.halves().1.flushed();
        assert_eq!(server.check(at(35)), until(55));
        assert_eq!(server.check(at(55)), NO_PONG);
    }

    /// An adapter that tries, and moves no byte, has neither heard nor written anything.
    #[test]
    fn reads_and_writes_of_nothing_are_no_news() {
        let mut server = watched();
        let _ = server.check(at(20));
        session::drain(&mut server);
        let _ = server.check(at(20));
        let _ = server.spare_mut().expect("memory");
        server.filled(0);
        assert_eq!(session::step(&mut server), Ok(None));
        assert_eq!(server.check(at(40)), NO_PONG, "nothing was heard");

        let mut server = watched();
        server.send(&[0; 1000]).expect("room");
        let _ = server.check(at(20));
        let _ = server.unsent();
        server.sent(0);
        assert_eq!(server.check(at(40)), NO_PONG, "nothing was written");
    }

    #[test]
    fn no_close_is_noticed() {
        let mut server = watched();
        server.close(None).expect("open");
        assert_eq!(server.check(at(3)), until(13));
        session::drain(&mut server);
        assert_eq!(server.check(at(12)), until(13));
        assert_eq!(server.check(at(13)), NO_CLOSE);
    }
}
