//! The examples that RFC 6455 itself prints, byte for byte.

use std::error::Error;

use crate::support::End;
use ws_proto::handshake::{Compression, Direction, Key, Offer, Request, Scan};
use ws_proto::{Connection, Header, Kind, Limits, Mask, Message, Opcode, Part, Role, SendError};
use ws_testkit::{Core, Got, KEY, converse, frames};

/// §1.2, "The handshake from the client looks as follows".
const REQUEST: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\
    \r\n";

/// §1.2, "The handshake from the server looks as follows".
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: chat\r\n\
    \r\n";

#[test]
fn section_1_2_the_server_reads_the_request_and_writes_the_response() -> Result<(), Box<dyn Error>>
{
    let limits = Limits::default();
    let (request, len) = Request::parse_prefix(&mut Scan::new(), REQUEST.as_bytes(), &limits)?
        .expect("a whole head");
    assert_eq!(len, REQUEST.len());
    assert_eq!(request.path(), "/chat");
    assert_eq!(request.header("Host"), Some("server.example.com"));
    assert_eq!(request.header("Origin"), Some("http://example.com"));
    assert!(request.protocols().eq(["chat", "superchat"]));

    let mut out = [0; 512];
    let len = request
        .accept()?
        .protocol("chat")?
        .encode(&mut out)
        .expect("room");
    assert_eq!(str::from_utf8(&out[..len]), Ok(RESPONSE));
    Ok(())
}

