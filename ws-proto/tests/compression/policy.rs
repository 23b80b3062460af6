//! Which messages are compressed, and what is kept for the next: [`Deflate`], [`Compress`], and
//! the contexts that are lent.
#![cfg(feature = "deflate")]

use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{
    Compress, Deflate, Kind, Limits, Message, Part, Prepared, SendError, Session, Step, WhenIdle,
};
use ws_testkit::noise;

const FULL: Compression = Compression {
    server: Direction::FULL,
    client: Direction::FULL,
};

/// Nothing kept between messages.
fn alone(bits: u8) -> Compression {
    let direction = Direction {
        window: WindowBits::new(bits).expect("8 to 15"),
        takeover: Takeover::Off,
    };
    Compression {
        server: direction,
        client: direction,
    }
}

/// It sends as was agreed on.
fn server(settings: &Deflate, agreed: &Compression) -> Session {
    let mut settings = *settings;
    settings.send = agreed.server;
    Session::server(&Limits::DEFAULT.into()).compressed(&settings, agreed)
}

/// Whether the frame that waits to be sent is the first of a compressed message, and how long it
/// is. It is taken.
fn sent(session: &mut Session) -> (bool, usize) {
    let unsent = session.unsent();
    let (rsv1, len) = (unsent[0] & 0x40 != 0, unsent.len());
    session.sent(len);
    (rsv1, len)
}

#[test]
fn a_message_of_the_least_length_is_compressed_and_a_shorter_one_is_not() {
    let settings = Deflate::default();
    let mut session = server(&settings, &alone(12));
    for (len, compressed) in [(0, false), (1023, false), (1024, true), (5000, true)] {
        let text = "x".repeat(len);
        assert_eq!(session.halves().1.compresses(len), compressed);
        session.send(text.as_str()).expect("room");
        assert_eq!(sent(&mut session).0, compressed, "{len}");
        let prepared = Prepared::new(text.as_str());
        let (_, outgoing) = session.halves();
        outgoing.send_prepared(&prepared).expect("room");
        assert_eq!(sent(&mut session).0, compressed, "{len} prepared");
        let (_, outgoing) = session.halves();
        let lent = outgoing
            .send_by_reference(Message::Text(&text))
            .expect("room");
        let lent = lent.len();
        assert_eq!(sent(&mut session).0, compressed, "{len} lent");
        assert_eq!(lent, if compressed { 0 } else { len });
        session.sent(lent);
    }
}

#[test]
fn a_message_is_left_as_it_is_where_that_was_said() {
    let text = "x".repeat(5000);
    let mut session = server(&Deflate::default(), &FULL);
    let (_, outgoing) = session.halves();
    outgoing
        .send_with(text.as_str(), Compress::Never)
        .expect("room");
    assert_eq!(sent(&mut session), (false, 4 + text.len()));
    let (_, outgoing) = session.halves();
    outgoing
        .send_with(text.as_str(), Compress::Auto)
        .expect("room");
    let (compressed, len) = sent(&mut session);
    assert!(compressed && len < 100, "{len}");
}

#[test]
fn what_comes_in_parts_is_taken_to_be_long() {
    let mut session = server(&Deflate::default(), &FULL);
    let mut part = |payload: &[u8], part| {
        let (_, outgoing) = session.halves();
        outgoing
            .send_part(Kind::Binary, payload, part)
            .expect("room");
        sent(&mut session).0
    };
    assert!(part(b"a", Part::More), "the first of several");
    assert!(!part(b"b", Part::Last), "RSV1 is of the first only");
    assert!(!part(b"c", Part::Last), "a short message in one part");
    assert!(part(&[0; 1024], Part::Last), "a long one");
    // The message above ended in a compressed part: what follows is a message of its own.
    assert!(part(b"d", Part::More));

    let mut plain = Session::server(&Limits::DEFAULT.into());
    let (_, outgoing) = plain.halves();
    outgoing
        .send_part(Kind::Text, &[b'x'; 2000], Part::Last)
        .expect("room");
    assert_eq!(sent(&mut plain), (false, 2004));
}

#[test]
fn without_an_agreement_nothing_is_compressed_or_lent() {
    let text = "x".repeat(5000);
    let mut other = server(&Deflate::default(), &alone(12));
    other.send(text.as_str()).expect("room");
    let compressor = other.halves().1.take_compressor().expect("it has one");
    assert_eq!(format!("{compressor:?}"), "Compressor { .. }");

    let mut plain = Session::server(&Limits::DEFAULT.into());
    let (_, outgoing) = plain.halves();
    assert!(!outgoing.compresses(1 << 20) && !outgoing.wants_compressor(1 << 20));
    assert!(!outgoing.suits_compressor(&compressor));
    assert!(outgoing.lend_compressor(compressor).is_some());
    assert!(outgoing.take_compressor().is_none());
    let prepared = Prepared::new(text.as_str());
    outgoing.send_prepared(&prepared).expect("room");
    assert_eq!(outgoing.unsent_len(), 5004);
    assert_eq!(
        sent(&mut plain),
        (false, 4),
        "a header, and the payload where it lies"
    );
}

#[test]
fn a_window_of_256_bytes_leaves_messages_as_they_are() {
    let text = "x".repeat(5000);
    for (bits, compressed) in [(8, false), (9, true)] {
        let mut session = server(&Deflate::default(), &alone(bits));
        assert_eq!(session.halves().1.compresses(5000), compressed);
        session.send(text.as_str()).expect("room");
        assert_eq!(sent(&mut session).0, compressed);
    }
}

