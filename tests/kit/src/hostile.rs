//! What a hostile peer does, read from text. `hostile/README.md` describes the format.

use core::ops::Range;

use ws_proto::Role;

use crate::engine::Setup;
use crate::frame::Frame;
use crate::notation::{Words, peer_mask, wire};
use crate::script::{Action, Step};
use crate::table::{self, Entry, tables};

pub use crate::adversary::{Adversary, Ended, Ending, Turn};

/// A hostile peer, against one role.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its table and its name there: `d-close/code-0`.
    pub name: String,
    /// The entries of the catalogue that it is a case of.
    pub ids: Vec<String>,
    /// What it shows, in a sentence.
    pub shows: String,
    /// How the endpoint begins.
    pub setup: Setup,
    /// What happens, in order; with the numbers of the lines in the table.
    pub steps: Vec<(usize, Step<Reaction>)>,
}

/// What the endpoint has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Answers a request.
    Answer {
        /// The status, of which one is right.
        statuses: Vec<u16>,
        /// Whether it agrees to permessage-deflate.
        deflate: bool,
    },
    /// Sends exactly these frames, that many times over.
    Frames(usize, Vec<Frame>),
    /// Sends a Close with one of these codes, and whatever reason.
    Close(Vec<u16>),
    /// Sends Pongs, of which the last has this payload.
    Pongs(Vec<u8>),
    /// Ends the stream, without another byte.
    End,
    /// Ends the stream or resets it, without another byte.
    Gone,
}

impl Case {
    /// All cases in `hostile/`, table after table; one that is for either role twice.
    ///
    /// # Panics
    ///
    /// If there are none, or one cannot be read.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let read = |(name, text): (String, String)| {
            Self::parse(&name, &text).unwrap_or_else(|what| panic!("{what}"))
        };
        tables("hostile").into_iter().flat_map(read).collect()
    }

    /// Reads the table `text`: each case once for each role that it is for.
    ///
    /// # Errors
    ///
    /// Table, line, and what is wrong with it.
    pub fn parse(table: &str, text: &str) -> Result<Vec<Self>, String> {
        table::for_each_role(table, text, Self::read)
    }

    fn read(table: &str, entry: &Entry<'_>, role: Role) -> Result<Self, String> {
        let at = |number| move |what: String| format!("{table}:{number}: {what}");
        let (ids, shows) = subject(entry.rest.clone()).map_err(at(entry.number))?;
        let mut case = Self {
            name: format!("{table}/{}", entry.name),
            ids,
            shows,
            setup: Setup::new(role),
            steps: Vec::new(),
        };
        for &(number, step) in &entry.steps {
            let step = case.step(Words::of(step)).map_err(at(number))?;
            case.steps.extend(step.map(|step| (number, step)));
        }
        case.has_an_end().map_err(at(entry.number))?;
        Ok(case)
    }

    /// What a step says; `None` if it belongs to the setup.
    fn step(&mut self, mut words: Words<'_>) -> Result<Option<Step<Reaction>>, String> {
        let role = self.setup.role;
        let mask = peer_mask(role);
        let verb = words.expect("a verb")?;
        if self.setup.set(verb, &mut words)? {
            return words.end().map(|()| None);
        }
        let step = match verb {
            "open" => Step::Do(Action::Open {
                deflate: words.eat("deflate"),
                behind: wire(words, mask)?,
            }),
            "in" => {
                let times = count(&mut words, "times:")?;
                let piece = count(&mut words, "pieces:")?;
                let bytes = wire(words, mask)?;
                Step::Do(match (times, piece) {
                    (None, None) => Action::In(bytes),
                    (times, piece) => Action::InPieces {
                        times: times.unwrap_or(1),
                        piece: piece.unwrap_or(usize::MAX),
                        bytes,
                    },
                })
            }
            "flood" => Step::Do(Action::Flood {
                most: count(&mut words, "most:")?.ok_or("most: is missing")?,
                bytes: wire(words, mask)?,
            }),
            "drip" => Step::Do(Action::Drip(wire(words, mask)?)),
            "out" => Step::Expect(output(words)?),
            "answer" if role == Role::Server => {
                let statuses = alternatives(&mut words)?;
                let deflate = words.eat("deflate");
                words.end()?;
                Step::Expect(Reaction::Answer { statuses, deflate })
            }
            verb => {
                words.end()?;
                match verb {
                    "accept" if role == Role::Client => Step::Do(Action::AcceptLine),
                    "eof" => Step::Do(Action::Eof),
                    "reset" => Step::Do(Action::Reset),
                    "end" => Step::Expect(Reaction::End),
                    "gone" => Step::Expect(Reaction::Gone),
                    _ => return Err(format!("{verb} is no verb for a {role:?}")),
                }
            }
        };
        Ok(Some(step))
    }

    /// Whether it takes very many bytes or writes: played with a fault at each of its calls, it says no
    /// more than others, and takes long.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.steps.iter().any(|(_, step)| match step {
            Step::Do(Action::Flood { .. } | Action::Drip(_)) => true,
            Step::Do(Action::In(bytes)) => bytes.len() > 100_000,
            Step::Do(Action::InPieces {
                times,
                piece,
                bytes,
            }) => times * bytes.len() > 100_000 || times * bytes.len().div_ceil(*piece) > 1000,
            _ => false,
        })
    }

    /// What arrives after an opening handshake that is in order: a conversation of one end that hears
    /// all and waits for nobody. `None` if the case is about the handshake, or floods.
    #[must_use]
    pub fn after_the_opening(&self) -> Option<Vec<Action>> {
        let actions = self.steps.iter().filter_map(|(_, step)| match step {
            Step::Do(action) => Some(action),
            Step::Expect(_) => None,
        });
        let mut heard = Vec::new();
        for (at, action) in actions.enumerate() {
            match (at, action) {
                (0, Action::Open { behind, .. }) => heard.push(Action::In(behind.clone())),
                (0, _) | (_, Action::Flood { .. } | Action::Open { .. } | Action::AcceptLine) => {
                    return None;
                }
                (_, Action::Drip(bytes)) => heard.push(Action::InPieces {
                    times: 1,
                    piece: 1,
                    bytes: bytes.clone(),
                }),
                (_, Action::Reset) => heard.push(Action::Eof),
                (_, other) => heard.push(other.clone()),
            }
        }
        Some(heard)
    }

    /// A case goes on to the end of the TCP connection, and no further.
    fn has_an_end(&self) -> Result<(), String> {
        let is_end = |step: &Step<Reaction>| {
            matches!(
                step,
                Step::Do(Action::Reset) | Step::Expect(Reaction::End | Reaction::Gone)
            )
        };
        let end = self.steps.iter().position(|(_, step)| is_end(step));
        if end.is_some_and(|at| at + 1 == self.steps.len()) {
            Ok(())
        } else {
            Err("the last step, and no other, is `end`, `gone` or `reset`".into())
        }
    }
}

