//! What has to be true of any bytes at all. The fuzz targets search for bytes of which it is not;
//! the tests replay those that were worth keeping.

use core::fmt::Debug;

use ws_proto::handshake::{HandshakeError, Key, Offer, Request, Response, Scan};
use ws_proto::{Header, Limits, ProtocolError, Role, Utf8};

use crate::converse::assert_same_however_cut;
use crate::engine::{Inlet, Setup};
use crate::frame::Frame;

/// A property, and the name of its fuzz target and corpus.
pub type Property = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Property; 6] = [
    ("header", header),
    ("frames_server", frames_server),
    ("frames_client", frames_client),
    ("handshake_request", handshake_request),
    ("handshake_response", handshake_response),
    ("utf8", utf8),
];

/// A header that decodes encodes to the same bytes, is not complete in fewer, and says what the
/// naive codec says; one that does not decode never will, whatever follows.
///
/// # Panics
///
/// If not.
pub fn header(input: &[u8]) {
    let decoded = Header::decode(input);
    // The first verdict on a prefix is the verdict on the whole.
    let verdict = (0..=input.len())
        .map(|len| (len, Header::decode(&input[..len])))
        .find(|(_, decoded)| *decoded != Ok(None));
    let Some((len, verdict)) = verdict else {
        assert_eq!(decoded, Ok(None));
        assert!(input.len() < Header::MAX_LEN);
        return;
    };
    assert_eq!(verdict, decoded);
    let Ok(Some((header, size))) = decoded else {
        assert!(len <= 10, "an error shows before the mask");
        return;
    };
    assert_eq!(size, len);
    assert_eq!(header.encode().as_ref(), &input[..size]);

    assert_eq!(input[0] & 0x30, 0);
    assert_eq!(input[0] & 0x80 != 0, header.is_final());
    assert_eq!(input[0] & 0x40 != 0, header.rsv1());
    assert_eq!(input[0] & 0x0F, header.opcode() as u8);
    assert_eq!(input[1] & 0x80 != 0, header.mask().is_some());
    let control = header.opcode().is_control();
    assert!(!control || (header.is_final() && header.payload_len() <= 125));
    if let Ok(payload) = usize::try_from(header.payload_len())
        && payload <= 1 << 20
    {
        let frame = [&input[..size], &vec![0; payload]].concat();
        let (naive, len) = Frame::decode(&frame).expect("it is whole");
        assert_eq!((len, naive.payload.len()), (size + payload, payload));
        assert_eq!(naive.mask, header.mask().map(ws_proto::Mask::key));
        assert_eq!(naive.encode(), frame, "the length in the fewest bytes");
    }

    // What was read can be made.
    if !header.rsv1() {
        let mut made = Header::new(header.opcode(), header.payload_len()).expect("it exists");
        if !header.is_final() {
            made = made.unfinished().expect("it exists");
        }
        assert_eq!(made.masked(header.mask()), header);
    }
}

/// Frames to a server mean the same however they are cut.
///
/// # Panics
///
/// If not.
pub fn frames_server(input: &[u8]) {
    frames(Role::Server, input);
}

/// Frames to a client mean the same however they are cut.
///
/// # Panics
///
/// If not.
pub fn frames_client(input: &[u8]) {
    frames(Role::Client, input);
}

/// The same comes of a stream however it is cut and whatever reads it: the core, or a session by
/// any of its inlets. What is sent is well-formed, and a Close is the last of it.
///
/// The input is a byte that chooses limits and inlet, a byte for the number of cuts, the cuts, and
/// the stream.
fn frames(role: Role, input: &[u8]) {
    let Some((&choice, input)) = input.split_first() else {
        return;
    };
    let (cuts, stream) = cuts(input);
    let mut setup = Setup::new(role);
    setup.limits.max_message =
        [1 << 20, 0, 5, 200, 4000, 70_000, 1 << 40, u64::MAX][usize::from(choice & 7)];
    setup.limits.max_fragments = [4096, 1, 3, u32::MAX][usize::from(choice >> 3 & 3)];
    let inlet = Inlet::ALL[usize::from(choice >> 5 & 3)];
    setup.limits.read_buffer = [512, 4096][usize::from(choice >> 7)];
    let outcome = assert_same_however_cut(&setup, stream, &cuts, &[inlet]);

    // An error is told to the peer in the Close that ends what is sent.
    if let Some(crate::Got::Error(error)) = outcome.got.last() {
        let code = error.close_code().expect("somebody is there to be told");
        let close = last_frame(&outcome.out);
        let told = [&code.get().to_be_bytes(), error.reason().as_bytes()].concat();
        assert_eq!(close.map(|frame| frame.payload), Some(told));
        assert!(!matches!(error, ProtocolError::OutOfMemory));
    }
}

