//! The seeds of the fuzz targets, and what they once found, replayed: no fuzzer needed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ws_tests::property::{self, DIFFERENCES};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The inputs of a target.
fn corpus(name: &str) -> impl Iterator<Item = Vec<u8>> {
    let files = fs::read_dir(fuzz().join("corpus").join(name)).expect("each target has a corpus");
    files.map(|file| {
        let path = file.expect("a file").path();
        println!("{}", path.display());
        fs::read(&path).expect("bytes")
    })
}

#[test]
fn properties_hold_for_the_corpus() {
    for (name, holds_for) in property::ALL {
        let inputs = corpus(name).map(|input| holds_for(&input)).count();
        assert!(inputs >= 10, "{name} has {inputs}");
    }
}

/// A difference that is written down and does not show is none.
#[test]
fn every_known_difference_shows_in_the_corpus() {
    let shown: BTreeSet<_> = corpus("differential")
        .filter_map(|input| property::difference(&input))
        .map(|difference| difference.name)
        .collect();
    let known = BTreeSet::from(DIFFERENCES.map(|difference| difference.name));
    assert_eq!(known.len(), DIFFERENCES.len(), "a name is given twice");
    assert_eq!(shown, known);
}

/// A property is fuzzed, under its name; and how often, the ledger says.
#[test]
fn every_property_is_a_fuzz_target_and_has_a_row_in_the_ledger() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("text");
    let targets: BTreeSet<_> = manifest
        .split("[[bin]]\nname = \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(targets, BTreeSet::from(property::ALL.map(|(name, _)| name)));
    let ledger = fs::read_to_string(fuzz().join("LEDGER.md")).expect("text");
    for target in targets {
        let row = format!("| {target} |");
        assert!(ledger.contains(&row), "the ledger has no row of {target}");
    }
}
