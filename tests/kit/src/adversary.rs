//! A hostile peer that plays its case, without a socket: it is told what the endpoint has written, and
//! says what it does next.

use std::collections::VecDeque;

use ws_proto::Role;
use ws_proto::handshake::{Compression, Direction, Request, RequestError};

use crate::frame::Frame;
use crate::hostile::{Case, Reaction};
use crate::script::{Action, Step};

/// A peer of an endpoint of any make, which echoes.
#[derive(Debug)]
pub struct Adversary {
    /// The endpoint's.
    role: Role,
    /// Where a server echoes.
    path: String,
    /// What is still to happen, with its line.
    steps: VecDeque<(usize, Task)>,
    /// That of the last step that began.
    line: usize,
    /// What the endpoint has written and no step has looked at.
    unread: Vec<u8>,
    ended: Option<Ended>,
    /// A client's.
    request: String,
    /// The key of the frame before.
    mask: Option<[u8; 4]>,
    /// The number of frames that the current step has seen.
    frames: usize,
}

#[derive(Debug)]
enum Task {
    /// A client speaks first.
    Meet,
    Do(Action),
    /// A server accepts, and agrees to compression or not.
    Accepted(bool),
    Expect(Reaction),
}

/// What the peer does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Sends bytes.
    Say {
        /// All of them, that many times over.
        times: usize,
        /// How many at a time.
        piece: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Sends bytes over and over and reads nothing, until the endpoint takes no more, which has to
    /// be before so many.
    Flood(Vec<u8>, usize),
    /// Sends one byte after the other, until something comes back.
    Drip(Vec<u8>),
    /// Ends its side of the stream.
    Eof,
    /// Resets the connection.
    Reset,
    /// Waits for the endpoint to write, or to end its side.
    Listen,
    /// Nothing: this is how the case ended.
    Over(Ending),
}

impl Turn {
    const fn say(bytes: Vec<u8>) -> Self {
        Self::Say {
            times: 1,
            piece: usize::MAX,
            bytes,
        }
    }
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As the case wants it.
    Passed,
    /// It is about permessage-deflate, which the endpoint does not want.
    Skipped,
    /// Another way: the line of the case, and what was different.
    Failed(usize, String),
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// In order.
    Eof,
    /// By a reset.
    Reset,
}

/// Where a case leaves its course.
enum Left {
    /// It has to hear more first.
    Listen(&'static str),
    Skipped,
    Failed(String),
}

impl From<String> for Left {
    fn from(what: String) -> Self {
        Self::Failed(what)
    }
}

/// The request of RFC 6455 section 1.3, with a name that any server may have.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// What answers its key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl Adversary {
    /// One that plays `case`. A server echoes at `path`, a client wherever it connects.
    #[must_use]
    pub fn new(case: Case, path: &str) -> Self {
        let mut steps = VecDeque::new();
        if case.setup.role == Role::Client {
            steps.push_back((1, Task::Meet));
        }
        for (line, step) in case.steps {
            match step {
                Step::Do(act) => {
                    let accepted = match (&act, case.setup.role) {
                        (Action::Open { deflate, .. }, Role::Server) => Some(*deflate),
                        _ => None,
                    };
                    steps.push_back((line, Task::Do(act)));
                    steps.extend(accepted.map(|deflate| (line, Task::Accepted(deflate))));
                }
                Step::Expect(reaction) => steps.push_back((line, Task::Expect(reaction))),
            }
        }
        Self {
            role: case.setup.role,
            path: path.into(),
            steps,
            line: 1,
            unread: Vec::new(),
            ended: None,
            request: String::new(),
            mask: None,
            frames: 0,
        }
    }

