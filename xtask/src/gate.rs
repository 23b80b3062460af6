//! The gate: counts instructions and allocations for each message, and compares with what is committed. It fails if
//! something differs by more than 2 %, to either side, or misses a promise.
//!
//! Another compiler makes other instructions: the figures are for the one that `rust-toolchain.toml` names, so a change
//! of it comes with new ones.

use std::fs;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::run::{command, must, output, path, succeeds};

const FIGURES: &str = "benches/gate/figures.txt";

/// Compares the cases with `part` in their names.
pub(crate) fn check(part: &str) -> Outcome {
    prepare()?;
    let figures = read()?;
    let (recorded, measured) = (figures.lines().next().unwrap_or_default(), made_by()?);
    if recorded != measured {
        println!("recorded with {}", recorded.trim_start_matches("# "));
        println!("measured with {}\n", measured.trim_start_matches("# "));
    }
    succeeds(&mut gate(&["check", FIGURES, part]))
}

/// Measures the cases with `part` in their names.
pub(crate) fn show(part: &str) -> Outcome {
    prepare()?;
    succeeds(&mut gate(&["show", part]))
}

/// Writes down what is measured, and what measured it.
pub(crate) fn record() -> Outcome {
    prepare()?;
    must(&mut gate(&["record", FIGURES]))?;
    let figures = format!("{}\n{}", made_by()?, read()?);
    let written = fs::write(path(FIGURES), figures);
    written.map_err(|error| format!("{FIGURES}: {error}"))?;
    Ok(true)
}

fn read() -> Result<String, String> {
    fs::read_to_string(path(FIGURES)).map_err(|error| format!("{FIGURES}: {error}"))
}

/// Checks that this machine can measure, and installs valgrind if it is not there.
fn prepare() -> Result<(), String> {
    if !has_the_instructions() {
        return Err("the figures are for Linux on x86-64 with AVX2".into());
    }
    if valgrind().is_ok() {
        return Ok(());
    }
    let is_root = output(&mut command("id", &["-u"]))? == "0";
    for arguments in [&["update", "-qq"][..], &["install", "-qq", "valgrind"]] {
        let words = [&["apt-get"][..], arguments].concat();
        let mut install = match is_root {
            true => command(words[0], &words[1..]),
            false => command("sudo", &words),
        };
        must(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(())
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn has_the_instructions() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
const fn has_the_instructions() -> bool {
    false
}

fn valgrind() -> Result<String, String> {
    output(command("valgrind", &["--version"]).stderr(Stdio::null()))
}

/// What the figures depend on, as their first line has it.
fn made_by() -> Result<String, String> {
    let rustc = output(&mut command("rustc", &["--version"]))?;
    let glibc = output(&mut command("getconf", &["GNU_LIBC_VERSION"]))?;
    let version = |text: &str| text.split(' ').nth(1).unwrap_or("?").to_owned();
    let (rustc, valgrind, glibc) = (version(&rustc), valgrind()?, version(&glibc));
    Ok(format!("# rustc {rustc}, {valgrind}, glibc {glibc}"))
}

/// The program that measures, built without flags from the environment, which would make other instructions.
fn gate(arguments: &[&str]) -> Command {
    let build = [
        "run",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "ws-bench",
        "--bin",
        "gate",
        "--",
    ];
    let mut gate = command("cargo", &[&build, arguments].concat());
    gate.env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    gate
}
