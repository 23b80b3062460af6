//! Reads the tables in `tests/tables`.

use std::fmt;
use std::fs;
use std::path::Path;

/// A line of a table.
pub(crate) struct Case {
    pub(crate) given: &'static str,
    pub(crate) expected: &'static str,
    place: String,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} => {}", self.place, self.given, self.expected)
    }
}

/// Looks at every case of a table, and says in which of them something else comes out.
pub(crate) fn hold(name: &str, shown: impl Fn(&Case) -> String) {
    let wrong = |case: Case| {
        let (shown, expected) = (shown(&case), text(case.expected));
        (shown != expected).then(|| format!("{case}\n    {shown}\n"))
    };
    let wrong: String = cases(name).into_iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What is given in the cases of a table.
pub(crate) fn givens(name: &str) -> Vec<&'static str> {
    cases(name).into_iter().map(|case| case.given).collect()
}

/// A packet, and how many attachments follow it: as many as there are `+` after it.
pub(crate) fn packet_and_attachments(given: &str) -> (String, usize) {
    match given.rsplit_once(' ') {
        Some((packet, pluses)) if !pluses.is_empty() && pluses.trim_matches('+').is_empty() => {
            (text(packet), pluses.len())
        }
        _ => (text(given), 0),
    }
}

/// The cases of a table, of which there are some.
fn cases(name: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tables")
        .join(name);
    let table = fs::read_to_string(path).expect("the table").leak();
    let lines = table.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with("# "));
    let cases: Vec<_> = lines
        .map(|(index, line)| {
            let place = format!("{name}:{}", index + 1);
            let parts = line
                .split_once(" => ")
                .or_else(|| Some((line.strip_suffix(" =>")?, "")));
            let (given, expected) = parts.unwrap_or_else(|| panic!("{place} has no =>"));
            Case {
                given,
                expected,
                place,
            }
        })
        .collect();
    assert!(!cases.is_empty(), "{name}");
    cases
}

/// The bytes that `\xHH` and `{9*x}` stand for, and everything else for itself.
pub(crate) fn bytes(written: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = written;
    while let Some(char) = rest.chars().next() {
        if let Some(digits) = rest.strip_prefix("\\x") {
            bytes.extend(unhex(&digits[..2]));
            rest = &digits[2..];
        } else if let Some((times, text, after)) = repeated(rest) {
            bytes.extend(self::bytes(text).repeat(times));
            rest = after;
        } else {
            let (this, after) = rest.split_at(char.len_utf8());
            bytes.extend(this.bytes());
            rest = after;
        }
    }
    bytes
}

/// What `{9*x}` at the beginning stands for, and what comes after it.
fn repeated(written: &str) -> Option<(usize, &str, &str)> {
    let (times, rest) = written.strip_prefix('{')?.split_once('*')?;
    let (text, after) = rest.split_once('}')?;
    Some((times.parse().ok()?, text, after))
}

pub(crate) fn text(written: &str) -> String {
    String::from_utf8(bytes(written)).expect("text")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}
