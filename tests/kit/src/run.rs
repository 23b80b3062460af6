//! Has an endpoint hold a conversation, and compares it with the script, step by step.

use core::fmt::{self, Debug};
use std::collections::VecDeque;

use ws_proto::{Instant, Shutdown, State, TimedOut, Verdict};

use crate::engine::{Engine, Got};
use crate::script::{Action, Expected, Script, Step};
use crate::settled::Settled;

/// Where a conversation went another way than its script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The file of the table.
    pub file: String,
    /// The number of the line.
    pub line: usize,
    /// What differs.
    pub what: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// What can hold a conversation: an engine, or an adapter at one end of a socket.
pub trait Endpoint {
    /// Lets the peer, the application or the clock do it. `then` has to come of it.
    fn act(&mut self, action: &Action, then: &[&Expected]);

    /// What it has shown, and nobody has asked for.
    fn shown(&mut self) -> &mut Shown;

    /// The next thing that is received, if there is one.
    fn got(&mut self) -> Option<Got> {
        self.shown().got.pop_front()
    }

    /// The next `len` bytes that are written, or fewer if there are no more.
    fn out(&mut self, len: usize) -> Vec<u8>;

    /// With what the last command was refused, as `Debug` writes it.
    fn refused(&mut self) -> Option<String> {
        self.shown().refused.take()
    }

    /// As what the peer was given up.
    fn dead(&mut self) -> Option<TimedOut> {
        self.shown().dead.take()
    }

    /// What has come of the last action, and was not asked for.
    fn left(&mut self) -> Option<&dyn Debug> {
        self.shown().left()
    }

    /// Whether it shows what is expected. It need not show what it deals with by itself, nor where
    /// the connection stands.
    fn shows(&self, expected: &Expected) -> bool {
        expected.is_shown_by_adapters()
    }

    /// When to close the TCP connection, if it shows that.
    fn shutdown(&self) -> Option<Shutdown> {
        None
    }

    /// Where the connection stands, if it shows that.
    fn state(&self) -> Option<State> {
        None
    }

    /// What it last said of the clock, if it shows that.
    fn wake(&self) -> Option<Verdict> {
        None
    }
}

/// What an endpoint has shown and nobody has asked for: what it sends is elsewhere.
#[derive(Debug, Default)]
pub struct Shown {
    /// What was received, in order.
    pub got: VecDeque<Got>,
    /// With what the last command was refused, as `Debug` writes it.
    pub refused: Option<String>,
    /// As what the peer was given up.
    pub dead: Option<TimedOut>,
}

impl Shown {
    /// The first of it.
    #[must_use]
    pub fn left(&self) -> Option<&dyn Debug> {
        match self {
            Self { got, .. } if !got.is_empty() => got.front().map(|got| got as &dyn Debug),
            Self {
                refused: Some(refused),
                ..
            } => Some(refused),
            Self {
                dead: Some(dead), ..
            } => Some(dead),
            _ => None,
        }
    }
}

/// Has `hold` hold all of `scripts`, and tells of all that went another way at once.
///
/// # Panics
///
/// If one did, or if there is none.
pub fn assert_all_held<'s>(
    scripts: impl IntoIterator<Item = &'s Script>,
    hold: impl Fn(&Script) -> Result<(), Mismatch>,
) {
    let (mut count, mut mismatches) = (0, Vec::new());
    for script in scripts {
        count += 1;
        mismatches.extend(hold(script).err().map(|mismatch| mismatch.to_string()));
    }
    assert!(count > 0, "nothing to hold");
    assert!(
        mismatches.is_empty(),
        "{} of {count}:\n{}",
        mismatches.len(),
        mismatches.join("\n")
    );
}

/// Has `hold` hold conversations that are wrong, and tells of those in which it does not notice that
/// in the right line. Each is the rest of one in which a server has received "Hello" in the second.
///
/// # Panics
///
/// If there is one.
pub fn assert_noticed(wrong: &[(&str, usize)], hold: impl Fn(&Script) -> Result<(), Mismatch>) {
    for (rest, line) in wrong {
        let text = format!("case it server\nin frame text \"Hello\"\n{rest}");
        let scripts = Script::parse("wrong", &text).unwrap_or_else(|what| panic!("{what}"));
        for script in scripts {
            match hold(&script) {
                Ok(()) => panic!("{rest}: nothing is noticed"),
                Err(found) => assert_eq!((&*found.file, found.line), ("wrong", *line), "{rest}"),
            }
        }
    }
}

