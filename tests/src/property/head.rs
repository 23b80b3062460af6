//! What the two handshakes have in common: heads, read in pieces and read naively.

use core::fmt::Debug;

use ws_proto::Limits;
use ws_proto::handshake::{Headers, Scan};

use super::input::pieces;

/// Small enough to be reached.
pub(super) fn limits() -> Limits {
    let mut limits = Limits::DEFAULT;
    limits.max_head = 900;
    limits.max_head_line = 200;
    limits.max_headers = 20;
    limits
}

/// Presents ever more of `input` until there is a verdict, and then all of it once more: the
/// verdict stays.
pub(super) fn in_pieces<'b, T: Debug, E: Debug>(
    input: &'b [u8],
    cuts: &[usize],
    mut parse: impl FnMut(&'b [u8]) -> Option<Result<T, E>>,
) -> Option<Result<T, E>> {
    let mut end = 0;
    for len in pieces(input.len(), cuts) {
        end += len;
        if let Some(verdict) = parse(&input[..end]) {
            let again = parse(input).expect("a verdict stays");
            assert_eq!(format!("{again:?}"), format!("{verdict:?}"));
            return Some(again);
        }
    }
    None
}

pub(super) fn same_verdict<T: Debug, E: Debug>(
    whole: Result<Option<T>, E>,
    pieced: Option<Result<T, E>>,
) {
    assert_eq!(format!("{:?}", whole.transpose()), format!("{pieced:?}"));
}

/// What was searched may be anything from then on: it is not looked at again.
pub(super) fn scan_looks_once(input: &[u8], cuts: &[usize], limits: &Limits) {
    let whole = Scan::new().advance(input, limits);
    let mut scrambled = input.to_vec();
    let mut scan = Scan::new();
    let mut end = 0;
    let mut verdict = Ok(None);
    for len in pieces(input.len(), cuts) {
        scrambled[..end].fill(b'\n');
        end += len;
        verdict = scan.advance(&scrambled[..end], limits);
        if verdict != Ok(None) {
            break;
        }
    }
    assert_eq!(verdict, whole);
}

/// A head that was found is one, and within its limits.
pub(super) fn assert_within(head: &[u8], limits: &Limits) {
    assert!(head.len() <= limits.max_head);
    assert!(naive_headers(head).len() <= limits.max_headers);
    let text = head.strip_suffix(b"\r\n\r\n").expect("an empty line");
    let lines = text.split(|byte| *byte == b'\n');
    // The CR is not counted.
    assert!(lines.map(<[u8]>::len).max() <= Some(limits.max_head_line + 1));
}

/// Names and values, as they are read.
pub(super) fn lines(headers: Headers<'_>) -> Vec<(&str, &[u8])> {
    headers.iter().collect()
}

/// Names in lower case, values without the white space around them.
pub(super) fn naive_headers(head: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    assert_eq!((lines.pop(), rest), (Some(&b""[..]), &b""[..]), "one head");
    let header = |line: &&[u8]| {
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
        let colon = line.iter().position(|byte| *byte == b':').expect("a colon");
        let name = str::from_utf8(&line[..colon]).expect("ASCII");
        (
            name.to_ascii_lowercase(),
            line[colon + 1..].trim_ascii().into(),
        )
    };
    lines.iter().skip(1).map(header).collect()
}

pub(super) fn values<'h>(
    headers: &'h [(String, Vec<u8>)],
    name: &str,
) -> impl Iterator<Item = &'h [u8]> {
    headers
        .iter()
        .filter(move |(own, _)| own == name)
        .map(|(_, value)| value.as_slice())
}
