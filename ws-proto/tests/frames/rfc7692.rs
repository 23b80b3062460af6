//! Sentences of RFC 7692 that no example of its own shows: which bytes a message may refer to,
//! what is marked as compressed, and what the headers say of it. The examples are in
//! `tests/transcripts/deflate.txt`.
#![cfg(feature = "deflate")]

use crate::support::End;
use ws_proto::handshake::{
    ArgumentError, Compression, Direction, Key, Offer, Request, RequestError, Takeover, WindowBits,
};
use ws_proto::{Compress, Deflate, Kind, Limits, Message, Part, Session, Step};
use ws_testkit::{BINARY, CONTINUATION, PING, TEXT, frames, noise};

/// The first byte of a frame: final, and compressed.
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// The end of a flushed DEFLATE stream, which a message is sent without.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

fn both_ways(bits: u8, takeover: Takeover) -> Compression {
    let window = WindowBits::new(bits).expect("8 to 15");
    let direction = Direction { window, takeover };
    Compression {
        server: direction,
        client: direction,
    }
}

/// An endpoint that compresses however short a message is.
fn session(end: End, agreed: &Compression) -> Session {
    let limits = Limits::default();
    let mut settings = Deflate::default();
    settings.send = Direction::FULL;
    settings.min_len = 0;
    match end {
        End::Server => Session::server(&limits.into()),
        End::Client => Session::client(&limits.into(), [1; 32]),
    }
    .compressed(&settings, agreed)
}

/// The frames that were sent: first bytes and payloads.
fn sent(session: &mut Session) -> Vec<(u8, Vec<u8>)> {
    let sent = frames(session.unsent());
    let len = session.unsent().len();
    session.sent(len);
    sent.into_iter().map(|f| (f.first, f.payload)).collect()
}

/// What our server answers to a client that offers this.
fn negotiated(extensions: &str, ours: Compression) -> Result<String, RequestError> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: {extensions}\r\n\r\n"
    );
    let request = Request::parse(request.as_bytes())?;
    let agreed = ours.agree(request.extensions())?;
    let mut out = [0; 512];
    let len = request.accept()?.compression(agreed).encode(&mut out);
    let head = out[..len.expect("room")].to_vec();
    Ok(String::from_utf8(head).expect("ASCII"))
}

#[test]
fn section_5_an_offer_names_the_extension_and_the_windows() -> Result<(), ArgumentError> {
    let mut out = [0; 512];
    let len = Offer::new("h", "/")?
        .compression(Some(both_ways(12, Takeover::Off)))
        .encode(&Key::new([7; 16]), &mut out)
        .expect("room");
    let head = str::from_utf8(&out[..len]).expect("ASCII");
    let mut lines = head.lines();
    let line = lines.find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    let offers: Vec<_> = line.expect("offers").split(", ").collect();
    let plain = [
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate",
    ];
    assert_eq!(offers[1..], plain);
    let mut words = offers[0].split("; ");
    assert_eq!(words.next(), Some("permessage-deflate"));
    let mut parameters: Vec<_> = words.collect();
    parameters.sort_unstable();
    let defined = [
        "client_max_window_bits",
        "server_max_window_bits=12",
        "server_no_context_takeover",
    ];
    assert_eq!(parameters, defined);
    Ok(())
}

#[test]
fn section_5_a_server_that_declines_every_offer_names_no_extension() -> Result<(), RequestError> {
    let ours = both_ways(15, Takeover::Kept);
    for declined in [
        "permessage-bzip2",
        "permessage-deflate; fast",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_no_context_takeover=1, mux; permessage-deflate",
    ] {
        let head = negotiated(declined, ours)?;
        assert!(!head.contains("Extensions"), "{declined}: {head}");
    }
    let head = negotiated("mux, permessage-deflate", ours)?;
    let answer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    assert!(head.contains(answer), "{head}");
    Ok(())
}

/// The bit stands on the first frame of a compressed message, and nowhere else; the opcode is the
/// message's own. A fragment that is not the last keeps the end that the last is sent without.
#[test]
fn section_6_1_the_bit_marks_the_first_frame_of_a_compressed_message() {
    for end in End::BOTH {
        let mut session = session(end, &both_ways(15, Takeover::Kept));
        let out = session.halves().1;
        out.send_part(Kind::Text, b"Hel", Part::More).expect("open");
        let begun = sent(&mut session);
        let out = session.halves().1;
        out.ping(b"Hello").expect("open");
        out.send_part(Kind::Text, b"lo", Part::Last).expect("open");
        out.send_with("as it is", Compress::Never).expect("open");
        out.send(&b"Hello"[..]).expect("open");
        let all = [begun, sent(&mut session)].concat();

        let firsts: Vec<_> = all.iter().map(|(first, _)| *first).collect();
        let expected = [
            RSV1 | TEXT,
            FIN | PING,
            FIN | CONTINUATION,
            FIN | TEXT,
            FIN | RSV1 | BINARY,
        ];
        assert_eq!(firsts, expected);
        let (fragment, last) = (&all[0].1, &all[2].1);
        assert!(fragment.ends_with(&TAIL), "{fragment:02x?}");
        assert!(!last.ends_with(&TAIL), "{last:02x?}");
        assert_eq!(all[3].1, b"as it is");
    }
}