/// Has `engine` hold the conversation `script`, as [`play`] has an endpoint.
///
/// # Errors
///
/// The first step that is not as the script says.
pub fn run(script: &Script, engine: &mut dyn Engine) -> Result<(), Mismatch> {
    play(script, &mut Settled::new(engine))
}

/// Has `endpoint` hold the conversation `script`: whatever comes of an action has to be stated
/// after it, in order, and nothing else may come.
///
/// # Errors
///
/// The first step that is not as the script says.
pub fn play(script: &Script, endpoint: &mut dyn Endpoint) -> Result<(), Mismatch> {
    let mut last = 1;
    let mut lines = &script.lines[..];
    while let Some((line, rest)) = lines.split_first() {
        lines = rest;
        match &line.step {
            Step::Do(action) => {
                nothing_left(endpoint).map_err(|what| script.mismatch(last, what))?;
                let then = rest.iter().map_while(|line| match &line.step {
                    Step::Expect(expected) => Some(expected),
                    Step::Do(_) => None,
                });
                endpoint.act(action, &then.collect::<Vec<_>>());
            }
            Step::Expect(expected) if endpoint.shows(expected) => {
                let outcome = expect(endpoint, expected);
                outcome.map_err(|what| script.mismatch(line.number, what))?;
            }
            Step::Expect(_) => {}
        }
        last = line.number;
    }
    nothing_left(endpoint).map_err(|what| script.mismatch(last, what))
}

fn expect(endpoint: &mut dyn Endpoint, expected: &Expected) -> Result<(), String> {
    match expected {
        Expected::Got(got) => same(got, endpoint.got().as_ref()),
        Expected::Error(error) => {
            let got = endpoint.got().map(|got| match got {
                Got::Error(error) => format!("{error:?}"),
                other => format!("{other:?}"),
            });
            same(error, got.as_ref())
        }
        Expected::Out(bytes) => {
            let sent = endpoint.out(bytes.len());
            if sent == *bytes {
                Ok(())
            } else {
                Err(format!("expected {}, sent {}", hex(bytes), hex(&sent)))
            }
        }
        Expected::Refused(error) => same(error, endpoint.refused().as_ref()),
        Expected::Dead(silence) => same(silence, endpoint.dead().as_ref()),
        Expected::Shutdown(shutdown) => same(shutdown, endpoint.shutdown().as_ref()),
        Expected::State(state) => match endpoint.state().map(|state| format!("{state:?}")) {
            Some(actual) if actual.starts_with(state) => Ok(()),
            actual => same(state, actual.as_ref()),
        },
        Expected::Wake(at) => {
            let wake = at.map(Instant::from_epoch);
            same(&Verdict::Alive { wake }, endpoint.wake().as_ref())
        }
    }
}

/// Checks that everything that came of the last action was stated.
fn nothing_left(endpoint: &mut dyn Endpoint) -> Result<(), String> {
    endpoint.left().map_or(Ok(()), |left| {
        Err(format!("the script does not say {}", brief(left)))
    })
}

impl Script {
    /// That the conversation went another way at this line.
    #[must_use]
    pub fn mismatch(&self, line: usize, what: String) -> Mismatch {
        let file = self.file.clone();
        let what = format!("{} ({:?}): {what}", self.name, self.setup.role);
        Mismatch { file, line, what }
    }
}

fn same<T: PartialEq + Debug>(expected: &T, actual: Option<&T>) -> Result<(), String> {
    if actual == Some(expected) {
        return Ok(());
    }
    let actual = actual.map_or_else(|| "nothing".into(), |actual| brief(actual));
    Err(format!("expected {}, got {actual}", brief(expected)))
}

fn brief(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(160).map(|byte| format!("{byte:02x}"));
    let text = shown.collect::<Vec<_>>().join(" ");
    if bytes.len() > 160 {
        format!("{text} … ({} bytes)", bytes.len())
    } else {
        text
    }
}
