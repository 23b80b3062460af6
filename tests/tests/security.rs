//! What SECURITY.md says of tests holds: each that it names exists, and each class stands once.

mod named;

use std::collections::BTreeSet;

const TABLE: &str = include_str!("../../SECURITY.md");

/// The rows whose third cell is a test: class and test.
fn rows(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let (class, _, test) = (cells.next()?, cells.next()?, cells.next()?);
        let test = test.strip_prefix('`')?.strip_suffix('`')?;
        test.contains("::").then_some((class, test))
    })
}

#[test]
fn every_test_that_is_named_exists() {
    let mut classes = BTreeSet::new();
    for (class, test) in rows(TABLE) {
        named::assert_exists(test, class);
        assert!(classes.insert(class), "{class} stands twice");
    }
    assert!(classes.len() >= 60, "{}", classes.len());
}

#[test]
fn a_row_is_a_class_and_its_test() {
    let row = "| X1 | what | `a.rs::b` |\n| no | test | here |";
    assert_eq!(rows(row).collect::<Vec<_>>(), [("X1", "a.rs::b")]);
}
