//! What can hold a conversation: the bare core and the session, fed whole or in pieces.

use core::mem;

use ws_proto::{
    Buffers, Chunk, Close, CloseCode, Connection, Event, Instant, Kind, Limits, Liveness, Message,
    Part, ProtocolError, Ready, Role, SendError, Session, Shutdown, State, Step, Timeouts,
    Transmit, Verdict,
};

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

/// How an endpoint begins.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Which end it is.
    pub role: Role,
    /// Its limits.
    pub limits: Limits,
    /// Its timeouts; the clock starts at zero.
    pub timeouts: Timeouts,
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
            echo: false,
        }
    }
}

/// One endpoint, as its adapter sees it.
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
    /// When to close the TCP connection.
    fn shutdown(&self) -> Shutdown;
    /// Where the connection stands.
    fn state(&self) -> State;
}

/// The bare core, with the buffers that its user owns.
#[derive(Debug)]
pub struct Core {
    connection: Connection,
    liveness: Liveness,
    /// How many bytes are presented more with each call.
    piece: usize,
    echo: bool,
    unread: Vec<u8>,
    message: Vec<u8>,
    /// Answers to Pings, written at once as long as they are few and no message waits.
    answers: Vec<u8>,
    /// Messages that were framed, for behind the control frames.
    framed: Vec<u8>,
    failed: Option<ProtocolError>,
}

impl Core {
    /// A core that is shown `piece` bytes more with each call.
    #[must_use]
    pub fn new(setup: &Setup, piece: usize) -> Self {
        Self {
            connection: match setup.role {
                Role::Server => Connection::server(&setup.limits),
                Role::Client => Connection::client(&setup.limits, Setup::seed()),
            },
            liveness: Liveness::new(&setup.timeouts),
            piece,
            echo: setup.echo,
            unread: Vec::new(),
            message: Vec::new(),
            answers: Vec::new(),
            framed: Vec::new(),
            failed: None,
        }
    }

    /// Presents what is unread until it is not enough for anything.
    fn drain(&mut self, got: &mut Vec<Got>) {
        let mut unread = mem::take(&mut self.unread);
        let mut start = 0;
        loop {
            let received = match self.connection.receive(&mut unread[start..]) {
                Ok(received) => received,
                Err(error) => {
                    record_failure(&mut self.failed, error, got);
                    // The error is final, whatever is presented.
                    assert_eq!(self.connection.receive(&mut []), Err(error));
                    break;
                }
            };
            assert!(self.failed.is_none(), "an event after an error");
            start += received.consumed;
            let Some(event) = received.event else {
                break;
            };
            assert!(received.consumed > 0, "an event out of nothing");
            let whole;
            let message = match event {
                Event::Message(message) => message,
                Event::Chunk(Chunk {
                    kind,
                    payload,
                    part,
                }) => {
                    self.message.extend(payload);
                    if part == Part::More {
                        continue;
                    }
                    whole = mem::take(&mut self.message);
                    as_message(kind, &whole)
                }
                control => {
                    got.extend(control_event(&control));
                    if matches!(control, Event::Ping(_)) {
                        self.answer();
                    }
                    continue;
                }
            };
            got.push(message_event(message));
            if self.echo {
                // Refused only behind a Close.
                let _ = frame_message(&mut self.connection, message, &mut self.framed);
            }
        }
        unread.drain(..start);
        assert!(
            unread.len() < 140 || self.failed.is_some(),
            "{} bytes held back",
            unread.len()
        );
        self.unread = unread;
    }

    /// Does with Pongs what a session does.
    fn answer(&mut self) {
        if self.framed.is_empty() && self.answers.len() < 1024 {
            while let Some(control) = self.connection.poll_transmit() {
                self.answers.extend(control.as_ref());
            }
        }
    }
}

impl Engine for Core {
    fn receive(&mut self, bytes: &[u8], got: &mut Vec<Got>) {
        for piece in bytes.chunks(self.piece) {
            self.liveness.on_received();
            self.unread.extend(piece);
            self.drain(got);
        }
    }

    fn eof(&mut self, got: &mut Vec<Got>) {
        if let Err(error) = self.connection.receive_eof() {
            record_failure(&mut self.failed, error, got);
        }
        self.unread.clear();
        self.drain(got);
    }

