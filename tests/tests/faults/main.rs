//! Whatever goes wrong with a call on a socket, at whichever call of whichever conversation: it goes on
//! as if nothing had happened, or ends with one error that says what went wrong, and nothing after it.
//!
//! The conversations are those of `transcripts/`, which an open connection of either adapter holds; those of `hostile/`,
//! which our server and our client hold from the opening handshake on; and some in which the
//! application sends in every way there is.

#[path = "../../../ws-std/tests/common/mod.rs"]
mod common;
#[path = "../../../ws-std/tests/common/faulty.rs"]
mod faulty;
mod hostile;
mod regressions;
mod sending;

mod transcripts;
mod transcripts_tokio;

use std::io::ErrorKind;
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ws_std::{CloseCode, Error, MessageBuf, Reader, Timeouts, Writer};
use ws_testkit::faults::{Call, Fails, Fault, Plan};
use ws_testkit::{CLOSE, Frame, PONG, Pipe};

/// A conversation that can be held again and again.
trait Talk: Sync {
    /// What a failure is told with.
    fn name(&self) -> String;

    /// Holds it on a socket of which calls fail.
    fn hold(&self, plan: Plan) -> Held;

    /// Whether our last word waits for the peer to take it. That of a connection that is dropped does
    /// not.
    fn last_word_waits(&self) -> bool;

    /// Whether its messages leave with what comes after them, and the peer's Close may come first.
    fn answers_in_batches(&self) -> bool {
        false
    }

    /// Whether time passes in it: what has to wait then happens at another.
    fn is_timed(&self) -> bool {
        false
    }
}

/// What came of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    /// What our side received, and could not send, in order.
    seen: Vec<String>,
    /// The number of messages and pieces that our side sent.
    sent: usize,
    end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// The connection was never opened, and nobody is there who could be told.
    Unopened,
    Done,
    /// With an error, as `Debug` writes it.
    Failed(String),
}

impl Default for Told {
    fn default() -> Self {
        Self {
            seen: Vec::new(),
            sent: 0,
            end: End::Unopened,
        }
    }
}

/// Where the clock is the system's: nothing happens because a machine is slow.
fn unhurried() -> Timeouts {
    let mut timeouts = Timeouts::DEFAULT;
    timeouts.ping_interval = None;
    timeouts.close_timeout = HOUR;
    timeouts
}

const HOUR: Duration = Duration::from_secs(3600);

/// What came of it on both sides, and the calls that failed.
struct Held {
    told: Told,
    /// The bytes that the peer received, made comparable.
    bytes: Vec<u8>,
    failed: Vec<Call>,
}

impl Held {
    fn new(told: Told, pipe: &Pipe, plan: &Plan) -> Self {
        pipe.settle();
        Self {
            told,
            bytes: plain(&pipe.written()),
            failed: plan.failed(),
        }
    }
}

impl Told {
    fn message(&mut self, message: &MessageBuf) {
        let bytes = message.as_message().as_bytes().to_vec();
        let summands = bytes
            .iter()
            .zip(1..)
            .map(|(byte, at)| u64::from(*byte) * at);
        let sum: u64 = summands.sum();
        self.seen.push(format!("{} bytes, {sum:x}", bytes.len()));
    }

    /// Notes what came of a call that sends; what ended the connection is returned.
    fn sent(&mut self, sent: Result<(), Error>) -> Option<Error> {
        match sent {
            Ok(()) => self.sent += 1,
            Err(Error::Send(error)) => self.seen.push(format!("refused: {error:?}")),
            Err(error) => return Some(error),
        }
        None
    }

