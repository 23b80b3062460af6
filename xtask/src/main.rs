//! Tasks of this repository that are more than a line of shell: `cargo xtask` lists them.
//!
//! They need what a task names (valgrind, cargo-fuzz), and nothing else but Rust.

mod coverage;
mod fuzz;
mod gate;
mod ledger;
mod run;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask gate [PART]                compare instructions and allocations with benches/gate/figures.txt:
                                       all, or the cases with PART in their name
cargo xtask gate --record              write down what is measured now
cargo xtask gate --show [PART]         only measure
cargo xtask coverage                   read lcov of ws-proto from the standard input, as tests/coverage.sh gives it
cargo xtask fuzz SECONDS [TARGET ...]  search for inputs that break a property, each target for so long
cargo xtask ledger LOG ...             enter runs of the fuzzer into fuzz/LEDGER.md";

/// The result of a task: whether all is well, or why it could not be done.
type Outcome = Result<bool, String>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["gate", "--record"] => gate::record(),
        ["gate", "--show"] => gate::show(""),
        ["gate", "--show", part] => gate::show(part),
        ["gate"] => gate::check(""),
        ["gate", part] if !part.starts_with('-') => gate::check(part),
        ["coverage"] => coverage::report(),
        ["fuzz", seconds, ref targets @ ..] => fuzz::run(seconds, targets),
        ["ledger", ref logs @ ..] => ledger::enter(logs),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}
