//! Hostile peers for an endpoint of any make: all cases of `tests/hostile`, and how it did.
//!
//! usage: hostile [--role server|client] ADDRESS [FILTER]
//!
//! ADDRESS is `HOST:PORT/PATH`, with or without `ws://` before it. There is a server that echoes;
//! or, with `--role client`, a client that echoes connects there, for each case anew. FILTER is a
//! part of the names of the cases to run.

#[path = "../tests/conversations/adversary/mod.rs"]
mod adversary;

use std::collections::BTreeMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use adversary::{each, run, run_and_control};
use ws_proto::Role;
use ws_testkit::hostile::{Case, Ending};

fn main() -> ExitCode {
    let Some(asked) = Asked::parse(std::env::args().skip(1)) else {
        eprintln!("usage: hostile [--role server|client] ADDRESS [FILTER]");
        return ExitCode::from(2);
    };
    let mut cases = Case::all();
    cases.retain(|case| case.setup.role == asked.role && case.name.contains(&asked.filter));
    match asked.attack(&cases) {
        Ok(table) => table.print(),
        Err(error) => {
            eprintln!("hostile: {}: {error}", asked.address);
            ExitCode::from(2)
        }
    }
}

/// What is on the command line.
struct Asked {
    role: Role,
    address: String,
    path: String,
    filter: String,
}

impl Asked {
    fn parse(args: impl Iterator<Item = String>) -> Option<Self> {
        let mut args = args.peekable();
        let mut role = Role::Server;
        if args.next_if_eq("--role").is_some() {
            role = match args.next()?.as_str() {
                "server" => Role::Server,
                "client" => Role::Client,
                _ => return None,
            };
        }
        let url = args.next().filter(|url| !url.starts_with('-'))?;
        let filter = args.next().unwrap_or_default();
        let place = url.strip_prefix("ws://").unwrap_or(&url);
        let (address, path) = place.split_once('/').unwrap_or((place, ""));
        args.next().is_none().then(|| Self {
            role,
            address: address.into(),
            path: format!("/{path}"),
            filter,
        })
    }

    /// Runs the cases, and says how each ended.
    fn attack(&self, cases: &[Case]) -> io::Result<Table> {
        let listener = match self.role {
            Role::Server => None,
            Role::Client => Some(TcpListener::bind(&self.address)?),
        };
        let meet = || match &listener {
            None => TcpStream::connect(&self.address),
            Some(listener) => Ok(listener.accept()?.0),
        };
        let outcomes = each(cases, |case| match self.role {
            Role::Server => run_and_control(case, &self.path, meet),
            Role::Client => Ok(run(case, meet()?, &self.path)),
        });
        let mut table = Table::default();
        for (case, outcome) in cases.iter().zip(outcomes) {
            table.enter(case, &outcome?);
        }
        Ok(table)
    }
}

/// How many passed, failed and were skipped in each directory.
#[derive(Default)]
struct Table(BTreeMap<String, [usize; 3]>);

impl Table {
    /// Prints how a case ended; what is different, if it failed.
    fn enter(&mut self, case: &Case, outcome: &Ending) {
        let (ids, name) = (case.ids.join(" "), &case.name);
        let (column, word) = match outcome {
            Ending::Passed => (0, "pass"),
            Ending::Failed(..) => (1, "FAIL"),
            Ending::Skipped => (2, "skip"),
        };
        println!("{word}  {ids:<8}  {name}");
        if let Ending::Failed(line, what) = outcome {
            println!("      {}\n      line {line}: {what}", case.shows);
        }
        let class = name.split('/').next().unwrap_or_default();
        self.0.entry(class.into()).or_default()[column] += 1;
    }

    fn print(&self) -> ExitCode {
        let mut all = [0; 3];
        println!(
            "\n{:<16} {:>6} {:>6} {:>6}",
            "class", "passed", "failed", "skipped"
        );
        for (class, counts) in &self.0 {
            println!(
                "{class:<16} {:>6} {:>6} {:>6}",
                counts[0], counts[1], counts[2]
            );
            for (sum, count) in all.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        println!("{:<16} {:>6} {:>6} {:>6}", "all", all[0], all[1], all[2]);
        // Nothing that was asked for is no success either.
        if all[1] > 0 || all[0] == 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}
