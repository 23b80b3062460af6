//! The drivers of the opening handshake: whatever a wire does to the bytes, both ends come to the
//! same, and nothing that was sent with the handshake is lost.
#![cfg(feature = "alloc")]

use core::time::Duration;

use proptest::prelude::*;
use ws_proto::handshake::{Answer, HeadError, Offer, Request, RequestError, ResponseError, Uri};
use ws_proto::{
    AcceptStep, Accepting, Config, ConnectStep, Connecting, Instant, Limits, Message, Session,
    Step, TimedOut, Verdict,
};

const ENTROPY: [u8; 48] = *b"the sample nonce and 32 bytes for the masking ke";

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: chat\r\n\r\n";

/// A masked and an unmasked "Hello".
const FROM_CLIENT: &[u8] = b"\x81\x85\0\0\0\0Hello";
const FROM_SERVER: &[u8] = b"\x81\x05Hello";

fn connecting(config: &Config) -> Connecting {
    let uri = Uri::parse("ws://server.example.com/chat").unwrap();
    let offer = Offer::to(&uri).protocols(&["chat", "superchat"]).unwrap();
    Connecting::new(&offer, config, ENTROPY)
}

fn at(secs: u64) -> Instant {
    Instant::from_epoch(Duration::from_secs(secs))
}

/// What a server does with a request.
fn answer(asked: ws_proto::Asked<'_>) {
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
fn texts(session: &mut Session) -> Vec<String> {
    let mut texts = Vec::new();
    while let Ok(Step::Message(message)) = session.step() {
        texts.push(match message {
            Message::Text(text) => text.to_owned(),
            other => format!("{other:?}"),
        });
    }
    texts
}

/// What came of a handshake, and what was sent in it.
#[derive(Debug, PartialEq)]
struct Outcome {
    sent: Vec<u8>,
    end: End,
}

#[derive(Debug, PartialEq)]
enum End {
    Waits,
    Open(Vec<String>),
    Refused(u16, Vec<u8>),
    Closed(Option<RequestError>),
    Failed(ResponseError),
}

/// How bytes get into a driver.
#[derive(Clone, Copy, Debug)]
enum Inlet {
    Spare,
    Push,
}

/// One read after the other, which end at `cuts` and at the end of `input`.
fn pieces<'i>(input: &'i [u8], cuts: &[usize]) -> Vec<&'i [u8]> {
    let mut at = 0;
    let ends = cuts.iter().copied().chain([input.len()]);
    ends.map(|end| &input[std::mem::replace(&mut at, end)..end])
        .collect()
}

/// The server's end; what it is not asked to read before it is open, the session reads.
fn serve(input: &[u8], cuts: &[usize], inlet: Inlet, ends: bool) -> Outcome {
    let mut accepting = Accepting::new(&Config::default());
    let mut session: Option<Session> = None;
    let mut sent = Vec::new();
    let mut end = End::Waits;
    let mut pieces = pieces(input, cuts).into_iter();
    let mut piece: &[u8] = &[];
    let mut has_ended = false;
    while session.is_none() && end == End::Waits {
        match accepting.step() {
            AcceptStep::NeedData => {
                while piece.is_empty() {
                    match pieces.next() {
                        Some(next) => piece = next,
                        None if ends && !has_ended => {
                            has_ended = true;
                            accepting.eof();
                            break;
                        }
                        None => return Outcome { sent, end },
                    }
                }
                match inlet {
                    Inlet::Push => {
                        accepting.push(piece).unwrap();
                        piece = &[];
                    }
                    Inlet::Spare => {
                        let spare = accepting.spare_mut().unwrap();
                        assert!(!spare.is_empty());
                        let len = spare.len().min(piece.len());
                        spare[..len].copy_from_slice(&piece[..len]);
                        accepting.filled(len);
                        piece = &piece[len..];
                    }
                }
            }
            AcceptStep::Request(asked) => answer(asked),
            AcceptStep::NeedWrite => {
                // A transport that takes one byte at a time.
                sent.push(accepting.unsent()[0]);
                accepting.sent(1);
            }
            AcceptStep::Open(open) => session = Some(open),
            AcceptStep::Over(why) => end = End::Closed(why),
        }
    }
    if let Some(mut session) = session {
        assert!(matches!(accepting.step(), AcceptStep::Over(None)), "once");
        session.push(piece);
        pieces.for_each(|piece| session.push(piece));
        end = End::Open(texts(&mut session));
    }
    Outcome { sent, end }
}

