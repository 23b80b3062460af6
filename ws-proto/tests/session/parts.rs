//! A [`Session`] that is taken apart and put together again, in halves and in parts: nothing is lost,
//! and where something would be, it stays whole.

#![cfg(feature = "alloc")]

use core::time::Duration;
use std::collections::BTreeSet;

use crate::support::End;
use crate::support::session::{drain, step};
use ws_proto::{
    Answer, Config, Event, Kind, Limits, Message, Part, ProtocolError, Ready, Session, Shutdown,
    State, Step,
};
use ws_testkit::{BINARY, CONTINUATION, Got, PING, TEXT, frames};

/// What has a state that parts cannot hold, and what completes it.
fn in_the_middle(end: End) -> Vec<(&'static str, Session, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |name, rest: &[u8], prepare: &dyn Fn(&mut Session)| {
        let mut session = end.session(&Limits::default());
        prepare(&mut session);
        all.push((name, session, rest.to_vec()));
    };
    let received = |session: &mut Session, wire: &[u8]| {
        session.push(wire);
        assert_eq!(session.step(), Ok(Step::NeedData));
    };
    let last = end.peer_frame(CONTINUATION, b"and its end");
    add("a fragment was received", &last, &|session| {
        received(session, &end.peer_part(TEXT, b"a part "));
    });
    let large = end.peer_frame(BINARY, &[7; 5000]);
    add("half a frame was received", &large[3000..], &|session| {
        received(session, &large[..3000]);
    });
    add("a fragment was received, of nothing", &last, &|session| {
        received(session, &end.peer_part(TEXT, b""));
    });
    add("a message waits to be taken", &[], &|session| {
        session.push(&end.peer_part(TEXT, b"a part "));
        session.push(&last);
        assert_eq!(session.ready(), Ok(Ready::Message));
    });
    add("a fragment was sent", &[], &|session| {
        let sent = session.send_part(Kind::Text, b"a part", Part::More);
        sent.expect("room");
    });
    if end == End::Server {
        add(
            "a payload is to be written from elsewhere",
            &[],
            &|session| {
                let sent = session.send_by_reference(Message::Text("a payload"));
                assert_eq!(sent, Ok(&b"a payload"[..]));
                // Its header was.
                session.sent(2);
            },
        );
    }
    all
}

/// All that comes of it from here on.
fn rest_of(mut session: Session, end: End, wire: &[u8]) -> (Vec<Got>, Vec<u8>) {
    session.push(&[wire, &end.peer_frame(PING, b"still there?")].concat());
    let mut seen = Vec::new();
    while let Some(next) = step(&mut session).expect("in order") {
        seen.push(next);
    }
    // Whatever was begun is completed.
    let owed = session.unsent_len() > 0 && session.unsent().is_empty();
    session.sent(if owed { session.unsent_len() } else { 0 });
    let sent = session.send_part(Kind::Text, b"more", Part::Last);
    sent.expect("room, and in order");
    (seen, drain(&mut session))
}

#[test]
fn into_parts_refuses_what_it_would_lose_and_gives_it_back_unharmed() {
    for end in End::BOTH {
        let twins = in_the_middle(end).into_iter().zip(in_the_middle(end));
        for ((name, session, rest), (_, twin, _)) in twins {
            let Err(session) = session.into_parts() else {
                panic!("{name}, {end:?}: it was taken apart");
            };
            assert_eq!(session.state(), State::Open);
            let expected = rest_of(twin, end, &rest);
            assert_eq!(rest_of(*session, end, &rest), expected, "{name}, {end:?}");
        }
    }
}

#[cfg(feature = "deflate")]
#[test]
fn into_parts_refuses_where_messages_are_compressed() {
    use ws_proto::Deflate;
    use ws_proto::handshake::{Compression, Direction};
    let agreed = Compression {
        server: Direction::FULL,
        client: Direction::FULL,
    };
    for end in End::BOTH {
        let session = end.session(&Limits::default());
        let session = session.compressed(&Deflate::default(), &agreed);
        let mut session = session.into_parts().expect_err("it has a context");
        session.send("as before").expect("room");
        assert_eq!(frames(&drain(&mut session))[0].payload, b"as before");
    }
}

