//! What SECURITY.md says of tests holds: each that it names exists, and each class stands once.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("../../SECURITY.md");

/// The rows whose third cell is a test: class, file, function.
fn rows(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let (class, _, test) = (cells.next()?, cells.next()?, cells.next()?);
        let (file, function) = test
            .strip_prefix('`')?
            .strip_suffix('`')?
            .split_once("::")?;
        Some((class, file, function))
    })
}

/// Whether `source` has a test of that name.
fn has_test(source: &str, function: &str) -> bool {
    let mut lines = source.lines().map(str::trim);
    let start = format!("fn {function}(");
    // The attributes of a function stand between `#[test]` and its name.
    let mut is_test = false;
    lines.any(|line| match line {
        "#[test]" => {
            is_test = true;
            false
        }
        _ if line.starts_with("#[") => false,
        _ => std::mem::take(&mut is_test) && line.starts_with(&start),
    })
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut classes = BTreeSet::new();
    for (class, file, function) in rows(TABLE) {
        let source = fs::read_to_string(root.join(file)).expect(file);
        assert!(has_test(&source, function), "{class}: {file}::{function}");
        assert!(classes.insert(class), "{class} stands twice");
    }
    assert!(classes.len() >= 60, "{}", classes.len());
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    let source = "#[test]\n#[ignore]\nfn is_there() {}\nfn helper() {}\n";
    assert!(has_test(source, "is_there"));
    assert!(!has_test(source, "helper"));
    assert!(!has_test(source, "is"));
    let row = "| X1 | what | `a.rs::b` |\n| no | test | here |";
    assert_eq!(rows(row).collect::<Vec<_>>(), [("X1", "a.rs", "b")]);
}
