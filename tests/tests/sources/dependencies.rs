//! How many crates ws-proto depends on is what its README says.

use std::collections::BTreeSet;
use std::process::Command;

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

/// The crates that `cargo tree` finds below ws-proto, each once.
fn tree(options: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "ws-proto"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(options)
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options:?}: {errors}");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
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
