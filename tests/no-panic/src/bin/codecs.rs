//! Frame headers, masking, UTF-8 and the payload of a Close.

#![no_std]
#![no_main]

use no_panic as _;
use ws_proto::{Close, CloseCode, Header, HeaderBytes, Mask, MaskKeys, Opcode, SendError, Utf8};

struct Given<'a> {
    input: &'a [u8],
    output: &'a mut [u8],
    text: &'a str,
    opcode: Opcode,
    len: u64,
    code: u16,
    mask: Mask,
    keys: MaskKeys,
    utf8: Utf8,
    made: HeaderBytes,
    close: Result<Close<'a>, SendError>,
    verdict: bool,
}

#[expect(unsafe_code, reason = "the entry of a program has a name")]
#[unsafe(no_mangle)]
extern "C" fn _start(given: &mut Given<'_>) {
    if let Ok(Some((header, _))) = Header::decode(given.input) {
        given.made = header.encode();
        given.verdict |= given.made.as_ref() == given.input;
    }
    if let Ok(header) = Header::new(given.opcode, given.len) {
        let header = header.unfinished().unwrap_or(header);
        let header = header.compressed().unwrap_or(header);
        given.made = header.masked(Some(given.mask)).encode();
    }

    given.mask = given.mask.apply(given.output);
    given.mask = given.mask.apply_to(given.input, given.output);
    given.mask = given.keys.draw();

    given.verdict |= given.utf8.push(given.input).is_ok();
    given.verdict |= given.utf8.finish().is_ok();

    given.verdict |= Close::decode(given.input).is_ok();
    if let Some(code) = CloseCode::new(given.code) {
        given.close = Close::new(code, given.text);
    }
}