    /// Hears what the endpoint has written.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.unread.extend(bytes);
    }

    /// Learns that the endpoint writes nothing more.
    pub const fn end(&mut self, ended: Ended) {
        self.ended = Some(ended);
    }

    /// How the endpoint's stream ended, if it has.
    #[must_use]
    pub const fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// What it does next.
    pub fn turn(&mut self) -> Turn {
        while let Some((line, step)) = self.steps.pop_front() {
            self.line = line;
            let done = match &step {
                Task::Meet => self.head().map(|head| self.request = head).map(|()| None),
                Task::Do(act) => self.act(act).map(Some),
                Task::Accepted(deflate) => self.answer(&[101], *deflate).map(|()| None),
                Task::Expect(reaction) => self.expect(reaction).map(|()| None),
            };
            match done {
                Ok(None) => {}
                Ok(Some(turn)) => return turn,
                Err(Left::Listen(_)) if self.ended.is_none() => {
                    self.steps.push_front((line, step));
                    return Turn::Listen;
                }
                Err(Left::Listen(what)) => return Turn::Over(self.instead_of(what)),
                Err(Left::Skipped) => return Turn::Over(Ending::Skipped),
                Err(Left::Failed(what)) => return Turn::Over(Ending::Failed(line, what)),
            }
        }
        Turn::Over(Ending::Passed)
    }

    /// The outcome if this is all that happens: what it waits for does not come.
    #[must_use]
    pub fn given_up(&self, why: &str) -> Ending {
        Ending::Failed(self.line, format!("{why}, after {}", brief(&self.unread)))
    }

    fn instead_of(&self, what: &str) -> Ending {
        let (ended, unread) = (self.ended, brief(&self.unread));
        let end = ended.map_or_else(|| "silence".into(), |ended| format!("{ended:?}"));
        let what = format!("{end} instead of {what}, after {unread}");
        Ending::Failed(self.line, what)
    }

    fn act(&self, act: &Action) -> Result<Turn, Left> {
        Ok(match act {
            Action::Open { deflate, behind } => {
                let head = self.opening(*deflate)?;
                Turn::say([&head, &behind[..]].concat())
            }
            Action::In(bytes) => Turn::say(self.aimed(bytes)),
            Action::InPieces {
                times,
                piece,
                bytes,
            } => Turn::Say {
                times: *times,
                piece: *piece,
                bytes: self.aimed(bytes),
            },
            Action::AcceptLine => {
                let response = self.response(false)?;
                let mut lines = response.split_inclusive("\r\n");
                let line = lines.find(|line| line.starts_with("Sec-WebSocket-Accept:"));
                let line = line.ok_or_else(|| "there is nothing to send".to_owned())?;
                Turn::say(line.into())
            }
            Action::Flood { bytes, most } => Turn::Flood(bytes.clone(), *most),
            Action::Drip(bytes) => Turn::Drip(self.aimed(bytes)),
            Action::Eof => Turn::Eof,
            Action::Reset => Turn::Reset,
            other => unreachable!("no peer does {other:?}"),
        })
    }

    /// Requests for `/` are for where the server echoes.
    fn aimed(&self, bytes: &[u8]) -> Vec<u8> {
        match bytes.strip_prefix(b"GET / ") {
            Some(rest) => [b"GET ", self.path.as_bytes(), b" ", rest].concat(),
            None => bytes.into(),
        }
    }

    fn opening(&self, deflate: bool) -> Result<Vec<u8>, Left> {
        if self.role == Role::Client {
            return self.response(deflate).map(String::into_bytes);
        }
        let offer = if deflate {
            "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        } else {
            ""
        };
        Ok(self.aimed(format!("{REQUEST}{offer}\r\n").as_bytes()))
    }

    /// The answer that a client's request should have.
    fn response(&self, deflate: bool) -> Result<String, Left> {
        let refused = |error: RequestError| Left::Failed(format!("its request is wrong: {error}"));
        let request = Request::parse(self.request.as_bytes()).map_err(refused)?;
        let mut accept = request.accept().map_err(refused)?;
        if deflate {
            let ours = Compression {
                server: Direction::FULL,
                client: Direction::FULL,
            };
            let agreed = ours
                .agree(request.extensions())
                .map_err(|error| refused(error.into()))?;
            accept = accept.compression(Some(agreed.ok_or(Left::Skipped)?));
        }
        let mut out = [0; 1024];
        let len = accept.encode(&mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&out[..len]).into_owned())
    }

    fn expect(&mut self, reaction: &Reaction) -> Result<(), Left> {
        match reaction {
            Reaction::Answer { statuses, deflate } => self.answer(statuses, *deflate)?,
            Reaction::Frames(times, frames) => {
                while self.frames < times * frames.len() {
                    let expected = &frames[self.frames % frames.len()];
                    let frame = self.frame()?;
                    if frame != *expected {
                        let (expected, sent) = (expected.encode(), frame.encode());
                        let what = format!("{} instead of {}", brief(&sent), brief(&expected));
                        return Err(what.into());
                    }
                    self.frames += 1;
                }
                self.frames = 0;
            }
            Reaction::Close(codes) => {
                let frame = self.frame()?;
                let is_told = |code: &u16| frame.payload.starts_with(&code.to_be_bytes());
                let reason = frame
                    .payload
                    .get(2..)
                    .and_then(|it| str::from_utf8(it).ok());
                if frame.first != 0x88 || !codes.iter().any(is_told) || reason.is_none() {
                    let sent = brief(&frame.encode());
                    return Err(format!("{sent} instead of a Close with {codes:?}").into());
                }
            }
            Reaction::Pongs(last) => loop {
                let frame = self.frame()?;
                if frame.first != 0x8A {
                    return Err(format!("{} instead of a Pong", brief(&frame.encode())).into());
                }
                if frame.payload == *last {
                    break;
                }
            },
            Reaction::End | Reaction::Gone => {
                if !self.unread.is_empty() {
                    return Err(format!("more came: {}", brief(&self.unread)).into());
                }
                match self.ended {
                    None => return Err(Left::Listen("the end of the stream")),
                    Some(Ended::Reset) if *reaction == Reaction::End => {
                        return Err("the connection was reset".to_owned().into());
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// A response: 101 with what has to be in it, or a page that ends the connection.
    fn answer(&mut self, statuses: &[u16], deflate: bool) -> Result<(), Left> {
        let head = self.whole_head()?;
        let wrong = |what: &str| Left::Failed(format!("{what}: {head:?}"));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|head| {
            let status = head.split(' ').next()?;
            status.parse().ok()
        });
        if !status.is_some_and(|status| statuses.contains(&status)) {
            return Err(wrong(&format!("not {statuses:?}")));
        }
        let header = |wanted: &str| {
            let mut headers = head.lines().filter_map(|line| line.split_once(':'));
            let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim())
        };
        if status != Some(101) {
            let length = header("Content-Length").and_then(|length| length.parse().ok());
            let whole = head.len() + length.unwrap_or(0);
            if self.unread.len() < whole {
                return Err(Left::Listen("a body"));
            }
            self.unread.drain(..whole);
            let closes = header("Connection").is_some_and(|it| it.eq_ignore_ascii_case("close"));
            return closes.then_some(()).ok_or_else(|| wrong("it goes on"));
        }
        self.unread.drain(..head.len());
        let extensions = header("Sec-WebSocket-Extensions");
        match extensions {
            None if deflate => Err(Left::Skipped),
            Some(_) if !deflate => Err(wrong("an extension that was not offered")),
            _ if header("Sec-WebSocket-Protocol").is_some() => Err(wrong("a subprotocol")),
            _ if header("Sec-WebSocket-Accept") != Some(ACCEPT) => Err(wrong("another key")),
            _ => Ok(()),
        }
    }

    /// Takes the next head, its empty line included.
    fn head(&mut self) -> Result<String, Left> {
        let head = self.whole_head()?;
        self.unread.drain(..head.len());
        Ok(head)
    }

    fn whole_head(&self) -> Result<String, Left> {
        let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.ok_or(Left::Listen("a head"))? + 4;
        let head = String::from_utf8(self.unread[..end].into());
        head.map_err(|error| error.to_string().into())
    }

    /// Takes the next frame, unmasked. Whatever a case is about, it has to be well made.
    fn frame(&mut self) -> Result<Frame, Left> {
        let (frame, len) = Frame::decode(&self.unread).ok_or(Left::Listen("a frame"))?;
        let bytes: Vec<u8> = self.unread.drain(..len).collect();
        let wrong = |what| Left::Failed(format!("{what}: {}", brief(&bytes)));
        if frame.encode() != bytes {
            return Err(wrong("a length that is not in the fewest bytes"));
        }
        if frame.mask.is_some() != (self.role == Role::Client) {
            return Err(wrong("a mask too much or too little"));
        }
        if frame.mask.is_some() && frame.mask == self.mask {
            return Err(wrong("the same mask again"));
        }
        self.mask = frame.mask;
        Ok(Frame {
            mask: None,
            ..frame
        })
    }
}

/// The first bytes in hex and how many there are.
fn brief(bytes: &[u8]) -> String {
    let shown: Vec<_> = bytes
        .iter()
        .take(40)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{} bytes [{}]", bytes.len(), shown.join(" "))
}
