//! Every fault, at every call of every conversation.

use std::io::ErrorKind;

use super::*;

/// Holds all conversations with a fault at each of the calls it applies to, `times` in a row.
fn at_every_call(fault: Fault, times: usize) {
    let (stage, mut runs) = (Stage::new(), 0);
    for talk in talks::all() {
        let expected = stage.expected(&talk);
        for first in 0.. {
            let plan = Plan::new(fault, Fails::From { first, times });
            let (outcome, plan) = stage.run(&talk, plan, Clock::system());
            if plan.failed().is_empty() {
                assert!(first > 1, "{}: so few calls", talk.name);
                break;
            }
            let what = format!("{}: {fault:?} x {times} from call {first}", talk.name);
            judge(&talk, (&expected, &outcome), fault, &plan.failed(), &what);
            runs += 1;
        }
    }
    println!("{fault:?} x {times}: {runs} runs");
}

/// Holds all conversations with a fault at many calls of each.
fn throughout(fault: Fault, fails: Fails) {
    let stage = Stage::new();
    for talk in talks::all() {
        let expected = stage.expected(&talk);
        let (outcome, plan) = stage.run(&talk, Plan::new(fault, fails), Clock::system());
        let what = format!("{}: {fault:?}, {fails:?}", talk.name);
        assert!(!plan.failed().is_empty(), "{what}");
        judge(&talk, (&expected, &outcome), fault, &plan.failed(), &what);
    }
}

impl Stage {
    /// The outcome of a conversation in which nothing goes wrong.
    fn expected(&self, talk: &Talk) -> Outcome {
        let (outcome, _) = self.run(talk, Plan::none(), Clock::system());
        let end = &outcome.told.end;
        let as_it_should = match talk.fails {
            None => matches!(end, End::Done | End::Unopened),
            Some(error) => *end == End::Failed(error.into()),
        };
        assert!(as_it_should, "{}: {end:?}", talk.name);
        outcome
    }
}

/// The same as ever, or one error, of the kind that the fault is, and nothing after it.
fn judge(
    talk: &Talk,
    (expected, outcome): (&Outcome, &Outcome),
    fault: Fault,
    failed: &[Call],
    what: &str,
) {
    let Outcome { told, bytes } = outcome;
    assert!(
        expected.told.seen.starts_with(&told.seen),
        "{what}: received {:?}",
        told.seen
    );
    assert!(
        expected.bytes.starts_with(bytes),
        "{what}: {} bytes reached the peer, not the first of {}",
        bytes.len(),
        expected.bytes.len()
    );
    if let End::Failed(error) = &told.end
        && told != &expected.told
    {
        assert!(tells(error, fault, failed), "{what}: told {error}");
        return;
    }
    // A client that is dropped does not wait to say so.
    let waits = talk.side != Side::Dialled || fault != Fault::Error(ErrorKind::WouldBlock);
    if is_survived(fault, failed) && waits {
        assert_eq!(told, &expected.told, "{what}");
        assert_eq!(bytes.len(), expected.bytes.len(), "{what}");
    } else if told.end != End::Unopened {
        // Our last word may be lost, when everything was said.
        assert_eq!(told, &expected.told, "{what}");
        let last = peer::last_frame(&expected.bytes);
        assert!(bytes.len() >= last, "{what}: the peer lacks more");
    }
}

/// Whether a conversation goes on as if nothing had happened.
fn is_survived(fault: Fault, failed: &[Call]) -> bool {
    match fault {
        Fault::Short | Fault::Error(ErrorKind::Interrupted) => true,
        Fault::Error(ErrorKind::WouldBlock) => !failed.contains(&Call::Write),
        Fault::Zero | Fault::Lie | Fault::Error(_) => false,
    }
}

/// Whether an error says what went wrong.
fn tells(error: &str, fault: Fault, failed: &[Call]) -> bool {
    let read = failed.contains(&Call::Read);
    let wrote = failed.contains(&Call::Write) || failed.contains(&Call::WriteAtOnce);
    if is_survived(fault, failed) {
        return false;
    }
    match fault {
        Fault::Error(ErrorKind::WouldBlock) => {
            ["TimedOut(Pong)", "TimedOut(Close)"].contains(&error)
        }
        Fault::Zero => match error {
            "Protocol(UnexpectedEof)" | "Io(Kind(UnexpectedEof))" => read,
            _ => wrote && error == "Io(Kind(WriteZero))",
        },
        Fault::Lie => error == "Io(Kind(InvalidData))",
        Fault::Error(kind) => error == format!("Io(Kind({kind:?}))"),
        Fault::Short => false,
    }
}

#[test]
fn calls_that_move_one_byte_change_nothing() {
    at_every_call(Fault::Short, 1);
    throughout(Fault::Short, Fails::EveryOther);
    throughout(Fault::Short, Fails::All);
}

#[test]
fn interrupted_calls_are_made_again() {
    let interrupted = Fault::Error(ErrorKind::Interrupted);
    at_every_call(interrupted, 1);
    at_every_call(interrupted, 3);
    throughout(interrupted, Fails::EveryOther);
}

#[test]
fn calls_that_wait_in_vain_lose_nothing() {
    let blocked = Fault::Error(ErrorKind::WouldBlock);
    at_every_call(blocked, 1);
    at_every_call(blocked, 3);
}

#[test]
fn calls_that_fail_are_told_once() {
    for kind in [
        ErrorKind::ConnectionReset,
        ErrorKind::BrokenPipe,
        ErrorKind::TimedOut,
        ErrorKind::WriteZero,
    ] {
        at_every_call(Fault::Error(kind), 1);
    }
}

#[test]
fn calls_that_fail_for_good_are_told_once() {
    at_every_call(Fault::Error(ErrorKind::ConnectionReset), usize::MAX);
}

#[test]
fn calls_that_move_nothing_end_the_stream() {
    at_every_call(Fault::Zero, 1);
    at_every_call(Fault::Zero, usize::MAX);
}

#[test]
fn calls_that_lie_about_lengths_are_not_believed() {
    at_every_call(Fault::Lie, 1);
    at_every_call(Fault::Lie, usize::MAX);
}

#[test]
fn a_peer_that_stalls_for_good_is_given_up() {
    let (stage, blocked) = (Stage::new(), Fault::Error(ErrorKind::WouldBlock));
    let (mut runs, mut given_up) = (0, 0);
    for talk in talks::all() {
        if !matches!(talk.side, Side::Accepted | Side::Dialled) {
            // The handshake has a deadline of its own.
            continue;
        }
        let expected = stage.expected(&talk);
        for first in 0.. {
            let times = usize::MAX;
            let clock = Clock::manual();
            let plan = Plan::new(blocked, Fails::From { first, times }).on(&clock);
            let (outcome, plan) = stage.run(&talk, plan, clock);
            if plan.failed().is_empty() {
                break;
            }
            runs += 1;
            let told = &outcome.told;
            assert!(expected.told.seen.starts_with(&told.seen), "{told:?}");
            assert!(expected.bytes.starts_with(&outcome.bytes), "{told:?}");
            match &told.end {
                End::Failed(error) => {
                    let silent = ["TimedOut(Pong)", "TimedOut(Close)"];
                    assert!(silent.contains(&error.as_str()), "{}: {error}", talk.name);
                    given_up += 1;
                }
                // It had said everything.
                _ => assert_eq!(told, &expected.told, "{}", talk.name),
            }
        }
    }
    println!("stalled for good: {runs} runs, {given_up} given up");
    assert!(given_up > 0);
}
