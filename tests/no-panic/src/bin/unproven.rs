//! What other libraries take part in: this does not link. When one of these calls does by itself, it
//! is to be proven with the rest.

#![no_std]
#![no_main]

use no_panic as _;
use ws_proto::Limits;
use ws_proto::handshake::{Key, Offer, Request, Scan};

struct Given<'a> {
    input: &'a [u8],
    text: &'a str,
    limits: Limits,
    scan: Scan,
    key: Key,
    offer: Offer<'a>,
    counted: usize,
}

#[expect(unsafe_code, reason = "the entry of a program has a name")]
#[unsafe(no_mangle)]
extern "C" fn _start(given: &mut Given<'_>) {
    let request = Request::parse_prefix(&mut given.scan, given.input, &given.limits);
    given.counted += usize::from(request.is_ok());
    let answer = given.offer;
    let answer = answer.verify(&given.key, &mut given.scan, given.input, &given.limits);
    given.counted += usize::from(answer.is_ok());
    if let Ok(key) = Key::parse(given.text) {
        given.key = key;
    }
    given.counted += given.key.accept_token().as_str().len();
}