fn sorted_headers(head: &str) -> Vec<&str> {
    let mut lines: Vec<_> = head.split("\r\n").skip(1).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn section_1_2_the_client_writes_the_request_and_reads_the_response() -> Result<(), Box<dyn Error>>
{
    let key = Key::new(*b"the sample nonce");
    let offer = Offer::new("server.example.com", "/chat")?
        .origin("http://example.com")?
        .protocols(&["chat", "superchat"])?;

    // "fields in the header can be sent in any order" (§4.1): the request line is the first, and
    // the others are the same.
    let mut out = [0; 512];
    let len = offer.encode(&key, &mut out).expect("room");
    let ours = str::from_utf8(&out[..len]).expect("ASCII");
    assert_eq!(ours.lines().next(), REQUEST.lines().next());
    assert!(ours.ends_with("\r\n\r\n"));
    assert_eq!(sorted_headers(ours), sorted_headers(REQUEST));

    let verified = offer.verify(
        &key,
        &mut Scan::new(),
        RESPONSE.as_bytes(),
        &Limits::default(),
    )?;
    let (response, len) = verified.expect("a whole head");
    assert_eq!((response.status(), len), (101, RESPONSE.len()));
    assert_eq!(response.protocol(), Some("chat"));
    Ok(())
}

#[test]
fn section_1_3_the_accept_token_of_the_sample_nonce() {
    let key = Key::parse("dGhlIHNhbXBsZSBub25jZQ==").expect("16 bytes");
    assert_eq!(key, Key::new(*b"the sample nonce"));
    assert_eq!(key.accept_token().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/// What one end makes of these bytes, whole and byte by byte.
fn received(end: End, wire: &[u8]) -> Vec<Got> {
    let limits = Limits::default();
    let whole = end.hears(&limits, wire, &[]);
    let every: Vec<_> = (1..wire.len()).collect();
    assert_eq!(end.hears(&limits, wire, &every), whole);
    assert_eq!(whole.error(), None);
    whole.seen().to_vec()
}

/// What a server writes for this message.
fn sent(message: Message<'_>) -> Vec<u8> {
    let mut out = vec![0xEE; message.as_bytes().len() + Header::MAX_LEN];
    let len = Connection::server(&Limits::default())
        .send(message, &mut out)
        .expect("room, and open");
    out.truncate(len);
    out
}

#[test]
fn section_5_7_a_single_frame_unmasked_text_message() {
    let wire = [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F];
    assert_eq!(received(End::Client, &wire), [Got::Text("Hello".into())]);
    assert_eq!(sent(Message::Text("Hello")), wire);
}

#[test]
fn section_5_7_a_single_frame_masked_text_message() {
    let wire = [
        0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ];
    assert_eq!(received(End::Server, &wire), [Got::Text("Hello".into())]);

    // A client draws its keys itself: the codecs write the frame with the key of the RFC.
    let header = Header::new(Opcode::Text, 5).expect("short");
    let mut payload = *b"Hello";
    let _ = Mask::new(KEY).apply(&mut payload);
    let header = header.masked(Some(Mask::new(KEY))).encode();
    assert_eq!([header.as_ref(), &payload].concat(), wire);
}

#[test]
fn section_5_7_a_fragmented_unmasked_text_message() -> Result<(), SendError> {
    let first = [0x01, 0x03, 0x48, 0x65, 0x6C];
    let second = [0x80, 0x02, 0x6C, 0x6F];
    let wire = [&first[..], &second].concat();
    assert_eq!(received(End::Client, &wire), [Got::Text("Hello".into())]);

    let mut server = Connection::server(&Limits::default());
    let header = server.begin(Kind::Text, 3, Part::More)?.encode();
    assert_eq!([header.as_ref(), b"Hel"].concat(), first);
    let header = server.begin(Kind::Text, 2, Part::Last)?.encode();
    assert_eq!([header.as_ref(), b"lo"].concat(), second);
    Ok(())
}

#[test]
fn section_5_7_an_unmasked_ping_and_its_masked_pong() -> Result<(), SendError> {
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F];
    let pong = [
        0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ];
    assert_eq!(received(End::Client, &ping), [Got::Ping("Hello".into())]);
    assert_eq!(received(End::Server, &pong), [Got::Pong("Hello".into())]);

    let mut server = Connection::server(&Limits::default());
    server.ping(b"Hello")?;
    assert_eq!(server.poll_transmit().expect("a Ping").as_ref(), ping);

    // The client's answer, apart from the key, which it draws.
    let client = Connection::client(&Limits::default(), [1; 32]);
    let output = converse(&mut Core::over(client), Role::Client, [&ping[..]]).out;
    let [answer] = &frames(&output)[..] else {
        panic!("one answer: {output:x?}");
    };
    assert_eq!((answer.first, &answer.payload[..]), (0x8A, &b"Hello"[..]));
    let key = answer.mask.expect("a client masks");
    assert_eq!(output, ws_testkit::frame(0x8A, Some(key), b"Hello"));
    assert_eq!(pong[..], ws_testkit::frame(0x8A, Some(KEY), b"Hello"));
    Ok(())
}

#[test]
fn section_5_7_256_bytes_binary_message_in_a_single_unmasked_frame() {
    let payload: Vec<u8> = (0..=255).collect();
    let wire = [&[0x82, 0x7E, 0x01, 0x00][..], &payload].concat();
    let seen = received(End::Client, &wire);
    assert_eq!(seen, [Got::Binary(payload.clone())]);
    assert_eq!(sent(Message::Binary(&payload)), wire);
}

#[test]
#[cfg_attr(miri, ignore = "so many bytes take Miri many minutes")]
fn section_5_7_64_kib_binary_message_in_a_single_unmasked_frame() {
    let payload: Vec<u8> = (0..=255).cycle().take(65_536).collect();
    let header = [0x82, 0x7F, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00];
    let wire = [&header[..], &payload].concat();
    let seen = received(End::Client, &wire);
    assert_eq!(seen, [Got::Binary(payload.clone())]);
    assert_eq!(sent(Message::Binary(&payload)), wire);
}

/// "for a text message sent as three fragments, the first fragment would have an opcode of 0x1
/// and a FIN bit clear, the second fragment would have an opcode of 0x0 and a FIN bit clear, and
/// the third fragment would have an opcode of 0x0 and a FIN bit that is set." (§5.4)
#[test]
fn section_5_4_a_text_message_sent_as_three_fragments() -> Result<(), SendError> {
    let mut server = Connection::server(&Limits::default());
    for (part, first) in [(Part::More, 0x01), (Part::More, 0x00), (Part::Last, 0x80)] {
        let header = server.begin(Kind::Text, 1, part)?;
        assert_eq!(header.encode().as_ref(), [first, 0x01]);
    }
    let wire = [0x01, 0x01, b'a', 0x00, 0x01, b'b', 0x80, 0x01, b'c'];
    assert_eq!(received(End::Client, &wire), [Got::Text("abc".into())]);
    Ok(())
}

/// "The |Sec-WebSocket-Key| header field MUST NOT appear more than once in an HTTP request", and
/// the like of the others (§11.3.1 to §11.3.5), with everything in both heads that can be there.
#[test]
fn section_11_3_no_header_of_the_handshake_stands_twice() -> Result<(), Box<dyn Error>> {
    let full = Compression {
        server: Direction::FULL,
        client: Direction::FULL,
    };
    let mut request = [0; 1024];
    let len = Offer::new("server.example.com", "/chat")?
        .origin("http://example.com")?
        .protocols(&["chat", "superchat"])?
        .compression(Some(full))
        .headers(&[("Cookie", "a=b")])?
        .encode(&Key::new(*b"the sample nonce"), &mut request)
        .expect("room");
    let request = &request[..len];

    let parsed = Request::parse(request)?;
    let mut response = [0; 1024];
    let len = parsed
        .accept()?
        .protocol("superchat")?
        .compression(full.agree(parsed.extensions())?)
        .headers(&[("Set-Cookie", "a=b")])?
        .encode(&mut response)
        .expect("room");

    for (head, names) in [
        (
            request,
            ["Key", "Version", "Protocol", "Extensions"].as_slice(),
        ),
        (&response[..len], &["Accept", "Protocol", "Extensions"]),
    ] {
        let head = str::from_utf8(head).expect("ASCII");
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut found: Vec<_> = lines
            .filter_map(|(name, _)| name.strip_prefix("Sec-WebSocket-"))
            .collect();
        found.sort_unstable();
        let mut names = names.to_vec();
        names.sort_unstable();
        assert_eq!(found, names, "{head}");
    }
    Ok(())
}
