//! Strings of every kind, most of them with something in them that means something to a head.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

/// What ends a line, a value, a part of a URL; what escapes from a terminal; what looks like one
/// of these; and what is harmless.
const PIECES: [&str; 66] = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\r\n\r\n",
    "\r\nX: y",
    "\nX: y",
    "\r\n ",
    "\x0b",
    "\x0c",
    "\x08",
    "\x1b[2J",
    "\x1b]0;t\x07",
    "\x7f",
    "\u{80}",
    "\u{85}",
    "\u{9b}31m",
    "\u{a0}",
    "\u{ad}",
    "\u{2028}",
    "\u{2029}",
    "\u{202e}",
    "\u{2066}",
    "\u{200f}",
    "\u{feff}",
    "\u{10a}",
    "\u{10d}",
    "\u{560a}",
    "\u{ff0f}",
    "é",
    "你好",
    "🦀",
    " ",
    "\t",
    ":",
    "://",
    "@",
    "/",
    "//",
    "?",
    "#",
    "&",
    "%",
    "%0d%0a",
    "%00",
    "%zz",
    "\"",
    "'",
    "\\",
    ",",
    ", ",
    ";",
    "=",
    "[",
    "]",
    "[::1]",
    "<",
    ">",
    "{",
    "|",
    "HTTP/1.1",
    "Host",
    "content-length",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Accept",
    "upgrade",
];

/// Any string: pieces that mean something, words, and characters of all of Unicode.
pub(crate) fn any_string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => select(&PIECES[..]).prop_map(String::from),
        4 => "[a-zA-Z0-9.-]{1,8}",
        1 => select(&["/a", "example.com", "/chat?room=1", "x-name", ":9001", "https://good.example", "http://[::1]:8080"][..]).prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
        1 => "[ -~]{0,40}",
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// How many strings a property is held against.
const STRINGS: u32 = 100_000;

/// Holds a property against that many strings, of which a value has `each`, or as many as the
/// environment asks for.
#[track_caller]
pub(crate) fn holds_for<S: Strategy>(each: u32, values: S, property: impl Fn(&S::Value)) {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = STRINGS;
    }
    config.cases /= each;
    let held = TestRunner::new(config).run(&values, |value| {
        property(&value);
        Ok(())
    });
    if let Err(failure) = held {
        panic!("{failure}");
    }
}

/// How often each place has taken a string, and how often refused one: a property of heads that
/// are never built holds for nothing.
#[derive(Default)]
pub(crate) struct Tally(RefCell<BTreeMap<&'static str, [usize; 2]>>);

impl Tally {
    /// Counts one; returns how many there are of its kind.
    pub(crate) fn count(&self, place: &'static str, taken: bool) -> usize {
        let mut counts = self.0.borrow_mut();
        let count = &mut counts.entry(place).or_default()[usize::from(taken)];
        *count += 1;
        *count
    }

    /// Every place has done both as often.
    #[track_caller]
    pub(crate) fn assert_both_at_least(&self, least: usize) {
        let counts = self.0.borrow();
        let enough = counts.values().flatten().all(|count| *count >= least);
        assert!(enough && !counts.is_empty(), "refused, taken: {counts:?}");
    }
}
