//! The gate: instructions and allocations per message, compared with committed figures.
//!
//! `gate run CASE ROUNDS` does the work of one case; the other commands run that under callgrind,
//! once with the rounds that warm up and once with those that count after them: the difference is
//! what they cost, to the instruction, without the start of the program.

mod cases;
mod figures;
mod handshake;
mod scaling;
mod targets;
mod valgrind;
mod wire;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use cases::Case;
use figures::{Fault, Figures};
use ws_testkit::counting::{Counting, usage};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const USAGE: &str = "\
usage: gate show [PART]           measure the cases with PART in their name, all without
       gate check FILE [PART]     measure, and compare with the figures in FILE
       gate record FILE [PART]    measure, and write the figures to FILE
       gate pace                  print the time of each byte, from 64 KiB to 64 MiB
       gate run CASE ROUNDS       do the work of one case: what the others run under callgrind";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["run", name, rounds] => run(name, rounds),
        ["show"] => measure("").map(drop),
        ["show", part] => measure(part).map(drop),
        ["check", file] => check(file.as_ref(), ""),
        ["check", file, part] => check(file.as_ref(), part),
        ["pace"] => {
            scaling::pace();
            Ok(())
        }
        ["record", file] => record(file.as_ref(), ""),
        ["record", file, part] => record(file.as_ref(), part),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does the work and prints how often it allocated.
fn run(name: &str, rounds: &str) -> Result<(), Box<dyn Error>> {
    let rounds: usize = rounds.parse()?;
    let cases = all();
    let case = cases.iter().find(|case| case.name == name);
    let mut round = (case.ok_or("no case of that name")?.make)();
    let ((), usage) = usage(|| (0..rounds).for_each(|_| round()));
    println!("{}", usage.calls);
    Ok(())
}

/// Compares, and says everything that is wrong.
fn check(file: &Path, part: &str) -> Result<(), Box<dyn Error>> {
    let committed = read(file)?;
    let measured = measure(part)?;
    let mut faults = Vec::new();
    for (name, cost) in measured.iter() {
        if let Some(fault) = committed.judge(name, cost) {
            faults.push(format!("{name}: {fault}"));
        }
    }
    for (name, _) in committed.iter() {
        if name.contains(part) && measured.get(name).is_none() {
            faults.push(format!("{name}: {}", Fault::Gone));
        }
    }
    faults.extend(targets::missed(&measured));
    if faults.is_empty() {
        println!("\nall as committed, within 2 %");
        return Ok(());
    }
    Err(format!(
        "\n{}\n\n`cargo xtask gate --record` writes down what was measured, if it is meant to be so.",
        faults.join("\n")
    )
    .into())
}

fn record(file: &Path, part: &str) -> Result<(), Box<dyn Error>> {
    let measured = measure(part)?;
    let mut figures = if part.is_empty() {
        Figures::default()
    } else {
        read(file)?
    };
    figures.replace(measured);
    let remarks = "# Instructions and allocations: per message, and under `scaling` per byte.\n\
                   # Written by `cargo xtask gate --record`.\n";
    fs::write(file, format!("{remarks}{figures}"))?;
    for missed in targets::missed(&figures) {
        println!("{missed}");
    }
    Ok(())
}

fn read(file: &Path) -> Result<Figures, Box<dyn Error>> {
    let text = fs::read_to_string(file)?;
    Ok(Figures::parse(&text).ok_or("these are no figures")?)
}

/// Measures on all cores, and prints what it finds in the order of the cases.
fn measure(part: &str) -> Result<Figures, Box<dyn Error>> {
    let mut cases = all();
    cases.retain(|case| case.name.contains(part));
    if cases.is_empty() {
        return Err(format!("no case has {part} in its name").into());
    }
    println!("{:44} {:>14} {:>12}", "", "instructions", "allocations");
    let mut figures = Figures::default();
    valgrind::costs(&cases, |name, cost| {
        println!("{name:44} {cost}");
        figures.insert(name, cost);
    })?;
    Ok(figures)
}

fn all() -> Vec<Case> {
    let mut all = cases::all();
    all.extend(scaling::all());
    all
}
