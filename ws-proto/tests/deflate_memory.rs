//! What compression takes: bombs stop at the limit, and a connection pays for what it uses.

#![cfg(feature = "deflate")]

use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{
    Deflate, Header, Limits, Message, Opcode, Part, Prepared, ProtocolError, SendError, Session,
    Step,
};
use ws_testkit::counting::{Counting, short_of_memory, usage};
use ws_testkit::noise;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LIMIT: u64 = 1 << 20;
/// What a bomb may take beyond the limit.
const BEYOND: usize = 128 << 10;

fn both(bits: u8, takeover: Takeover) -> Compression {
    let window = WindowBits::new(bits).unwrap();
    let direction = Direction { window, takeover };
    Compression {
        server: direction,
        client: direction,
    }
}

fn settings() -> Deflate {
    let mut settings = Deflate::default();
    settings.send = Direction::FULL;
    settings.min_len = 0;
    settings.level = 9;
    settings
}

fn server(agreed: &Compression, limits: &Limits) -> Session {
    Session::server(&(*limits).into()).compressed(&settings(), agreed)
}

fn client(agreed: &Compression, limits: &Limits) -> Session {
    Session::client(&(*limits).into(), [0; 32]).compressed(&settings(), agreed)
}

/// The compressed payloads of `messages`, one stream.
fn deflated(agreed: &Compression, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut limits = Limits::default();
    limits.max_unsent = usize::MAX;
    let mut server = server(agreed, &limits);
    messages
        .iter()
        .map(|message| {
            server.send(message).unwrap();
            let (_, head) = Header::decode(server.unsent()).unwrap().unwrap();
            let payload = server.unsent()[head..].to_vec();
            let len = server.unsent().len();
            server.sent(len);
            payload
        })
        .collect()
}

/// A frame of a message that is compressed.
fn frame(opcode: Opcode, payload: &[u8], part: Part) -> Vec<u8> {
    let header = Header::new(opcode, payload.len() as u64).unwrap();
    framed(header.compressed().unwrap_or(header), payload, part)
}

/// A frame of one that is not.
fn plain(opcode: Opcode, payload: &[u8], part: Part) -> Vec<u8> {
    let header = Header::new(opcode, payload.len() as u64).unwrap();
    framed(header, payload, part)
}

fn framed(mut header: Header, payload: &[u8], part: Part) -> Vec<u8> {
    if part == Part::More {
        header = header.unfinished().unwrap();
    }
    [header.encode().as_ref(), payload].concat()
}

/// Presents the frames as they would be read: 16 KiB at a time.
fn explode(session: &mut Session, wire: &[u8]) -> Result<usize, ProtocolError> {
    let mut messages = 0;
    let mut at = 0;
    while at < wire.len() {
        let spare = session.spare_mut()?;
        let len = spare.len().min(wire.len() - at);
        spare[..len].copy_from_slice(&wire[at..at + len]);
        session.filled(len);
        at += len;
        while let Step::Message(_) = session.step()? {
            messages += 1;
        }
    }
    Ok(messages)
}

fn assert_bomb(wire: &[u8]) {
    let mut limits = Limits::default();
    limits.max_message = LIMIT;
    limits.max_fragments = 20_000;
    let too_big = ProtocolError::MessageTooBig { limit: LIMIT };
    let mut session = client(&both(15, Takeover::Kept), &limits);
    let (result, usage) = usage(|| explode(&mut session, wire));
    assert_eq!(result, Err(too_big));
    assert!(
        usage.peak <= usize::try_from(LIMIT).unwrap() + BEYOND,
        "{} bytes at the peak",
        usage.peak
    );
    println!("bomb of {} bytes: {} at the peak", wire.len(), usage.peak);

    // Poisoned: nothing more is inflated, whatever comes, and the peer is told 1009.
    session.push(&wire[..wire.len().min(1000)]);
    assert_eq!(session.step(), Err(too_big));
    let (header, head) = Header::decode(session.unsent()).unwrap().unwrap();
    let mut told = session.unsent()[head..].to_vec();
    let _ = header.mask().unwrap().apply(&mut told);
    assert_eq!(&told[..2], 1009_u16.to_be_bytes());
}

#[test]
fn bombs_stop_at_the_limit() {
    let full = both(15, Takeover::Kept);
    let payload = deflated(&full, &[vec![0; 64 << 20]]).remove(0);
    assert!(
        (64 << 20) / payload.len() >= 1000,
        "{} bytes",
        payload.len()
    );
    // One frame.
    assert_bomb(&frame(Opcode::Binary, &payload, Part::Last));
    // 10,000 fragments and more.
    let pieces = payload.chunks(payload.len() / 10_000);
    assert!(pieces.len() >= 10_000);
    let mut wire = Vec::new();
    for (at, piece) in pieces.enumerate() {
        let opcode = if at == 0 {
            Opcode::Binary
        } else {
            Opcode::Continuation
        };
        wire.extend(frame(opcode, piece, Part::More));
    }
    assert_bomb(&wire);
}

