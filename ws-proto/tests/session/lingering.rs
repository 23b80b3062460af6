//! The end of the transport, on a clock that the tests set: how long a peer is read and dropped.
#![cfg(feature = "alloc")]

use core::time::Duration;

use crate::support::End;
use crate::support::session::{drain, step};
use ws_proto::{Instant, Limits, Session, Shutdown, TimedOut, Verdict};
use ws_testkit::{CLOSE, close_payload};

const OVER: Verdict = Verdict::Dead(TimedOut::Close);

fn at(secs: u64) -> Instant {
    Instant::from_epoch(Duration::from_secs(secs))
}

fn until(secs: u64) -> Verdict {
    Verdict::Alive {
        wake: Some(at(secs)),
    }
}

/// Looks at the clock: on behalf of both halves, or as one that has the sending half alone.
type Look = fn(&mut Session, u64) -> Verdict;

const LOOKS: [Look; 2] = [
    |session, secs| session.check(at(secs)),
    |session, secs| session.time_close(at(secs)),
];

/// What ends a connection, as the peer writes it.
type Says = fn(End) -> Vec<u8>;

/// One deadline for the closing handshake and for what comes after it: the close timeout counts from
/// when our Close has left, and not anew with each step.
#[test]
fn lingering_ends_with_the_close_timeout() {
    let breaks: Says = |_| vec![0xFF; 2];
    let closes: Says = |end| end.peer_frame(CLOSE, &close_payload(1000, ""));
    // When we close, what the peer says and when, and when its time is over.
    let told = [
        (None, breaks, 3, 13),
        (None, closes, 3, 13),
        (Some(3), breaks, 3, 13),
        (Some(3), closes, 3, 13),
        (Some(3), breaks, 9, 13),
        (Some(3), closes, 9, 13),
    ];
    for (i, (ours, says, comes, ends)) in told.into_iter().enumerate() {
        let both = End::BOTH.into_iter();
        for (end, look) in both.flat_map(|end| LOOKS.map(|look| (end, look))) {
            let mut session = end.session(&Limits::default());
            assert_eq!(session.check(at(0)), until(20));
            if let Some(secs) = ours {
                session.close(None).expect("open");
                assert_eq!(look(&mut session, secs), until(secs), "{i}: write first");
                drain(&mut session);
                assert_eq!(look(&mut session, secs), until(ends), "{i} {end:?}");
            }
            session.push(&says(end));
            while let Ok(Some(_)) = step(&mut session) {}
            let _ = look(&mut session, comes);
            drain(&mut session);
            assert_eq!(look(&mut session, comes), until(ends), "{i} {end:?}");
            if session.shutdown() == Shutdown::Write {
                session.write_shut();
            }
            let lingers = session.shutdown();
            assert!(
                matches!(lingers, Shutdown::Drain | Shutdown::AwaitPeer),
                "{i} {end:?}: {lingers:?}"
            );
            session.dropped(1000);
            assert_eq!(look(&mut session, ends - 1), until(ends), "{i} {end:?}");
            assert_eq!(session.deadline(), Some(at(ends)));
            assert_eq!(session.shutdown(), lingers);
            let mut verdict = look(&mut session, ends);
            if verdict == Verdict::LastCall {
                assert_eq!(session.shutdown(), lingers);
                verdict = look(&mut session, ends);
            }
            assert_eq!(verdict, OVER, "{i} {end:?}");
            assert_eq!(session.shutdown(), Shutdown::Now, "{i} {end:?}");
        }
    }
}

#[test]
fn a_last_word_that_cannot_leave_has_the_close_timeout() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        session.push(&[0xFF; 2]);
        assert!(session.step().is_err());
        assert_eq!(session.time_close(at(3)), until(3), "write first");
        session.halves().1.sent(0);
        assert_eq!(session.shutdown(), Shutdown::NotYet);
        assert_eq!(session.time_close(at(12)), until(13), "{end:?}");
        assert_eq!(session.time_close(at(13)), OVER, "{end:?}");
    }
}

/// There was no memory for a Close.
#[test]
fn a_stream_that_ends_without_a_close_has_the_close_timeout() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        assert_eq!(session.check(at(0)), until(20));
        session.write_shut();
        assert_eq!(session.shutdown(), Shutdown::Drain, "{end:?}");
        assert_eq!(session.time_close(at(3)), until(3));
        assert_eq!(session.time_close(at(12)), until(13), "{end:?}");
        assert_eq!(session.shutdown(), Shutdown::Drain, "{end:?}");
        assert_eq!(session.time_close(at(13)), OVER, "{end:?}");
        assert_eq!(session.shutdown(), Shutdown::Now, "{end:?}");
    }
}
