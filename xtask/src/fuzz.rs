//! Searches for inputs that break a property of `tests/src/property/`: each target for so many seconds, beginning with
//! its seeds (`tests/src/seeds.rs`), as many targets at a time as there are processors. New inputs go to `fuzz/target/`; an input
//! that breaks something is left in `fuzz/artifacts/`. `cargo xtask ledger` enters the logs into `fuzz/LEDGER.md`.

use std::collections::VecDeque;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::Outcome;
use crate::run::{command, must, output, path, succeeds};

/// Fuzzes the targets, or all of them if none is named.
pub(crate) fn run(seconds: &str, targets: &[&str]) -> Outcome {
    if seconds.parse::<u32>().is_err() {
        return Err(format!("not a number of seconds: {seconds}"));
    }
    let mut targets: Vec<String> = targets.iter().map(|&target| target.into()).collect();
    if targets.is_empty() {
        let list = output(&mut fuzz(&["list"]))?;
        targets = list.lines().map(str::to_owned).collect();
    }
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = path("fuzz").join(folder);
    let made = fs::create_dir_all(folder.join("logs"));
    made.map_err(|error| format!("{}: {error}", folder.display()))?;
    must(&mut build("build"))?;

    let waiting = Mutex::new(targets.iter().collect::<VecDeque<_>>());
    let failed = Mutex::new(Vec::new());
    let next = || lock(&waiting).pop_front();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(target) = next() {
                    match search(target, seconds, &folder) {
                        Ok(true) => {}
                        Ok(false) => lock(&failed).push((target, String::new())),
                        Err(why) => lock(&failed).push((target, why)),
                    }
                }
            });
        }
    });

    for target in &targets {
        let log = log_of(&folder, target);
        let executions = crate::ledger::executions(&log);
        let executions = executions.map_or_else(|| "?".into(), |count| count.to_string());
        println!("{target:<20} {executions:>12} executions");
    }
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (target, why) in &failed {
        println!(
            "\nfailed: {target}\n{why}{}",
            excerpt(&log_of(&folder, target))
        );
    }
    Ok(failed.is_empty())
}

/// Fuzzes one target. Its log says what came of it; returns whether that was good.
fn search(target: &str, seconds: &str, folder: &Path) -> Outcome {
    // libFuzzer writes to the first folder only.
    let found = folder.join("corpus").join(target);
    let file = folder.join("logs").join(format!("{target}.log"));
    let log = fs::create_dir_all(&found).and_then(|()| File::create(&file));
    let log = log.map_err(|error| format!("{}: {error}", file.display()))?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    let seeds = folder.join("seeds").join(target);
    let example = [
        "run",
        "--quiet",
        "--package",
        "ws-tests",
        "--example",
        "seeds",
        "--",
    ];
    must(command("cargo", &example).arg(target).arg(&seeds))?;
    let mut search = build("run");
    search.arg(target).arg(&found).arg(&seeds);
    search.args(["--", &format!("-max_total_time={seconds}")]);
    // Inputs may be long enough to pass every limit: `tests/tests/conversations/corpus.rs` looks.
    search.args(["-max_len=4096", "-timeout=10", "-print_final_stats=1"]);
    succeeds(search.stdout(log).stderr(errors))
}

/// cargo-fuzz, which wants a nightly compiler and its own workspace.
fn fuzz(arguments: &[&str]) -> Command {
    let mut fuzz = command("cargo", &[&["+nightly", "fuzz"], arguments].concat());
    fuzz.current_dir(path("fuzz"));
    fuzz
}

/// A command of cargo-fuzz that builds. No sanitizer: our own code is free of `unsafe`, and ten times as many inputs are
/// tried without one. What we depend on is not: `SANITIZER=address` looks at that.
fn build(verb: &str) -> Command {
    let sanitizer = env::var("SANITIZER").unwrap_or_else(|_| "none".into());
    fuzz(&[verb, "-s", &sanitizer])
}

fn log_of(folder: &Path, target: &str) -> String {
    let bytes = fs::read(folder.join("logs").join(format!("{target}.log")));
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// The part of a log that says what went wrong: the panic, or the end; and the input that caused it.
fn excerpt(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let mut shown = match lines.iter().position(|line| line.contains("panicked at")) {
        Some(at) => lines[at..].iter().take(10).copied().collect::<Vec<_>>(),
        None => lines[lines.len().saturating_sub(60)..].to_vec(),
    };
    let input = lines
        .iter()
        .skip_while(|line| !line.starts_with("Failing input"));
    shown.extend(input.take_while(|line| !line.starts_with("Minimize")));
    shown.join("\n")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn an_excerpt_has_the_panic_and_the_input() {
    let log = "INFO: seed\nthread panicked at src/a.rs:1:\nwhy\n1\n2\n3\n4\n5\n6\n7\n8\n9\n\
        Failing input:\n\tartifacts/a\nMinimize test case with:\n\tcargo fuzz";
    let expected = "thread panicked at src/a.rs:1:\nwhy\n1\n2\n3\n4\n5\n6\n7\n8\n\
        Failing input:\n\tartifacts/a";
    assert_eq!(excerpt(log), expected);
    assert_eq!(excerpt("a\nb"), "a\nb");
}
