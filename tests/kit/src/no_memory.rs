//! The circumstance *no memory*: each allocation of a conversation fails once, by itself and with all
//! that come after it. What comes of it is the same, or one error that says why not; nothing is half
//! sent, nothing is given twice, and nothing leaks.
//!
//! The test binary's allocator has to be [`Counting`](crate::counting::Counting).

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use ws_proto::{
    Instant, Limits, ProtocolError, Role, SendError, Shutdown, State, TimedOut, Verdict,
};

use crate::converse::converse;
use crate::counting::{Failing, Shortage, usage};
use crate::engine::{Engine, Got, Setup};
use crate::run::Endpoint;
use crate::script::Action;
use crate::session::{Driven, Inlet};
use crate::settled::Settled;

/// Asserts that a session that gets its bytes through `inlet` ends softly, whichever allocation of
/// the conversation fails. Returns how many conversations that were.
///
/// What is compressed takes two contexts, which zlib makes in no way that can fail: each is asked
/// for just before, and so only an allocation that fails in between ends the thread.
///
/// # Panics
///
/// If it does not, with the conversation in `name`.
pub fn assert_ends_softly(name: &str, setup: &Setup, actions: &[Action], inlet: Inlet) -> usize {
    let (whole, _) = live(setup, actions, inlet, Failing::Never).expect("nothing fails");
    let mut contexts = if setup.deflate.is_some() { 2 } else { 0 };
    let mut conversations = 0;
    let mut at = 0;
    loop {
        // Of the first hundred allocations each; of more, which are ever more of the same, a sample.
        at += 1 + at / 100 * 5;
        for which in [Failing::Only(at), Failing::From(at)] {
            conversations += 1;
            let (failed, usage) = usage(|| {
                let (fate, failed) = live(setup, actions, inlet, which)?;
                let what = fate.wrong(&whole, failed);
                assert_eq!(what, None, "{name}, {inlet:?}, {which:?}: {fate:?}");
                Some(failed)
            });
            match failed {
                Some(0) => return conversations,
                Some(_) => assert_eq!(usage.kept, 0, "{name}, {inlet:?}, {which:?}: a leak"),
                None => {
                    assert_ne!(contexts, 0, "{name}, {inlet:?}, {which:?}: a panic");
                    contexts -= 1;
                    // With no memory at all, the same panic would end the program.
                    break;
                }
            }
        }
    }
}

/// What came of a conversation.
#[derive(Debug)]
struct Fate {
    /// What was received, without the error.
    got: Vec<Got>,
    error: Option<ProtocolError>,
    /// What the peer has heard, but for Pings of ours: one that is due is left out without memory.
    heard: Vec<Got>,
    /// The commands that were refused.
    refused: Vec<String>,
    /// As what the peer was given up.
    dead: Option<TimedOut>,
}

/// Holds a conversation in which `which` allocations fail; also how many did. `None` if that ended
/// the thread.
fn live(setup: &Setup, actions: &[Action], inlet: Inlet, which: Failing) -> Option<(Fate, usize)> {
    let mut engine = Scarce {
        driven: Driven::new(setup, inlet),
        shortage: Shortage::new(which),
    };
    let (mut got, mut out, mut refused, mut dead) = (Vec::new(), Vec::new(), Vec::new(), None);
    let conversation = AssertUnwindSafe(|| {
        let mut endpoint = Settled::new(&mut engine);
        for action in actions {
            endpoint.act(action, &[]);
            got.extend(core::iter::from_fn(|| endpoint.got()));
            out.extend(endpoint.out(usize::MAX));
            refused.extend(endpoint.refused());
            dead = dead.or_else(|| endpoint.dead());
        }
    });
    catch_unwind(conversation).ok()?;
    let Scarce { driven, shortage } = &mut engine;
    // There is memory again: what was received is given, what was queued leaves, and no more.
    driven.receive(&[], &mut got);
    out.extend(driven.transmit());
    let mut error = match got.last() {
        Some(Got::Error(error)) => Some(*error),
        _ => None,
    };
    got.truncate(got.len() - usize::from(error.is_some()));
    if let State::Failed(failed) = driven.state() {
        assert_eq!(*error.get_or_insert(failed), failed, "an error is final");
        assert_eq!(driven.session().ready(), Err(failed), "an error is final");
    }
    let peer = Setup {
        role: match setup.role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        },
        deflate: setup.deflate,
        ..Setup::new(setup.role)
    };
    let peer = unlimited(peer);
    let mut heard = converse(
        &mut Driven::new(&peer, Inlet::Pushed),
        peer.role,
        [&out[..]],
    )
    .got;
    heard.retain(|heard| *heard != Got::Ping(Vec::new()));
    let fate = Fate {
        got,
        error,
        heard,
        refused,
        dead,
    };
    Some((fate, shortage.failed()))
}

