//! Holds a conversation with an engine and compares it with the script, line by line.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;

use ws_proto::{Instant, TimedOut, Verdict};

use crate::engine::{Engine, Got};
use crate::script::{Action, Expected, Script, Step};

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

/// Has `engine` hold the conversation `script`: whatever comes of an action has to be stated
/// behind it, in order, and nothing else may come.
///
/// # Errors
///
/// The first line that is not as the script says.
pub fn run(script: &Script, engine: &mut dyn Engine) -> Result<(), Mismatch> {
    let mut run = Run {
        engine,
        now: Duration::ZERO,
        got: VecDeque::new(),
        out: Vec::new(),
        refused: None,
        verdict: Verdict::Alive { wake: None },
        dead: None,
    };
    run.settle();
    let mut last = 1;
    for line in &script.lines {
        let (number, outcome) = match &line.step {
            Step::Do(action) => {
                let outcome = run.nothing_left();
                if outcome.is_ok() {
                    run.act(action);
                }
                (last, outcome)
            }
            Step::Expect(expected) => (line.number, run.expect(expected)),
        };
        outcome.map_err(|what| script.mismatch(number, what))?;
        last = line.number;
    }
    run.nothing_left()
        .map_err(|what| script.mismatch(last, what))
}

impl Script {
    fn mismatch(&self, line: usize, what: String) -> Mismatch {
        let file = self.file.clone();
        let what = format!("{} ({:?}): {what}", self.name, self.setup.role);
        Mismatch { file, line, what }
    }
}

struct Run<'e> {
    engine: &'e mut dyn Engine,
    now: Duration,
    got: VecDeque<Got>,
    out: Vec<u8>,
    refused: Option<String>,
    verdict: Verdict,
    dead: Option<TimedOut>,
}

impl Run<'_> {
    fn act(&mut self, action: &Action) {
        let mut got = Vec::new();
        match action {
            Action::In(bytes) => self.engine.receive(bytes, &mut got),
            Action::Eof => self.engine.eof(&mut got),
            Action::Wait(duration) => self.now += *duration,
            command => {
                let refused = self.engine.send(command).err();
                self.refused = refused.map(|error| format!("{error:?}"));
            }
        }
        self.got.extend(got);
        self.settle();
    }

    /// Does what an adapter does before it waits for its peer: looks at the clock and writes,
    /// until there is nothing to write and nothing to do.
    fn settle(&mut self) {
        let now = Instant::from_epoch(self.now);
        loop {
            self.verdict = self.engine.check(now);
            let due = match self.verdict {
                Verdict::Alive { wake } => wake.is_some_and(|wake| wake <= now),
                // What the peer has sent was received.
                Verdict::LastCall => true,
                Verdict::Dead(silence) => {
                    self.dead = Some(silence);
                    return;
                }
            };
            let written = self.engine.transmit();
            if written.is_empty() && !due {
                return;
            }
            self.out.extend(written);
        }
    }

    fn expect(&mut self, expected: &Expected) -> Result<(), String> {
        match expected {
            Expected::Got(got) => same(got, self.got.pop_front().as_ref()),
            Expected::Error(error) => {
                let got = self.got.pop_front().map(|got| match got {
                    Got::Error(error) => format!("{error:?}"),
                    other => format!("{other:?}"),
                });
                same(error, got.as_ref())
            }
            Expected::Out(bytes) => {
                let len = bytes.len().min(self.out.len());
                let sent: Vec<u8> = self.out.drain(..len).collect();
                if sent == *bytes {
                    Ok(())
                } else {
                    Err(format!("expected {}, sent {}", hex(bytes), hex(&sent)))
                }
            }
            Expected::Refused(error) => same(error, self.refused.take().as_ref()),
            Expected::Dead(silence) => same(silence, self.dead.take().as_ref()),
            Expected::Shutdown(shutdown) => same(shutdown, Some(&self.engine.shutdown())),
            Expected::State(state) => {
                let actual = format!("{:?}", self.engine.state());
                if actual.starts_with(state) {
                    Ok(())
                } else {
                    same(state, Some(&actual))
                }
            }
            Expected::Wake(at) => {
                let wake = at.map(Instant::from_epoch);
                same(&Verdict::Alive { wake }, Some(&self.verdict))
            }
        }
    }

    /// Checks that everything that came of the last action was stated.
    fn nothing_left(&self) -> Result<(), String> {
        let none = |what: &dyn fmt::Debug| Err(format!("the script does not say {what:?}"));
        match (&self.got.front(), &self.refused, &self.dead) {
            (Some(got), _, _) => none(got),
            (_, Some(refused), _) => none(refused),
            (_, _, Some(dead)) => none(dead),
            _ if !self.out.is_empty() => {
                Err(format!("the script does not say out {}", hex(&self.out)))
            }
            _ => Ok(()),
        }
    }
}

fn same<T: PartialEq + fmt::Debug>(expected: &T, actual: Option<&T>) -> Result<(), String> {
    if actual == Some(expected) {
        return Ok(());
    }
    let actual = actual.map_or_else(|| "nothing".into(), |actual| brief(actual));
    Err(format!("expected {}, got {actual}", brief(expected)))
}

fn brief(value: &dyn fmt::Debug) -> String {
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
