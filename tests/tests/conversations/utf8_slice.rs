//! UTF-8, a 251st of all strings of four bytes: every lead byte, every second byte, and each third byte with
//! some of them. `cargo run --release -p ws-tests --example utf8` takes all of them.

use crate::utf8;

#[test]
fn utf8_agrees_with_core_on_a_slice_of_all_four_byte_strings() {
    for start in (0..utf8::STARTS).step_by(251) {
        utf8::check(start);
    }
}
