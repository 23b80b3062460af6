//! Bytes in, what they amount to and bytes out: what the bare core and a session have in common.

use ws_proto::handshake::Takeover;
use ws_proto::{
    Close, CloseCode, Event, Instant, Kind, Limits, Message, ProtocolError, Role, SendError,
    Shutdown, State, Timeouts, Verdict,
};

use crate::counting::spared;
use crate::script::Action;

/// What was received, owned; a message in pieces is put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A Ping.
    Ping(Vec<u8>),
    /// A Pong.
    Pong(Vec<u8>),
    /// A Close, with code and reason.
    Close(Option<(u16, String)>),
    /// The peer broke the protocol.
    Error(ProtocolError),
}

impl From<Message<'_>> for Got {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

impl From<Option<Close<'_>>> for Got {
    fn from(close: Option<Close<'_>>) -> Self {
        Self::Close(close.map(|close| (close.code().get(), close.reason().into())))
    }
}

/// How an endpoint begins.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Which end it is.
    pub role: Role,
    /// Its limits.
    pub limits: Limits,
    /// Its timeouts; the clock starts at zero.
    pub timeouts: Timeouts,
    /// Whether both sides compress, however short a message is, and refer to messages before it or
    /// not.
    pub deflate: Option<Takeover>,
    /// Whether it sends back every message.
    pub echo: bool,
}

impl Setup {
    /// The seed of a client's masking keys: 00 01 02 … 1f.
    #[must_use]
    pub fn seed() -> [u8; 32] {
        let mut seed = [0; 32];
        for (byte, number) in seed.iter_mut().zip(0..) {
            *byte = number;
        }
        seed
    }

    /// An endpoint with nothing but defaults.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            limits: Limits::DEFAULT,
            timeouts: Timeouts::DEFAULT,
            deflate: None,
            echo: false,
        }
    }
}

/// One endpoint without a socket, as its adapter sees it.
pub trait Engine {
    /// Takes bytes from the peer, and appends what they amount to.
    fn receive(&mut self, bytes: &[u8], got: &mut Vec<Got>);
    /// Learns that the peer will send nothing more.
    fn eof(&mut self, got: &mut Vec<Got>);
    /// Sends what `action` says.
    ///
    /// # Errors
    ///
    /// That it is not allowed.
    fn send(&mut self, action: &Action) -> Result<(), SendError>;
    /// Looks at the clock.
    fn check(&mut self, now: Instant) -> Verdict;
    /// Takes everything that is to be written.
    fn transmit(&mut self) -> Vec<u8>;
    /// Whether it may send messages compressed.
    fn compresses(&self) -> bool {
        false
    }
    /// When to close the TCP connection.
    fn shutdown(&self) -> Shutdown;
    /// Where the connection stands.
    fn state(&self) -> State;
}

/// Notes an error the first time; it has to be the same ever after.
pub(crate) fn record_failure(
    failed: &mut Option<ProtocolError>,
    error: ProtocolError,
    got: &mut Vec<Got>,
) {
    match failed {
        None => {
            *failed = Some(error);
            spared(|| got.push(Got::Error(error)));
        }
        Some(first) => assert_eq!(*first, error, "an error is final"),
    }
}

pub(crate) fn as_message(kind: Kind, payload: &[u8]) -> Message<'_> {
    match kind {
        Kind::Text => Message::Text(str::from_utf8(payload).expect("text was checked")),
        Kind::Binary => Message::Binary(payload),
    }
}

pub(crate) fn as_close(close: &Option<(u16, String)>) -> Result<Option<Close<'_>>, SendError> {
    let Some((code, reason)) = close else {
        return Ok(None);
    };
    let code = CloseCode::new(*code).expect("a code that may travel");
    Close::new(code, reason).map(Some)
}

pub(crate) fn control_event(event: &Event<'_>) -> Option<Got> {
    Some(match *event {
        Event::Ping(payload) => Got::Ping(payload.into()),
        Event::Pong(payload) => Got::Pong(payload.into()),
        Event::Close(close) => close.into(),
        Event::Message(_) | Event::Chunk(_) | Event::Deflated(_) => return None,
    })
}
