//! Heads for the tables of tests: an example, and what is done to it.

extern crate std;

use std::{string::String, vec::Vec};

/// The lines of `example` as a head, edited: `>line` for another first line, `-Name` without that
/// header, `=Name: value` with another value, `+line` with a line more. ` & ` joins edits.
pub(super) fn edited(example: &[&str], edits: &str) -> String {
    let mut lines = Vec::from(example);
    for edit in edits.split(" & ") {
        let (kind, text) = edit.split_at_checked(1).unwrap_or_default();
        let name = text.split(':').next();
        let known = lines.iter().position(|line| line.split(':').next() == name);
        match kind {
            ">" => lines[0] = text,
            "-" => drop(lines.remove(known.unwrap())),
            "=" => lines[known.unwrap()] = text,
            "+" => lines.push(text),
            _ => assert_eq!(edit, ""),
        }
    }
    lines.join("\r\n") + "\r\n\r\n"
}