    /// Notes how our part ended. If it failed, everybody is told the same from then on.
    fn ended(&mut self, ending: &mut impl Ending, result: Result<(), Error>) {
        let Err(error) = result else {
            self.end = End::Done;
            return;
        };
        let error = format!("{error:?}");
        // What had arrived before is still received, the peer's Close among it.
        let mut end = loop {
            match ending.receive() {
                Ok(Some(message)) => self.message(&message),
                Ok(None) => {
                    self.closed(ending.peer_close());
                    break Ok(());
                }
                Err(again) => break Err(again),
            }
        };
        let is_over = end.is_ok() || error.starts_with("Protocol");
        for _ in 0..3 {
            if let Err(again) = &end {
                assert_eq!(format!("{again:?}"), error, "received after it");
            }
            let again = ending.receive();
            assert_eq!(again.is_err(), end.is_err(), "received after {error}");
            assert!(!matches!(again, Ok(Some(_))), "a message after {error}");
            end = again.map(drop);
            let sent = ending.send_more().expect_err("sent after it");
            let sent = format!("{sent:?}");
            let tells = sent == error || is_over && sent == "Send(Closed)";
            assert!(tells, "{sent} after {error}");
        }
        self.end = End::Failed(error);
    }

    fn closed(&mut self, by_peer: Option<(CloseCode, String)>) {
        self.seen.push(format!("closed: {by_peer:?}"));
    }
}

/// What is left of a connection that has ended.
trait Ending {
    fn receive(&mut self) -> Result<Option<MessageBuf>, Error>;

    fn send_more(&mut self) -> Result<(), Error>;

    fn peer_close(&self) -> Option<(CloseCode, String)>;
}

impl Ending for (Reader, Writer) {
    fn receive(&mut self) -> Result<Option<MessageBuf>, Error> {
        self.0.recv_owned()
    }

    fn send_more(&mut self) -> Result<(), Error> {
        self.1.send("more")
    }

    fn peer_close(&self) -> Option<(CloseCode, String)> {
        self.0.peer_close()
    }
}

/// Holds all conversations with a fault at each of the calls it applies to, `times` in a row.
fn at_every_call(fault: Fault, times: usize) {
    let runs = AtomicUsize::new(0);
    let blocks = fault == Fault::Error(ErrorKind::WouldBlock);
    for_each_talk(|talk| {
        if blocks && talk.is_timed() {
            return;
        }
        let whole = talk.hold(Plan::none());
        for first in 0.. {
            let held = talk.hold(Plan::new(fault, Fails::From { first, times }));
            if held.failed.is_empty() {
                break;
            }
            let what = format!("{}: {fault:?} x {times} from call {first}", talk.name());
            judge(talk, &whole, &held, fault, &what);
            runs.fetch_add(1, Ordering::Relaxed);
        }
    });
    println!("{fault:?} x {times}: {} runs", runs.into_inner());
}

/// Holds all conversations with a fault at many calls of each.
fn throughout(fault: Fault, fails: Fails) {
    for_each_talk(|talk| {
        let whole = talk.hold(Plan::none());
        let held = talk.hold(Plan::new(fault, fails));
        let what = format!("{}: {fault:?}, {fails:?}", talk.name());
        judge(talk, &whole, &held, fault, &what);
    });
}

