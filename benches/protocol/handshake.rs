//! The opening handshake of a server: a request of a browser is parsed, and answered with 101.

use std::hint::black_box;

use ws_bench::feed::Feed;
use ws_bench::{Bench, Row, Way, peers};
use ws_proto::Limits;
use ws_proto::handshake::{Request, Scan};

pub(crate) fn measure(bench: &mut Bench) {
    let feed = Feed::once(REQUEST);
    let limits = Limits::DEFAULT;
    let mut out = [0; 512];
    let ours = [
        // Parsed, and nothing more: no end is searched for, nothing checked, no digest, no answer.
        Way::new("httparse", || {
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let mut request = httparse::Request::new(&mut headers);
            let status = request.parse(feed.nth(0)).expect("a request");
            assert!(status.is_complete());
            black_box(&request);
        }),
        Way::new("ws-proto", || {
            let mut scan = Scan::new();
            let parsed = Request::parse_prefix(&mut scan, feed.nth(0), &limits);
            let (request, _) = parsed.expect("a request").expect("a whole request");
            let accept = request.accept().expect("a request to upgrade");
            let len = accept.encode(&mut out).expect("room");
            black_box((&request, &out[..len]));
        }),
    ];
    let mut row = Row::new("handshake/browser", ours);
    row.extend(peers::answering(&feed));
    bench.measure(row);
}

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Upgrade: websocket\r\n\
    Origin: http://server.example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
