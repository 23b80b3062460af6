//! Tests that a file names: whether they exist.

use std::fs;
use std::path::{Path, PathBuf};

/// Panics unless there is a test of that name: the file's, `::` and the function's; or the table's,
/// of transcripts or hostile cases, which are run as a whole, `::` and the case's.
#[track_caller]
pub(crate) fn assert_exists(name: &str, context: &str) {
    let found = name.split_once("::").is_some_and(|(file, test)| {
        let source = fs::read_to_string(root().join(file))
            .unwrap_or_else(|error| panic!("{context}: {name}: {error}"));
        let tables = ["tests/transcripts/", "tests/hostile/"];
        if tables.iter().any(|folder| file.starts_with(folder)) {
            has_case(&source, test)
        } else {
            has_test(&source, test)
        }
    });
    assert!(found, "{context}: {name}");
}

/// Whether the table has a case of that name.
fn has_case(table: &str, name: &str) -> bool {
    let headlines = table.lines().filter_map(|line| line.strip_prefix("case "));
    headlines
        .filter_map(|rest| rest.split(' ').next())
        .any(|case| case == name)
}

/// Whether `source` has a test of that name, which is run with all others.
fn has_test(source: &str, function: &str) -> bool {
    let mut lines = source.lines().map(str::trim);
    let start = format!("fn {function}(");
    // The attributes of a function stand between `#[test]` and its name.
    let mut is_test = false;
    lines.any(|line| match line {
        _ if line == "#[test]" || line.starts_with("#[tokio::test") => {
            is_test = true;
            false
        }
        _ if line.starts_with("#[ignore") => {
            is_test = false;
            false
        }
        _ if line.starts_with("#[") => false,
        _ => {
            let line = line.strip_prefix("async ").unwrap_or(line);
            std::mem::take(&mut is_test) && line.starts_with(&start)
        }
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    let source = "#[test]\n#[cfg(unix)]\nfn is_there() {}\nfn helper() {}\n\
        #[test]\n#[ignore = \"it takes long\"]\nfn is_left_out() {}\n\
        #[tokio::test(start_paused = true)]\nasync fn waits() {}\n";
    assert!(has_test(source, "is_there"));
    assert!(has_test(source, "waits"));
    assert!(!has_test(source, "helper"));
    assert!(!has_test(source, "is"));
    assert!(!has_test(source, "is_left_out"));
    let table = "case is-there server\n  case-of-its-own";
    assert!(has_case(table, "is-there"));
    assert!(!has_case(table, "is"));
    assert!(!has_case(table, "case-of-its-own"));
}