/// Wherever the streams are cut, both ways, the session that is made of the parts goes on.
#[test]
fn from_parts_goes_on_where_the_other_stopped() {
    for end in End::BOTH {
        let incoming = [
            end.peer_frame(TEXT, b"first"),
            end.peer_frame(PING, b"ping"),
            end.peer_frame(BINARY, &[7; 130]),
        ]
        .concat();
        // The header of the last is complete from here on: its payload is the message's then.
        let most = incoming.len() - 130;
        let first = end.peer_frame(TEXT, b"first").len();
        let head = first - b"first".len();
        for received in 0..most {
            for written in [0, 1, 2, 5, 9, 20, 30] {
                let mut session = end.session(&Limits::default());
                session.push(&incoming[..received]);
                let (mut seen, mut wrote) = (Vec::new(), Vec::new());
                while let Some(next) = step(&mut session).expect("in order") {
                    seen.push(next);
                }
                session.send("one").expect("room");
                session.send(&[1; 9]).expect("room");
                let mut left = written;
                while left > 0 && session.wants_write() {
                    let unsent = session.unsent();
                    let len = unsent.len().min(left);
                    wrote.extend(&unsent[..len]);
                    session.sent(len);
                    left -= len;
                }
                // What was begun of a payload is the message's already, and only it.
                let begun = received >= head && received < first;
                let mut session = match session.into_parts() {
                    Ok(parts) if !begun => Session::from_parts(parts, &Config::default()),
                    Err(session) if begun => *session,
                    _ => panic!("{end:?}, {received}"),
                };
                session.push(&incoming[received..]);
                while let Some(next) = step(&mut session).expect("in order") {
                    seen.push(next);
                }
                session.ping(b"?").expect("open");
                session.send("after").expect("room");
                wrote.extend(drain(&mut session));
                let expected = [
                    Got::Text("first".into()),
                    Got::Ping(b"ping".into()),
                    Got::Binary([7; 130].into()),
                ];
                assert_eq!(seen, expected, "{end:?}, {received}, {written}");
                let frames = frames(&wrote);
                let messages = frames.iter().filter(|frame| frame.opcode() < 8);
                let messages: Vec<_> = messages.map(|frame| &frame.payload[..]).collect();
                assert_eq!(messages, [&b"one"[..], &[1; 9], b"after"]);
                let mut controls: Vec<_> = frames.iter().filter(|f| f.opcode() >= 8).collect();
                controls.sort_by_key(|frame| frame.opcode());
                let controls = controls.iter().map(|frame| &frame.payload[..]);
                assert!(controls.eq([&b"?"[..], b"ping"]), "each once");
            }
        }
    }
}

/// The peer had closed, or had broken the rules: that is known to what goes on.
#[test]
fn from_parts_knows_how_the_connection_ended() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        session.push(&end.peer_frame(ws_testkit::CLOSE, &ws_testkit::close_payload(1001, "away")));
        assert!(step(&mut session).expect("in order").is_some());
        // The Close that answers is on its way.
        assert!(!session.unsent().is_empty());
        let state = session.state();
        let parts = session.into_parts().expect("between messages");
        let mut session = Session::from_parts(parts, &Config::default());
        assert_eq!(session.step(), Ok(Step::Closed));
        assert_eq!(session.state(), state);

        let mut session = end.session(&Limits::default());
        session.push(&[0xFF]);
        let error = session.step().expect_err("reserved bits");
        let parts = session.into_parts().expect("between messages");
        let mut session = Session::from_parts(parts, &Config::default());
        assert_eq!(session.step(), Err(error));
        assert_eq!(session.state(), State::Failed(error));
    }
}

/// In the middle of whatever it is: the halves are all there is of a session.
#[test]
fn split_and_join_change_nothing() {
    for end in End::BOTH {
        let twins = in_the_middle(end).into_iter().zip(in_the_middle(end));
        for ((name, session, rest), (_, twin, _)) in twins {
            let (incoming, outgoing) = session.split();
            let session = Session::join(incoming, outgoing);
            let expected = rest_of(twin, end, &rest);
            assert_eq!(rest_of(session, end, &rest), expected, "{name}, {end:?}");
        }
    }
}

