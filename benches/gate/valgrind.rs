//! A case under callgrind.

use std::io;
use std::process::Command;
use std::thread;

use crate::cases::Case;

/// The cost of one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// Measures the cases, a few at a time, and tells what was found in their order.
pub(crate) fn costs(cases: &[Case], mut tell: impl FnMut(&str, Cost)) -> io::Result<()> {
    let names: Vec<_> = cases.iter().map(Plan::of).collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for some in names.chunks(cores) {
        let costs: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|plan| scope.spawn(|| plan.cost()))
                .collect();
            running.into_iter().map(|cost| cost.join()).collect()
        });
        for (plan, cost) in some.iter().zip(costs) {
            tell(plan.name, cost.expect("a thread that only waits")?);
        }
    }
    Ok(())
}

/// The run to make of a case.
struct Plan<'c> {
    name: &'c str,
    units: usize,
    warm: usize,
    rounds: usize,
}

impl<'c> Plan<'c> {
    fn of(case: &'c Case) -> Self {
        Self {
            name: &case.name,
            units: case.units,
            warm: case.warm,
            rounds: case.rounds,
        }
    }

    fn cost(&self) -> io::Result<Cost> {
        let warm = run(self.name, self.warm)?;
        let all = run(self.name, self.warm + self.rounds)?;
        let units = (self.units * self.rounds) as f64;
        let for_one = |warm: u64, all: u64| (all as f64 - warm as f64) / units;
        Ok(Cost {
            instructions: for_one(warm.instructions, all.instructions),
            allocations: for_one(warm.allocations, all.allocations),
        })
    }
}

/// The cost of a run of the program.
#[derive(Clone, Copy, Debug)]
struct Total {
    instructions: u64,
    allocations: u64,
}

fn run(name: &str, rounds: usize) -> io::Result<Total> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["run", name, &rounds.to_string()])
        // The contents of the stack before `main` move what comes after it, and with it the
        // alignment that copies depend on.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // `rep movsb` counts as an instruction for each byte: copies without it.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, count)| count.trim().parse().ok());
    let allocations = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    match (collected, allocations) {
        (Some(instructions), Some(allocations)) if output.status.success() => Ok(Total {
            instructions,
            allocations,
        }),
        _ => Err(io::Error::other(format!("{name}: {said}"))),
    }
}