/// The client's end, in the same way.
fn connect(input: &[u8], cuts: &[usize], inlet: Inlet, ends: bool) -> Outcome {
    let mut connecting = connecting(&Config::default());
    let mut sent = Vec::new();
    while let Some(&byte) = connecting.unsent().first() {
        sent.push(byte);
        connecting.sent(1);
    }
    let mut pieces = pieces(input, cuts).into_iter();
    let mut piece: &[u8] = &[];
    let mut has_ended = false;
    let end = loop {
        let refused = match connecting.step() {
            Ok(ConnectStep::NeedData) => None,
            Ok(ConnectStep::Open(mut session, response)) => {
                assert!(matches!(response.protocol(), None | Some("chat")));
                assert!(matches!(connecting.step(), Ok(ConnectStep::Over)), "once");
                session.push(piece);
                pieces.for_each(|piece| session.push(piece));
                break End::Open(texts(&mut session));
            }
            Ok(ConnectStep::Refused(response)) => Some(response.status()),
            Ok(ConnectStep::Over) => unreachable!("nothing was handed out"),
            Err(error) => {
                assert_eq!(connecting.step().unwrap_err(), error, "sticky");
                break End::Failed(error);
            }
        };
        if let Some(status) = refused
            && connecting.has_body()
        {
            break End::Refused(status, connecting.body().to_vec());
        }
        while piece.is_empty() {
            match pieces.next() {
                Some(next) => piece = next,
                None if ends && !has_ended => {
                    has_ended = true;
                    connecting.eof();
                    break;
                }
                None => {
                    return Outcome {
                        sent,
                        end: End::Waits,
                    };
                }
            }
        }
        match inlet {
            Inlet::Push => {
                connecting.push(piece).unwrap();
                piece = &[];
            }
            Inlet::Spare => {
                let spare = connecting.spare_mut().unwrap();
                assert!(!spare.is_empty());
                let len = spare.len().min(piece.len());
                spare[..len].copy_from_slice(&piece[..len]);
                connecting.filled(len);
                piece = &piece[len..];
            }
        }
    };
    Outcome { sent, end }
}

/// Whole, byte by byte, and cut in two at every byte, by each inlet: the outcome is the same.
fn however_cut(
    input: &[u8],
    ends: bool,
    role: fn(&[u8], &[usize], Inlet, bool) -> Outcome,
) -> Outcome {
    let whole = role(input, &[], Inlet::Spare, ends);
    let every_byte: Vec<usize> = (0..input.len()).collect();
    for inlet in [Inlet::Spare, Inlet::Push] {
        assert_eq!(role(input, &every_byte, inlet, ends), whole, "{inlet:?}");
        for cut in 0..=input.len() {
            assert_eq!(role(input, &[cut], inlet, ends), whole, "{inlet:?} {cut}");
        }
    }
    whole
}

#[test]
fn early_frames_that_come_with_the_head_are_not_lost() {
    let rest = [FROM_CLIENT, FROM_CLIENT, &FROM_CLIENT[..3]].concat();
    let outcome = however_cut(&[REQUEST.as_bytes(), &rest].concat(), false, serve);
    let hello = || "Hello".to_owned();
    assert_eq!(outcome.end, End::Open(vec![hello(), hello()]));
    assert_eq!(str::from_utf8(&outcome.sent), Ok(RESPONSE));

    let rest = [FROM_SERVER, FROM_SERVER, &FROM_SERVER[..3]].concat();
    let outcome = however_cut(&[RESPONSE.as_bytes(), &rest].concat(), false, connect);
    assert_eq!(outcome.end, End::Open(vec![hello(), hello()]));
    let request = Request::parse(&outcome.sent).unwrap();
    assert_eq!(request.header("Host"), Some("server.example.com"));
    assert_eq!(
        request.protocols().collect::<Vec<_>>(),
        ["chat", "superchat"]
    );
    assert!(request.accept().is_ok());

    // After interim responses, too.
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let input = [interim.as_bytes(), RESPONSE.as_bytes(), FROM_SERVER].concat();
    let outcome = however_cut(&input, true, connect);
    assert_eq!(outcome.end, End::Open(vec![hello()]));
}

#[test]
fn early_frames_of_any_length_are_not_lost() {
    // More than the buffer of a head, and more than a session reads at a time.
    let frames: Vec<u8> = FROM_CLIENT.repeat(20_000);
    let input = [REQUEST.as_bytes(), &frames].concat();
    for cuts in [&[][..], &[50_000], &[REQUEST.len(), 4096, 5000]] {
        for inlet in [Inlet::Spare, Inlet::Push] {
            let mut cuts = cuts.to_vec();
            cuts.sort_unstable();
            let End::Open(texts) = serve(&input, &cuts, inlet, false).end else {
                panic!("not open");
            };
            assert_eq!(texts.len(), 20_000);
        }
    }
}

