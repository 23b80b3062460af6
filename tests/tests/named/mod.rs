//! Tests that a file names: whether they exist.

use std::fs;
use std::path::{Path, PathBuf};

/// Panics unless there is a test of that name, which is the file's, `::` and the function's; or a
/// transcript or hostile case, which the tests of those run, by the name of its file.
#[track_caller]
pub(crate) fn assert_exists(name: &str, context: &str) {
    let Some((file, function)) = name.split_once("::") else {
        let run = ["tests/transcripts/", "tests/hostile/"];
        let is_run = run.iter().any(|folder| name.starts_with(folder)) && name.ends_with(".txt");
        assert!(is_run && root().join(name).is_file(), "{context}: {name}");
        return;
    };
    let source = fs::read_to_string(root().join(file))
        .unwrap_or_else(|error| panic!("{context}: {name}: {error}"));
    assert!(has_test(&source, function), "{context}: {name}");
}

/// Whether `source` has a test of that name, which is run with all others.
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
        _ if line.starts_with("#[ignore") => {
            is_test = false;
            false
        }
        _ if line.starts_with("#[") => false,
        _ => std::mem::take(&mut is_test) && line.starts_with(&start),
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    let source = "#[test]\n#[cfg(unix)]\nfn is_there() {}\nfn helper() {}\n\
        #[test]\n#[ignore = \"it takes long\"]\nfn is_left_out() {}\n";
    assert!(has_test(source, "is_there"));
    assert!(!has_test(source, "helper"));
    assert!(!has_test(source, "is"));
    assert!(!has_test(source, "is_left_out"));
}