#[test]
fn silence_drops_the_context_or_keeps_it_as_was_said() {
    let noise = noise(2000);
    for (agreed, when_idle, refers) in [
        (FULL, WhenIdle::Keep, true),
        (FULL, WhenIdle::Drop, false),
        (alone(15), WhenIdle::Keep, false),
    ] {
        let mut settings = Deflate::default();
        settings.when_idle = when_idle;
        let mut session = server(&settings, &agreed);
        let mut peer =
            Session::client(&Limits::DEFAULT.into(), [1; 32]).compressed(&settings, &agreed);
        let mut send = |session: &mut Session| {
            session.send(&noise[..]).expect("room");
            let len = session.unsent().len();
            peer.push(session.unsent());
            session.sent(len);
            let Ok(Step::Message(Message::Binary(got))) = peer.step() else {
                panic!("a message");
            };
            assert_eq!(got, noise);
            len
        };
        assert!(send(&mut session) > 2000);
        let kept = agreed == FULL;
        assert_eq!(send(&mut session) < 100, kept);
        session.release();
        assert_eq!(send(&mut session) < 100, refers, "{when_idle:?}");
    }
}

#[test]
fn a_context_stays_while_a_message_is_being_sent() {
    let mut session = server(&Deflate::default(), &alone(12));
    let mut peer = Session::client(&Limits::DEFAULT.into(), [1; 32])
        .compressed(&Deflate::default(), &alone(12));
    let (_, outgoing) = session.halves();
    assert!(outgoing.wants_compressor(1024) && !outgoing.wants_compressor(1023));
    outgoing
        .send_part(Kind::Text, &[b'x'; 1000], Part::More)
        .expect("room");
    assert!(outgoing.take_compressor().is_none(), "it is in use");
    assert!(!outgoing.wants_compressor(1024), "there is one");
    assert_eq!(outgoing.send("another"), Err(SendError::MessageInProgress));
    outgoing.release();
    outgoing
        .send_part(Kind::Text, &[b'x'; 1000], Part::Last)
        .expect("room");
    peer.push(session.unsent());
    let Ok(Step::Message(Message::Text(text))) = peer.step() else {
        panic!("a message");
    };
    assert_eq!(text, "x".repeat(2000));
    let (_, outgoing) = session.halves();
    assert!(outgoing.take_compressor().is_some(), "it is not, any more");
    assert!(outgoing.take_compressor().is_none(), "it was taken");
}

#[test]
fn a_context_that_messages_refer_to_is_not_for_others() {
    let mut session = server(&Deflate::default(), &FULL);
    let (_, outgoing) = session.halves();
    outgoing.send("x".repeat(2000).as_str()).expect("room");
    assert!(outgoing.take_compressor().is_none());
    assert!(!outgoing.wants_compressor(2000), "nor is one wanted");

    // Of what is lent, only what is of the same kind and not there yet is taken.
    let mut lender = server(&Deflate::default(), &alone(15));
    lender.send("x".repeat(2000).as_str()).expect("room");
    let compressor = lender.halves().1.take_compressor().expect("it has one");
    assert!(outgoing.lend_compressor(compressor).is_some());
}

#[test]
fn a_context_that_served_a_large_message_is_lent_without_its_buffer() {
    let mut lender = server(&Deflate::default(), &alone(12));
    let noise = noise(2000).repeat(100);
    lender.send(&noise[..]).expect("room");
    assert!(sent(&mut lender).0);
    let (_, outgoing) = lender.halves();
    let compressor = outgoing.take_compressor().expect("it has one");
    assert!(outgoing.suits_compressor(&compressor));
    assert!(outgoing.lend_compressor(compressor).is_none());
    let text = "x".repeat(2000);
    lender.send(text.as_str()).expect("room");
    let mut peer = Session::client(&Limits::DEFAULT.into(), [1; 32])
        .compressed(&Deflate::default(), &alone(12));
    peer.push(lender.unsent());
    assert_eq!(peer.step(), Ok(Step::Message(Message::Text(&text))));
}

#[test]
fn levels_out_of_range_are_the_nearest_that_exist() {
    let text = "What is said three times is true. ".repeat(60);
    let len = |level, memory| {
        let mut settings = Deflate::default();
        (settings.level, settings.memory) = (level, memory);
        let mut session = server(&settings, &alone(12));
        session.send(text.as_str()).expect("room");
        sent(&mut session).1
    };
    assert_eq!(len(0, 0), len(1, 1));
    assert_eq!(len(255, 255), len(9, 9));
}

/// Each kind of connection gets the form that it agreed on.
#[test]
fn a_prepared_message_is_compressed_for_each_window() {
    let mut message = noise(2000);
    message.extend_from_within(..);
    let prepared = Prepared::new(&message[..]);
    let mut lens = Vec::new();
    for bits in [15, 9, 15, 9] {
        let agreed = alone(bits);
        let mut session = server(&Deflate::default(), &agreed);
        let (_, outgoing) = session.halves();
        outgoing.send_prepared(&prepared).expect("room");
        lens.push(session.unsent().len());
    }
    // What is 2,000 bytes back lies in the one window and not in the other.
    assert!(lens[0] < 2200 && lens[1] > 3900, "{lens:?}");
    assert_eq!(lens[..2], lens[2..]);
}
