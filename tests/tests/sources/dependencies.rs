//! How many crates ws-proto depends on is what its README says; and no feature of a crate is left out when
//! all of them are tested.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

const README: &str = include_str!("../../../ws-proto/README.md");

/// The rows of the table, one for each choice of features: the first cell and the numbers.
fn rows() -> Vec<(&'static str, Vec<usize>)> {
    let (_, section) = README.split_once("\n## Dependencies\n").expect("a section");
    let rows = section.lines().filter_map(|line| {
        let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let (features, numbers) = cells.split_once(" | ")?;
        let numbers: Result<_, _> = numbers.split(" | ").map(str::parse).collect();
        Some((features, numbers.ok()?))
    });
    rows.collect()
}

/// What `cargo tree` says, line by line, without the tree.
fn cargo_tree(options: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(options)
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The crates that `cargo tree` finds below ws-proto, each once.
fn tree(options: &[&str]) -> BTreeSet<String> {
    let options = [&["--package", "ws-proto", "--format", "{p}"], options].concat();
    let lines = cargo_tree(&options);
    // A crate that was listed before has a mark behind it, and one that is a macro another.
    let crates = lines.lines().skip(1).map(|line| {
        let mut words = line.split(' ');
        words.by_ref().take(2).collect::<Vec<_>>().join(" ")
    });
    crates.filter(|name| !name.is_empty()).collect()
}

#[test]
fn ws_proto_has_as_many_as_its_readme_says() {
    let features: [(&str, &[&str]); 5] = [
        ("none", &["--no-default-features"]),
        ("`alloc`", &["--no-default-features", "--features", "alloc"]),
        ("`std` (default)", &[]),
        (
            "`deflate`",
            &["--no-default-features", "--features", "deflate"],
        ),
        ("`http`", &["--no-default-features", "--features", "http"]),
    ];
    let counted = features.map(|(name, features)| {
        let count = |target, options: &[&str]| {
            tree(&[features, &["--target", target], options].concat()).len()
        };
        let (small, large) = ("thumbv7em-none-eabihf", "x86_64-unknown-linux-gnu");
        // Macros run in the compiler, and nothing of what they are made of is linked.
        let linked = ["--edges", "normal,no-proc-macro"];
        let direct = count(large, &["--edges", "normal", "--depth", "1"]);
        let on_small = count(small, &linked);
        let on_large = count(large, &linked);
        let building = count(large, &["--edges", "normal,build"]) - on_large;
        (name, vec![direct, on_small, on_large, building])
    });
    assert_eq!(rows(), counted);
}

/// `cargo test --workspace` leaves out what stands for a feature that nobody in the workspace asks for.
#[test]
fn every_feature_is_on_when_the_workspace_is_tested() {
    let built = cargo_tree(&["--workspace", "--format", "{p}|{f}"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for folder in fs::read_dir(root).expect("a folder") {
        let manifest = folder.expect("an entry").path().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(manifest) else {
            continue;
        };
        let manifest: Table = text.parse().expect("TOML");
        let name = manifest["package"]["name"].as_str().expect("a name");
        let is_published = !manifest["package"]
            .as_table()
            .expect("a table")
            .contains_key("publish");
        let features = manifest.get("features").and_then(Value::as_table);
        for feature in features
            .into_iter()
            .flat_map(Table::keys)
            .filter(|_| is_published)
        {
            let start = format!("{name} v");
            let is_on = |line: &&str| {
                let features = line.rsplit('|').next().unwrap_or_default();
                features.split([',', ' ']).any(|on| on == feature)
            };
            let mut lines = built.lines().filter(|line| line.starts_with(&start));
            assert!(
                lines.any(|line| is_on(&line)),
                "{name} is not tested with {feature}"
            );
            seen += 1;
        }
    }
    assert_ne!(seen, 0, "no features were read");
}