/// An adapter that writes holds the sending half alone: what to do about the transport, and how long
/// to wait, it learns from there.
#[test]
fn the_sending_half_says_what_is_left_to_do() {
    let mut config = Config::default();
    config.timeouts.close_timeout = Duration::from_secs(3);
    for (end, session) in [
        (End::Server, Session::server(&config)),
        (End::Client, Session::client(&config, [7; 32])),
    ] {
        assert_eq!(session.timeouts(), config.timeouts);
        let (mut incoming, mut outgoing) = session.split();
        assert_eq!(outgoing.timeouts(), config.timeouts);
        assert_eq!(outgoing.shutdown(), Shutdown::NotYet);
        incoming.push(&[0xFF]);
        let error = incoming.step(&mut outgoing).expect_err("reserved bits");
        assert_eq!(outgoing.state(), State::Failed(error));
        let len = outgoing.unsent().len();
        outgoing.sent(len);
        assert_eq!(outgoing.shutdown(), Shutdown::Write, "{end:?}");
        outgoing.dropped(1);
        assert_eq!(outgoing.shutdown(), Shutdown::Write, "whatever came");
        outgoing.write_shut();
        assert_eq!(outgoing.shutdown(), Shutdown::Drain);
        outgoing.dropped((16 << 20) - 2);
        assert_eq!(outgoing.shutdown(), Shutdown::Drain);
        outgoing.dropped(1);
        assert_eq!(outgoing.shutdown(), Shutdown::Now, "it does not listen");
        assert_eq!(outgoing.state(), State::Failed(error));
    }
}

/// Only the receiving half sees that the stream has ended, and both know it then.
#[test]
fn the_sending_half_knows_that_the_stream_has_ended() {
    for end in End::BOTH {
        let (mut incoming, mut outgoing) = end.session(&Limits::default()).split();
        let ended = incoming.eof(&mut outgoing);
        assert_eq!(ended, Err(ProtocolError::UnexpectedEof));
        let failed = State::Failed(ProtocolError::UnexpectedEof);
        assert_eq!(outgoing.state(), failed, "{end:?}");
        assert_eq!(outgoing.failed(), Some(ProtocolError::UnexpectedEof));

        let (mut incoming, mut outgoing) = end.session(&Limits::default()).split();
        incoming.push(&end.peer_frame(ws_testkit::CLOSE, &ws_testkit::close_payload(1001, "away")));
        assert!(matches!(incoming.step(&mut outgoing), Ok(Step::Control(_))));
        let len = outgoing.unsent().len();
        outgoing.sent(len);
        assert_ne!(outgoing.shutdown(), Shutdown::Now, "{end:?}");
        assert_eq!(incoming.eof(&mut outgoing), Ok(()));
        assert_eq!(outgoing.shutdown(), Shutdown::Now, "{end:?}");
        let close = outgoing.peer_close().expect("it is known still");
        assert_eq!((close.code().get(), close.reason()), (1001, "away"));
    }
}

/// What one half has failed with is what it stays with, and what the other learns when it is next
/// asked.
#[test]
fn the_first_failure_is_that_of_both_halves() {
    for end in End::BOTH {
        let (mut incoming, mut outgoing) = end.session(&Limits::default()).split();
        incoming.push(&[0xFF]);
        let error = incoming.step(&mut outgoing).expect_err("reserved bits");
        assert_eq!(outgoing.failed(), Some(error));
        let _ = incoming.eof(&mut outgoing);
        assert_eq!(outgoing.failed(), Some(error), "{end:?}");
        assert_eq!(incoming.step(&mut outgoing), Err(error));
    }
}

/// The questions of a half that a session does not answer: an adapter that lends compressors lends
/// them to the half.
const LEFT_TO_THE_HALVES: [&str; 2] = ["suits_compressor", "wants_compressor"];

/// The questions in the source of a type: its public methods that change nothing.
fn questions(source: &str) -> impl Iterator<Item = &str> {
    source.split("\n    pub ").skip(1).filter_map(|item| {
        let (name, rest) = item.split_once("fn ")?.1.split_once('(')?;
        rest.trim_start().starts_with("&self").then_some(name)
    })
}

