//! The same frames to ours and to tungstenite: what differs is written down.

use std::io::{self, Read, Write};

use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tungstenite::{Error as TheirError, Message as TheirMessage};
use ws_proto::{Event, Limits, Message, ProtocolError, Role, Session, Step};

use super::differences::{DIFFERENCES, Difference};
use ws_testkit::Frame;
use ws_testkit::{Got, Setup};

/// What an implementation made of a stream that ends: what it received, and why no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it received, in order.
    pub got: Vec<Got>,
    /// Why it received no more.
    pub last: Last,
    /// The payloads of the Pongs that it wrote.
    pub pongs: Vec<Vec<u8>>,
}

impl Heard {
    /// Whether it found something wrong.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.last, Last::Refused(_))
    }
}

/// Why no more is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// The stream broke a rule or a limit.
    Refused(Option<ProtocolError>),
    /// It ended without a Close.
    Ended,
    /// It was closed.
    Closed,
}

/// A stream, and what came of it.
#[derive(Clone, Debug)]
pub struct Both<'s> {
    /// Which end received it.
    pub role: Role,
    /// The longest message that was to be taken, in bytes.
    pub limit: u32,
    /// The stream.
    pub stream: &'s [u8],
    /// What ours made of it.
    pub ours: Heard,
    /// What the other made of it.
    pub theirs: Heard,
}

impl Both<'_> {
    /// Whether they agree on the stream without the frame at its end that is not whole.
    pub(super) fn agree_on_whole_frames(&self) -> bool {
        let mut rest = self.stream;
        while let Some((_, len)) = Frame::decode(rest) {
            rest = &rest[len..];
        }
        let whole = &self.stream[..self.stream.len() - rest.len()];
        let both = Both {
            stream: whole,
            ours: ours(self.role, self.limit, whole),
            ..self.clone()
        };
        both.agree() && both.answers_agree()
    }

    fn agree(&self) -> bool {
        let refused = |heard: &Heard| matches!(heard.last, Last::Refused(_));
        let same_end =
            self.ours.last == self.theirs.last || (refused(&self.ours) && refused(&self.theirs));
        self.ours.got == self.theirs.got && same_end
    }

    /// Each Ping is answered; ours answers of a flood in one read those that come to 1 KiB of
    /// Pongs, and the last, which may stand for the others (RFC 6455 §5.5.3).
    fn answers_agree(&self) -> bool {
        let (ours, theirs) = (&self.ours.pongs, &self.theirs.pongs);
        let Some((last, first)) = ours.split_last() else {
            return theirs.is_empty();
        };
        let header = match self.role {
            Role::Server => 2,
            Role::Client => 6,
        };
        let answered: usize = first.iter().map(|payload| header + payload.len()).sum();
        let is_flood = answered >= 1 << 10;
        theirs.starts_with(first)
            && theirs.last() == Some(last)
            && (ours.len() == theirs.len() || is_flood)
    }
}

/// Two implementations make the same of the same frames, or differ in a way that is
/// [written down](DIFFERENCES).
///
/// The input is a byte for role and limit, and the stream.
///
/// # Panics
///
/// If they differ in another way.
pub fn differential(input: &[u8]) {
    let _ = difference(input);
}

/// The difference that shows with an input of [`differential`], if there is one.
///
/// # Panics
///
/// If it is not written down.
#[must_use]
pub fn difference(input: &[u8]) -> Option<&'static Difference> {
    let (&choice, stream) = input.split_first()?;
    let role = [Role::Server, Role::Client][usize::from(choice & 1)];
    let limit = [1 << 20, 0, 5, 200][usize::from(choice >> 1 & 3)];
    let both = Both {
        role,
        limit,
        stream,
        ours: ours(role, limit, stream),
        theirs: theirs(role, limit, stream),
    };
    if both.agree() {
        if both.ours.last == Last::Ended {
            assert!(both.answers_agree(), "{both:x?}");
        }
        return None;
    }
    let known = DIFFERENCES.iter().find(|known| (known.shows)(&both));
    assert!(known.is_some(), "{both:x?}");
    known
}

fn ours(role: Role, limit: u32, stream: &[u8]) -> Heard {
    let mut limits = Limits::DEFAULT;
    limits.max_message = limit.into();
    let mut session = match role {
        Role::Server => Session::server(&limits.into()),
        Role::Client => Session::client(&limits.into(), Setup::seed()),
    };
    session.push(stream);
    let mut got = Vec::new();
    let last = loop {
        match session.step() {
            Ok(Step::Message(Message::Text(text))) => got.push(Got::Text(text.into())),
            Ok(Step::Message(Message::Binary(bytes))) => got.push(Got::Binary(bytes.into())),
            Ok(Step::Control(Event::Ping(payload))) => got.push(Got::Ping(payload.into())),
            Ok(Step::Control(Event::Pong(payload))) => got.push(Got::Pong(payload.into())),
            Ok(Step::Control(Event::Close(close))) => {
                let close = close.map(|close| (close.code().get(), close.reason().into()));
                got.push(Got::Close(close));
            }
            Ok(Step::Control(event)) => panic!("{event:?}"),
            Ok(Step::NeedData) => break Last::Ended,
            Ok(Step::Closed) => break Last::Closed,
            Err(error) => break Last::Refused(Some(error)),
        }
    };
    let mut written = Vec::new();
    while !session.unsent().is_empty() {
        written.extend_from_slice(session.unsent());
        let len = session.unsent().len();
        session.sent(len);
    }
    let pongs = pongs(&written);
    if last == Last::Ended {
        assert_eq!(session.eof(), Err(ProtocolError::UnexpectedEof));
    }
    Heard { got, last, pongs }
}

/// A stream that gives what there is, and takes everything.
struct Wire<'s> {
    unread: &'s [u8],
    written: Vec<u8>,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.unread.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(role: Role, limit: u32, stream: &[u8]) -> Heard {
    let limit = usize::try_from(limit).expect("32 bits");
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_message_size(Some(limit))
        // It counts control frames, too.
        .max_frame_size(Some(limit.max(125)));
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let wire = Wire {
        unread: stream,
        written: Vec::new(),
    };
    let mut socket = WebSocket::from_raw_socket(wire, role, Some(config));
    let mut got = Vec::new();
    let last = loop {
        got.push(match socket.read() {
            Ok(TheirMessage::Text(text)) => Got::Text(text.as_str().into()),
            Ok(TheirMessage::Binary(bytes)) => Got::Binary(bytes.into()),
            Ok(TheirMessage::Ping(payload)) => Got::Ping(payload.into()),
            Ok(TheirMessage::Pong(payload)) => Got::Pong(payload.into()),
            Ok(TheirMessage::Close(close)) => {
                Got::Close(close.map(|close| (close.code.into(), close.reason.as_str().into())))
            }
            Ok(TheirMessage::Frame(frame)) => panic!("{frame}"),
            Err(TheirError::ConnectionClosed) => break Last::Closed,
            Err(TheirError::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => break Last::Ended,
            Err(TheirError::Protocol(_) | TheirError::Utf8(_) | TheirError::Capacity(_)) => {
                break Last::Refused(None);
            }
            Err(error) => panic!("{error}"),
        });
    };
    let pongs = pongs(&socket.get_ref().written);
    Heard { got, last, pongs }
}

fn pongs(mut written: &[u8]) -> Vec<Vec<u8>> {
    let mut pongs = Vec::new();
    while let Some((frame, len)) = Frame::decode(written) {
        if frame.opcode() == 10 {
            pongs.push(frame.payload);
        }
        written = &written[len..];
    }
    assert!(written.is_empty(), "whole frames");
    pongs
}