/// §7.2.3.2: the second "Hello" has the same bytes as the first, or fewer.
#[test]
fn section_7_2_1_without_takeover_each_message_begins_with_an_empty_window() {
    let hello = vec![0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let again = vec![0xF2, 0x00, 0x11, 0x00, 0x00];
    for end in End::BOTH {
        for (takeover, second) in [(Takeover::Off, &hello), (Takeover::Kept, &again)] {
            let mut session = session(end, &both_ways(15, takeover));
            session.send("Hello").expect("open");
            session.send("Hello").expect("open");
            let payloads: Vec<_> = sent(&mut session).into_iter().map(|f| f.1).collect();
            assert_eq!(payloads, [hello.clone(), second.clone()], "{end:?}");
        }
    }
}

/// A message is sent twice. The second time it refers to the first where that lies within the
/// window that was agreed on, and cannot where every byte of it lies one beyond.
#[test]
#[cfg_attr(miri, ignore = "so many bytes take Miri many minutes")]
fn section_7_2_1_no_message_refers_beyond_the_window() {
    for end in End::BOTH {
        for bits in 9..=15 {
            // zlib leaves room for a match and the bytes that it looks at in advance.
            let within = (1 << bits) - 262;
            for (len, refers) in [(within, true), ((1 << bits) + 1, false)] {
                let mut session = session(end, &both_ways(bits, Takeover::Kept));
                let message = noise(len);
                session.send(&message[..]).expect("open");
                session.send(&message[..]).expect("open");
                let lens: Vec<_> = sent(&mut session).iter().map(|f| f.1.len()).collect();
                assert!(lens[0] >= len, "{end:?} {bits} {len}: {lens:?}");
                let short = lens[1] < len / 2;
                assert_eq!(short, refers, "{end:?} {bits} {len}: {lens:?}");
            }
        }
    }
}

/// A block that repeats 258 bytes from 32,768 bytes before, and the beginning of the tail, as bits
/// in the order in which they are packed: RFC 1951 §3.2.3 to §3.2.6.
const FAR: [(u32, u32); 7] = [
    (0b0, 1),         // not the last block,
    (0b10, 2),        // of fixed codes
    (0b1100_0101, 8), // length 258
    (0b1_1101, 5),    // distances from 24,577
    (8191, 13),       // and so far beyond
    (0b000_0000, 7),  // end of block
    (0b000, 3),       // an empty block with no compression
];

/// Fields of (value, bits), packed from the lowest bit of a byte on.
fn packed(fields: &[(u32, u32)]) -> Vec<u8> {
    let bits = fields
        .iter()
        .flat_map(|&(value, len)| (0..len).rev().map(move |i| value >> i & 1 == 1));
    let bits: Vec<bool> = bits.collect();
    let byte = |bits: &[bool]| {
        bits.iter()
            .rev()
            .fold(0, |byte, bit| byte << 1 | u8::from(*bit))
    };
    bits.chunks(8).map(byte).collect()
}

/// "Otherwise, the client MUST decompress each new message using the LZ77 sliding window used to
/// process the last compressed message", which without a window in the answer is of 32,768 bytes.
#[test]
#[cfg_attr(miri, ignore = "so many bytes take Miri many minutes")]
fn section_7_2_2_a_message_may_refer_to_32768_bytes_before_it() {
    let before = noise(32_768);
    let stored = [&[0x00, 0x00, 0x80, 0xFF, 0x7F][..], &before, &[0x00]].concat();
    for end in End::BOTH {
        let mut session = session(end, &both_ways(15, Takeover::Kept));
        let compressed = |payload: &[u8]| {
            let mut frame = end.peer_frame(BINARY, payload);
            frame[0] |= RSV1;
            frame
        };
        session.push(&compressed(&stored));
        assert_eq!(session.step(), Ok(Step::Message(Message::Binary(&before))));
        // One that is not compressed leaves the window as it is.
        session.push(&end.peer_frame(TEXT, b"between"));
        assert_eq!(session.step(), Ok(Step::Message(Message::Text("between"))));
        session.push(&compressed(&packed(&FAR)));
        let expected = Message::Binary(&before[..258]);
        assert_eq!(session.step(), Ok(Step::Message(expected)), "{end:?}");
    }
}

/// "an LZ77 sliding window size of 1,024 or more is RECOMMENDED" (§7.3).
#[test]
fn section_7_3_the_default_windows_are_of_1024_bytes_or_more() {
    let Deflate { send, receive, .. } = Deflate::default();
    for direction in [send, receive] {
        assert!(direction.window.get() >= 10);
    }
}
