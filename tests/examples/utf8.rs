//! UTF-8, by exhaustion: all 2^32 strings of four bytes, with those of one to three bytes, whole
//! and cut at each point, against `core::str::from_utf8`.
//!
//! usage: utf8 [SLICE/OF]
//!
//! Works on all processors for some minutes, says how many strings agreed, and fails at the first
//! that does not. `3/10` checks every tenth group of 256 strings, from the fourth on.

#[path = "../tests/conversations/utf8.rs"]
mod utf8;

use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

/// How many groups a thread takes at a time.
const PORTION: u32 = 1 << 12;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (slice, rest) = (arguments.next(), arguments.next());
    let slice = slice.map_or(Some((0, NonZeroU32::MIN)), |slice| parse(&slice));
    let (Some((slice, of)), None) = (slice, rest) else {
        eprintln!("usage: utf8 [SLICE/OF]");
        return ExitCode::from(2);
    };
    let began = Instant::now();
    let groups = check(slice, of);
    println!(
        "{} strings of four bytes, each in 5 ways, agree with core: {:.0?}",
        u64::from(groups) * 256,
        began.elapsed()
    );
    ExitCode::SUCCESS
}

fn parse(slice: &str) -> Option<(u32, NonZeroU32)> {
    let (slice, of) = slice.split_once('/')?;
    let (slice, of) = (slice.parse().ok()?, of.parse().ok()?);
    (slice < NonZeroU32::get(of)).then_some((slice, of))
}

/// Checks every `of`th group, on all processors; returns how many these were.
fn check(slice: u32, of: NonZeroU32) -> u32 {
    let next = AtomicU32::new(0);
    let work = || {
        let mut groups = 0;
        loop {
            let from = next.fetch_add(PORTION, Ordering::Relaxed);
            if from >= utf8::STARTS {
                return groups;
            }
            for start in (from..from + PORTION).filter(|start| *start % of == slice) {
                utf8::check(start);
                groups += 1;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let groups = workers.into_iter().map(|worker| worker.join());
        groups
            .map(|groups| groups.expect("a string is judged differently"))
            .sum()
    })
}
