//! What the core says to the rows of a table.

use std::fmt::Debug;

use ws_proto::handshake::Scan;

use crate::heads::Row;

/// The length of a head that is in order, or `None` if more is needed.
pub(crate) type Verdict<E> = Result<Option<usize>, E>;

/// The core says of each row what is written there, in `words`; whole, byte by byte, and with
/// frames behind, which begin where the head ends.
pub(crate) fn assert_judged<E: Copy + Debug + PartialEq>(
    rows: &[Row],
    judge: impl Fn(&mut Scan, &[u8]) -> Verdict<E>,
    words: impl Fn(Verdict<E>) -> String,
) {
    let mut wrong = Vec::new();
    for Row {
        place,
        verdict,
        head,
        behind,
    } in rows
    {
        let input = [&head[..], behind].concat();
        let whole = judge(&mut Scan::new(), &input);
        if words(whole) != verdict.join(" ") {
            wrong.push(format!("{whole:?}, not {place}"));
        }
        let mut scan = Scan::new();
        let mut dripped = Ok(None);
        for len in 0..=input.len() {
            dripped = judge(&mut scan, &input[..len]);
            if dripped != Ok(None) {
                break;
            }
        }
        assert_eq!(dripped, whole, "{place}");
        if let Ok(Some(len)) = whole {
            assert_eq!(len, head.len(), "{place}");
            let followed = [&input[..], b"\x81\x85\0\0\0\0Hello\r\n\r\n"].concat();
            assert_eq!(judge(&mut Scan::new(), &followed), whole, "{place}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The fact that an error states, as the tables write it: what is wrong with a head stands alone,
/// and the value of a limit is left out.
pub(crate) fn name(error: &impl Debug) -> String {
    let shown = format!("{error:?}");
    let fact = match shown.strip_prefix("Head(") {
        Some(head) => head.trim_end_matches(')'),
        None => &shown,
    };
    fact.split(" {").next().unwrap_or(fact).into()
}
