//! Properties that hold of every input: random conversations, random garbage, random commands.

mod support;

use proptest::prelude::*;
use support::End;
use ws_proto::{Header, Limits, Mask, Opcode};
use ws_testkit::{BINARY, CLOSE, CONTINUATION, Got, Outcome, PING, PONG, TEXT, close_payload};

/// Something that a peer sends.
#[derive(Clone, Debug)]
enum Item {
    Text(String),
    Binary(Vec<u8>),
    /// A text in fragments that end at these places, with a Ping between each two.
    Fragments(String, Vec<prop::sample::Index>, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn any_item() -> impl Strategy<Value = Item> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..=max);
    prop_oneof![
        4 => "\\PC{0,40}".prop_map(Item::Text),
        2 => bytes(300).prop_map(Item::Binary),
        1 => (65_530_usize..65_545).prop_map(|len| Item::Binary(vec![0xA5; len])),
        3 => ("\\PC{0,40}", prop::collection::vec(any::<prop::sample::Index>(), 0..5), any::<bool>())
            .prop_map(|(text, cuts, pings)| Item::Fragments(text, cuts, pings)),
        2 => bytes(125).prop_map(Item::Ping),
        1 => bytes(125).prop_map(Item::Pong),
    ]
}

/// The bytes of a conversation, and what an application sees of it.
fn encode(end: End, items: &[Item]) -> (Vec<u8>, Vec<Got>) {
    let (mut wire, mut seen) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Text(text) => {
                wire.extend(end.peer_frame(TEXT, text.as_bytes()));
                seen.push(Got::Text(text.clone()));
            }
            Item::Binary(bytes) => {
                wire.extend(end.peer_frame(BINARY, bytes));
                seen.push(Got::Binary(bytes.clone()));
            }
            Item::Fragments(text, cuts, pings) => {
                let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
                cuts.sort_unstable();
                let (mut from, mut opcode) = (0, TEXT);
                for to in cuts {
                    wire.extend(end.peer_part(opcode, &text.as_bytes()[from..to]));
                    if *pings {
                        wire.extend(end.peer_frame(PING, b"between"));
                        seen.push(Got::Ping(b"between".into()));
                    }
                    (from, opcode) = (to, CONTINUATION);
                }
                wire.extend(end.peer_frame(opcode, &text.as_bytes()[from..]));
                seen.push(Got::Text(text.clone()));
            }
            Item::Ping(payload) => {
                wire.extend(end.peer_frame(PING, payload));
                seen.push(Got::Ping(payload.clone()));
            }
            Item::Pong(payload) => {
                wire.extend(end.peer_frame(PONG, payload));
                seen.push(Got::Pong(payload.clone()));
            }
        }
    }
    (wire, seen)
}

fn any_end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Server), Just(End::Client)]
}

fn any_cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..20)
}

/// Positions within `len` bytes, ascending.
fn positions(cuts: &[prop::sample::Index], len: usize) -> Vec<usize> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// Runs `wire` whole, byte by byte, and cut; a connection and a session. Returns what all of them
/// come to.
fn same_however_split(end: End, wire: &[u8], cuts: &[usize]) -> Outcome {
    let limits = Limits::default();
    let whole = end.hears(&limits, wire, &[]);
    let every: Vec<_> = (1..wire.len()).collect();
    for cuts in [cuts, &every] {
        assert_eq!(end.hears(&limits, wire, cuts), whole);
    }
    #[cfg(feature = "alloc")]
    for cuts in [&[], cuts, &every] {
        let mut limits = limits;
        // The smallest buffer, so that large messages are read straight into their own.
        limits.read_buffer = Limits::MIN_READ;
        let session = end.session_hears(&limits, wire, cuts);
        assert_eq!(session, whole, "a session");
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn header_round_trip(
        opcode in prop::sample::select(vec![
            Opcode::Continuation, Opcode::Text, Opcode::Binary,
            Opcode::Close, Opcode::Ping, Opcode::Pong,
        ]),
        unfinished in any::<bool>(),
        key in any::<Option<[u8; 4]>>(),
        (len, shift) in (any::<u64>(), 1_u32..64),
        behind in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let len = len >> shift;
        let Ok(header) = Header::new(opcode, len) else {
            prop_assert!(opcode.is_control() && len > 125);
            return Ok(());
        };
        let header = match header.unfinished() {
            Ok(unfinished_header) if unfinished => unfinished_header,
            Err(_) => { prop_assert!(opcode.is_control()); header }
            Ok(_) => header,
        };
        let header = header.masked(key.map(Mask::new));
        let mut bytes = header.encode().as_ref().to_vec();
        let first = opcode as u8 | if header.is_final() { 0x80 } else { 0 };
        prop_assert_eq!(&bytes, &ws_testkit::head(first, key, len));
        let size = bytes.len();
        bytes.extend(behind);
        prop_assert_eq!(Header::decode(&bytes), Ok(Some((header, size))));
    }

    /// Whatever decodes is encoded to the same bytes: there is one form for each header.
    #[test]
    fn header_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..=14)) {
        if let Ok(Some((header, size))) = Header::decode(&bytes) {
            let encoded = header.encode();
            prop_assert_eq!(encoded.as_ref(), &bytes[..size]);
        }
    }

    #[test]
    fn split_a_conversation_anywhere(
        end in any_end(),
        items in prop::collection::vec(any_item(), 0..8),
        close in any::<Option<(bool, bool)>>(),
        cuts in any_cuts(),
    ) {
        let (mut wire, mut seen) = encode(end, &items);
        match close {
            Some((true, more)) => {
                wire.extend(end.peer_frame(CLOSE, &close_payload(3333, "done")));
                seen.push(Got::Close(Some((3333, "done".into()))));
                wire.extend(if more { encode(end, &items).0 } else { Vec::new() });
            }
            Some((false, _)) => {
                wire.extend(end.peer_frame(CLOSE, b""));
                seen.push(Got::Close(None));
            }
            None => {}
        }
        let cuts = positions(&cuts, wire.len());
        let outcome = same_however_split(end, &wire, &cuts);
        prop_assert_eq!(outcome.error(), None);
        prop_assert_eq!(outcome.seen(), seen);
    }

    /// A valid conversation of which some bytes were changed: any error may follow, and what
    /// follows does not depend on the cuts.
    #[test]
    fn split_a_broken_conversation_anywhere(
        end in any_end(),
        items in prop::collection::vec(any_item(), 1..6),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
        cuts in any_cuts(),
    ) {
        let (mut wire, _) = encode(end, &items);
        for (at, flip) in flips {
            let at = at.index(wire.len());
            wire[at] ^= flip;
        }
        let cuts = positions(&cuts, wire.len());
        same_however_split(end, &wire, &cuts);
    }

    #[test]
    fn split_garbage_anywhere(
        end in any_end(),
        first in prop::sample::select(vec![0x01_u8, 0x02, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1]),
        garbage in prop::collection::vec(any::<u8>(), 0..300),
        cuts in any_cuts(),
    ) {
        // Garbage seldom gets past its first byte: with one that may stand there, more often.
        let wire = [&[first, if end == End::Server { 0x85 } else { 0x05 }], &garbage[..]].concat();
        for wire in [&wire, &garbage] {
            let cuts = positions(&cuts, wire.len());
            same_however_split(end, wire, &cuts);
        }
    }
}
