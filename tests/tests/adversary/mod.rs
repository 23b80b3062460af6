//! A hostile peer at one end of a socket, and an endpoint of any make at the other.

mod peer;

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, iter, thread};

use peer::{Ended, Peer, brief};
use ws_proto::Role;
use ws_proto::handshake::{Compression, Direction, Request, RequestError};
use ws_testkit::Frame;
use ws_testkit::hostile::{Act, Case, Move, Reaction};

/// The request of RFC 6455 section 1.3, with a name that any server may have.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// What answers its key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a server has to do for others when it has dealt with a hostile client.
const CONTROL: &str = "case control server A14 others are served\n\
    open frame text \"still here\"\nout frame text \"still here\"\n\
    in frame close code:1000\nout close 1000\nend\n";

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As the case wants it.
    Passed,
    /// It is about permessage-deflate, which the endpoint does not want.
    Skipped,
    /// Another way: the line of the case, and what was different.
    Failed(usize, String),
}

/// How many cases are run at a time. Some wait for a deadline, and none does much.
const AT_A_TIME: usize = 16;

/// Runs all cases, some at a time; what came of them is in their order.
pub(crate) fn each<T: Send>(cases: &[Case], run: impl Fn(&Case) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let taken = iter::from_fn(|| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, run(cases.get(at)?)))
        });
        taken.collect::<Vec<_>>()
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|worker| worker.join());
        done.flat_map(|done| done.expect("it does not panic"))
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Where a case leaves its course.
enum Left {
    Skipped,
    Failed(String),
}

impl From<String> for Left {
    fn from(what: String) -> Self {
        Self::Failed(what)
    }
}

/// Runs a case against the endpoint that `stream` leads to. A server echoes at `path`, a client
/// wherever it connects.
pub(crate) fn run(case: &Case, stream: TcpStream, path: &str) -> Outcome {
    let peer = match Peer::new(stream) {
        Ok(peer) => peer,
        Err(error) => return Outcome::Failed(1, error.to_string()),
    };
    let mut adversary = Adversary {
        peer,
        role: case.setup.role,
        path,
        request: String::new(),
        mask: None,
    };
    let mut line = 1;
    let mut hold = || {
        adversary.meet()?;
        for (number, step) in &case.moves {
            line = *number;
            match step {
                Move::Do(Act::Reset) => return Ok(()),
                Move::Do(act) => adversary.act(act)?,
                Move::Expect(reaction) => adversary.expect(reaction)?,
            }
        }
        Ok(())
    };
    let mut left = hold();
    if let (Some((_, Move::Do(Act::Reset))), Ok(())) = (case.moves.last(), &left) {
        left = adversary.peer.reset().map_err(Left::Failed);
    }
    match left {
        Ok(()) => Outcome::Passed,
        Err(Left::Skipped) => Outcome::Skipped,
        Err(Left::Failed(what)) => Outcome::Failed(line, what),
    }
}

/// Runs a case against a server, and one behind it that is not hostile.
pub(crate) fn run_and_control(
    case: &Case,
    path: &str,
    connect: impl Fn() -> io::Result<TcpStream>,
) -> io::Result<Outcome> {
    let outcome = run(case, connect()?, path);
    if outcome != Outcome::Passed {
        return Ok(outcome);
    }
    let control = Case::parse("control", CONTROL).expect("it can be read");
    Ok(match run(&control[0], connect()?, path) {
        Outcome::Failed(_, what) => Outcome::Failed(1, format!("others are not served: {what}")),
        other => other,
    })
}

struct Adversary<'a> {
    peer: Peer,
    /// The endpoint's.
    role: Role,
    path: &'a str,
    /// A client's.
    request: String,
    /// The key of the frame before.
    mask: Option<[u8; 4]>,
}

impl Adversary<'_> {
    /// A client is the first to speak.
    fn meet(&mut self) -> Result<(), Left> {
        if self.role == Role::Client {
            self.request = self.peer.head()?;
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<(), Left> {
        match act {
            Act::Open { deflate, behind } => return self.open(*deflate, behind),
            Act::Send {
                times,
                piece,
                bytes,
            } => {
                let bytes = self.aimed(bytes);
                for _ in 0..*times {
                    for piece in bytes.chunks(*piece) {
                        self.peer.write(piece)?;
                    }
                }
            }
            Act::AcceptLine => {
                let response = self.response(false)?;
                let mut lines = response.split_inclusive("\r\n");
                let line = lines.find(|line| line.starts_with("Sec-WebSocket-Accept:"));
                self.peer.write(line.ok_or_else(nothing)?.as_bytes())?;
            }
            Act::Flood { bytes, most } => self.peer.flood(bytes, *most)?,
            Act::Drip(bytes) => self.peer.drip(&self.aimed(bytes))?,
            Act::Eof | Act::Reset => self.peer.eof(),
        }
        Ok(())
    }

    /// Requests for `/` are for where the server echoes.
    fn aimed(&self, bytes: &[u8]) -> Vec<u8> {
        match bytes.strip_prefix(b"GET / ") {
            Some(rest) => [b"GET ", self.path.as_bytes(), b" ", rest].concat(),
            None => bytes.into(),
        }
    }

    fn open(&mut self, deflate: bool, behind: &[u8]) -> Result<(), Left> {
        if self.role == Role::Client {
            let response = self.response(deflate)?;
            return Ok(self.peer.write(&[response.as_bytes(), behind].concat())?);
        }
        let offer = if deflate {
            "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        } else {
            ""
        };
        let head = self.aimed(format!("{REQUEST}{offer}\r\n").as_bytes());
        self.peer.write(&[&head, behind].concat())?;
        self.answer(&[101], deflate)
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
                for expected in frames.iter().cycle().take(times * frames.len()) {
                    let frame = self.frame()?;
                    if frame != *expected {
                        let (expected, sent) = (expected.encode(), frame.encode());
                        let what = format!("{} instead of {}", brief(&sent), brief(&expected));
                        return Err(what.into());
                    }
                }
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
            Reaction::End => match self.peer.ended()? {
                Ended::Eof => {}
                Ended::Reset => return Err("the connection was reset".to_owned().into()),
            },
            Reaction::Gone => drop(self.peer.ended()?),
        }
        Ok(())
    }

    /// A response: 101 with what has to be in it, or a page that ends the connection.
    fn answer(&mut self, statuses: &[u16], deflate: bool) -> Result<(), Left> {
        let head = self.peer.head()?;
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
            self.peer.bytes(length.unwrap_or(0))?;
            let closes = header("Connection").is_some_and(|it| it.eq_ignore_ascii_case("close"));
            return closes.then_some(()).ok_or_else(|| wrong("it goes on"));
        }
        let extensions = header("Sec-WebSocket-Extensions");
        match extensions {
            None if deflate => Err(Left::Skipped),
            Some(_) if !deflate => Err(wrong("an extension that was not offered")),
            _ if header("Sec-WebSocket-Protocol").is_some() => Err(wrong("a subprotocol")),
            _ if header("Sec-WebSocket-Accept") != Some(ACCEPT) => Err(wrong("another key")),
            _ => Ok(()),
        }
    }

    /// The next frame, unmasked. Whatever a case is about, it has to be well made.
    fn frame(&mut self) -> Result<Frame, Left> {
        let (frame, bytes) = self.peer.frame()?;
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

fn nothing() -> Left {
    Left::Failed("there is nothing to send".into())
}