/// What the headline says after name and role: `A1 A2 a sentence`.
fn subject(words: Words<'_>) -> Result<(Vec<String>, String), String> {
    const LETTERS: Range<char> = 'A'..'J';
    let is_id = |word: &&str| {
        let mut chars = word.chars();
        let letter = chars.next().is_some_and(|char| LETTERS.contains(&char));
        letter && chars.as_str().parse::<u8>().is_ok()
    };
    let words: Vec<_> = words.collect();
    let ids = words.iter().take_while(|word| is_id(word)).count();
    let (ids, sentence) = words.split_at(ids);
    if ids.is_empty() || sentence.is_empty() {
        return Err("the headline ends with an id of the catalogue and a sentence".into());
    }
    let ids = ids.iter().map(|&id| id.into()).collect();
    Ok((ids, sentence.join(" ")))
}

fn output(mut words: Words<'_>) -> Result<Reaction, String> {
    if words.eat("close") {
        let codes = alternatives(&mut words)?;
        words.end()?;
        return Ok(Reaction::Close(codes));
    }
    if words.eat("pongs") {
        return Ok(Reaction::Pongs(wire(words, None)?));
    }
    let times = count(&mut words, "times:")?.unwrap_or(1);
    let bytes = wire(words, None)?;
    let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
    while let Some((frame, len)) = Frame::decode(rest) {
        frames.push(frame);
        rest = &rest[len..];
    }
    if frames.is_empty() || !rest.is_empty() {
        return Err("what is sent is whole frames".into());
    }
    Ok(Reaction::Frames(times, frames))
}

/// `1002`, or `1002 or 1007`.
fn alternatives(words: &mut Words<'_>) -> Result<Vec<u16>, String> {
    let mut numbers = Vec::new();
    loop {
        let word = words.expect("a number")?;
        let number = word.parse();
        numbers.push(number.map_err(|_| format!("{word} is no number"))?);
        if !words.eat("or") {
            return Ok(numbers);
        }
    }
}

/// The number in `times:10`, if that is the next word.
fn count(words: &mut Words<'_>, prefix: &str) -> Result<Option<usize>, String> {
    let mut ahead = words.clone();
    let Some(number) = ahead.next().and_then(|word| word.strip_prefix(prefix)) else {
        return Ok(None);
    };
    let number: usize = number.parse().map_err(|_| format!("{prefix}{number}"))?;
    if number == 0 {
        return Err(format!("{prefix} nothing"));
    }
    *words = ahead;
    Ok(Some(number))
}