    fn send(&mut self, action: &Action) -> Result<(), SendError> {
        match action {
            Action::Send(kind, payload) => {
                let message = as_message(*kind, payload);
                frame_message(&mut self.connection, message, &mut self.framed)
            }
            Action::SendPart(kind, payload, part) => {
                let len = payload.len().try_into().expect("a usize fits");
                let header = self.connection.begin(*kind, len, *part)?;
                self.framed.extend(header.encode().as_ref());
                let mut payload = payload.clone();
                if let Some(mask) = header.mask() {
                    let _ = mask.apply(&mut payload);
                }
                self.framed.extend(payload);
                Ok(())
            }
            Action::Ping(payload) => self.connection.ping(payload),
            Action::Pong(payload) => self.connection.pong(payload),
            Action::Close(close) => self.connection.close(as_close(close)?),
            Action::In(_) | Action::Eof | Action::Wait(_) => Ok(()),
        }
    }

    fn check(&mut self, now: Instant) -> Verdict {
        self.liveness.check(now, &mut self.connection)
    }

    /// Pong and Ping, then messages, then the Close. Control frames that come while others wait
    /// are the next batch.
    fn transmit(&mut self) -> Vec<u8> {
        let mut bytes = mem::take(&mut self.answers);
        if !bytes.is_empty() {
            bytes.append(&mut self.framed);
        }
        let mut controls = Vec::new();
        while let Some(control) = self.connection.poll_transmit() {
            controls.push(control);
        }
        let is_close = |control: &&Transmit| control.opcode() == ws_proto::Opcode::Close;
        for control in controls.iter().filter(|control| !is_close(control)) {
            bytes.extend(control.as_ref());
        }
        bytes.append(&mut self.framed);
        for close in controls.iter().filter(is_close) {
            bytes.extend(close.as_ref());
        }
        if !bytes.is_empty() {
            self.liveness.on_written();
        }
        self.liveness.on_flushed();
        bytes
    }

    fn shutdown(&self) -> Shutdown {
        self.connection.shutdown()
    }

    fn state(&self) -> State {
        self.connection.state()
    }
}

/// How a session gets its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inlet {
    /// Into its own buffer, as many at a time as there is room for.
    Spare,
    /// Into its own buffer, one at a time; written one at a time, too.
    Bytewise,
    /// Into a buffer that is lent for each read, as many at a time as there is room for; messages
    /// are taken as owned ones.
    Lent,
    /// Pushed, as bytes behind a handshake are.
    Pushed,
}

impl Inlet {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Spare, Self::Bytewise, Self::Lent, Self::Pushed];
}

/// A session, driven as an adapter would.
#[derive(Debug)]
pub struct Driven {
    session: Session,
    inlet: Inlet,
    echo: bool,
    failed: Option<ProtocolError>,
}

impl Driven {
    /// A session that gets its bytes through `inlet`.
    #[must_use]
    pub fn new(setup: &Setup, inlet: Inlet) -> Self {
        Self {
            session: setup.session(),
            inlet,
            echo: setup.echo,
            failed: None,
        }
    }

    /// The session.
    pub const fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Reads from `bytes` once; returns how many were read.
    fn read(&mut self, bytes: &[u8], got: &mut Vec<Got>) -> usize {
        if self.inlet == Inlet::Pushed {
            self.session.push(bytes);
            return bytes.len();
        }
        match self.session.spare_mut() {
            Ok(spare) => {
                assert!(!spare.is_empty());
                let room = if self.inlet == Inlet::Bytewise {
                    1
                } else {
                    spare.len()
                };
                let len = bytes.len().min(room);
                spare[..len].copy_from_slice(&bytes[..len]);
                self.session.filled(len);
                len
            }
            Err(error) => {
                record_failure(&mut self.failed, error, got);
                bytes.len()
            }
        }
    }

    fn drain(&mut self, got: &mut Vec<Got>) {
        let failure = loop {
            if self.inlet == Inlet::Lent && self.session.ready() == Ok(Ready::Message) {
                match self.session.take_message() {
                    Ok(message) => {
                        let message = message.expect("it was announced");
                        got.push(message_event(message.as_message()));
                        if self.echo {
                            let _ = self.session.send(&message);
                        }
                    }
                    Err(error) => break error,
                }
                assert!(self.failed.is_none(), "a message after an error");
                continue;
            }
            let (incoming, outgoing) = self.session.halves();
            match incoming.step(outgoing) {
                Ok(Step::Message(message)) => {
                    got.push(message_event(message));
                    if self.echo {
                        // Refused only behind a Close.
                        let _ = outgoing.send(message);
                    }
                }
                Ok(Step::Control(event)) => got.extend(control_event(&event)),
                Ok(Step::NeedData | Step::Closed) => {
                    assert!(self.failed.is_none(), "something after an error");
                    return;
                }
                Err(error) => break error,
            }
            assert!(self.failed.is_none(), "an event after an error");
        };
        record_failure(&mut self.failed, failure, got);
        assert_eq!(self.session.ready(), Err(failure), "an error is final");
    }
}

