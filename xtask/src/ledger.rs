//! Enters runs of the fuzzer into `fuzz/LEDGER.md`, from the logs that libFuzzer wrote with `-print_final_stats=1`:
//! `TARGET.log`, or `TARGET.anything.log`. It passes over a log that was entered, and over one of a run that has not
//! ended. `COMMIT` names the commit that was run, if it is not this one. It fails if a target has never been run.

use std::env;
use std::fs;
use std::path::Path;

use crate::Outcome;
use crate::run::{command, output, path};

const LEDGER: &str = "fuzz/LEDGER.md";

/// Parsers that do little for each input; the others do more.
const CHEAP: [&str; 3] = ["header", "utf8", "close"];

/// Targets of ws-http: each input is a request to a whole site, or a conversation, played in several
/// ways.
const WHOLE: [&str; 6] = [
    "forwarded",
    "proxy_header",
    "tunnel",
    "body",
    "urls",
    "routes",
];

const HEAD: &str = "\
# How often each target was run

By `cargo xtask ledger`, from the logs of libFuzzer; nothing here is written by hand. The goal is 10^8 executions of the
parsers that do little for each input, 10^5 of the targets of ws-http, which play a whole site or a conversation in
several ways, and 10^7 of the others. What `.ci/run` executes with each change comes on top.

| target | executions | goal | reached |
|---|---|---|---|
";

const RUNS: &str = "
## Runs

| date | commit | target | executions | seconds | log |
|---|---|---|---|---|---|
";

/// Enters the logs.
pub(crate) fn enter(logs: &[&str]) -> Outcome {
    let old = fs::read_to_string(path(LEDGER)).unwrap_or_default();
    let mut runs: Vec<String> = old
        .lines()
        .filter(|line| is_run(line))
        .map(str::to_owned)
        .collect();
    for log in logs {
        let bytes = fs::read(log).map_err(|error| format!("{log}: {error}"))?;
        let text = String::from_utf8_lossy(&bytes);
        let Some(executions) = executions(&text) else {
            eprintln!("{log}: has not ended");
            continue;
        };
        let id = hash(log)?;
        if runs.iter().any(|run| run.ends_with(&format!(" {id} |"))) {
            continue;
        }
        let (date, commit, target) = (date(log)?, commit()?, target(log));
        let seconds = seconds(&text, executions);
        runs.push(format!(
            "| {date} | {commit} | {target} | {executions} | {seconds} | {id} |"
        ));
    }
    let manifest = fs::read_to_string(path("fuzz/Cargo.toml"));
    let manifest = manifest.map_err(|error| format!("fuzz/Cargo.toml: {error}"))?;
    let (text, complete) = ledger(&targets(&manifest), &runs);
    fs::write(path(LEDGER), text).map_err(|error| format!("{LEDGER}: {error}"))?;
    Ok(complete)
}

/// The text, and whether each target has been run.
fn ledger(targets: &[&str], runs: &[String]) -> (String, bool) {
    let mut text = HEAD.to_owned();
    let mut complete = true;
    for target in targets {
        let sum: u64 = runs
            .iter()
            .filter_map(|run| executions_of(run, target))
            .sum();
        let goal: u64 = match target {
            target if CHEAP.contains(target) => 100_000_000,
            target if WHOLE.contains(target) => 100_000,
            _ => 10_000_000,
        };
        let reached = if sum < goal { "no" } else { "yes" };
        text += &format!("| {target} | {sum} | {goal} | {reached} |\n");
        complete &= sum > 0;
    }
    text += RUNS;
    for run in runs {
        text += &format!("{run}\n");
    }
    (text, complete)
}

/// Whether a line is a run: it begins with a date.
fn is_run(line: &str) -> bool {
    let date = line.strip_prefix("| ").and_then(|line| line.get(..5));
    date.is_some_and(|date| date.ends_with('-') && date[..4].bytes().all(|it| it.is_ascii_digit()))
}

