//! A hostile peer at one end of a socket, and an endpoint of any make at the other.

mod peer;

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, iter, thread};

use peer::Peer;
use ws_testkit::hostile::{Adversary, Case, Ending};

/// What a server has to do for others when it has dealt with a hostile client.
const CONTROL: &str = "case control server A14 others are served\n\
    open frame text \"still here\"\nout frame text \"still here\"\n\
    in frame close code:1000\nout close 1000\nend\n";

/// How many cases are run at a time. Some wait for a deadline, and none does much.
const AT_A_TIME: usize = 16;

/// Runs all cases, some at a time; what came of them is in their order.
pub(crate) fn each<T: Send>(cases: &[Case], run: impl Fn(&Case) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let taken = iter::from_fn(|| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, run(cases.get(at)?)))
        });
        taken.collect::<Vec<_>>()
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|worker| worker.join());
        done.flat_map(|done| done.expect("it does not panic"))
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Runs a case against the endpoint that `stream` leads to. A server echoes at `path`, a client
/// wherever it connects.
pub(crate) fn run(case: &Case, stream: TcpStream, path: &str) -> Ending {
    match Peer::new(stream, Adversary::new(case.clone(), path)) {
        Ok(peer) => peer.play(),
        Err(error) => Ending::Failed(1, error.to_string()),
    }
}

/// Runs a case against a server, and one behind it that is not hostile.
pub(crate) fn run_and_control(
    case: &Case,
    path: &str,
    connect: impl Fn() -> io::Result<TcpStream>,
) -> io::Result<Ending> {
    let outcome = run(case, connect()?, path);
    if outcome != Ending::Passed {
        return Ok(outcome);
    }
    let control = Case::parse("control", CONTROL).expect("it can be read");
    Ok(match run(&control[0], connect()?, path) {
        Ending::Failed(_, what) => Ending::Failed(1, format!("others are not served: {what}")),
        other => other,
    })
}
