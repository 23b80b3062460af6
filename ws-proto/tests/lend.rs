//! *Lend*: that buffers are attached and taken back, at any point and in any order, changes no byte
//! that is sent and no event that is given; and a session keeps what it must, and no more.

#![cfg(feature = "alloc")]

#[allow(dead_code, reason = "only what is compressed comes from there")]
#[path = "support/life.rs"]
mod life;
#[path = "support/play.rs"]
mod play;
#[path = "support/scenarios.rs"]
mod scenarios;
mod support;

use play::{Meanwhile, Play, Style, conversations};
use proptest::prelude::*;
use scenarios::{Act, Scenario};
use support::End;
use support::session::drain;
use ws_proto::{Buffers, Limits, Part, Session, Step};
use ws_testkit::counting::{Counting, Failing, failing, live, usage};
use ws_testkit::{BINARY, CONTINUATION, Got, PING, TEXT, frames};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn lend_at_each_operation_changes_no_byte_and_no_event() {
    for scenario in conversations() {
        let expected = Play::run(&scenario, Style::Step, &Meanwhile::Nothing);
        for style in [Style::Step, Style::Ready, Style::Take] {
            for meanwhile in [
                Meanwhile::Nothing,
                Meanwhile::Lent,
                Meanwhile::Received(0),
                Meanwhile::Received(10),
                Meanwhile::Received(Limits::LEFT_OVER),
                Meanwhile::Guest,
            ] {
                Play::check(&scenario, style, &meanwhile, &expected);
            }
        }
    }
}

#[test]
fn lend_by_chance_changes_no_byte_and_no_event() {
    for scenario in conversations() {
        let expected = Play::run(&scenario, Style::Step, &Meanwhile::Nothing);
        for seed in 0..if cfg!(miri) { 1 } else { 12 } {
            let style =
                [Style::Step, Style::Ready, Style::Take][usize::try_from(seed % 3).unwrap()];
            Play::check(&scenario, style, &Meanwhile::Random(seed), &expected);
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
        let expected = Play::run(&scenario, Style::Step, &Meanwhile::Nothing);
        let style = [Style::Step, Style::Ready, Style::Take][(seed % 3) as usize];
        Play::check(&scenario, style, &Meanwhile::Random(seed.into()), &expected);
        Play::check(&scenario, style, &Meanwhile::Lent, &expected);
        Play::check(&scenario, style, &Meanwhile::Received(20), &expected);
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
