//! The cost of an echo over sockets: `ws-std` and others of its kind, side by side.
//!
//! Servers run on one core and the load on another, in a network of their own. They take turns,
//! and what counts is the time that the server's process computes for each message or connection.
//!
//! ```text
//! cargo build --release -p ws-command
//! cargo run --release -p ws-bench --features sockets --bin sockets -- [ROW]... [--rounds N] [--servers A,B] [--nodelay]
//! ```

mod connections;
mod echo;
mod idle;
mod process;
mod serve;
mod turns;

use std::env;
use std::io;

use serve::Answers;

/// The measurements to make.
#[derive(Debug)]
struct Plan {
    /// Parts of the names of rows; without any, all rows.
    rows: Vec<String>,
    rounds: usize,
    answers: Answers,
    servers: Vec<String>,
}

fn main() -> io::Result<()> {
    let mut args = env::args().skip(1);
    let mut plan = Plan {
        rows: Vec::new(),
        rounds: 5,
        answers: Answers::MayWait,
        servers: serve::NAMES.map(String::from).into(),
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| usage(&arg));
        match &*arg {
            "serve" => {
                let (name, size) = (value()?, value()?.parse().map_err(io::Error::other)?);
                let answers = Answers::from_name(&value()?).ok_or_else(|| usage(&arg))?;
                process::pin(process::SERVER_CORE)?;
                return serve::run(&name, size, answers);
            }
            "--nodelay" => plan.answers = Answers::AtOnce,
            "--rounds" => plan.rounds = value()?.parse().map_err(io::Error::other)?,
            "--servers" => plan.servers = value()?.split(',').map(String::from).collect(),
            _ if arg.starts_with('-') => return Err(usage(&arg)),
            _ => plan.rows.push(arg),
        }
    }
    process::isolate()?;
    process::raise_limits()?;
    process::pin(process::LOAD_CORE)?;
    echo::times(&plan)?;
    echo::calls(&plan)?;
    connections::times(&plan)?;
    connections::memory(&plan)
}

impl Plan {
    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|part| row.contains(&**part))
    }
}

fn usage(arg: &str) -> io::Error {
    io::Error::other(format!(
        "{arg}: [ROW]... [--rounds N] [--servers A,B] [--nodelay]"
    ))
}
