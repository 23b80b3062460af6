//! Commands, and the repository that they run in.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in the repository")
}

/// A path in the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    root().join(name)
}

/// A command that runs in the repository, with the toolchain that `rust-toolchain.toml` or the command itself names, and
/// not the one that this program was started with.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(root())
        .env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| failed(command, &error))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(failed(command, &why.trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().to_owned())
}

/// Whether a command succeeds, whose output is shown.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool, String> {
    let status = command.status().map_err(|error| failed(command, &error))?;
    Ok(status.success())
}

/// Runs a command that has to succeed.
pub(crate) fn must(command: &mut Command) -> Result<(), String> {
    match succeeds(command)? {
        true => Ok(()),
        false => Err(failed(command, &"it failed")),
    }
}

fn failed(command: &Command, why: &dyn std::fmt::Display) -> String {
    format!("{}: {why}", command.get_program().display())
}
