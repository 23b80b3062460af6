//! Every frame header there is, against a table written from RFC 6455 §5 alone.

use crate::support::End;
use ws_proto::{Connection, Limits, ProtocolError, Shutdown, State};
use ws_testkit::{
    BINARY, CLOSE, CONTINUATION, Conversation, Core, Got, KEY, PING, PONG, TEXT, close_payload,
    frames,
};

/// What came before the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    TextBegun,
    BinaryBegun,
}

impl Before {
    const ALL: [Self; 3] = [Self::Nothing, Self::TextBegun, Self::BinaryBegun];

    fn conversation(self, end: End) -> Conversation<Core> {
        let mut conversation = end.conversation(&Limits::default());
        match self {
            Self::Nothing => {}
            Self::TextBegun => conversation.hear(&end.peer_part(TEXT, b"so far ")),
            Self::BinaryBegun => conversation.hear(&end.peer_part(BINARY, b"so far ")),
        }
        conversation
    }
}

/// The two bytes, taken apart.
#[derive(Clone, Copy)]
struct Bits {
    fin: bool,
    rsv: u8,
    opcode: u8,
    masked: bool,
    /// The seven bits.
    len: u8,
}

impl Bits {
    const fn new(first: u8, second: u8) -> Self {
        Self {
            fin: first >= 128,
            rsv: first / 16 % 8,
            opcode: first % 16,
            masked: second >= 128,
            len: second % 128,
        }
    }

    /// The length that the frame will have: the shortest that its form of length can say.
    const fn payload_len(self) -> usize {
        match self.len {
            126 => 126,
            127 => 65_536,
            len => len as usize,
        }
    }

    /// The rest of the header.
    fn rest(self) -> Vec<u8> {
        let mut rest = match self.len {
            126 => vec![0, 126],
            127 => vec![0, 0, 0, 0, 0, 1, 0, 0],
            _ => Vec::new(),
        };
        if self.masked {
            rest.extend(KEY);
        }
        rest
    }
}

/// Every rule that the header breaks. The RFC does not say which is to be named, but one of them
/// has to be.
fn broken(bits: Bits, end: End, before: Before) -> Vec<ProtocolError> {
    let mut broken = Vec::new();
    // §5.2: RSV1, RSV2, RSV3 "MUST be 0 unless an extension is negotiated".
    if bits.rsv != 0 {
        broken.push(ProtocolError::ReservedBit);
    }
    // §5.2: "%x3-7 are reserved for further non-control frames", "%xB-F … control frames".
    if matches!(bits.opcode, 0x3..=0x7 | 0xB..=0xF) {
        broken.push(ProtocolError::ReservedOpcode);
    }
    // §5.5.
    if matches!(bits.opcode, 0x8..=0xA) {
        if !bits.fin {
            broken.push(ProtocolError::FragmentedControl);
        }
        if bits.len > 125 {
            broken.push(ProtocolError::ControlTooLong);
        }
    }
    // §5.1.
    match (end, bits.masked) {
        (End::Server, false) => broken.push(ProtocolError::MaskMissing),
        (End::Client, true) => broken.push(ProtocolError::MaskForbidden),
        _ => {}
    }
    // §5.4.
    match (before, bits.opcode) {
        (Before::Nothing, CONTINUATION) => broken.push(ProtocolError::UnexpectedContinuation),
        (Before::TextBegun | Before::BinaryBegun, TEXT | BINARY) => {
            broken.push(ProtocolError::ExpectedContinuation);
        }
        _ => {}
    }
    broken
}

/// What an accepted frame shows the application once its payload of `payload` is there.
fn shown(bits: Bits, before: Before, payload: &[u8]) -> Option<Got> {
    let joined = || match before {
        Before::Nothing => payload.to_vec(),
        _ => [b"so far ", payload].concat(),
    };
    let is_text = bits.opcode == TEXT || before == Before::TextBegun;
    match bits.opcode {
        PING => Some(Got::Ping(payload.into())),
        PONG => Some(Got::Pong(payload.into())),
        CLOSE => Some(Got::Close((!payload.is_empty()).then(|| {
            let reason = str::from_utf8(&payload[2..]).expect("ASCII");
            (u16::from_be_bytes([payload[0], payload[1]]), reason.into())
        }))),
        _ if !bits.fin => None,
        _ if is_text => Some(Got::Text(String::from_utf8(joined()).expect("ASCII"))),
        _ => Some(Got::Binary(joined())),
    }
}

/// A payload that the frame's kind allows.
fn payload(bits: Bits) -> Vec<u8> {
    let len = bits.payload_len();
    match (bits.opcode, len) {
        (CLOSE, 2..) => close_payload(3000, &"r".repeat(len - 2)),
        _ => vec![b'p'; len],
    }
}

