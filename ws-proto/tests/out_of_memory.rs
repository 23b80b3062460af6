//! *Out of memory*: in every scenario each allocation fails once, by itself and with all that come
//! after it. What the peer has brought about is then an error or goes without; nothing is half
//! sent, nothing leaks, and nothing ends the program.
//!
//! That is seen from outside: the scenarios run in a child, which is this program again.

#![cfg(feature = "alloc")]

#[path = "support/life.rs"]
mod life;
#[path = "support/scenarios.rs"]
mod scenarios;
mod support;

use core::cmp::Ordering;
use core::time::Duration;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use life::{Fate, Life};
#[cfg(feature = "deflate")]
use life::{agreed, deflated, settings};
use scenarios::Scenario;
use ws_proto::handshake::{Key, Offer, Request, Scan, Uri};
use ws_proto::{
    AcceptStep, Accepting, Config, ConnectStep, Connecting, Instant, Limits, ProtocolError,
    Session, TimedOut, Verdict,
};
#[cfg(feature = "deflate")]
use ws_proto::{Kind, Part, SendError};
#[cfg(feature = "deflate")]
use ws_testkit::counting::short_of_memory;
use ws_testkit::counting::{Counting, Failing, failing, usage};
use ws_testkit::{Got, Inlet, Script, Step, assert_ends_softly, hostile};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tells a child with which case to begin.
const FROM: &str = "OUT_OF_MEMORY_FROM";

/// Lives through a scenario where `which` allocations fail; what became of it, and how many did.
/// `None` if that ended the thread.
fn live(scenario: &Scenario, which: Failing) -> Option<(Fate, usize)> {
    let mut life = Life::new(scenario);
    let acts = AssertUnwindSafe(|| scenario.acts.iter().for_each(|act| life.live(act)));
    let (lived, failed) = failing(which, || catch_unwind(acts));
    lived.ok().map(|()| (life.end(), failed))
}

/// Whether it may end so, if it should have ended as `whole` did.
fn judge(fate: &Fate, whole: &Fate, failed: usize) {
    assert!(fate.refused <= failed);
    let is_message = |seen: &&Got| matches!(seen, Got::Text(_) | Got::Binary(_));
    let messages = |seen: &[Got]| seen.iter().filter(is_message).cloned().collect::<Vec<_>>();
    if fate.error == whole.error {
        assert_eq!(fate.seen, whole.seen);
        assert_eq!(fate.code, whole.code);
        // An error is told only if there is memory for the Close.
        let untold = fate.error.is_some() && fate.heard.len() < whole.heard.len();
        let heard = if untold {
            fate.heard.len()
        } else {
            whole.heard.len()
        };
        assert_eq!(fate.heard, whole.heard[..heard]);
        return;
    }
    assert_eq!(fate.error, Some(ProtocolError::OutOfMemory));
    assert!(whole.seen.starts_with(&fate.seen), "{:?}", fate.seen);
    assert!(messages(&whole.heard).starts_with(&messages(&fate.heard)));
    for heard in &fate.heard {
        let told = Got::Close(Some((1011, "out of memory".into())));
        assert!(whole.heard.contains(heard) || *heard == told, "{heard:?}");
    }
}

/// The number of a scenario, whether all allocations fail from the first on that does, and which
/// that is.
type Case = [usize; 3];

/// Runs all cases from `begin` on, and says of each that it begins, and of some that they have
/// ended the thread.
fn be_the_child(begin: Case) {
    for (number, scenario) in scenarios::all().iter().enumerate() {
        let (whole, _) = live(scenario, Failing::Never).expect("nothing fails");
        for all_after in [0, 1] {
            let first = match [number, all_after].cmp(&[begin[0], begin[1]]) {
                Ordering::Less => continue,
                Ordering::Equal => begin[2],
                Ordering::Greater => 1,
            };
            for at in first.. {
                eprintln!("@{number} {all_after} {at}");
                let which = [Failing::Only(at), Failing::From(at)][all_after];
                let (failed, usage) = usage(|| {
                    let (fate, failed) = live(scenario, which)?;
                    judge(&fate, &whole, failed);
                    Some(failed)
                });
                match failed {
                    Some(0) => break,
                    Some(_) => assert_eq!(usage.kept, 0, "{} leaks", scenario.name),
                    None => eprintln!("!"),
                }
            }
        }
    }
}

