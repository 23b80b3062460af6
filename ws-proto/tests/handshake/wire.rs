//! Whatever a wire does to the bytes of an opening handshake, both ends come to the same, and nothing
//! that was sent with the handshake is lost.
#![cfg(feature = "alloc")]

use proptest::prelude::*;

use super::drivers::{FROM_CLIENT, FROM_SERVER, REQUEST, RESPONSE, answer, connecting, texts};
use ws_proto::handshake::{Answer, HeadError, Request, RequestError, ResponseError};
use ws_proto::{AcceptStep, Accepting, Config, ConnectStep, Connecting, Session};

/// What came of a handshake, and what was sent in it.
#[derive(Debug, PartialEq)]
struct Handshake {
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
fn serve(input: &[u8], cuts: &[usize], inlet: Inlet, ends: bool) -> Handshake {
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
                        None => return Handshake { sent, end },
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
    Handshake { sent, end }
}

/// The client's end, in the same way.
fn connect(input: &[u8], cuts: &[usize], inlet: Inlet, ends: bool) -> Handshake {
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
                    return Handshake {
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
    Handshake { sent, end }
}

/// Whole, byte by byte, and cut in two at every byte, by each inlet: the outcome is the same.
fn however_cut(
    input: &[u8],
    ends: bool,
    role: fn(&[u8], &[usize], Inlet, bool) -> Handshake,
) -> Handshake {
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
