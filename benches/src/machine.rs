//! The machine, as a record describes it.

use std::fs;
use std::process::Command;

/// The day, as ISO 8601 writes it.
pub(crate) fn date() -> String {
    said("date", &["-u", "+%F"])
}

/// The machine, the compiler, and the state of the sources.
pub(crate) fn facts() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let line = cpus.lines().find(|line| line.starts_with(key));
        let value = line.and_then(|line| line.split_once(": "));
        value.map_or("unknown", |(_, value)| value)
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let changes = match said("git", &["status", "--porcelain", "--untracked-files=no"]).as_str() {
        "" => "",
        _ => " and changes to it",
    };
    format!(
        "date      {}\nmachine   {}, family {} model {}, {cores} cores\nsystem    {}\n\
         compiler  {}\ncommit    {}{changes}\n",
        said("date", &["-u", "+%F %H:%M UTC"]),
        value("model name"),
        value("cpu family"),
        value("model\t"),
        said("uname", &["-srm"]),
        said("rustc", &["--version"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
    )
}

/// The output of a command, in one line.
fn said(command: &str, args: &[&str]) -> String {
    let output = Command::new(command).args(args).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_else(|_| "unknown".into())
}
