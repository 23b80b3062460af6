//! Text: RFC 6455 §8.1.

use ws_proto::Utf8;

use super::input::{cuts, pieces};

/// The validator agrees with `core::str`: it takes what could still become text, refuses at the
/// first piece behind which that is impossible, and knows where a character is cut.
///
/// The input is a byte for the number of cuts, the cuts, and the text.
///
/// # Panics
///
/// If not.
pub fn utf8(input: &[u8]) {
    let (cuts, text) = cuts(input);
    for cuts in [&cuts[..], &[], &[1; 64]] {
        let mut utf8 = Utf8::new();
        let mut seen = 0;
        let mut refused = false;
        for len in pieces(text.len(), cuts) {
            let pushed = utf8.push(&text[seen..seen + len]);
            seen += len;
            let possible = match str::from_utf8(&text[..seen]) {
                Ok(_) => true,
                Err(error) => error.error_len().is_none(),
            };
            assert_eq!(pushed.is_ok(), possible, "{text:x?} cut at {cuts:?}");
            if !possible {
                refused = true;
                break;
            }
        }
        if !refused {
            let whole = str::from_utf8(text).is_ok();
            assert_eq!(utf8.finish().is_ok(), whole, "{text:x?} cut at {cuts:?}");
        }
    }
}
