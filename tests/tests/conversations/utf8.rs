//! Our UTF-8 against `core`'s: all strings of up to four bytes, however they are cut.

use std::str;

use ws_proto::Utf8;

/// How many times 256 strings there are.
pub(crate) const STARTS: u32 = 1 << 24;

/// Other text before a string: with it, validation is long enough for SIMD instructions, and the
/// string lies across the end of a block of 64 bytes.
const BEFORE: usize = 62;

/// What can be said of text, or of the beginning of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It may end here.
    Text,
    /// Its last character is not complete.
    Cut,
    /// No continuation makes text of it.
    Impossible,
}

/// A validator and what it was given, or none any more if that was impossible.
type Fed = Option<Utf8>;

/// Checks the 256 strings that begin with the three bytes of this number: whole, in two pieces,
/// byte by byte, and behind other text. Each has to fail with the byte that makes it impossible,
/// and to be text at the end if `core` says so.
///
/// # Panics
///
/// If one of them does not, with its bytes.
pub(crate) fn check(start: u32) {
    let [_, a, b, c] = start.to_be_bytes();
    let one = push(NOTHING, &[a]);
    let two = push(one, &[b]);
    let three = push(two, &[c]);
    assert_verdicts(&[a], [one; 1]);
    assert_verdicts(&[a, b], [two, push(NOTHING, &[a, b])]);
    let pieces = [three, push(one, &[b, c]), push(NOTHING, &[a, b, c])];
    assert_verdicts(&[a, b, c], pieces);

    let mut long = [b'a'; BEFORE + 4];
    for d in 0..=u8::MAX {
        let bytes = [a, b, c, d];
        long[BEFORE..].copy_from_slice(&bytes);
        let pieces = [
            push(NOTHING, &bytes),
            push(one, &[b, c, d]),
            push(two, &[c, d]),
            push(three, &[d]),
            push(NOTHING, &long),
        ];
        assert_verdicts(&bytes, pieces);
    }
}

const NOTHING: Fed = Some(Utf8::new());

fn push(fed: Fed, piece: &[u8]) -> Fed {
    let mut utf8 = fed?;
    utf8.push(piece).ok()?;
    Some(utf8)
}

fn assert_verdicts<const N: usize>(bytes: &[u8], all: [Fed; N]) {
    let expected = match str::from_utf8(bytes) {
        Ok(_) => Verdict::Text,
        Err(error) if error.error_len().is_none() => Verdict::Cut,
        Err(_) => Verdict::Impossible,
    };
    for fed in all {
        let verdict = match fed.map(Utf8::finish) {
            Some(Ok(())) => Verdict::Text,
            Some(Err(_)) => Verdict::Cut,
            None => Verdict::Impossible,
        };
        assert_eq!(verdict, expected, "{bytes:02X?}");
    }
}
