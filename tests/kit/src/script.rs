//! A conversation of one endpoint, read from text. `transcripts/README.md` describes the format.

use core::time::Duration;

use ws_proto::handshake::Takeover;
use ws_proto::{Kind, MaskKeys, Part, Role, Shutdown, TimedOut};

use crate::engine::{Got, Setup};
use crate::notation::{Words, payload, peer_mask, wire};
use crate::table::{self, Entry, tables};
use crate::variants::name_of;

/// A conversation, for one role.
#[derive(Clone, Debug)]
pub struct Script {
    /// The file of its table.
    pub file: String,
    /// Its name there.
    pub name: String,
    /// How the endpoint begins.
    pub setup: Setup,
    /// What happens, in order.
    pub lines: Vec<Line>,
}

/// A step of a script, and where it stands.
#[derive(Clone, Debug)]
pub struct Line {
    /// The number of the line in the file, from 1.
    pub number: usize,
    /// What it says.
    pub step: Step,
}

/// What a step says: an action, or what has to come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<E = Expected> {
    /// What the peer, the application or the clock does.
    Do(Action),
    /// What has to come of it.
    Expect(E),
}

/// What the peer, the application or the clock does. A transcript begins after the opening handshake
/// and has `In`, `Eof`, `Wait` and what the application does; a hostile peer does all that a peer can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Bytes arrive, in one write.
    In(Vec<u8>),
    /// Bytes arrive over and over, or in many writes.
    InPieces {
        /// All of them, that many times over.
        times: usize,
        /// How many at a time.
        piece: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes arrive over and over, and nothing is read, until the endpoint takes no more.
    Flood {
        /// The bytes.
        bytes: Vec<u8>,
        /// By when it has to stop taking them, in bytes.
        most: usize,
    },
    /// Bytes arrive one after the other, with a pause after each, until something comes back.
    Drip(Vec<u8>),
    /// The opening handshake, in order but for what comes right after it.
    Open {
        /// Whether permessage-deflate is offered, or agreed to.
        deflate: bool,
        /// What is in the same write as the head.
        behind: Vec<u8>,
    },
    /// The line of the head arrives that answers the key in the client's request.
    AcceptLine,
    /// The stream ends.
    Eof,
    /// The connection is reset.
    Reset,
    /// Time passes.
    Wait(Duration),
    /// The application sends a message.
    Send(Kind, Vec<u8>),
    /// The application sends a fragment.
    SendPart(Kind, Vec<u8>, Part),
    /// The application sends a Ping.
    Ping(Vec<u8>),
    /// The application sends a Pong.
    Pong(Vec<u8>),
    /// The application closes.
    Close(Option<(u16, String)>),
}

/// What has to come of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The next thing received.
    Got(Got),
    /// The next thing is this error, as `Debug` writes it.
    Error(String),
    /// The next frame that is sent.
    Out(Vec<u8>),
    /// The application's command is refused with this error, as `Debug` writes it.
    Refused(String),
    /// The peer is given up.
    Dead(TimedOut),
    /// When to close the TCP connection.
    Shutdown(Shutdown),
    /// Where the connection stands, as `Debug` begins to write it.
    State(String),
    /// When the clock wants to be asked again, since the start.
    Wake(Option<Duration>),
}

impl Expected {
    /// Whether an adapter shows it: not Pings and Pongs, with which it deals by itself, nor where the
    /// connection stands.
    #[must_use]
    pub const fn is_shown_by_adapters(&self) -> bool {
        !matches!(
            self,
            Self::Got(Got::Ping(_) | Got::Pong(_))
                | Self::State(_)
                | Self::Shutdown(_)
                | Self::Wake(_)
        )
    }
}

