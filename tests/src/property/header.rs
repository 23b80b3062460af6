//! Frame headers: RFC 6455 §5.2.

use ws_proto::Header;

use ws_testkit::Frame;

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
