//! The opening handshake, and `httparse` alone beside it.

use std::hint::black_box;
use std::mem::MaybeUninit;

use ws_proto::handshake::{Key, Offer, Request, Scan};
use ws_proto::{AcceptStep, Accepting, Config, Limits};

use crate::cases::Case;

/// A browser's request.
const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\n\
    Host: chat.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://chat.example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

pub(crate) fn all() -> [Case; 4] {
    [
        handshake_server(),
        handshake_accepted(),
        handshake_parsed(),
        handshake_client(),
    ]
}

/// It is judged, and answered.
fn handshake_server() -> Case {
    Case::new("bare/handshake/server", 1, 16, || {
        let (limits, mut out) = (Limits::default(), [0; 512]);
        Box::new(move || {
            let (request, _) = Request::parse_prefix(&mut Scan::new(), black_box(REQUEST), &limits)
                .expect("in order")
                .expect("whole");
            let accept = request.accept().expect("a handshake");
            black_box(accept.encode(&mut out).expect("room"));
        })
    })
}

/// As adapters have it: it is read, answered, and ends in a session.
fn handshake_accepted() -> Case {
    Case::new("session/handshake/server", 1, 16, || {
        let config = Config::default();
        Box::new(move || {
            let mut accepting = Accepting::new(&config);
            loop {
                match accepting.step() {
                    AcceptStep::NeedData => accepting.push(black_box(REQUEST)).expect("room"),
                    AcceptStep::Request(asked) => {
                        let accept = asked.request().accept().expect("a handshake");
                        asked.accept(accept);
                    }
                    AcceptStep::NeedWrite => {
                        let len = black_box(accepting.unsent()).len();
                        accepting.sent(len);
                    }
                    AcceptStep::Open(session) => {
                        black_box(session);
                        break;
                    }
                    AcceptStep::Over(why) => panic!("{why:?}"),
                }
            }
        })
    })
}

/// It is taken apart by `httparse`, and nothing else: the handshake is to cost six times that at
/// most.
fn handshake_parsed() -> Case {
    Case::new("httparse/handshake/server", 1, 16, || {
        Box::new(move || {
            let mut headers = [const { MaybeUninit::uninit() }; Limits::HEADERS];
            let mut request = httparse::Request::new(&mut []);
            let status = request.parse_with_uninit_headers(black_box(REQUEST), &mut headers);
            assert!(status.expect("in order").is_complete());
            black_box(&request);
        })
    })
}

fn handshake_client() -> Case {
    const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    Case::new("bare/handshake/client", 1, 16, || {
        let (limits, mut out) = (Limits::default(), [0; 512]);
        Box::new(move || {
            let key = Key::new(*black_box(b"the sample nonce"));
            let offer = Offer::new("chat.example.com", "/chat").expect("valid");
            black_box(offer.encode(&key, &mut out).expect("room"));
            let mut scan = Scan::new();
            let response = offer.verify(&key, &mut scan, black_box(RESPONSE), &limits);
            black_box(response.expect("in order").expect("whole"));
        })
    })
}
