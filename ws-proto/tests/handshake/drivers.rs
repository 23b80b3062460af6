//! The drivers of the opening handshake: what they ask for, when they give up, and what they keep.
#![cfg(feature = "alloc")]

use core::time::Duration;

use ws_proto::handshake::{Answer, HeadError, Offer, RequestError, Uri};
use ws_proto::{
    AcceptStep, Accepting, Config, ConnectStep, Connecting, Instant, Limits, Message, Session,
    Step, TimedOut, Verdict,
};

pub(crate) const ENTROPY: [u8; 48] = *b"the sample nonce and 32 bytes for the masking ke";

pub(crate) const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";

pub(crate) const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: chat\r\n\r\n";

/// A masked and an unmasked "Hello".
pub(crate) const FROM_CLIENT: &[u8] = b"\x81\x85\0\0\0\0Hello";
pub(crate) const FROM_SERVER: &[u8] = b"\x81\x05Hello";

pub(crate) fn connecting(config: &Config) -> Connecting {
    let uri = Uri::parse("ws://server.example.com/chat").unwrap();
    let offer = Offer::to(&uri).protocols(&["chat", "superchat"]).unwrap();
    Connecting::new(&offer, config, ENTROPY)
}

pub(crate) fn at(secs: u64) -> Instant {
    Instant::from_epoch(Duration::from_secs(secs))
}

/// What a server does with a request.
pub(crate) fn answer(asked: ws_proto::Asked<'_>) {
    let request = asked.request();
    match request.path() {
        "/chat" => match request.same_origin().and_then(|()| request.accept()) {
            Ok(accept) => asked.accept(accept.protocol("chat").unwrap_or(accept)),
            Err(error) => asked.refuse(error),
        },
        "/page" => asked.answer(&Answer::new(200).unwrap().body(b"a page\n")),
        _ => asked.answer(&Answer::new(404).unwrap().body(b"nothing is here\n")),
    }
}

/// The texts that a session has received, and whether it waits for more.
pub(crate) fn texts(session: &mut Session) -> Vec<String> {
    let mut texts = Vec::new();
    while let Ok(Step::Message(message)) = session.step() {
        texts.push(match message {
            Message::Text(text) => text.to_owned(),
            other => format!("{other:?}"),
        });
    }
    texts
}

#[test]
fn cancel_a_request_that_is_not_answered_is_asked_again() {
    let mut accepting = Accepting::new(&Config::default());
    accepting.push(REQUEST.as_bytes()).unwrap();
    for _ in 0..3 {
        match accepting.step() {
            AcceptStep::Request(asked) => assert_eq!(asked.request().path(), "/chat"),
            other => panic!("{other:?}"),
        }
        assert_eq!(accepting.unsent(), b"");
        // More may come meanwhile.
        accepting.push(FROM_CLIENT).unwrap();
    }
    // An application that cannot accept as it wished has lost nothing, either.
    let AcceptStep::Request(asked) = accepting.step() else {
        panic!("a request");
    };
    let accept = asked.request().accept().unwrap();
    assert!(accept.protocol("other").is_err());
    asked.accept(accept);
    let len = accepting.unsent().len();
    accepting.sent(len);
    match accepting.step() {
        AcceptStep::Open(mut session) => assert_eq!(texts(&mut session).len(), 3),
        other => panic!("{other:?}"),
    }
}

