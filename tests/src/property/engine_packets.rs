//! Engine.IO's packets and payloads.

use sio_proto::Message;
use sio_proto::engine::{Packet, Payload};

/// A body that is read is written to one that reads the same; a limit that it is over refuses it
/// whole; and a message of a WebSocket is no other packet than the same text in a body.
///
/// # Panics
///
/// If not.
pub fn engine_packets(input: &[u8]) {
    let len = input.len() as u64;
    if let Some(limit) = len.checked_sub(1) {
        assert!(Payload::decode(input, limit).is_err());
    }
    let Ok(payload) = Payload::decode(input, len) else {
        assert!(std::str::from_utf8(input).is_err());
        return;
    };
    let (mut packets, mut failed) = (Vec::new(), false);
    for packet in payload {
        assert!(!failed, "nothing comes after an error");
        match packet {
            Ok(packet) => packets.push(packet),
            Err(_) => failed = true,
        }
    }
    assert!(failed || !packets.is_empty());

    let mut written = String::new();
    for packet in &packets {
        if !written.is_empty() {
            written.push('\u{1e}');
        }
        packet.encode_text(&mut written);
    }
    if !packets.is_empty() {
        let again = Payload::decode(written.as_bytes(), u64::MAX).expect("it was UTF-8");
        let again: Vec<_> = again
            .map(|packet| packet.expect("it was a packet"))
            .collect();
        assert_eq!(again, packets);
    }
    if let (Ok(text), [packet]) = (std::str::from_utf8(input), &packets[..])
        && !failed
    {
        assert_eq!(Packet::decode(Message::Text(text)).as_ref(), Ok(packet));
    }
}
