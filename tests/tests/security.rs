//! What SECURITY.md says of tests holds: each that it names exists, and each class of attack stands
//! once, with its test or with why it has none.

mod named;

use std::collections::BTreeSet;

const TABLE: &str = include_str!("../../SECURITY.md");

/// The rows whose third cell is a test, or several: class and tests.
fn rows(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let (class, _, tests) = (cells.next()?, cells.next()?, cells.next()?);
        let tests = tests.strip_prefix('`')?.strip_suffix('`')?;
        tests
            .contains("::")
            .then(|| (class, tests.split("`, `").collect()))
    })
}

#[test]
fn every_test_that_is_named_exists() {
    let mut classes: BTreeSet<String> = BTreeSet::new();
    for (class, tests) in rows(TABLE) {
        for test in tests {
            named::assert_exists(test, class);
        }
        assert!(classes.insert(class.into()), "{class} stands twice");
    }

    let (_, without) = TABLE
        .split_once("Those without a test")
        .expect("it is there");
    let without = without.lines().filter_map(|line| line.strip_prefix("| "));
    for cell in without.map(|line| line.split(" |").next().unwrap_or_default()) {
        for class in cell.split(", ").flat_map(range) {
            assert!(classes.insert(class.clone()), "{class} stands twice");
        }
    }
    let catalogue = [
        "A1 to A18",
        "B1 to B20",
        "C1 to C8",
        "D1 to D13",
        "E1 to E16",
        "F1 to F9",
    ];
    let catalogue = catalogue
        .into_iter()
        .chain(["G1 to G4", "H1 to H7", "I1 to I13"]);
    for class in catalogue.flat_map(range) {
        assert!(classes.contains(&class), "{class} is missing");
    }
}

/// `A1` is itself, `A1 to A3` are three.
fn range(classes: &str) -> Vec<String> {
    let (first, last) = classes.split_once(" to ").unwrap_or((classes, classes));
    let number = |class: &str| class.get(1..).and_then(|number| number.parse::<u8>().ok());
    match (number(first), number(last)) {
        (Some(low), Some(high)) => (low..=high)
            .map(|it| format!("{}{it}", &first[..1]))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_row_is_a_class_and_its_test() {
    let row = "| X1 | what | `a.rs::b`, `c.rs::d` |\n| no | test | here |";
    let expected = [("X1", vec!["a.rs::b", "c.rs::d"])];
    assert_eq!(rows(row).collect::<Vec<_>>(), expected);
}