/// A peer that hears whatever is said.
fn unlimited(mut setup: Setup) -> Setup {
    let mut limits = Limits::DEFAULT;
    limits.max_message = u64::MAX;
    limits.max_unsent = usize::MAX;
    setup.limits = limits;
    setup
}

impl Fate {
    /// Why it may not end so, if it should have ended as `whole` did.
    fn wrong(&self, whole: &Self, failed: usize) -> Option<&'static str> {
        let is_message = |got: &&Got| matches!(got, Got::Text(_) | Got::Binary(_));
        let messages = |got: &[Got]| got.iter().filter(is_message).cloned().collect::<Vec<_>>();
        // Whom nobody could ask is not given up; who does not close after a failure is.
        let failure = self.error != whole.error && self.dead == Some(TimedOut::Close);
        if self.dead != whole.dead && self.dead.is_some() && !failure {
            return Some("given up otherwise");
        }
        if failed == 0 && (self.error, self.dead) != (whole.error, whole.dead) {
            return Some("ended otherwise");
        }
        if self.error == whole.error {
            // An error is told only if there is memory for the Close.
            let untold = self.error.is_some() && self.heard.len() < whole.heard.len();
            let heard = if untold {
                self.heard.len()
            } else {
                whole.heard.len()
            };
            return if self.got != whole.got {
                Some("received otherwise")
            } else if self.heard != whole.heard[..heard] {
                Some("sent otherwise")
            } else if self.refused != whole.refused {
                Some("refused otherwise")
            } else {
                None
            };
        }
        if self.error != Some(ProtocolError::OutOfMemory) {
            Some("another error")
        } else if !whole.got.starts_with(&self.got) {
            Some("received out of order")
        } else if !messages(&whole.heard).starts_with(&messages(&self.heard)) {
            Some("sent out of order")
        } else if !(self.heard.iter()).all(|heard| whole.may_say(heard)) {
            Some("sent what nobody said")
        } else {
            None
        }
    }
}

impl Fate {
    /// Whether one that fails for want of memory may have said that: what it has said otherwise, an
    /// answer to a Ping that was to be followed by that to the next, or that it fails.
    fn may_say(&self, said: &Got) -> bool {
        let answers = match said {
            Got::Pong(payload) => self.got.contains(&Got::Ping(payload.clone())),
            Got::Close(Some((1011, reason))) => reason == "out of memory",
            _ => false,
        };
        answers || self.heard.contains(said)
    }
}

/// A session that works where memory is scarce, in the hands of those who have enough.
struct Scarce {
    driven: Driven,
    shortage: Shortage,
}

impl Engine for Scarce {
    fn receive(&mut self, bytes: &[u8], got: &mut Vec<Got>) {
        self.shortage.during(|| self.driven.receive(bytes, got));
    }

    fn eof(&mut self, got: &mut Vec<Got>) {
        self.shortage.during(|| self.driven.eof(got));
    }

    fn send(&mut self, action: &Action) -> Result<(), SendError> {
        self.shortage.during(|| self.driven.send(action))
    }

    fn check(&mut self, now: Instant) -> Verdict {
        self.shortage.during(|| self.driven.check(now))
    }

    fn transmit(&mut self) -> Vec<u8> {
        self.shortage.during(|| self.driven.transmit())
    }

    fn compresses(&self) -> bool {
        self.driven.compresses()
    }

    fn shutdown(&self) -> Shutdown {
        self.driven.shutdown()
    }

    fn state(&self) -> State {
        self.driven.state()
    }
}