/// The connection has failed: the right Close is its last word, and it stays that way.
fn assert_failed(
    mut conversation: Conversation<Core>,
    seen: &[Got],
    error: ProtocolError,
    code: u16,
    end: End,
) {
    assert_eq!(conversation.error(), Some(error));
    for more in [
        end.peer_frame(TEXT, b"more"),
        end.peer_frame(PING, b"more"),
        end.peer_frame(CLOSE, b""),
    ] {
        conversation.hear(&more);
    }
    assert_eq!(conversation.seen(), seen, "something was delivered");
    let [close] = &frames(&conversation.out)[..] else {
        panic!("one Close: {:x?}", conversation.out);
    };
    assert_eq!(close.first, 0x80 | CLOSE);
    assert_eq!(close.mask.is_some(), end == End::Client);
    assert_eq!(close.payload, close_payload(code, error.reason()));
    assert_eq!(
        conversation.engine.connection().state(),
        State::Failed(error)
    );
    assert_eq!(conversation.engine.connection().shutdown(), Shutdown::Write);
}

#[test]
fn header_time_all_65536_first_two_bytes_in_every_role_and_state() {
    let (mut refused, mut accepted) = (0_u32, 0_u32);
    for (end, before) in End::BOTH
        .into_iter()
        .flat_map(|end| Before::ALL.map(|before| (end, before)))
    {
        let all = (0..=255).flat_map(|a| (0..=255).map(move |b| (a, b)));
        // Miri is slow.
        for (first, second) in all.step_by(if cfg!(miri) { 2039 } else { 1 }) {
            let bits = Bits::new(first, second);
            let broken = broken(bits, end, before);
            let mut conversation = before.conversation(end);

            // The header alone, not one byte of payload.
            conversation.hear(&[&[first, second], &bits.rest()[..]].concat());
            let context = format!("{first:02x} {second:02x} {end:?} {before:?}");
            if let Some(error) = conversation.error() {
                assert!(
                    broken.contains(&error),
                    "{context}: {error:?} of {broken:?}"
                );
                assert_failed(conversation, &[], error, 1002, end);
                refused += 1;
                continue;
            }
            assert_eq!(broken, [], "{context}: accepted");
            accepted += 1;

            let payload = payload(bits);
            let key = if bits.masked { KEY } else { [0; 4] };
            let wire: Vec<_> = payload
                .iter()
                .zip(0..)
                .map(|(b, i): (_, usize)| b ^ key[i % 4])
                .collect();
            conversation.hear(&wire);
            if bits.opcode == CLOSE && payload.len() == 1 {
                // The header was in order; the payload is not (§5.5.1).
                assert_failed(conversation, &[], ProtocolError::CloseTooShort, 1002, end);
                continue;
            }
            assert_eq!(conversation.error(), None, "{context}");
            let expected = Vec::from_iter(shown(bits, before, &payload));
            assert_eq!(conversation.seen(), expected, "{context}");

            // The answers that §5.5.1 and §5.5.2 ask for, and no others.
            let answer = match bits.opcode {
                PING => vec![(0x80 | PONG, payload)],
                CLOSE => vec![(0x80 | CLOSE, payload.into_iter().take(2).collect())],
                _ => vec![],
            };
            let output = frames(&conversation.out);
            assert!(
                output
                    .iter()
                    .all(|f| f.mask.is_some() == (end == End::Client))
            );
            let output: Vec<_> = output.into_iter().map(|f| (f.first, f.payload)).collect();
            assert_eq!(output, answer, "{context}");
        }
    }
    if cfg!(miri) {
        return;
    }
    assert_eq!(refused + accepted, 65_536 * 2 * 3);
    // In each of the two roles one mask bit: control frames 3 × 126; data frames 128 lengths and
    // either FIN, of two opcodes at the start of a message and of one within it.
    assert_eq!(accepted, 2 * (3 * 3 * 126 + 2 * 128 * (2 + 1 + 1)));
}

/// The same table, one byte at a time: no verdict waits for more than the header, and none is
/// given before it can be known.
#[test]
fn header_time_first_byte_alone_decides_what_it_can() {
    let mut cases = 0;
    for first in 0..=255_u8 {
        let bits = Bits::new(first, 0);
        // RSV1 is the receiver's to judge: known with the first byte, told with the header.
        let hopeless = bits.rsv & 0b011 != 0
            || matches!(bits.opcode, 0x3..=0x7 | 0xB..=0xF)
            || (bits.opcode >= 8 && !bits.fin);
        let mut connection = Connection::server(&Limits::default());
        assert_eq!(
            connection.receive(&mut [first]).is_err(),
            hopeless,
            "{first:02x}"
        );
        cases += 1;
    }
    assert_eq!(cases, 256);
}