impl Script {
    /// All scripts in `transcripts/`, table after table; one that is for either role twice. Those that
    /// agree on compression only with the feature `deflate`.
    ///
    /// # Panics
    ///
    /// If there are none, or one cannot be read.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let read = |(name, text): (String, String)| {
            Self::parse(&format!("transcripts/{name}.txt"), &text)
                .unwrap_or_else(|what| panic!("{what}"))
        };
        let all = tables("transcripts").into_iter().flat_map(read);
        let can_be_held =
            |script: &Self| cfg!(feature = "deflate") || script.setup.deflate.is_none();
        all.filter(can_be_held).collect()
    }

    /// Those that agree on no compression, which the bare core can hold too.
    ///
    /// # Panics
    ///
    /// As [`all`](Self::all).
    #[must_use]
    pub fn uncompressed() -> Vec<Self> {
        let mut scripts = Self::all();
        scripts.retain(|script| script.setup.deflate.is_none());
        scripts
    }

    /// Whether one of its steps is so.
    pub fn has(&self, is: impl Fn(&Step) -> bool) -> bool {
        self.lines.iter().any(|line| is(&line.step))
    }

    /// Whether adapters have a call for all that the application does: none for a Pong of its own, nor
    /// for a Close without a code.
    #[must_use]
    pub fn is_for_adapters(&self) -> bool {
        !self.has(|step| matches!(step, Step::Do(Action::Pong(_) | Action::Close(None))))
    }

    /// Whether the peer stays after the end, until it is given up: an adapter waits for that inside
    /// a call.
    #[must_use]
    pub fn stays_after_its_end(&self) -> bool {
        let dead = |step: &Step| matches!(step, Step::Expect(Expected::Dead(_)));
        let over = |step: &Step| {
            matches!(
                step,
                Step::Expect(Expected::Got(Got::Close(_)) | Expected::Error(_))
            )
        };
        self.has(dead) && self.has(over)
    }

    /// Reads the table `text` of that name: each script once for each role that it is for.
    ///
    /// # Errors
    ///
    /// Table, line, and what is wrong with it.
    pub fn parse(table: &str, text: &str) -> Result<Vec<Self>, String> {
        table::for_each_role(table, text, Self::read)
    }

    fn read(table: &str, entry: &Entry<'_>, role: Role) -> Result<Self, String> {
        let at = |number| move |what: String| format!("{table}:{number}: {what}");
        entry.rest.clone().end().map_err(at(entry.number))?;
        let mut parser = Parser {
            setup: Setup::new(role),
            keys: MaskKeys::new(Setup::seed()),
        };
        let mut lines = Vec::new();
        for &(number, step) in &entry.steps {
            let step = parser.step(Words::of(step)).map_err(at(number))?;
            lines.extend(step.map(|step| Line { number, step }));
        }
        Ok(Self {
            file: table.into(),
            name: entry.name.into(),
            setup: parser.setup,
            lines,
        })
    }

    /// The variants of errors that it expects.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| match &line.step {
            Step::Expect(Expected::Error(error)) => Some(name_of(error)),
            _ => None,
        })
    }
}

struct Parser {
    setup: Setup,
    /// What a client masks with, in order.
    keys: MaskKeys,
}

impl Parser {
    /// What a step says; `None` if it belongs to the setup.
    fn step(&mut self, mut words: Words<'_>) -> Result<Option<Step>, String> {
        let role = self.setup.role;
        let verb = words.expect("a verb")?;
        if self.setup.set(verb, &mut words)? {
            return words.end().map(|()| None);
        }
        let step = match verb {
            "in" => return Ok(Some(Step::Do(Action::In(wire(words, peer_mask(role))?)))),
            "eof" => Step::Do(Action::Eof),
            "wait" => Step::Do(Action::Wait(duration(&mut words)?)),
            "send" => Step::Do(command(&mut words)?),
            "out" => {
                let mask = self.keys.draw().key();
                let mask = (role == Role::Client).then_some(mask);
                return Ok(Some(Step::Expect(Expected::Out(wire(words, mask)?))));
            }
            "got" => Step::Expect(Expected::Got(got(&mut words)?)),
            "error" => Step::Expect(Expected::Error(debug(&mut words))),
            "refused" => Step::Expect(Expected::Refused(debug(&mut words))),
            "dead" => Step::Expect(Expected::Dead(match words.expect("the reason")? {
                "no-pong" => TimedOut::Pong,
                "no-close" => TimedOut::Close,
                word => return Err(format!("{word} kills nobody")),
            })),
            "shutdown" => Step::Expect(Expected::Shutdown(match words.expect("when")? {
                "not-yet" => Shutdown::NotYet,
                "await-peer" => Shutdown::AwaitPeer,
                "write" => Shutdown::Write,
                "drain" => Shutdown::Drain,
                "now" => Shutdown::Now,
                "by-role" if role == Role::Server => Shutdown::Write,
                "by-role" => Shutdown::AwaitPeer,
                word => return Err(format!("{word} is no time")),
            })),
            "state" => Step::Expect(Expected::State(debug(&mut words))),
            "wake" => {
                let never = words.eat("never");
                let at = (!never).then(|| duration(&mut words)).transpose()?;
                Step::Expect(Expected::Wake(at))
            }
            word => return Err(format!("{word} is no verb")),
        };
        words.end()?;
        Ok(Some(step))
    }
}

