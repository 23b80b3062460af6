//! The seeds of the fuzz targets, and what they once found, replayed: no fuzzer needed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ws_testkit::Random;
use ws_tests::property::{self, DIFFERENCES, LIMITS, Property};
use ws_tests::seeds::seeds;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// All properties, fuzzed long or not.
fn properties() -> impl Iterator<Item = Property> {
    property::ALL.into_iter().chain(property::RECENT)
}

/// The inputs of a target.
fn corpus(name: &str) -> impl Iterator<Item = Vec<u8>> {
    seeds(name).into_iter().map(|(name, input)| {
        println!("{name}");
        input
    })
}

#[test]
fn properties_hold_for_the_corpus() {
    for (name, holds_for) in properties() {
        corpus(name).for_each(|input| holds_for(&input));
    }
}

/// A little of what the fuzzer does, in every run, and the same in every run: each input with a few
/// of its bytes changed, left out or doubled.
#[test]
fn properties_hold_near_the_corpus() {
    for (name, holds_for) in properties() {
        let mut random = Random::new(7);
        for input in corpus(name).filter(|input| !input.is_empty()) {
            for _ in 0..20 {
                let mut input = input.clone();
                for _ in 0..=random.below(3) {
                    let at = random.below(input.len());
                    match random.below(4) {
                        0 => drop(input.drain(at..)),
                        1 => input.extend_from_within(at..),
                        2 => input[at] ^= 1 << random.below(8),
                        _ => input[at] = random.byte(),
                    }
                    if input.is_empty() {
                        break;
                    }
                }
                holds_for(&input);
            }
        }
    }
}

/// What is done to one session or to two, in orders that chance makes: whatever comes of it, every
/// message that was accepted arrives, intact and in order, or the connection ends for a reason.
#[test]
fn sessions_stand_any_order_of_operations() {
    let mut random = Random::new(11);
    for _ in 0..2000 {
        let input: Vec<u8> = (0..130).map(|_| random.byte()).collect();
        property::session_ops(&input);
        property::two_sessions(&input);
        property::engine_session(&input);
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

/// A limit that no input reaches is not fuzzed; and the fuzzer makes inputs at least as long as the
/// longest of those that do.
#[test]
fn every_limit_is_reached_in_the_corpus() {
    let task = fs::read_to_string(fuzz().join("../xtask/src/fuzz.rs")).expect("text");
    let max_len = task.split("-max_len=").nth(1).expect("it is set");
    let max_len = max_len.split('"').next().expect("a word");
    let max_len: usize = max_len.parse().expect("a number");
    for (target, limits) in LIMITS {
        let mut reached = BTreeSet::new();
        for input in corpus(target) {
            if let Some(limit) = property::limit(target, &input) {
                reached.insert(limit);
                // With room for what a mutation puts before it.
                assert!(2 * input.len() <= max_len, "{target}, {limit}");
            }
        }
        let expected: BTreeSet<_> = limits.iter().copied().collect();
        assert_eq!(reached, expected, "{target}");
    }
}

/// A property is fuzzed, under its name, and as often as is the goal; the runs say so.
#[test]
fn every_property_is_a_fuzz_target_that_has_reached_its_goal() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("text");
    let targets: BTreeSet<_> = manifest
        .split("[[bin]]\nname = \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(targets, properties().map(|(name, _)| name).collect());
    let ledger = fs::read_to_string(fuzz().join("LEDGER.md")).expect("text");
    let cells = |line: &str| line.split(" | ").map(str::to_owned).collect::<Vec<_>>();
    let rows = |table: &str| table.lines().map(cells).collect::<Vec<_>>();
    let (totals, runs) = ledger.split_once("## Runs").expect("two tables");
    let (totals, runs) = (rows(totals), rows(runs));
    for (target, _) in property::ALL {
        let runs = runs
            .iter()
            .filter(|cells| cells.get(2) == Some(&target.into()));
        let executions = runs.map(|cells| cells[3].parse::<u64>().expect("a number"));
        let executions: u64 = executions.sum();
        let goal = match target {
            "header" | "utf8" | "close" => 100_000_000,
            "forwarded" | "proxy_header" | "tunnel" | "body" | "urls" | "routes" => 100_000,
            _ => 10_000_000,
        };
        let row = [
            format!("| {target}"),
            executions.to_string(),
            goal.to_string(),
            "yes |".into(),
        ];
        assert!(executions >= goal, "{target}: {executions}");
        assert!(totals.iter().any(|cells| cells[..] == row), "{row:?}");
    }
}