impl Engine for Driven {
    fn receive(&mut self, mut bytes: &[u8], got: &mut Vec<Got>) {
        while !bytes.is_empty() {
            if self.inlet == Inlet::Lent {
                let buffer = vec![0xEE; 1024];
                self.session.attach(Buffers::received(buffer, 0..0));
            }
            bytes = &bytes[self.read(bytes, got)..];
            self.drain(got);
            if self.inlet == Inlet::Lent {
                let _ = self.session.detach();
            }
        }
    }

    fn eof(&mut self, got: &mut Vec<Got>) {
        if let Err(error) = self.session.eof() {
            record_failure(&mut self.failed, error, got);
        }
        self.drain(got);
    }

    fn send(&mut self, action: &Action) -> Result<(), SendError> {
        let (_, outgoing) = self.session.halves();
        match action {
            Action::Send(kind, payload) => outgoing.send(as_message(*kind, payload)),
            Action::SendPart(kind, payload, part) => outgoing.send_part(*kind, payload, *part),
            Action::Ping(payload) => outgoing.ping(payload),
            Action::Pong(payload) => outgoing.pong(payload),
            Action::Close(close) => outgoing.close(as_close(close)?),
            Action::In(_) | Action::Eof | Action::Wait(_) => Ok(()),
        }
    }

    fn check(&mut self, now: Instant) -> Verdict {
        self.session.check(now)
    }

    fn transmit(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let unsent = self.session.unsent();
            let len = match self.inlet {
                Inlet::Bytewise => unsent.len().min(1),
                Inlet::Spare | Inlet::Lent | Inlet::Pushed => unsent.len(),
            };
            bytes.extend(&unsent[..len]);
            self.session.sent(len);
            if len == 0 {
                return bytes;
            }
        }
    }

    fn shutdown(&self) -> Shutdown {
        self.session.shutdown()
    }

    fn state(&self) -> State {
        self.session.state()
    }
}

/// Notes an error the first time; it has to be the same ever after.
fn record_failure(failed: &mut Option<ProtocolError>, error: ProtocolError, got: &mut Vec<Got>) {
    match failed {
        None => {
            *failed = Some(error);
            got.push(Got::Error(error));
        }
        Some(first) => assert_eq!(*first, error, "an error is final"),
    }
}

fn frame_message(
    connection: &mut Connection,
    message: Message<'_>,
    to: &mut Vec<u8>,
) -> Result<(), SendError> {
    let mut frame = vec![0; connection.frame_len(message.as_bytes().len())];
    let len = connection.send(message, &mut frame)?;
    assert_eq!(len, frame.len(), "frame_len tells beforehand");
    to.extend(frame);
    Ok(())
}

fn as_message(kind: Kind, payload: &[u8]) -> Message<'_> {
    match kind {
        Kind::Text => Message::Text(str::from_utf8(payload).expect("text was checked")),
        Kind::Binary => Message::Binary(payload),
    }
}

fn as_close(close: &Option<(u16, String)>) -> Result<Option<Close<'_>>, SendError> {
    let Some((code, reason)) = close else {
        return Ok(None);
    };
    let code = CloseCode::new(*code).expect("a code that may travel");
    Close::new(code, reason).map(Some)
}

fn message_event(message: Message<'_>) -> Got {
    match message {
        Message::Text(text) => Got::Text(text.into()),
        Message::Binary(bytes) => Got::Binary(bytes.into()),
    }
}

fn control_event(event: &Event<'_>) -> Option<Got> {
    Some(match *event {
        Event::Ping(payload) => Got::Ping(payload.into()),
        Event::Pong(payload) => Got::Pong(payload.into()),
        Event::Close(close) => {
            Got::Close(close.map(|close| (close.code().get(), close.reason().into())))
        }
        Event::Message(_) | Event::Chunk(_) | Event::Deflated(_) => return None,
    })
}
