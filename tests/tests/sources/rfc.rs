//! What `rfc6455.toml` and `rfc7692.toml` say of each MUST and SHOULD holds: there are as many as
//! were counted in each section, by hand, and each test that is named exists.

use crate::named;
use std::collections::BTreeMap;

use serde::Deserialize;

/// An RFC, sentence by sentence. The keys are described in `rfc6455.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rfc {
    /// How many keywords there are in each section.
    keywords: BTreeMap<String, u32>,
    sentence: Vec<Sentence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    id: String,
    level: Level,
    #[serde(default = "one")]
    keywords: u32,
    binds: String,
    says: String,
    tests: Option<Vec<String>>,
    not_applicable: Option<String>,
    deviation: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Must,
    MustNot,
    Should,
    ShouldNot,
}

/// What there is to show for a sentence.
#[derive(Debug, PartialEq, Eq)]
enum Shown<'a> {
    By(&'a [String]),
    NotApplicable(&'a str),
    Deviation(&'a str),
}

const fn one() -> u32 {
    1
}

impl Sentence {
    /// What is to be shown, if it is one thing.
    fn shown(&self) -> Option<Shown<'_>> {
        match (&self.tests, &self.not_applicable, &self.deviation) {
            (Some(tests), None, None) => Some(Shown::By(tests)),
            (None, Some(reason), None) => Some(Shown::NotApplicable(reason)),
            (None, None, Some(reason)) => Some(Shown::Deviation(reason)),
            _ => None,
        }
    }

    /// The section, and the number within it.
    fn place(&self) -> Option<(&str, u32)> {
        let (section, number) = self.id.split_once('-')?;
        Some((section, number.parse().ok()?))
    }
}

/// "4.2.1" as numbers, which order sections.
fn numbers(section: &str) -> Vec<u32> {
    let numbers = section.split('.').map(str::parse);
    numbers.map(|number| number.expect(section)).collect()
}

/// How many sentences of each level have tests, do not apply, are deviated from.
type Counts = BTreeMap<Level, [u32; 3]>;

/// Checks all of a file; counts what is in it, and lists the deviations.
fn checked(text: &str) -> (Counts, Vec<String>) {
    let rfc: Rfc = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut counts = Counts::new();
    let mut keywords: BTreeMap<String, u32> = BTreeMap::new();
    let mut deviations = Vec::new();
    let mut before = (Vec::new(), 0);
    for sentence in &rfc.sentence {
        let id = &sentence.id;
        let (section, number) = sentence.place().expect(id);
        // Numbered from one on in each section, and sections in order: unique and complete.
        let at = (numbers(section), number);
        let follows = match at.0 == before.0 {
            true => number == before.1 + 1,
            false => at.0 > before.0 && number == 1,
        };
        assert!(follows, "{id} does not follow {before:?}");
        before = at;
        *keywords.entry(section.into()).or_default() += sentence.keywords;

        assert!(!sentence.binds.is_empty(), "{id}");
        assert!(sentence.says.ends_with('.'), "{id}");
        let counted = counts.entry(sentence.level).or_default();
        match sentence.shown() {
            Some(Shown::By(tests)) => {
                assert!(!tests.is_empty(), "{id}");
                tests.iter().for_each(|test| named::assert_exists(test, id));
                counted[0] += 1;
            }
            Some(Shown::NotApplicable(reason)) => {
                assert!(reason.ends_with('.'), "{id}");
                counted[1] += 1;
            }
            Some(Shown::Deviation(reason)) => {
                assert!(reason.ends_with('.'), "{id}");
                counted[2] += 1;
                deviations.push(id.clone());
            }
            None => panic!("{id}: one of tests, not_applicable, deviation"),
        }
    }
    assert_eq!(keywords, rfc.keywords);
    (counts, deviations)
}

/// How many there are is stated here, so that none is lost or given up without a word.
#[test]
fn every_sentence_of_rfc_6455_has_a_test_or_a_reason() {
    let (counts, deviations) = checked(include_str!("../../rfc6455.toml"));
    let expected = Counts::from([
        (Level::Must, [96, 5, 4]),
        (Level::MustNot, [20, 4, 1]),
        (Level::Should, [16, 6, 1]),
        (Level::ShouldNot, [4, 0, 0]),
    ]);
    assert_eq!(counts, expected, "with tests, not applicable, deviations");
    // One connection at a time to an address; reasons that `ws` shows; TLS.
    let known = [
        "4.1-04", "4.1-05", "4.1-06", "5.5.1-02", "10.6-01", "10.6-02",
    ];
    assert_eq!(deviations, known);
}

#[test]
fn every_sentence_of_rfc_7692_has_a_test_or_a_reason() {
    let (counts, deviations) = checked(include_str!("../../rfc7692.toml"));
    let expected = Counts::from([
        (Level::Must, [28, 3, 0]),
        (Level::MustNot, [7, 2, 0]),
        (Level::Should, [2, 0, 0]),
    ]);
    assert_eq!(counts, expected, "with tests, not applicable, deviations");
    assert_eq!(deviations, [""; 0]);
}

/// A file with one sentence, which has the line that is given.
fn one_sentence(id: &str, line: &str) -> String {
    format!(
        "[keywords]\n\"4.1\" = 1\n[[sentence]]\nid = \"{id}\"\nlevel = \"must-not\"\n\
         binds = \"client\"\nsays = \"It does.\"\n{line}\n"
    )
}

#[test]
fn what_is_wrong_is_noticed() {
    let right = "tests = [\"tests/tests/sources/rfc.rs::what_is_wrong_is_noticed\"]";
    let (counts, _) = checked(&one_sentence("4.1-01", right));
    assert_eq!(counts, Counts::from([(Level::MustNot, [1, 0, 0])]));
    for (id, line) in [
        ("4.1-02", right),
        ("4.2-01", right),
        ("4.1", right),
        ("4.1-01", ""),
        ("4.1-01", "tests = []"),
        (
            "4.1-01",
            "tests = [\"tests/tests/sources/rfc.rs::is_not_there\"]",
        ),
        ("4.1-01", "tests = [\"tests/tests/none.rs::is_not_there\"]"),
        ("4.1-01", "tests = [\"tests/transcripts/eof.txt::none\"]"),
        ("4.1-01", "tests = [\"README.md\"]"),
        ("4.1-01", "not_applicable = \"\""),
        ("4.1-01", "not_applicable = \"So.\"\ndeviation = \"So.\""),
        ("4.1-01", "keywords = 2\nnot_applicable = \"So.\""),
        ("4.1-01", "unknown = 1\nnot_applicable = \"So.\""),
    ] {
        let text = one_sentence(id, line);
        let verdict = std::panic::catch_unwind(|| checked(&text));
        assert!(verdict.is_err(), "{id} {line}");
    }
}