#[test]
fn whatever_allocation_fails_is_an_error_or_gone_without() {
    if let Ok(case) = env::var(FROM) {
        let case: Vec<_> = case
            .split(' ')
            .map(|it| it.parse().expect("a number"))
            .collect();
        return be_the_child(case.try_into().expect("a case"));
    }
    let scenarios = scenarios::all();
    let (mut cases, mut ended) = (0, vec![[0, 0]; scenarios.len()]);
    let mut begin = Some([0, 0, 1]);
    while let Some([number, all_after, at]) = begin {
        let mut child = Command::new(env::current_exe().expect("this program"));
        child.args(["--exact", "--nocapture"]);
        child.arg("whatever_allocation_fails_is_an_error_or_gone_without");
        child.env(FROM, format!("{number} {all_after} {at}"));
        // A trace needs memory.
        let child = child.env("RUST_BACKTRACE", "0").output();
        let child = child.expect("a child");
        let said = String::from_utf8_lossy(&child.stderr);
        let mut last = None;
        for line in said.lines() {
            if let Some(case) = line.strip_prefix('@') {
                let case = case.split(' ').map(|it| it.parse().expect("a number"));
                last = Some(Case::try_from(case.collect::<Vec<_>>()).expect("a case"));
                cases += 1;
            } else if let ("!", Some([number, all_after, _])) = (line, last) {
                ended[number][all_after] += 1;
            }
        }
        // 101 is what a failed test says, and not an end for want of memory.
        assert_ne!(child.status.code(), Some(101), "{said}");
        let ended_by = last.filter(|_| !child.status.success());
        begin = ended_by.map(|[number, all_after, at]| {
            ended[number][all_after] += 1;
            assert!(ended[number][all_after] <= scenarios[number].hard, "{said}");
            [number, all_after, at + 1]
        });
    }
    for (scenario, ended) in scenarios.iter().zip(ended) {
        let hard = scenario.hard;
        assert_eq!(ended, [hard; 2], "{}, {:?}", scenario.name, scenario.end);
    }
    println!("{} scenarios, {cases} cases", scenarios.len());
    assert_ne!(cases, 0, "nothing has failed");
}

/// Every conversation of the tables, by each inlet; what hostile peers say after the opening handshake,
/// too.
#[test]
fn no_memory_at_any_allocation_of_any_conversation() {
    let actions = |step: &Step| match step {
        Step::Do(action) => Some(action.clone()),
        Step::Expect(_) => None,
    };
    let scripts = Script::all().into_iter().map(|script| {
        let name = format!("{}, {}", script.file, script.name);
        let lines = script.lines.iter();
        let actions: Vec<_> = lines.filter_map(|line| actions(&line.step)).collect();
        (name, script.setup, actions)
    });
    let cases = hostile::Case::all().into_iter();
    let cases = cases.filter(|case| !case.is_long()).filter_map(|case| {
        let mut setup = case.setup;
        setup.echo = true;
        Some((case.name.clone(), setup, case.after_the_opening()?))
    });
    // An allocator of 32 bits takes minutes for all of them: it has every tenth.
    let step = if cfg!(target_pointer_width = "32") {
        10
    } else {
        1
    };
    let mut count = 0;
    for (name, setup, actions) in scripts.chain(cases).step_by(step) {
        for inlet in Inlet::ALL {
            count += assert_ends_softly(&name, &setup, &actions, inlet);
        }
    }
    println!("{count} conversations");
    assert_ne!(count, 0, "nothing was held");
}

