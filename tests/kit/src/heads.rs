//! The tables of `tests/handshake`: a good head, and what is done to it. The notation is in
//! `tests/handshake/README.md`.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use ws_proto::handshake::Scan;

/// A row of a table.
#[derive(Debug)]
pub struct Row {
    /// File, line, and what is written there.
    pub place: String,
    /// The words before the bar.
    pub verdict: Vec<String>,
    /// The head, edited.
    pub head: Vec<u8>,
    /// What follows it.
    pub behind: Vec<u8>,
}

/// The rows of a table, or of all tables in a directory, that edit the head in `good`.
///
/// # Panics
///
/// If there are none, or one cannot be read.
#[must_use]
pub fn rows(good: &str, table: &str) -> Vec<Row> {
    let good = read(&folder().join(good));
    let path = folder().join(table);
    let mut files = vec![path.clone()];
    if path.is_dir() {
        let entries = fs::read_dir(&path).expect("a directory");
        files = entries.map(|entry| entry.expect("a file").path()).collect();
        files.sort();
    }
    let mut rows = Vec::new();
    for file in files {
        let name = file.strip_prefix(folder()).expect("it is there").display();
        for (number, line) in (1..).zip(read(&file).lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = format!("{name}:{number}: {line}");
            let (verdict, edits) = line.split_once('|').expect(&place);
            let (head, behind) = edited(&good, edits.trim(), &place);
            rows.push(Row {
                verdict: verdict.split_whitespace().map(Into::into).collect(),
                head,
                behind,
                place,
            });
        }
    }
    assert!(!rows.is_empty(), "{}: no rows", path.display());
    rows
}

/// The length of a head that is in order, or `None` if more is needed.
pub type Verdict<E> = Result<Option<usize>, E>;

/// The core says of each row what is written there, in `words`; whole, byte by byte, and with
/// frames behind, which begin where the head ends.
///
/// # Panics
///
/// If it does not, with the rows.
pub fn assert_judged<E: Copy + Debug + PartialEq>(
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
#[must_use]
pub fn name(error: &impl Debug) -> String {
    let shown = format!("{error:?}");
    let fact = match shown.strip_prefix("Head(") {
        Some(head) => head.trim_end_matches(')'),
        None => &shown,
    };
    fact.split(" {").next().unwrap_or(fact).into()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../handshake")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The head `good`, edited, and what follows it.
fn edited(good: &str, edits: &str, place: &str) -> (Vec<u8>, Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = good.lines().map(Into::into).collect();
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    let mut instead = None;
    let mut replacements = Vec::new();
    for edit in edits.split(" & ").filter(|edit| !edit.is_empty()) {
        let (kind, text) = edit.split_at(1);
        let bytes = || unescaped(text, 0);
        let named = |name: &str| {
            let start = format!("{name}:");
            let found = lines
                .iter()
                .position(|line| line.starts_with(start.as_bytes()));
            found.unwrap_or_else(|| panic!("{place}: no {name} to edit"))
        };
        match kind {
            ">" => lines[0] = bytes(),
            "-" => drop(lines.remove(named(text))),
            "=" => {
                let at = named(text.split(':').next().unwrap_or_default());
                lines[at] = bytes();
            }
            "^" => lines.insert(1, bytes()),
            "+" => lines.push(bytes()),
            "~" => {
                let (this, that) = text.split_once('~').expect(place);
                replacements.push((unescaped(this, 0), unescaped(that, 0)));
            }
            "<" => before = bytes(),
            "!" => instead = Some(bytes()),
            "$" => behind = bytes(),
            _ => panic!("{place}: {edit:?} is no edit"),
        }
    }
    let mut head = lines.join(&b"\r\n"[..]);
    head.extend(b"\r\n\r\n");
    for (this, that) in replacements {
        let edited = replaced(&head, &this, &that);
        assert_ne!(edited, head, "{place}: nothing to replace");
        head = edited;
    }
    (instead.unwrap_or_else(|| [before, head].concat()), behind)
}

/// Replaces one text by another, wherever it is.
#[must_use]
pub fn replaced(text: &[u8], this: &[u8], that: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((first, after)) = rest.split_first() {
        match rest.strip_prefix(this) {
            Some(behind) => {
                out.extend(that);
                rest = behind;
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// The bytes that a text stands for, where `\i` is `index`.
fn unescaped(text: &str, index: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        match char {
            '{' => {
                let (count, after) = rest.split_once('*').expect(text);
                let (repeated, after) = after.split_at(closing(after).expect(text));
                for index in 0..count.parse().expect(text) {
                    out.extend(unescaped(repeated, index));
                }
                rest = &after[1..];
            }
            '\\' => {
                let kind = rest.chars().next().expect(text);
                rest = &rest[1..];
                match kind {
                    'r' => out.push(b'\r'),
                    'n' => out.push(b'\n'),
                    't' => out.push(b'\t'),
                    '0' => out.push(0),
                    '\\' => out.push(b'\\'),
                    'i' => out.extend(index.to_string().bytes()),
                    'x' => {
                        let (digits, after) = rest.split_at(2);
                        out.push(u8::from_str_radix(digits, 16).expect(text));
                        rest = after;
                    }
                    _ => panic!("{text}: \\{kind} stands for nothing"),
                }
            }
            char => out.extend(char.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    out
}

/// Where the brace is that closes what was opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.find(|char| {
        depth += i32::from(char == '{') - i32::from(char == '}');
        depth == 0
    })
}