/// A request gives the same verdict whole and in pieces, and what was searched is not looked at
/// again. One that is accepted is a handshake by a naive reading too, and our client takes the
/// answer; one that is refused gets a whole answer.
///
/// The input is a byte for the number of cuts, the cuts, and the head.
///
/// # Panics
///
/// If not.
pub fn handshake_request(input: &[u8]) {
    let (cuts, input) = cuts(input);
    let limits = limits();
    let whole = Request::parse_prefix(&mut Scan::new(), input, &limits);
    let mut scan = Scan::new();
    let pieced = in_pieces(input, &cuts, |input| {
        Request::parse_prefix(&mut scan, input, &limits).transpose()
    });
    same_verdict(whole, pieced);
    scan_looks_once(input, &cuts, &limits);

    let (request, len) = match whole {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return,
        Err(error) => return assert_refusal(error),
    };
    assert_within(&input[..len], &limits);
    let again = Request::parse(&input[..len]).expect("it was parsed");
    assert_eq!(format!("{again:?}"), format!("{request:?}"));
    visit_request(&request);
    match request.accept() {
        Ok(_) => assert_is_handshake(&input[..len], &request),
        Err(error) => assert_refusal(error),
    }
}

/// A response gives the same verdict whole and in pieces. One that is taken is a 101 by a naive
/// reading too.
///
/// The input is a byte for the number of cuts, the cuts, and the head.
///
/// # Panics
///
/// If not.
pub fn handshake_response(input: &[u8]) {
    let (cuts, input) = cuts(input);
    let limits = limits();
    let key = Key::new(*b"the sample nonce");
    let offer = Offer::new("server.example.com", "/chat").expect("a good offer");
    let offer = offer.protocols(&["chat", "superchat"]).expect("good ones");
    let mut whole_scan = Scan::new();
    let whole = offer.verify(&key, &mut whole_scan, input, &limits);
    let mut scan = Scan::new();
    let pieced = in_pieces(input, &cuts, |input| {
        offer.verify(&key, &mut scan, input, &limits).transpose()
    });
    same_verdict(whole, pieced);
    assert_eq!(scan.head(), whole_scan.head());

    match whole {
        Ok(Some((response, len))) => {
            let head = whole_scan.head().expect("it was found");
            assert_eq!(head.end, len);
            assert_within(&input[head.clone()], &limits);
            let headers = naive_headers(&input[head]);
            let only = |name| {
                let mut values = values(&headers, name);
                let value = values.next();
                assert!(values.next().is_none(), "{name} is repeated");
                value
            };
            assert_eq!(
                only("sec-websocket-accept"),
                Some(&b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..])
            );
            assert!(only("upgrade").is_some_and(|it| it.eq_ignore_ascii_case(b"websocket")));
            assert!(values(&headers, "connection").next().is_some());
            assert_eq!(response.status(), 101);
            assert!(matches!(
                response.protocol(),
                None | Some("chat" | "superchat")
            ));
        }
        Ok(None) => {}
        Err(HandshakeError::Refused(status)) => {
            let head = whole_scan.head().expect("it was found");
            let response = Response::parse(&input[head]).expect("it was parsed");
            assert_eq!(response.status(), status);
            let _ = (response.reason(), response.version(), response.protocol());
            assert!(response.headers().iter().count() <= Limits::HEADERS);
        }
        // On a server it would be told; here it only has to be sayable.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The validator agrees with `core::str`: it takes what could still become text, refuses at the
/// first piece behind which that is impossible, and knows where a character is cut.
///
/// The input is a byte for the number of cuts, the cuts, and the text.
///
/// # Panics
///
/// If not.
pub fn utf8(input: &[u8]) {
    let (cuts, text) = cuts(input);
    for cuts in [&cuts[..], &[], &[1; 64]] {
        let mut utf8 = Utf8::new();
        let mut seen = 0;
        let mut refused = false;
        for len in pieces(text.len(), cuts) {
            let pushed = utf8.push(&text[seen..seen + len]);
            seen += len;
            let possible = match str::from_utf8(&text[..seen]) {
                Ok(_) => true,
                Err(error) => error.error_len().is_none(),
            };
            assert_eq!(pushed.is_ok(), possible, "{text:x?} cut at {cuts:?}");
            if !possible {
                refused = true;
                break;
            }
        }
        if !refused {
            let whole = str::from_utf8(text).is_ok();
            assert_eq!(utf8.finish().is_ok(), whole, "{text:x?} cut at {cuts:?}");
        }
    }
}

/// Takes a number below 16, and as many lengths, off the input.
fn cuts(input: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((&count, rest)) = input.split_first() else {
        return (Vec::new(), input);
    };
    let (cuts, rest) = rest.split_at(usize::from(count % 16).min(rest.len()));
    (cuts.iter().map(|&cut| cut.into()).collect(), rest)
}

/// The lengths of the pieces of `len` bytes, the last one whatever remains.
fn pieces(len: usize, cuts: &[usize]) -> Vec<usize> {
    let mut rest = len;
    let mut pieces: Vec<_> = cuts
        .iter()
        .map(|&cut| {
            let piece = cut.min(rest);
            rest -= piece;
            piece
        })
        .collect();
    pieces.push(rest);
    pieces
}

fn last_frame(mut out: &[u8]) -> Option<Frame> {
    let mut last = None;
    while let Some((frame, len)) = Frame::decode(out) {
        last = Some(frame);
        out = &out[len..];
    }
    last
}

/// Small enough to be reached.
fn limits() -> Limits {
    let mut limits = Limits::DEFAULT;
    limits.max_head = 900;
    limits.max_head_line = 200;
    limits.max_headers = 20;
    limits
}

/// Presents ever more of `input` until there is a verdict, and then all of it once more: the
/// verdict stays.
fn in_pieces<'b, T: Debug, E: Debug>(
    input: &'b [u8],
    cuts: &[usize],
    mut parse: impl FnMut(&'b [u8]) -> Option<Result<T, E>>,
) -> Option<Result<T, E>> {
    let mut end = 0;
    for len in pieces(input.len(), cuts) {
        end += len;
        if let Some(verdict) = parse(&input[..end]) {
            let again = parse(input).expect("a verdict stays");
            assert_eq!(format!("{again:?}"), format!("{verdict:?}"));
            return Some(again);
        }
    }
    None
}

fn same_verdict<T: Debug>(
    whole: Result<Option<T>, HandshakeError>,
    pieced: Option<Result<T, HandshakeError>>,
) {
    assert_eq!(format!("{:?}", whole.transpose()), format!("{pieced:?}"));
}

/// What was searched may be anything from then on: it is not looked at again.
fn scan_looks_once(input: &[u8], cuts: &[usize], limits: &Limits) {
    let whole = Scan::new().advance(input, limits);
    let mut scrambled = input.to_vec();
    let mut scan = Scan::new();
    let mut end = 0;
    let mut verdict = Ok(None);
    for len in pieces(input.len(), cuts) {
        scrambled[..end].fill(b'\n');
        end += len;
        verdict = scan.advance(&scrambled[..end], limits);
        if verdict != Ok(None) {
            break;
        }
    }
    assert_eq!(verdict, whole);
}

/// A head that was found is one, and within its limits.
fn assert_within(head: &[u8], limits: &Limits) {
    assert!(head.len() <= limits.max_head);
    assert!(naive_headers(head).len() <= limits.max_headers);
    let text = head.strip_suffix(b"\r\n\r\n").expect("an empty line");
    let lines = text.split(|byte| *byte == b'\n');
    // The CR is not counted.
    assert!(lines.map(<[u8]>::len).max() <= Some(limits.max_head_line + 1));
}

fn visit_request(request: &Request<'_>) {
    let path = request.path();
    assert!(path.is_empty() || path.starts_with('/'));
    assert!(request.target().is_ascii());
    let _ = (request.query(), request.version(), request.wants_upgrade());
    if let Ok(Some(origin)) = request.origin() {
        let _ = (origin.scheme(), origin.host(), origin.port());
    }
    let _ = request.same_origin();
    for protocol in request.protocols() {
        assert!(!protocol.is_empty());
    }
    for extension in request.extensions().flatten() {
        assert!(!extension.name().is_empty());
        for (name, value) in extension.params() {
            assert!(!name.is_empty());
            assert!(value.is_none_or(|value| value.chars().count() > 0));
        }
    }
    for (name, value) in request.headers().iter() {
        assert!(!name.is_empty());
        assert!(!value.contains(&b'\r') && !value.contains(&b'\n'));
        assert!(request.headers().get(name).is_some());
    }
}

/// What a request that is accepted has to be, read a second time and naively; and our client
/// takes the answer to it.
fn assert_is_handshake(head: &[u8], request: &Request<'_>) {
    assert!(head.starts_with(b"GET "));
    let headers = naive_headers(head);
    let count = |name| values(&headers, name).count();
    assert_eq!(count("host"), 1);
    assert_eq!(count("sec-websocket-key"), 1);
    assert_eq!(count("transfer-encoding"), 0);
    let version: Vec<_> = values(&headers, "sec-websocket-version").collect();
    assert_eq!(version, [b"13"]);
    let upgrade = values(&headers, "upgrade").collect::<Vec<_>>().concat();
    assert!(
        upgrade
            .to_ascii_lowercase()
            .windows(9)
            .any(|it| it == b"websocket")
    );
    let connection = values(&headers, "connection").collect::<Vec<_>>().concat();
    assert!(
        connection
            .to_ascii_lowercase()
            .windows(7)
            .any(|it| it == b"upgrade")
    );

    let mut accept = request.accept().expect("it was accepted");
    let protocol = request.protocols().next();
    if let Some(protocol) = protocol {
        accept = accept.protocol(protocol).expect("it was offered");
    }
    let mut answer = [0; 2048];
    let len = accept.encode(&mut answer).expect("room");
    let key = request.header("Sec-WebSocket-Key").expect("it is there");
    let key = Key::parse(key).expect("it was checked");
    let offered: Vec<_> = protocol.into_iter().collect();
    let offer = Offer::new("example.com", "/").expect("a good offer");
    let offer = offer.protocols(&offered).expect("a token");
    let verified = offer.verify(&key, &mut Scan::new(), &answer[..len], &Limits::DEFAULT);
    let (response, end) = verified.expect("our answer is right").expect("and whole");
    assert_eq!((response.protocol(), end), (protocol, len));
}

fn assert_refusal(error: HandshakeError) {
    let mut answer = [0; 512];
    let len = error.encode_refusal(&mut answer).expect("512 are enough");
    let answer = str::from_utf8(&answer[..len]).expect("it is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", error.status())));
    assert!(head.contains("\r\nConnection: close"));
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())));
    assert_eq!(body, format!("{error}\n"));
}

/// Names in lower case, values without the white space around them.
fn naive_headers(head: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    assert_eq!((lines.pop(), rest), (Some(&b""[..]), &b""[..]), "one head");
    let header = |line: &&[u8]| {
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
        let colon = line.iter().position(|byte| *byte == b':').expect("a colon");
        let name = str::from_utf8(&line[..colon]).expect("ASCII");
        (
            name.to_ascii_lowercase(),
            line[colon + 1..].trim_ascii().into(),
        )
    };
    lines.iter().skip(1).map(header).collect()
}

fn values<'h>(headers: &'h [(String, Vec<u8>)], name: &str) -> impl Iterator<Item = &'h [u8]> {
    headers
        .iter()
        .filter(move |(own, _)| own == name)
        .map(|(_, value)| value.as_slice())
}