/// Each message is within the limit but the last, which refers to those before.
#[test]
fn bombs_chained_through_takeover_stop_at_the_limit() {
    let full = both(15, Takeover::Kept);
    let noise: Vec<u8> = (0..30_000_u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let mut messages = vec![noise.clone(); 3];
    messages.push(noise.iter().copied().cycle().take(16 << 20).collect());
    let payloads = deflated(&full, &messages);
    let wire: Vec<u8> = payloads
        .iter()
        .flat_map(|payload| frame(Opcode::Binary, payload, Part::Last))
        .collect();
    assert_bomb(&wire);
}

/// The memory of a message before it is used again, and may be twice the limit.
#[test]
fn bombs_after_a_long_message_stop_at_twice_the_limit() {
    let full = both(15, Takeover::Kept);
    let limit = usize::try_from(LIMIT).unwrap();
    let bomb = deflated(&full, &[vec![0; 64 << 20]]).remove(0);
    let bomb = frame(Opcode::Binary, &bomb, Part::Last);
    let long = [
        plain(Opcode::Binary, &vec![0; limit - 1], Part::More),
        plain(Opcode::Continuation, &[0], Part::Last),
    ]
    .concat();
    let mut limits = Limits::default();
    limits.max_message = LIMIT;
    let mut session = client(&full, &limits);
    let ((), usage) = usage(|| {
        assert_eq!(explode(&mut session, &long), Ok(1));
        let too_big = ProtocolError::MessageTooBig { limit: LIMIT };
        assert_eq!(explode(&mut session, &bomb), Err(too_big));
    });
    assert!(usage.peak <= 2 * limit + BEYOND, "{}", usage.peak);
    assert!(usage.peak > limit + BEYOND, "{}", usage.peak);
}

/// More fragments than allowed, each of which inflates to something.
#[test]
fn ten_thousand_fragments_stop_at_their_limit() {
    let full = both(15, Takeover::Kept);
    let payload = deflated(&full, &[vec![0; 64 << 20]]).remove(0);
    let mut limits = Limits::default();
    limits.max_message = u64::MAX;
    limits.max_fragments = 4096;
    let mut wire = Vec::new();
    for (at, piece) in payload.chunks(1).take(10_000).enumerate() {
        let opcode = if at == 0 {
            Opcode::Binary
        } else {
            Opcode::Continuation
        };
        wire.extend(frame(opcode, piece, Part::More));
    }
    let (result, usage) = usage(|| explode(&mut client(&full, &limits), &wire));
    assert_eq!(result, Err(ProtocolError::TooManyFragments { limit: 4096 }));
    // What 4096 bytes inflate to, at most, and no more.
    assert!(usage.peak <= 4096 * 1032 * 2 + BEYOND, "{}", usage.peak);
}

/// What sending and then receiving a message leaves in use, in bytes.
fn traffic(make: impl Fn() -> Session, peer: &mut Session) -> (Session, [isize; 2]) {
    let message = "{\"some\":\"text\"}".repeat(100);
    let mut session = make();
    let (_, sent) = usage(|| {
        session.send(&message).unwrap();
        let len = session.unsent().len();
        session.sent(len);
    });
    peer.send(&message).unwrap();
    let wire = peer.unsent().to_vec();
    let (_, received) = usage(|| {
        session.push(&wire);
        assert_eq!(session.step(), Ok(Step::Message(Message::Text(&message))));
    });
    (session, [sent.kept, received.kept])
}

/// The figures of the README: bytes that a connection takes beyond one without compression, once
/// it has sent, for each window and memory level.
const TO_SEND: [(u8, u8, isize); 6] = [
    (9, 1, 137_369),
    (9, 5, 150_809),
    (12, 5, 165_112),
    (12, 8, 265_464),
    (15, 5, 279_800),
    (15, 8, 380_152),
];

/// Before it has done either.
const IDLE: usize = 360;

/// And once it has received.
const TO_RECEIVE: isize = 53_148;

#[test]
fn contexts_are_made_at_first_use_and_given_back() {
    let limits = Limits::default();
    let plain = {
        let mut peer = Session::client(&limits.into(), [0; 32]);
        traffic(|| Session::server(&limits.into()), &mut peer).1
    };
    for takeover in [Takeover::Off, Takeover::Kept] {
        for (bits, memory, to_send) in TO_SEND {
            let agreed = both(bits, takeover);
            let mut settings = settings();
            (settings.memory, settings.level) = (memory, 6);
            let make = || Session::server(&limits.into()).compressed(&settings, &agreed);
            let (_, idle) = usage(|| drop(make()));
            assert_eq!(idle.kept, 0, "the session is dropped");
            assert!(
                idle.peak <= IDLE,
                "{} bytes before the first message",
                idle.peak
            );

            let (mut session, taken) = traffic(make, &mut client(&agreed, &limits));
            let taken = [taken[0] - plain[0], taken[1] - plain[1]];
            println!("window {bits}, memory {memory}, {takeover:?}: {taken:?}");
            assert!(
                (taken[0] - to_send).abs() < 4096,
                "{bits} {memory}: {taken:?}"
            );
            assert!(
                (taken[1] - TO_RECEIVE).abs() < 4096,
                "{bits} {memory}: {taken:?}"
            );

            let (_, released) = usage(|| session.release());
            let given = -released.kept;
            assert!(given >= taken[0], "{given} of {taken:?} given back");
            if takeover == Takeover::Off {
                assert!(
                    given >= taken[0] + taken[1],
                    "{given} of {taken:?} given back"
                );
            }
        }
    }
}

/// A context that is shared does not keep what one large message needed.
#[test]
fn a_shared_context_keeps_no_large_buffer() {
    let mut limits = Limits::default();
    limits.max_unsent = usize::MAX;
    let agreed = both(12, Takeover::Off);
    let noise = noise(8 << 20);
    let mut session = server(&agreed, &limits);
    let (compressor, usage) = usage(|| {
        session.send(&noise).unwrap();
        let len = session.unsent().len();
        session.sent(len);
        let compressor = session.halves().1.take_compressor();
        session.release();
        compressor.unwrap()
    });
    assert!(usage.kept < 400 << 10, "{} bytes", usage.kept);
    drop(compressor);
}

/// Another connection that has agreed on the same gets what the first one got: it takes no context.
/// So it is for each window that was agreed on.
#[test]
fn a_prepared_message_is_compressed_once() {
    let limits = Limits::default();
    let prepared = Prepared::new("for all of them, ".repeat(100).as_str());
    for bits in 9..=15 {
        let agreed = both(bits, Takeover::Off);
        let mut sessions = [(); 2].map(|()| server(&agreed, &limits));
        let [first, second] = sessions.each_mut().map(|session| {
            let (sent, usage) = usage(|| session.halves().1.send_prepared(&prepared));
            sent.unwrap();
            usage.peak
        });
        assert!(first > 64 << 10 && second < 4 << 10, "{first} {second}");
        let [first, second] = &mut sessions;
        assert_eq!(first.unsent(), second.unsent());
    }
}

/// What is shared takes a little more than its bytes. Without memory for that it is refused, and
/// not refused for want of more.
#[test]
fn a_prepared_message_asks_for_what_sharing_it_takes() {
    let noise = noise(1 << 20);
    let mut session = server(&both(15, Takeover::Off), &Limits::default());
    // It has a context then, and the length is known.
    session.send(&noise).unwrap();
    let (_, head) = Header::decode(session.unsent()).unwrap().unwrap();
    let len = session.unsent().len();
    session.sent(len);
    let shared = len - head;
    let prepared = Prepared::new(&noise);
    let mut send = |largest| short_of_memory(largest, || session.send_prepared(&prepared));
    assert_eq!(send(shared + 8), Err(SendError::OutOfMemory));
    assert_eq!(send(shared + 256), Ok(()));
}

/// Whoever it is lent to next sends without asking for memory.
#[test]
fn a_shared_context_keeps_a_small_buffer() {
    let limits = Limits::default();
    let mut session = server(&both(12, Takeover::Off), &limits);
    let mut send = || {
        session.send("a message like any other").unwrap();
        let len = session.unsent().len();
        session.sent(len);
        let (_, outgoing) = session.halves();
        let context = outgoing.take_compressor().unwrap();
        assert!(outgoing.lend_compressor(context).is_none());
    };
    send();
    let ((), usage) = usage(send);
    assert_eq!(usage.calls, 0, "{usage:?}");
}

/// Room for it is made once: what is compressed, and the frame.
#[test]
fn noise_takes_little_more_than_its_length_twice() {
    let mut limits = Limits::default();
    limits.max_unsent = usize::MAX;
    let mut server = server(&both(15, Takeover::Kept), &limits);
    server.send("a context, please").unwrap();
    let noise = noise(1 << 20);
    let (sent, usage) = usage(|| server.send(&noise));
    sent.unwrap();
    let twice = 2 * noise.len();
    assert!(usage.peak < twice + twice / 32, "{usage:?}");
}