/// Has all conversations judged, some at a time.
fn for_each_talk(judge: impl Fn(&dyn Talk) + Sync) {
    count_panics();
    let mut talks = sending::all();
    talks.extend(transcripts::all());
    talks.extend(transcripts_tokio::all());
    talks.extend(hostile::all());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(talk) = talks.get(next.fetch_add(1, Ordering::Relaxed)) {
            judge(&**talk);
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    let panics = PANICS.load(Ordering::SeqCst);
    assert_eq!(panics, 0, "a thread that nobody waits for panicked");
}

/// The same as ever, or one error, of the kind that the fault is, and nothing after it.
fn judge(talk: &dyn Talk, whole: &Held, held: &Held, fault: Fault, what: &str) {
    let Held { told, failed, .. } = held;
    let (mut whole_bytes, mut bytes) = (whole.bytes.clone(), held.bytes.clone());
    if fault == Fault::Short {
        // Of Pings that come together not every one is answered.
        whole_bytes = without_pongs(&whole_bytes);
        bytes = without_pongs(&bytes);
    }
    assert!(
        whole.told.seen.starts_with(&told.seen),
        "{what}: received {:?}, not the first of {:?}",
        told.seen,
        whole.told.seen
    );
    assert!(
        whole_bytes.starts_with(&bytes),
        "{what}: {} bytes reached the peer, not the first of {}",
        bytes.len(),
        whole_bytes.len()
    );
    if let End::Failed(error) = &told.end
        && *told != whole.told
    {
        assert!(
            fault.is_told_by(error, failed),
            "{what}: {told:?}, not {:?}",
            whole.told
        );
        return;
    }
    let blocked = fault == Fault::Error(ErrorKind::WouldBlock);
    if fault.is_survived(failed) && (talk.last_word_waits() || !blocked) {
        assert_eq!(*told, whole.told, "{what}");
        assert_eq!(bytes.len(), whole_bytes.len(), "{what}");
    } else if told.end != End::Unopened {
        // Our last word may be lost, when everything was said: a Close, and a Pong before it. So may
        // all that had not left when the peer broke the rules, and answers that were to leave with
        // that word.
        assert_eq!(*told, whole.told, "{what}");
        let has_broken = matches!(&told.end, End::Failed(error) if error.starts_with("Protocol"));
        let may_lack = has_broken || talk.answers_in_batches();
        let lacks = lacks_more_than_control(&whole_bytes, bytes.len());
        assert!(may_lack || !lacks, "{what}: the peer lacks more");
    }
}

/// Whether a head or a message is among what comes after the first `len` bytes.
fn lacks_more_than_control(plain: &[u8], len: usize) -> bool {
    let mut at = head_len(plain);
    let mut lacks = len < at;
    while let Some((frame, next)) = Frame::decode(&plain[at..]) {
        at += next;
        lacks |= len < at && frame.opcode() < CLOSE;
    }
    lacks
}

fn without_pongs(plain: &[u8]) -> Vec<u8> {
    let (mut at, mut kept) = (head_len(plain), plain[..head_len(plain)].to_vec());
    while let Some((frame, len)) = Frame::decode(&plain[at..]) {
        if frame.opcode() != PONG {
            kept.extend(&plain[at..at + len]);
        }
        at += len;
    }
    kept.extend(&plain[at..]);
    kept
}

/// The bytes received, made comparable: payloads unmasked, keys and what else differs from run to run
/// blank. Of a masked frame that is cut nothing is kept.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let head = head_len(bytes);
    let mut plain = bytes[..head].to_vec();
    for name in [&b"Sec-WebSocket-Key: "[..], b"Date: "] {
        let mut lines = plain.windows(name.len());
        if let Some(at) = lines.position(|line| line == name) {
            let value = plain[at + name.len()..].iter_mut();
            value
                .take_while(|byte| **byte != b'\r')
                .for_each(|byte| *byte = b'?');
        }
    }
    let mut rest = &bytes[head..];
    while let Some((frame, len)) = Frame::decode(rest) {
        plain.extend(
            Frame {
                mask: None,
                ..frame
            }
            .encode(),
        );
        rest = &rest[len..];
    }
    let is_masked = rest.get(1).is_none_or(|second| second & 0x80 != 0);
    if !is_masked {
        plain.extend(rest);
    }
    plain
}

/// The length of the head, if there is one, or of the answer that is not an upgrade.
fn head_len(bytes: &[u8]) -> usize {
    // No frame begins like that.
    if !bytes.starts_with(b"G") && !bytes.starts_with(b"H") {
        return 0;
    }
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    match end {
        Some(at) if bytes.starts_with(b"G") || bytes.starts_with(b"HTTP/1.1 101") => at + 4,
        _ => bytes.len(),
    }
}

/// Threads that nobody waits for may panic, too.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name() == Some("ws-pump") {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            hook(info);
        }));
    });
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