#[test]
fn cut_anywhere_a_request_is_answered_the_same() {
    let edited = |from: &str, to: &str| {
        assert!(REQUEST.contains(from), "{from}");
        REQUEST.replace(from, to)
    };
    let cases = [
        ("".into(), None, 0),
        (REQUEST[..40].into(), Some(HeadError::Truncated.into()), 0),
        (
            edited("Key: d", "Key: "),
            Some(RequestError::InvalidKey),
            400,
        ),
        (edited("GET", "POST"), Some(RequestError::Method), 405),
        (
            edited("HTTP/1.1", "HTTP/1.0"),
            Some(RequestError::HttpVersion),
            505,
        ),
        (
            edited("Upgrade: w", " folded: w"),
            Some(HeadError::FoldedLine.into()),
            400,
        ),
        (edited("13", "8"), Some(RequestError::WebSocketVersion), 426),
        (
            edited("Host:", "Origin: http://evil.example\r\nHost:"),
            Some(RequestError::Origin),
            403,
        ),
        (edited("/chat", "/page"), None, 200),
        (edited("/chat", "/nowhere"), None, 404),
        (
            "\x16\x03\x01 hello".into(),
            Some(HeadError::ControlCharacter.into()),
            400,
        ),
    ];
    for (request, why, status) in cases {
        let request: String = request;
        for follows in ["", "GET / HTTP/1.1\r\n\r\n"] {
            let input = request.clone() + follows;
            if status == 0 && !follows.is_empty() {
                continue;
            }
            let outcome = however_cut(input.as_bytes(), true, serve);
            assert_eq!(outcome.end, End::Closed(why), "{request}");
            let sent = String::from_utf8(outcome.sent).unwrap();
            match status {
                0 => assert_eq!(sent, ""),
                _ => assert!(sent.starts_with(&format!("HTTP/1.1 {status} ")), "{sent}"),
            }
            // What follows a request that is refused is never answered.
            assert_eq!(
                sent.matches("Connection: close").count(),
                usize::from(status != 0)
            );
        }
    }
}

#[test]
fn cut_anywhere_a_response_is_judged_the_same() {
    let cases = [
        ("".into(), HeadError::Truncated.into()),
        (RESPONSE[..50].into(), HeadError::Truncated.into()),
        (RESPONSE.replace("=\r", "\r"), ResponseError::WrongAccept),
        (
            RESPONSE.replace(": chat", ": other"),
            ResponseError::UnofferedProtocol,
        ),
        (
            RESPONSE.replace(
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            ),
            ResponseError::UnofferedExtension,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(9),
            ResponseError::TooManyInterim,
        ),
        ("SSH-2.0-OpenSSH\r\n\r\n".into(), ResponseError::StatusLine),
        ("hello\n".into(), HeadError::BareLf.into()),
    ];
    for (response, error) in cases {
        let outcome = however_cut(response.as_bytes(), true, connect);
        assert_eq!(outcome.end, End::Failed(error), "{response}");
    }
}

#[test]
fn refusal_a_client_is_given_the_response_and_as_much_of_its_body_as_there_is() {
    let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n";
    let refused = |rest: &str, ends: bool| {
        let input = format!("{head}{rest}");
        however_cut(input.as_bytes(), ends, connect).end
    };
    let with = |body: &str| End::Refused(401, body.into());
    // Its length is known: the rest of the stream is not waited for, and not taken for it.
    assert_eq!(refused("Content-Length: 3\r\n\r\nwho", false), with("who"));
    assert_eq!(refused("Content-Length: 3\r\n\r\nwho?", false), with("who"));
    assert_eq!(refused("Content-Length: 0\r\n\r\n", false), with(""));
    assert_eq!(refused("Content-Length: 4\r\n\r\nwho", false), End::Waits);
    assert_eq!(refused("Content-Length: 4\r\n\r\nwho", true), with("who"));
    // It is not known, or nonsense: it goes on until the stream ends.
    assert_eq!(refused("\r\nwho", false), End::Waits);
    assert_eq!(refused("\r\nwho", true), with("who"));
    assert_eq!(refused("Content-Length: -1\r\n\r\nwho", true), with("who"));
    // No more is read than is wanted.
    let mut connecting = connecting(&Config::default());
    let head = format!("{head}Content-Length: 5\r\n\r\nwh");
    connecting.push(head.as_bytes()).unwrap();
    assert!(matches!(connecting.step(), Ok(ConnectStep::Refused(_))));
    assert_eq!(connecting.spare_mut().unwrap().len(), 3);
    // A response without content has no body (RFC 9110 section 6.4.1).
    let outcome = connect(b"HTTP/1.1 204 x\r\n\r\nwho", &[], Inlet::Push, false);
    assert_eq!(outcome.end, End::Refused(204, Vec::new()));
}