#[test]
fn deadline_it_is_absolute_however_a_request_drips() {
    let mut config = Config::default();
    config.handshake_timeout = Duration::from_secs(3);
    let mut accepting = Accepting::new(&config);
    assert_eq!(
        accepting.deadline(),
        None,
        "time begins with the first look"
    );
    for (turn, byte) in (0..).zip(REQUEST.bytes().take(6)) {
        let wake = Some(at(8));
        let now = at(5).after(Duration::from_millis(turn * 499));
        let verdict = accepting.check(now);
        assert_eq!(verdict, Verdict::Alive { wake });
        assert_eq!(accepting.deadline(), wake);
        accepting.push(&[byte]).unwrap();
        assert!(matches!(accepting.step(), AcceptStep::NeedData));
    }
    // The client gets an answer, and has as long again to read it.
    let wake = Some(at(11));
    assert_eq!(accepting.check(at(8)), Verdict::Alive { wake });
    assert!(matches!(accepting.step(), AcceptStep::NeedWrite));
    assert!(
        accepting
            .unsent()
            .starts_with(b"HTTP/1.1 408 Request Timeout\r\n")
    );
    accepting.push(&REQUEST.as_bytes()[6..]).unwrap();
    accepting.sent(1);
    assert!(matches!(accepting.step(), AcceptStep::NeedWrite));
    let dead = Verdict::Dead(TimedOut::Handshake);
    assert_eq!(accepting.check(at(11)), dead);
    assert_eq!(accepting.check(at(12)), dead);
    let len = accepting.unsent().len();
    accepting.sent(len);
    let over = AcceptStep::Over(Some(RequestError::Timeout));
    assert_eq!(format!("{:?}", accepting.step()), format!("{over:?}"));
}

