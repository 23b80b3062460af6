//! Payload lengths: RFC 6455 §5.2, "the minimal number of bytes MUST be used to encode the
//! length", and a length stays 64 bits wide until it is checked, on a 32-bit machine too.

use crate::support::End;
use ws_proto::{
    Connection, Event, Header, HeaderError, Kind, Limits, Mask, Opcode, Part, ProtocolError,
};
use ws_testkit::{BINARY, CONTINUATION, Conversation, Core, head};

/// Encodes and decodes a length; checks the form against an encoder of the tests' own.
fn round_trip(len: u64, key: Option<[u8; 4]>) {
    let header = Header::new(Opcode::Binary, len).expect("below 2^63");
    let header = header.masked(key.map(Mask::new));
    let encoded = header.encode();
    let bytes = encoded.as_ref();
    assert_eq!(bytes, head(0x82, key, len), "{len}");
    assert_eq!(Header::decode(bytes), Ok(Some((header, bytes.len()))));
    for cut in 0..bytes.len() {
        assert_eq!(
            Header::decode(&bytes[..cut]),
            Ok(None),
            "{len} cut at {cut}"
        );
    }
}

#[test]
fn round_trip_of_every_length_to_128_kib() {
    let mut cases = 0;
    for len in 0..=131_072 {
        for key in [None, Some(ws_testkit::KEY)] {
            round_trip(len, key);
            cases += 1;
        }
    }
    assert!(cases == 2 * 131_073, "{cases}");
}

#[test]
fn round_trip_around_every_power_of_two() {
    let mut cases = 0;
    for k in 0..=63 {
        for len in (1_u64 << k).saturating_sub(2)..=(1 << k) + 2 {
            if len < 1 << 63 {
                round_trip(len, None);
                round_trip(len, Some(ws_testkit::KEY));
            } else {
                let made = Header::new(Opcode::Binary, len);
                assert_eq!(made, Err(HeaderError::LengthTooLarge));
                assert_eq!(decode_long(len), Err(ProtocolError::LengthTooLarge));
            }
            cases += 1;
        }
    }
    // 2^0 - 2 would be negative.
    assert_eq!(cases, 64 * 5 - 1);
}

/// A header with this length in 64 bits, whatever it is.
fn decode_long(len: u64) -> Result<Option<u64>, ProtocolError> {
    let bytes = [&[0x82, 127][..], &len.to_be_bytes()].concat();
    Ok(Header::decode(&bytes)?.map(|(header, _)| header.payload_len()))
}

#[test]
fn header_time_every_length_in_more_bytes_than_it_needs_is_refused() {
    let mut cases = 0;
    for len in 0..=125_u16 {
        for masked in [0, 0x80] {
            let [high, low] = len.to_be_bytes();
            let refused = Header::decode(&[0x82, masked | 126, high, low]);
            assert_eq!(refused, Err(ProtocolError::NonMinimalLength), "{len}");
            cases += 1;
        }
    }
    for len in 0..=65_535 {
        assert_eq!(decode_long(len), Err(ProtocolError::NonMinimalLength));
        cases += 1;
    }
    assert_eq!(decode_long(65_536), Ok(Some(65_536)));
    assert!(cases == 2 * 126 + 65_536, "{cases}");
}

#[test]
fn header_time_every_64_bit_length_with_one_bit() {
    for bit in 0..64 {
        let len = 1 << bit;
        let expected = match bit {
            0..=15 => Err(ProtocolError::NonMinimalLength),
            16..=62 => Ok(Some(len)),
            _ => Err(ProtocolError::LengthTooLarge),
        };
        assert_eq!(decode_long(len), expected, "bit {bit}");
    }
}

/// "the most significant bit MUST be 0" (§5.2), whatever the others are.
#[test]
fn header_time_the_highest_bit_is_refused() {
    let others = (0..63).flat_map(|bit| [1 << bit, (1 << bit) - 1, !(u64::MAX << bit)]);
    for other in others.chain([0, u64::MAX]) {
        let len = other | 1 << 63;
        assert_eq!(decode_long(len), Err(ProtocolError::LengthTooLarge));
        assert_eq!(
            Header::new(Opcode::Text, len),
            Err(HeaderError::LengthTooLarge)
        );
    }
}

/// A length that wraps to something small in 32 bits is not that: not when it is refused, and not
/// when it is allowed.
#[test]
fn lengths_over_32_bits_are_not_cut() {
    for high in [1_u64, 2, 0x7FFF_FFFF] {
        for low in [0_u64, 1, 5, 125, 0xFFFF_FFFF] {
            let len = high << 32 | low;
            for end in End::BOTH {
                let header = head(0x80 | BINARY, end.peer_key(), len);

                let outcome = end.hears(&Limits::default(), &header, &[]);
                let limit = Limits::DEFAULT.max_message;
                assert_eq!(
                    outcome.error(),
                    Some(ProtocolError::MessageTooBig { limit })
                );

                let mut limits = Limits::default();
                limits.max_message = u64::MAX;
                let mut connection = end.connection(&limits);
                let mut input = [&header[..], &[0; 8]].concat();
                assert!(!connection.holds_message(&input), "{len:x}");
                let received = connection.receive(&mut input).expect("allowed");
                let Some(Event::Chunk(chunk)) = received.event else {
                    panic!("eight bytes of many: {received:?}");
                };
                assert_eq!((chunk.payload.len(), chunk.part), (8, Part::More));
                assert_eq!(connection.payload_remaining(), len - 8);
            }
        }
    }
}

/// The lengths of fragments add up, and do not wrap on the way.
#[test]
fn message_size_adds_up_over_fragments_without_wrapping() {
    let half = 1_u64 << 62;
    for (limit, refused) in [(half, true), (2 * half - 1, true), (2 * half, false)] {
        let mut limits = Limits::default();
        limits.max_message = limit;
        // The first fragment is declared and not sent in full: so the sum is a matter of one
        // header with an empty fragment before it.
        let connection = Connection::client(&limits, [0; 32]);
        let mut wire = ws_testkit::frame(BINARY, None, b"x");
        wire.extend(head(CONTINUATION, None, 2 * half - 1));
        let mut conversation = Conversation::new(Core::over(connection));
        conversation.hear(&wire);
        let error = ProtocolError::MessageTooBig { limit };
        assert_eq!(conversation.error(), refused.then_some(error), "{limit:x}");
        let left = if refused { 0 } else { 2 * half - 1 };
        assert_eq!(conversation.engine.connection().payload_remaining(), left);
    }
}

#[test]
fn begin_refuses_what_no_header_can_say() {
    let mut server = Connection::server(&Limits::default());
    let longest = (1 << 63) - 1;
    let header = server.begin(Kind::Binary, longest, Part::Last);
    assert_eq!(header.map(|header| header.payload_len()), Ok(longest));
    let refused = server.begin(Kind::Binary, longest + 1, Part::More);
    assert_eq!(refused, Err(ws_proto::SendError::PayloadTooLong));
    // Nothing has begun: a text may follow.
    assert!(server.begin(Kind::Text, 1, Part::Last).is_ok());
}