#[test]
fn refusal_no_more_of_a_body_is_read_than_is_kept() {
    for length in [
        "",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 99999\r\n",
    ] {
        let head = format!("HTTP/1.1 503 x\r\n{length}\r\n");
        let mut connecting = connecting(&Config::default());
        connecting.push(head.as_bytes()).unwrap();
        assert!(matches!(connecting.step(), Ok(ConnectStep::Refused(_))));
        let mut read = 0;
        while !connecting.has_body() {
            let spare = connecting.spare_mut().unwrap();
            spare.fill(b'x');
            let len = spare.len();
            read += len;
            connecting.filled(len);
        }
        assert_eq!(read, Connecting::MAX_BODY, "{length}");
        assert_eq!(connecting.body().len(), Connecting::MAX_BODY);
    }
}

#[test]
fn refusal_an_answer_of_the_application_is_the_answer() {
    let mut accepting = Accepting::new(&Config::default());
    accepting
        .push(b"HEAD /page HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let AcceptStep::Request(asked) = accepting.step() else {
        panic!("a request");
    };
    let headers = [("Location", "/x")];
    let answer = Answer::new(302).unwrap().headers(&headers).unwrap();
    asked.answer(&answer.body(b"over there"));
    assert!(matches!(accepting.step(), AcceptStep::NeedWrite));
    let sent = str::from_utf8(accepting.unsent()).unwrap().to_owned();
    assert_eq!(
        sent,
        "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /x\r\nContent-Length: 10\r\n\r\n"
    );
    accepting.sent(sent.len());
    assert!(matches!(accepting.step(), AcceptStep::Over(None)));
    assert_eq!(accepting.unsent(), b"");
}

#[test]
fn take_over_every_byte_that_was_received_is_there() {
    let input = ["GET /page HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"; 2].concat();
    for cut in 0..input.len() {
        let mut accepting = Accepting::new(&Config::default());
        for piece in pieces(input.as_bytes(), &[cut]) {
            let _ = accepting.step();
            let spare = accepting.spare_mut().unwrap();
            spare[..piece.len()].copy_from_slice(piece.as_ref());
            accepting.filled(piece.len());
        }
        match accepting.step() {
            AcceptStep::Request(asked) => assert_eq!(asked.request().path(), "/page"),
            other => panic!("{other:?}"),
        }
        assert_eq!(accepting.into_received(), input.as_bytes());
    }
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
fn a_request_with_no_host_or_with_several_is_refused_whatever_it_asks_for() {
    // RFC 9112 section 3.2.
    let cases = [
        ("1.1", "Host: h\r\n", None),
        ("1.1", "Host: h:1\r\n", None),
        ("1.1", "Host: [::1]:1\r\n", None),
        ("1.1", "Host:\r\n", None),
        ("1.1", "", Some(RequestError::MissingHost)),
        (
            "1.1",
            "Host: h\r\nhost: h\r\n",
            Some(RequestError::RepeatedHost),
        ),
        ("1.1", "Host: a b\r\n", Some(RequestError::InvalidHost)),
        ("1.1", "Host: a, b\r\n", Some(RequestError::InvalidHost)),
        ("1.1", "Host: u@h\r\n", Some(RequestError::InvalidHost)),
        ("1.1", "Host: h:x\r\n", Some(RequestError::InvalidHost)),
        ("1.1", "Host: \u{e9}\r\n", Some(RequestError::InvalidHost)),
        ("1.0", "", None),
        ("1.0", "Host: h\r\n", None),
        (
            "1.0",
            "Host: h\r\nHost: i\r\n",
            Some(RequestError::RepeatedHost),
        ),
        ("1.0", "Host: a b\r\n", Some(RequestError::InvalidHost)),
    ];
    for (version, host, error) in cases {
        let request = format!("GET /page HTTP/{version}\r\n{host}\r\n");
        let outcome = serve(request.as_bytes(), &[], Inlet::Push, false);
        assert_eq!(outcome.end, End::Closed(error), "{request}");
        let status: &[u8] = match error {
            Some(_) => b"HTTP/1.1 400 ",
            None => b"HTTP/1.1 200 ",
        };
        assert!(outcome.sent.starts_with(status), "{request}");
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

proptest! {
    #[test]
    fn cut_anywhere_whatever_is_received_comes_to_the_same(
        mut input in prop_oneof![
            Just([REQUEST.as_bytes(), FROM_CLIENT].concat()),
            Just([RESPONSE.as_bytes(), FROM_SERVER].concat()),
            Just(b"HTTP/1.1 404 x\r\nContent-Length: 9\r\n\r\nnot here".to_vec()),
        ],
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        ends in any::<bool>(),
    ) {
        for (place, byte) in edits {
            let place = place.index(input.len());
            input[place] = byte;
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(input.len())).collect();
        cuts.sort_unstable();
        for role in [serve, connect] {
            let whole = role(&input, &[], Inlet::Spare, ends);
            for inlet in [Inlet::Spare, Inlet::Push] {
                prop_assert_eq!(&role(&input, &cuts, inlet, ends), &whole);
            }
        }
    }
}
