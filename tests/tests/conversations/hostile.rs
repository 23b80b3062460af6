//! The cases of `tests/hostile`, against our servers and our client.

use crate::common;
use crate::support;
use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;

use crate::adversary::{each, run, run_and_control};
use crate::common::{Running, echo};
use crate::support::Looping;
use ws_proto::{Limits, Role, Timeouts};
use ws_std::{Client, Deflate};
use ws_testkit::hostile::{Case, Ending};

fn cases(role: Role) -> Vec<Case> {
    let mut cases = Case::all();
    cases.retain(|case| case.setup.role == role);
    cases
}

/// Runs all cases, some at a time, and panics if there is one that does not pass.
fn all_pass(cases: &[Case], run: impl Fn(&Case) -> Ending + Sync) {
    let failures = failures(cases, run);
    let (failed, all) = (failures.len(), cases.len());
    assert!(
        failures.is_empty(),
        "{failed} of {all}:\n{}",
        failures.join("\n")
    );
}

/// What happened in the cases that did not pass, of which there has to be one at least.
fn failures(cases: &[Case], run: impl Fn(&Case) -> Ending + Sync) -> Vec<String> {
    assert!(!cases.is_empty(), "nothing to run");
    let told = |(case, outcome): (&Case, Ending)| match outcome {
        Ending::Passed => None,
        Ending::Skipped => Some(format!("{}: skipped", case.name)),
        Ending::Failed(line, what) => Some(format!("{}, line {line}: {what}", case.name)),
    };
    let outcomes = each(cases, run);
    cases.iter().zip(outcomes).filter_map(told).collect()
}

/// A server for each way that cases want one to begin.
struct Servers<S>(Mutex<Vec<(Begin, S)>>);

type Begin = (Limits, Timeouts, bool);

impl<S> Servers<S> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn connect(
        &self,
        case: &Case,
        start: impl Fn(Begin) -> S,
        address: impl Fn(&S) -> SocketAddr,
    ) -> io::Result<TcpStream> {
        let begin = (
            case.setup.limits,
            case.setup.timeouts,
            case.setup.deflate.is_some(),
        );
        let mut servers = self.0.lock().expect("no panic");
        let at = servers.iter().position(|(other, _)| *other == begin);
        let at = at.unwrap_or_else(|| {
            servers.push((begin, start(begin)));
            servers.len() - 1
        });
        TcpStream::connect(address(&servers[at].1))
    }
}

#[test]
fn our_server_passes_all_cases() {
    let servers = Servers::new();
    let start = |(limits, timeouts, deflate)| {
        let mut server = echo().limits(limits).timeouts(timeouts);
        if deflate {
            server = server.deflate(Deflate::default());
        }
        common::run(server)
    };
    all_pass(&cases(Role::Server), |case| {
        let connect = || servers.connect(case, start, |server: &Running| server.addr);
        run_and_control(case, "/", connect).expect("it listens")
    });
}

#[test]
fn our_loop_passes_all_cases() {
    let servers = Servers::new();
    let start = |(limits, timeouts, deflate)| {
        let mut server = support::server().limits(limits).timeouts(timeouts);
        if deflate {
            server = server.deflate(Deflate::default());
        }
        support::run(server)
    };
    all_pass(&cases(Role::Server), |case| {
        let connect = || servers.connect(case, start, |server: &Looping| server.addr);
        run_and_control(case, "/", connect).expect("it listens")
    });
}

#[test]
fn our_client_passes_all_cases() {
    all_pass(&cases(Role::Client), |case| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("it listens");
        let mut client = Client::new(format!("ws://{address}/"))
            .limits(case.setup.limits)
            .timeouts(case.setup.timeouts);
        if case.setup.deflate.is_some() {
            client = client.deflate(Deflate::default());
        }
        let client = thread::spawn(move || {
            // How it ends is seen from the other side; here, that it does.
            if let Ok(mut ws) = client.connect() {
                let _ = ws.for_each(|message, tx| tx.send(message));
            }
        });
        let (stream, _) = listener.accept().expect("it connects");
        let outcome = run(case, stream, "/");
        // A panic of the client's is ours.
        common::within(|| client.join()).expect("it does not panic");
        outcome
    });
}

/// The catalogue is a table in `hostile/README.md`.
fn catalogue() -> BTreeSet<&'static str> {
    let table = include_str!("../../hostile/README.md").lines();
    let ids = table.filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    ids.filter(|id| id.len() < 4 && id.ends_with(|char: char| char.is_ascii_digit()))
        .collect()
}

#[test]
fn each_entry_of_the_catalogue_has_a_case() {
    let all = Case::all();
    let names: BTreeSet<_> = all.iter().map(|case| case.name.as_str()).collect();
    let claimed = all.iter().flat_map(|case| &case.ids);
    let claimed: BTreeSet<_> = claimed.map(String::as_str).collect();
    assert_eq!(claimed, catalogue());
    let sentences: BTreeSet<_> = all.iter().map(|case| &case.shows).collect();
    assert_eq!(sentences.len(), names.len(), "two show the same");
}

#[test]
fn an_endpoint_that_hangs_up_passes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("it listens");
    thread::spawn(move || listener.incoming().for_each(drop));
    let all = Case::all();
    let failures = failures(&all, |case| {
        run_and_control(case, "/", || TcpStream::connect(address)).expect("it listens")
    });
    assert_eq!(failures.len(), all.len());
}

#[test]
fn a_wrong_case_is_noticed_with_its_line() {
    let server = common::run(echo());
    let run = |rest: &str| {
        let text = format!("case it server A1 it\nopen\nin frame text \"Hello\"\n{rest}");
        let case = Case::parse("wrong", &text).expect(rest).remove(0);
        run(
            &case,
            TcpStream::connect(server.addr).expect("it listens"),
            "/",
        )
    };
    for (rest, line) in [
        ("out frame text \"Hullo\"\nend", 4),
        ("out frame ping\nend", 4),
        ("out close 1000\nend", 4),
        ("out pongs \"Hello\"\nend", 4),
        (
            "out frame text \"Hello\"\neof\nout frame text \"Hello\"\nend",
            6,
        ),
        ("eof\nend", 5),
        ("out frame text \"Hello\"\nin frame close\nend", 6),
        (
            "out frame text \"Hello\"\nin frame close\nout close 1000\nend",
            6,
        ),
        (
            "in 83\nout frame text \"Hello\"\nout close 1007 or 1003\ngone",
            6,
        ),
        ("flood most:1 frame ping\nreset", 4),
    ] {
        match run(rest) {
            Ending::Failed(at, _) => assert_eq!(at, line, "{rest}"),
            other => panic!("{other:?}: {rest}"),
        }
    }
    let right = "out frame text \"Hello\"\nin frame close\nout frame close\nend";
    assert_eq!(run(right), Ending::Passed);
}