/// An adapter may go on to read after a failure: without memory it hears of that failure again, and
/// not of another.
#[test]
fn room_after_a_failure_is_refused_with_that_failure() {
    let mut session = Session::server(&Config::default());
    session.push(b"\x81\0");
    assert_eq!(session.step(), Err(ProtocolError::MaskMissing));
    session.release();
    let (refused, _) = failing(Failing::From(1), || {
        session.spare_mut().map(|room| room.len())
    });
    assert_eq!(refused, Err(ProtocolError::MaskMissing));
}

/// Its drivers keep what they receive and what they answer: where there is no memory for either,
/// that is an error, or there is no answer and only the connection to be closed.
#[test]
fn the_drivers_of_the_opening_handshake_end_softly() {
    let uri = Uri::parse("ws://example.com/chat").unwrap();
    let offer = Offer::to(&uri).protocols(&["chat", "other"]).unwrap();
    let requests: [&[u8]; 3] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"nonsense\r\n\r\n",
    ];
    let (mut ended, mut failures) = (0, 0);
    for request in requests {
        for nth in 1..8 {
            for which in [Failing::Only(nth), Failing::From(nth)] {
                let config = Config::default();
                let mut connecting = Connecting::new(&offer, &config, *ENTROPY);
                let mut accepting = Accepting::new(&config);
                let request = match request {
                    [] => connecting.unsent().to_vec(),
                    request => request.to_vec(),
                };
                let (opened, failed) = failing(which, || {
                    handshake(&mut connecting, &mut accepting, &request)
                });
                assert!(opened.is_some() || failed > 0);
                failures += failed;
                ended += usize::from(opened.is_none());
            }
        }
    }
    assert!(ended >= 6 && failures >= 6, "{ended} {failures}");
}

/// There is no memory to say what is wrong with a request: then nothing is said, and it is over.
#[test]
fn a_refusal_that_cannot_be_had_is_the_end() {
    let mut accepting = Accepting::new(&Config::default());
    accepting.push(b"nonsense\r\n\r\n").unwrap();
    let (over, failed) = failing(Failing::From(1), || {
        matches!(accepting.step(), AcceptStep::Over(Some(_)))
    });
    assert!(over && failed > 0);
    assert_eq!(accepting.unsent(), b"");
    assert!(matches!(accepting.step(), AcceptStep::Over(_)));
}

const ENTROPY: &[u8; 48] = b"the sample nonce and 32 bytes for the masking ke";

/// The status that the client is told; `None` if there was no memory on the way.
fn handshake(
    connecting: &mut Connecting,
    accepting: &mut Accepting,
    request: &[u8],
) -> Option<u16> {
    let (first, rest) = request.split_at(10);
    let spare = accepting.spare_mut().ok()?;
    spare[..first.len()].copy_from_slice(first);
    accepting.filled(first.len());
    accepting.push(rest).ok()?;
    loop {
        match accepting.step() {
            AcceptStep::Request(asked) => match asked.request().accept() {
                Ok(accept) => asked.accept(accept.protocol("chat").unwrap_or(accept)),
                Err(error) => asked.refuse(error),
            },
            AcceptStep::NeedWrite => {
                connecting.push(accepting.unsent()).ok()?;
                accepting.sent(usize::MAX);
            }
            AcceptStep::NeedData => unreachable!("it was given all of it"),
            AcceptStep::Open(_) | AcceptStep::Over(_) => break,
        }
    }
    match connecting.step().ok()? {
        ConnectStep::Open(_, response) | ConnectStep::Refused(response) => Some(response.status()),
        _ => None,
    }
}

