//! `ws completions` and `ws man`: made from the arguments, so that they say what is there.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::plain;
use crate::fail;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ws completions bash > ~/.local/share/bash-completion/completions/ws
  ws completions zsh > ~/.zfunc/_ws
  ws completions fish > ~/.config/fish/completions/ws.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Print the manual page, or write one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ws man | man -l -
  ws man --dir ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Write ws.1, ws-connect.1 and so on to this folder
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints completions.
pub(crate) fn completions(args: &Completions, mut command: clap::Command) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ws", &mut text);
    print(&text)
}

/// Prints the manual page, or writes those of all commands.
pub(crate) fn man(args: &Man, command: clap::Command) -> ExitCode {
    let made = match &args.dir {
        None => page(command).map(|text| print(&text)),
        Some(folder) => write_all(folder, command).map(|()| ExitCode::SUCCESS),
    };
    made.unwrap_or_else(|error| fail(2, format_args!("no manual page: {}", plain(&error))))
}

fn write_all(folder: &Path, command: clap::Command) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command.disable_help_subcommand(true), folder)
}

fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    Ok(text)
}

/// Prints a text. If standard output is closed, nobody wants to read it.
fn print(text: &[u8]) -> ExitCode {
    let _ = io::stdout().write_all(text);
    ExitCode::SUCCESS
}