#[test]
fn deadline_it_covers_the_101_and_the_application() {
    let dead = Verdict::Dead(TimedOut::Handshake);
    for is_answered in [false, true] {
        let mut accepting = Accepting::new(&Config::default());
        let wake = Some(at(10));
        assert_eq!(accepting.check(at(0)), Verdict::Alive { wake });
        accepting.push(REQUEST.as_bytes()).unwrap();
        match accepting.step() {
            AcceptStep::Request(asked) if is_answered => answer(asked),
            AcceptStep::Request(_) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(accepting.check(at(9)), Verdict::Alive { wake });
        assert_eq!(accepting.check(at(10)), dead);
        assert!(!accepting.unsent().starts_with(b"HTTP/1.1 408"));
    }
}

#[test]
fn deadline_an_answer_that_opens_nothing_has_its_own() {
    let mut accepting = Accepting::new(&Config::default());
    let _ = accepting.check(at(0));
    accepting.push(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(matches!(accepting.step(), AcceptStep::NeedWrite));
    let wake = Some(at(19));
    assert_eq!(accepting.check(at(9)), Verdict::Alive { wake });
    assert_eq!(accepting.check(at(18)), Verdict::Alive { wake });
    let dead = Verdict::Dead(TimedOut::Handshake);
    assert_eq!(accepting.check(at(19)), dead);
}

#[test]
fn deadline_of_a_client_is_absolute_too() {
    let mut config = Config::default();
    let mut connecting = connecting(&config);
    assert_eq!(connecting.deadline(), None);
    for (secs, byte) in (3..13).zip(RESPONSE.bytes()) {
        let wake = Some(at(13));
        let verdict = connecting.check(at(secs));
        assert_eq!(verdict, Verdict::Alive { wake });
        connecting.push(&[byte]).unwrap();
        assert!(matches!(connecting.step(), Ok(ConnectStep::NeedData)));
    }
    let dead = Verdict::Dead(TimedOut::Handshake);
    assert_eq!(connecting.check(at(13)), dead);
    assert_eq!(connecting.deadline(), Some(at(13)));

    // A duration too long to add is never.
    config.handshake_timeout = Duration::MAX;
    let far = Instant::from_epoch(Duration::from_secs(1 << 33));
    let mut accepting = Accepting::new(&config);
    let mut connecting = self::connecting(&config);
    for now in [at(1), far] {
        assert!(matches!(accepting.check(now), Verdict::Alive { .. }));
        assert!(matches!(connecting.check(now), Verdict::Alive { .. }));
    }
}

#[test]
fn a_head_is_bounded_by_its_limits() {
    let mut limits = Limits::default();
    limits.max_head = 100;
    let config = Config::from(limits);
    let mut accepting = Accepting::new(&config);
    let mut connecting = connecting(&config);
    let mut read = 0;
    while let AcceptStep::NeedData = accepting.step() {
        let spare = accepting.spare_mut().unwrap();
        let len = spare.len().min(7);
        read += len;
        spare[..len].fill(b'x');
        accepting.filled(len);
    }
    assert_eq!(read, 100);
    assert!(accepting.unsent().starts_with(b"HTTP/1.1 431 "));
    assert_eq!(connecting.spare_mut().unwrap().len(), 100);
    connecting.push(&[b'x'; 1000]).unwrap();
    let too_long = HeadError::HeadTooLong { limit: 100 };
    assert_eq!(connecting.step().unwrap_err(), too_long.into());
    // An adapter that reads without stepping is given room still.
    assert!(!connecting.spare_mut().unwrap().is_empty());
    assert!(!accepting.spare_mut().unwrap().is_empty());
}

#[test]
fn what_is_filled_is_never_more_than_there_was_room_for() {
    let mut accepting = Accepting::new(&Config::default());
    accepting.filled(usize::MAX);
    let room = accepting.spare_mut().unwrap().len();
    accepting.filled(usize::MAX);
    accepting.filled(1);
    accepting.sent(usize::MAX);
    // Zeroes are no request.
    assert!(matches!(accepting.step(), AcceptStep::NeedWrite));
    assert_eq!(accepting.into_received().len(), room);
    let mut connecting = connecting(&Config::default());
    connecting.sent(usize::MAX);
    connecting.sent(1);
    assert_eq!(connecting.unsent(), b"");
    let room = connecting.spare_mut().unwrap().len();
    connecting.filled(usize::MAX);
    connecting.filled(1);
    let (head, rest) = connecting.received();
    assert_eq!(head.len() + rest.len(), room);
}

/// Two drivers on a wire that carries `most` bytes at a time, and then two sessions. Also how many bytes a
/// message of 1000 takes from either.
fn meet(ours: &Config, theirs: &Config, most: usize) -> (Connecting, Accepting, [usize; 2]) {
    let mut connecting = connecting(ours);
    let mut accepting = Accepting::new(theirs);
    let (mut client, mut server) = (None, None);
    let mut turns = 0;
    while client.is_none() || server.is_none() {
        turns += 1;
        assert!(turns < 10_000, "they do not meet");
        let piece = &connecting.unsent()[..connecting.unsent().len().min(most)];
        accepting.push(piece).unwrap();
        let len = piece.len();
        connecting.sent(len);
        match accepting.step() {
            AcceptStep::Request(asked) => answer(asked),
            AcceptStep::Open(session) => server = Some(session),
            AcceptStep::NeedWrite => {
                let piece = &accepting.unsent()[..accepting.unsent().len().min(most)];
                connecting.push(piece).unwrap();
                let len = piece.len();
                accepting.sent(len);
            }
            AcceptStep::NeedData | AcceptStep::Over(None) => {}
            AcceptStep::Over(why) => panic!("{why:?}"),
        }
        match connecting.step().unwrap() {
            ConnectStep::Open(session, _) => client = Some(session),
            ConnectStep::NeedData | ConnectStep::Over => {}
            ConnectStep::Refused(response) => panic!("{response:?}"),
        }
    }
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    client.send("to the server").unwrap();
    server.push(client.unsent());
    assert_eq!(texts(&mut server), ["to the server"]);
    server.send("to the client").unwrap();
    client.push(server.unsent());
    assert_eq!(texts(&mut client), ["to the client"]);
    let lens = [&mut client, &mut server].map(|session| {
        session.sent(session.unsent_len());
        session.send(&"x".repeat(5000)).unwrap();
        session.unsent_len()
    });
    (connecting, accepting, lens)
}

#[test]
fn two_drivers_open_a_connection_over_any_wire() {
    for most in [1, 2, 3, 7, 64, 100_000] {
        let (connecting, accepting, lens) = meet(&Config::default(), &Config::default(), most);
        assert_eq!(lens, [5008, 5004]);
        assert_eq!(connecting.compression(), None);
        assert_eq!(accepting.compression(), None);
    }
}

#[cfg(feature = "deflate")]
#[test]
fn compression_is_agreed_on_if_both_are_configured_for_it() {
    let with = Config::from(ws_proto::Deflate::default());
    let without = Config::default();
    for (ours, theirs, agreed) in [
        (&with, &with, true),
        (&with, &without, false),
        (&without, &with, false),
    ] {
        let (connecting, accepting, lens) = meet(ours, theirs, 11);
        assert_eq!(lens.map(|len| len < 5000), [agreed; 2], "{lens:?}");
        assert_eq!(connecting.compression().is_some(), agreed);
        assert_eq!(connecting.compression(), accepting.compression());
    }
}

/// Each head is by itself: neither the headers of an interim response nor its length are the answer's.
#[test]
fn interim_responses_are_no_part_of_the_answer() {
    let mut config = Config::default();
    // No line is longer, and all of them together are.
    config.limits.max_head_line = 60;
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(5);
    let mut connecting = connecting(&config);
    connecting.push(interim.as_bytes()).unwrap();
    connecting.push(RESPONSE.as_bytes()).unwrap();
    match connecting.step() {
        Ok(ConnectStep::Open(_, response)) => {
            assert_eq!(response.header("Link"), None);
            assert_eq!(response.protocol(), Some("chat"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_early_answer_is_heard_before_the_request_is_written() {
    let mut connecting = connecting(&Config::default());
    connecting.sent(10);
    connecting
        .push(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    assert!(matches!(connecting.step(), Ok(ConnectStep::Refused(_))));
    assert!(connecting.has_body());
}

#[test]
fn what_was_received_is_told_apart_for_a_trace() {
    let mut connecting = connecting(&Config::default());
    connecting.push(b"HTTP/1.1 1").unwrap();
    let _ = connecting.step();
    assert_eq!(connecting.received(), (&b"HTTP/1.1 1"[..], &b""[..]));
    let rest = &RESPONSE.as_bytes()[10..];
    connecting.push(&[rest, FROM_SERVER].concat()).unwrap();
    match connecting.step() {
        Ok(ConnectStep::Open(_, response)) => assert_eq!(response.protocol(), Some("chat")),
        other => panic!("{other:?}"),
    }
    assert_eq!(connecting.received(), (RESPONSE.as_bytes(), FROM_SERVER));
}

#[test]
fn quiet_neither_driver_shows_what_is_said() {
    let headers = [("Authorization", "Bearer s3cret")];
    let uri = Uri::parse("ws://h/?token=s3cret").unwrap();
    let offer = Offer::to(&uri).headers(&headers).unwrap();
    let mut connecting = Connecting::new(&offer, &Config::default(), ENTROPY);
    connecting.push(b"HTTP/1.1 101 s3cret").unwrap();
    let mut accepting = Accepting::new(&Config::default());
    accepting.push(connecting.unsent()).unwrap();
    let request = connecting.unsent().len();
    let before = format!("{accepting:?}");
    let AcceptStep::Request(asked) = accepting.step() else {
        panic!("a request");
    };
    let asked = format!("{asked:?}");
    assert!(asked.contains("target: \"/?token=..\""), "{asked}");
    assert!(!asked.contains("s3cret"), "{asked}");
    // How far they are is shown.
    let connected = format!("{connecting:?}");
    assert!(connected.contains(&format!("unsent: {request}, received: 19")));
    assert!(before.contains(&format!("received: {request}")));
    for shown in [connected, before, format!("{accepting:?}")] {
        assert!(shown.len() < 200, "{shown}");
        assert!(
            !shown.contains("s3cret") && !shown.contains("115, 51"),
            "{shown}"
        );
    }
}

#[test]
fn a_connection_that_opens_takes_one_pointer() {
    assert_eq!(size_of::<Connecting>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Accepting>>(), size_of::<usize>());
}
