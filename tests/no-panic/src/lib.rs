//! Nothing of the core without an allocator can panic, whatever it is given, and whatever state it
//! is in.
//!
//! Each program in `src/bin` has one entry, whose arguments nobody knows: slices of any bytes, and
//! values of our types with any content that the types allow, also such as could never come about.
//! So what is shown does not rest on what the code is called with. Proven is:
//!
//! | program | functions |
//! |---|---|
//! | `codecs` | `Header`, `Mask`, `MaskKeys`, `Utf8`, `Close`, `CloseCode`: all there are |
//! | `connection` | `Receiver`, `Sender`, `Connection`, `Liveness`: both roles, all calls |
//! | `handshake` | `Scan`, refusals, writing a request and an answer, headers, lists and extensions, what can be asked of a `Request`, a `Response` or an `Origin` that was parsed |
//!
//! Not proven is what calls other libraries with bytes of a peer: `Request::parse` and
//! `parse_prefix`, `Response::parse` and `Offer::verify` (`httparse`); `Key::parse` (`base64`);
//! `Key::accept_token` (`sha1`); and `Request::accept`, which calls these.
//! Each has code that could panic as far as a compiler sees: they are in `unproven`, which does
//! not link, and so shows that a program which may panic does not. Fuzzing is what speaks for
//! them. What formats anything for people is not proven either; and overflow is no panic here, as
//! it is none in a release.

#![no_std]

use core::panic::PanicInfo;

#[expect(
    unsafe_code,
    reason = "it is declared and defined nowhere: whoever can reach it does not link"
)]
unsafe extern "C" {
    safe fn this_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    this_can_panic()
}