/// The opening handshake asks for no memory at all, so that none can fail it.
#[test]
fn the_opening_handshake_allocates_nothing() {
    let (limits, key) = (Limits::default(), Key::new(*b"the sample nonce"));
    let (mut request, mut answer) = ([0; 512], [0; 512]);
    let (opened, failed) = failing(Failing::From(1), || {
        let offer = Offer::new("example.com", "/chat")
            .ok()?
            .protocols(&["chat"])
            .ok()?;
        let len = offer.encode(&key, &mut request).ok()?;
        let (asked, _) =
            Request::parse_prefix(&mut Scan::new(), &request[..len], &limits).ok()??;
        let accept = asked.accept().ok()?.protocol("chat").ok()?;
        let len = accept.encode(&mut answer).ok()?;
        let verified = offer.verify(&key, &mut Scan::new(), &answer[..len], &limits);
        verified.ok()?.map(|(response, _)| response.status())
    });
    assert_eq!((opened, failed), (Some(101), 0));
}

/// zlib is asked for what it takes before it takes it: whatever there is, it is an error or enough.
#[cfg(feature = "deflate")]
#[test]
fn a_context_that_cannot_be_had_is_an_error() {
    let text = "to be compressed, ".repeat(20);
    let wire = deflated(support::End::Server, &[&text]);
    let (mut had, mut lacked) = (0, 0);
    for bits in 9..=15 {
        for memory in 1..=9 {
            let mut settings = settings();
            settings.memory = memory;
            let takes = (4 << bits) + (7 << (memory + 6)) + (128 << 10);
            for largest in (takes..takes + (16 << 10)).step_by(64) {
                let session = Session::server(&Limits::DEFAULT.into());
                let mut session = session.compressed(&settings, &agreed(bits));
                match short_of_memory(largest, || session.send(&text)) {
                    Ok(()) => had += 1,
                    Err(error) => {
                        assert_eq!(error, SendError::OutOfMemory);
                        lacked += 1;
                    }
                }
            }
        }
    }
    for largest in (32 << 10..64 << 10).step_by(64) {
        let session = Session::server(&Limits::DEFAULT.into());
        let mut session = session.compressed(&settings(), &agreed(12));
        session.push(&wire);
        match short_of_memory(largest, || session.ready()) {
            Ok(_) => had += 1,
            Err(error) => {
                assert_eq!(error, ProtocolError::OutOfMemory);
                lacked += 1;
            }
        }
    }
    assert!(had > 0 && lacked > 0, "{had} {lacked}");
}

/// Its beginning cannot be taken back, and what the context has seen cannot be said again.
#[cfg(feature = "deflate")]
#[test]
fn a_fragment_that_cannot_be_queued_fails_a_connection_that_compresses() {
    let session = Session::server(&Limits::DEFAULT.into());
    let mut session = session.compressed(&settings(), &agreed(15));
    let (_, outgoing) = session.halves();
    outgoing
        .send_part(Kind::Text, &[b'a'; 2000], Part::More)
        .unwrap();
    let lost = short_of_memory(0, || {
        outgoing.send_part(Kind::Text, &[b'b'; 1 << 19], Part::Last)
    });
    assert_eq!(lost, Err(SendError::OutOfMemory));
    let next = outgoing.send_part(Kind::Text, b"c", Part::Last);
    assert_eq!(next, Err(SendError::Closed));
}

/// Who could not be asked has not failed to answer.
#[test]
fn a_keepalive_ping_that_cannot_be_had_is_asked_for_again() {
    let at = |secs| Instant::from_epoch(Duration::from_secs(secs));
    let until = |secs| Verdict::Alive {
        wake: Some(at(secs)),
    };
    let mut session = Session::server(&Limits::DEFAULT.into());
    assert_eq!(session.check(at(0)), until(20));
    let (verdict, failed) = failing(Failing::From(1), || session.check(at(20)));
    assert_eq!((verdict, failed), (until(40), 1), "an interval later");
    assert_eq!(session.unsent(), []);
    assert_eq!(session.check(at(40)), until(40), "there is memory again");
    assert_eq!(session.unsent(), [0x89, 0]);
    session.sent(2);
    assert_eq!(session.check(at(41)), until(60));
    assert_eq!(session.check(at(60)), until(61));
    assert_eq!(session.check(at(61)), Verdict::LastCall);
    assert_eq!(session.check(at(61)), Verdict::Dead(TimedOut::Pong));
}