impl Setup {
    /// Takes the rest of a step that belongs to the setup; `false` if its verb does not.
    pub(crate) fn set(&mut self, verb: &str, words: &mut Words<'_>) -> Result<bool, String> {
        match verb {
            "limit" => self.limit(words)?,
            "timeout" => self.timeout(words)?,
            "deflate" if words.eat("no-takeover") => self.deflate = Some(Takeover::Off),
            "deflate" => self.deflate = Some(Takeover::Kept),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn limit(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let (name, value) = (words.expect("the limit")?, words.expect("its value")?);
        let limits = &mut self.limits;
        let value: u64 = value.parse().map_err(|_| format!("{value} is no number"))?;
        let small = || usize::try_from(value).map_err(|error| error.to_string());
        match name {
            "max-message" => limits.max_message = value,
            "max-fragments" => {
                limits.max_fragments = value.try_into().map_err(|_| "too many fragments")?;
            }
            "max-unsent" => limits.max_unsent = small()?,
            "read-buffer" => limits.read_buffer = small()?,
            _ => return Err(format!("{name} is no limit")),
        }
        Ok(())
    }

    fn timeout(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let timeouts = &mut self.timeouts;
        match words.expect("the timeout")? {
            "ping" if words.eat("off") => timeouts.ping_interval = None,
            "ping" => timeouts.ping_interval = Some(duration(words)?),
            "pong" => timeouts.pong_timeout = duration(words)?,
            "close" => timeouts.close_timeout = duration(words)?,
            word => return Err(format!("{word} is no timeout")),
        }
        Ok(())
    }
}

fn command(words: &mut Words<'_>) -> Result<Action, String> {
    Ok(match words.expect("what to send")? {
        "close" => Action::Close(close(words)?),
        "ping" => Action::Ping(payload(words)?),
        "pong" => Action::Pong(payload(words)?),
        "more" => {
            let (kind, payload) = message(words)?;
            Action::SendPart(kind, payload, Part::More)
        }
        "last" => {
            let (kind, payload) = message(words)?;
            Action::SendPart(kind, payload, Part::Last)
        }
        kind => {
            let (kind, payload) = message_of(kind, words)?;
            Action::Send(kind, payload)
        }
    })
}

fn got(words: &mut Words<'_>) -> Result<Got, String> {
    Ok(match words.expect("what was got")? {
        "close" => Got::Close(close(words)?),
        "ping" => Got::Ping(payload(words)?),
        "pong" => Got::Pong(payload(words)?),
        kind => match message_of(kind, words)? {
            (Kind::Text, payload) => {
                Got::Text(String::from_utf8(payload).map_err(|error| error.to_string())?)
            }
            (Kind::Binary, payload) => Got::Binary(payload),
        },
    })
}

fn message(words: &mut Words<'_>) -> Result<(Kind, Vec<u8>), String> {
    let kind = words.expect("the kind")?;
    message_of(kind, words)
}

fn message_of(kind: &str, words: &mut Words<'_>) -> Result<(Kind, Vec<u8>), String> {
    let kind = match kind {
        "text" => Kind::Text,
        "binary" => Kind::Binary,
        word => return Err(format!("{word} is no message")),
    };
    Ok((kind, payload(words)?))
}

fn close(words: &mut Words<'_>) -> Result<Option<(u16, String)>, String> {
    let Some(code) = words.next() else {
        return Ok(None);
    };
    let code = code.parse().map_err(|_| format!("{code} is no code"))?;
    let reason = String::from_utf8(payload(words)?).map_err(|error| error.to_string())?;
    Ok(Some((code, reason)))
}

fn duration(words: &mut Words<'_>) -> Result<Duration, String> {
    let word = words.expect("how long")?;
    let seconds = word.strip_suffix('s').and_then(|word| word.parse().ok());
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{word} is no duration: 20s, 0.5s"))
}

/// The rest of the line, as `Debug` writes a value.
fn debug(words: &mut Words<'_>) -> String {
    words.by_ref().collect::<Vec<_>>().join(" ")
}