#[test]
fn a_session_answers_all_questions_that_its_halves_answer() {
    let session: BTreeSet<_> = questions(include_str!("../../src/session.rs")).collect();
    let halves: BTreeSet<_> = [
        include_str!("../../src/incoming.rs"),
        include_str!("../../src/incoming/steps.rs"),
        include_str!("../../src/outgoing.rs"),
        include_str!("../../src/outgoing/messages.rs"),
    ]
    .into_iter()
    .flat_map(questions)
    .collect();
    assert!(halves.contains("memory") && halves.contains("compresses"));
    let unanswered: BTreeSet<_> = halves.difference(&session).copied().collect();
    assert_eq!(unanswered, BTreeSet::from(LEFT_TO_THE_HALVES));
}

#[test]
fn a_session_holds_what_its_halves_hold() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        assert_eq!((session.memory(), session.is_within_message()), (0, false));
        session.push(&end.peer_part(TEXT, b"a part"));
        assert_eq!(session.step(), Ok(Step::NeedData));
        assert!(session.is_within_message(), "{end:?}");
        session.send("hello").expect("open");
        let memory = session.memory();
        let (incoming, outgoing) = session.halves();
        assert!(incoming.memory() > 0 && outgoing.memory() > 0);
        assert_eq!(memory, incoming.memory() + outgoing.memory());
    }
}

/// A session does by itself what its halves do.
#[test]
fn a_session_speaks_for_its_halves() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        assert!(session.is_released(), "it begins without memory");
        session.push(&end.peer_frame(TEXT, b"hello"));
        assert!(!session.is_released());
        assert_eq!(session.ready(), Ok(Ready::Message));
        assert_eq!(session.message(), Ok(Some(Message::Text("hello"))));
        assert_eq!(session.message(), Ok(None));
        session.push(&end.peer_frame(PING, b"ping"));
        assert_eq!(session.ready(), Ok(Ready::Control));
        assert_eq!(session.control(), Ok(Some(Event::Ping(b"ping"))));
        assert_eq!(session.control(), Ok(None));
        session.pong(b"unasked").expect("open");
        let mut pongs = frames(&drain(&mut session));
        pongs.retain(|frame| frame.opcode() == ws_testkit::PONG);
        let pongs: Vec<_> = pongs.iter().map(|frame| &frame.payload[..]).collect();
        assert!(pongs.contains(&&b"unasked"[..]), "{pongs:?}");

        session.push(&[0xFF]);
        assert!(session.step().is_err());
        drain(&mut session);
        assert_eq!(session.shutdown(), Shutdown::Write);
        session.write_shut();
        assert_eq!(session.shutdown(), Shutdown::Drain);
        session.dropped(16 << 20);
        assert_eq!(session.shutdown(), Shutdown::Now);
    }
}

#[cfg(feature = "deflate")]
#[test]
fn a_session_tells_what_it_compresses_and_does_what_it_is_told() {
    use ws_proto::handshake::{Compression, Direction};
    use ws_proto::{Compress, Deflate};
    let agreed = Compression {
        server: Direction::FULL,
        client: Direction::FULL,
    };
    let long = "x".repeat(5000);
    for end in End::BOTH {
        let mut plain = end.session(&Limits::default());
        assert!(!plain.compresses(5000));
        plain.send_with(&long, Compress::Auto).expect("room");
        assert!(plain.unsent_len() > 5000);

        let session = end.session(&Limits::default());
        let mut session = session.compressed(&Deflate::default(), &agreed);
        assert!(session.compresses(5000) && !session.compresses(1));
        session.send_with(&long, Compress::Auto).expect("room");
        let short = drain(&mut session).len();
        assert!((1..5000).contains(&short), "{short}");
        session.send_with(&long, Compress::Never).expect("room");
        assert!(session.unsent_len() > 5000);
    }
}

/// Of parts the lengths are shown, and nothing of what is in them.
#[test]
fn quiet_parts_show_how_long_they_are() {
    let mut session = Session::server(&Config::default());
    session.push(b"\x81");
    session.send("s3cret").expect("room");
    let shown = format!("{:?}", session.into_parts().expect("between messages"));
    assert!(shown.contains("unread: 1, unsent: 8"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
