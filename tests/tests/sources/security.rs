//! The index of attacks, `security.toml`, is complete, and the tests that it and the pages of
//! `docs/decisions` name exist.

use crate::named;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The index. The keys are described in `security.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    /// How many classes each chapter has.
    catalogue: BTreeMap<char, u8>,
    class: Vec<Class>,
    #[serde(default)]
    without_test: Vec<WithoutTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Class {
    id: String,
    what: String,
    tests: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithoutTest {
    ids: Vec<String>,
    what: String,
    why: String,
}

/// Panics unless each class of the catalogue has one entry, with tests that exist or with a reason.
fn check(text: &str) {
    let index: Index = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut entered = BTreeSet::new();
    for Class { id, what, tests } in &index.class {
        assert!(!what.is_empty() && !tests.is_empty(), "{id}");
        tests.iter().for_each(|test| named::assert_exists(test, id));
        assert!(entered.insert(id.clone()), "{id} stands twice");
    }
    for WithoutTest { ids, what, why } in &index.without_test {
        assert!(!what.is_empty() && !why.is_empty(), "{ids:?}");
        for id in ids {
            assert!(entered.insert(id.clone()), "{id} stands twice");
        }
    }
    let classes = |(chapter, last): (&char, &u8)| {
        let chapter = *chapter;
        (1..=*last).map(move |number| format!("{chapter}{number}"))
    };
    let catalogue: BTreeSet<String> = index.catalogue.iter().flat_map(classes).collect();
    assert_eq!(entered, catalogue);
}

#[test]
fn each_class_has_a_test_or_a_reason() {
    check(include_str!("../../security.toml"));
}

/// A catalogue of two classes, of which the second has no test of its own.
fn two_classes(first: &str, second: &str) -> String {
    format!(
        "[catalogue]\nA = 2\n[[class]]\nid = \"{first}\"\nwhat = \"a\"\n\
         tests = [\"tests/tests/sources/security.rs::what_is_wrong_is_noticed\"]\n\
         [[without_test]]\nids = [\"{second}\"]\nwhat = \"b\"\nwhy = \"c\"\n"
    )
}

#[test]
fn what_is_wrong_is_noticed() {
    let right = two_classes("A1", "A2");
    check(&right);
    for wrong in [
        two_classes("A1", "A1"),
        two_classes("A1", "A3"),
        two_classes("A1", "B1"),
        right.replace("what_is_wrong", "what_is_right"),
        right.replace("security.rs::", "none.rs::"),
        right.replace("\"c\"", "\"\""),
        right.replace("A = 2", "A = 3"),
        right.replace("why", "because"),
    ] {
        assert!(
            std::panic::catch_unwind(|| check(&wrong)).is_err(),
            "{wrong}"
        );
    }
}

/// The lines under the heading `Tests` of a page, without their marks.
fn tests_of(page: &str) -> Vec<&str> {
    let (_, section) = page.split_once("\n## Tests\n").unwrap_or_default();
    let lines = section.lines();
    lines
        .filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`'))
        .collect()
}

#[test]
fn each_decision_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/decisions");
    let mut pages = 0;
    for entry in fs::read_dir(&folder).expect("the decisions") {
        let path = entry.expect("a page").path();
        if path.ends_with("README.md") {
            continue;
        }
        let page = fs::read_to_string(&path).expect("text");
        let (tests, path) = (tests_of(&page), path.display().to_string());
        assert!(!tests.is_empty(), "{path}");
        tests
            .iter()
            .for_each(|test| named::assert_exists(test, &path));
        pages += 1;
    }
    assert!(pages > 0, "no page in {}", folder.display());
}

#[test]
fn a_page_names_its_tests_at_its_end() {
    let page = "# A\n\n- `no`\n\n## Tests\n\n- `a.rs::b`\n- `c.rs::d`\n";
    assert_eq!(tests_of(page), ["a.rs::b", "c.rs::d"]);
    assert_eq!(tests_of("# A\n\n- `no`\n"), [""; 0]);
}