/// The executions of a run, if it is one of `target`.
fn executions_of(run: &str, target: &str) -> Option<u64> {
    let mut cells = run.split(" | ").skip(2);
    (cells.next()? == target).then(|| cells.next()?.parse().ok())?
}

/// The names of the programs in a manifest.
fn targets(manifest: &str) -> Vec<&str> {
    let bins = manifest.split("[[bin]]\n").skip(1);
    bins.filter_map(|bin| {
        bin.lines()
            .next()?
            .strip_prefix("name = \"")?
            .strip_suffix('"')
    })
    .collect()
}

/// The number after `name` at the start of a line.
fn stat(log: &str, name: &str) -> Option<u64> {
    log.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// How many inputs a run has tried, which a log says at its end.
pub(crate) fn executions(log: &str) -> Option<u64> {
    stat(log, "stat::number_of_executed_units:")
}

/// How long a run took. One that found something is not "Done"; it says its speed.
fn seconds(log: &str, executions: u64) -> u64 {
    let done = log.lines().find_map(|line| {
        let (_, rest) = line.strip_prefix("Done ")?.split_once(" runs in ")?;
        rest.strip_suffix(" second(s)")?.parse().ok()
    });
    let speed = stat(log, "stat::average_exec_per_sec:").unwrap_or_default();
    done.unwrap_or_else(|| executions / speed.max(1))
}

fn target(log: &str) -> String {
    let name = Path::new(log)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

fn commit() -> Result<String, String> {
    let describe = ["describe", "--always", "--exclude=*", "--dirty=+"];
    env::var("COMMIT").or_else(|_| output(&mut command("git", &describe)))
}

fn date(log: &str) -> Result<String, String> {
    let log = absolute(log)?;
    output(&mut command("date", &["-u", "-r", &log, "+%F"]))
}

/// The first digits of the digest of a log.
fn hash(log: &str) -> Result<String, String> {
    let sum = output(&mut command("sha256sum", &[&absolute(log)?]))?;
    Ok(sum.trim_start_matches('\\').chars().take(12).collect())
}

/// Commands run in the repository, which need not be where this was started.
fn absolute(log: &str) -> Result<String, String> {
    let path = fs::canonicalize(log).map_err(|error| format!("{log}: {error}"))?;
    Ok(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "#1 INITED\nDone 12 runs in 34 second(s)\n\
        stat::number_of_executed_units: 1200\nstat::average_exec_per_sec:     40\n";

    #[test]
    fn a_log_says_how_many_and_how_long() {
        assert_eq!(executions(LOG), Some(1200));
        assert_eq!(seconds(LOG, 1200), 34);
        assert_eq!(seconds(&LOG.replace("Done", "Found"), 1200), 30);
        assert_eq!(executions("#1 INITED\n"), None);
    }

    #[test]
    fn a_ledger_adds_up_the_runs_of_each_target() {
        let runs = [
            "| 2026-11-21 | abc | utf8 | 99999999 | 5 | 0123 |".to_owned(),
            "| 2026-11-22 | abc | utf8 | 1 | 5 | 4567 |".to_owned(),
            "| 2026-11-22 | abc | close | 7 | 5 | 89ab |".to_owned(),
        ];
        let (text, complete) = ledger(&["utf8", "close"], &runs);
        assert!(complete);
        assert!(
            text.contains(
                "| utf8 | 100000000 | 100000000 | yes |\n| close | 7 | 100000000 | no |\n"
            )
        );
        let entered: Vec<_> = text.lines().filter(|line| is_run(line)).collect();
        assert_eq!(entered, runs);
        assert!(!ledger(&["header"], &runs).1, "it was never run");
    }

    #[test]
    fn the_targets_of_a_manifest() {
        let manifest =
            "[package]\nname = \"a\"\n\n[[bin]]\nname = \"b\"\n\n[[bin]]\nname = \"c\"\n";
        assert_eq!(targets(manifest), ["b", "c"]);
    }
}
