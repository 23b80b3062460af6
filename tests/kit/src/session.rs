//! A session, which gets its bytes in one of several ways.

#[cfg(feature = "deflate")]
use ws_proto::handshake::{Compression, Direction};
use ws_proto::{
    Buffers, Config, Instant, ProtocolError, Ready, Role, SendError, Session, Shutdown, State,
    Step, Verdict,
};
#[cfg(feature = "deflate")]
use ws_proto::{Deflate, WhenIdle};

use crate::counting::spared;
use crate::engine::{Engine, Got, Setup, as_close, as_message, control_event, record_failure};
use crate::script::Action;

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
    /// Into its own buffer; messages are read in parts, a few bytes at a time.
    InParts,
}

impl Inlet {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Spare,
        Self::Bytewise,
        Self::Lent,
        Self::Pushed,
        Self::InParts,
    ];
}

impl Setup {
    /// A session that is set up so, whose time has begun.
    #[must_use]
    pub fn session(&self) -> Session {
        let mut config = Config::from(self.limits);
        config.timeouts = self.timeouts;
        let mut session = match self.role {
            Role::Server => Session::server(&config),
            Role::Client => Session::client(&config, Self::seed()),
        };
        let _ = session.check(Instant::default());
        #[cfg(feature = "deflate")]
        if let Some(agreed) = self.agreed() {
            let mut settings = Deflate::DEFAULT;
            settings.send = agreed.client;
            settings.min_len = 0;
            // Silence, which an adapter may see or not, changes no byte.
            settings.when_idle = WhenIdle::Keep;
            return session.compressed(&settings, &agreed);
        }
        session
    }

    /// What was agreed on: the widest windows, in both directions.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn agreed(&self) -> Option<Compression> {
        let both = self.deflate.map(|takeover| Direction {
            takeover,
            ..Direction::FULL
        });
        both.map(|both| Compression {
            server: both,
            client: both,
        })
    }
}

/// A session, driven as an adapter would.
#[derive(Debug)]
pub struct Driven {
    session: Session,
    inlet: Inlet,
    echo: bool,
    compresses: bool,
    failed: Option<ProtocolError>,
    keeps_its_buffers: bool,
    /// What was read of the message that is read in parts.
    read: Vec<u8>,
}

impl Driven {
    /// A session that gets its bytes through `inlet`.
    #[must_use]
    pub fn new(setup: &Setup, inlet: Inlet) -> Self {
        Self {
            echo: setup.echo,
            compresses: setup.deflate.is_some(),
            ..Self::over(setup.session(), inlet)
        }
    }

    /// This session, which gets its bytes through `inlet`.
    #[must_use]
    pub const fn over(session: Session, inlet: Inlet) -> Self {
        Self {
            session,
            inlet,
            echo: false,
            compresses: false,
            failed: None,
            keeps_its_buffers: false,
            read: Vec::new(),
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
            // There may be no memory to read what comes after a failure into.
            Err(error) => {
                if let Some(failed) = self.failed {
                    assert_eq!(error, failed, "an error is final");
                } else {
                    record_failure(&mut self.failed, error, got);
                }
                bytes.len()
            }
        }
    }

    fn drain(&mut self, got: &mut Vec<Got>) {
        let drained = match self.inlet {
            Inlet::InParts => self.drain_in_parts(got),
            _ => self.drain_whole(got),
        };
        if let Err(failure) = drained {
            record_failure(&mut self.failed, failure, got);
            assert_eq!(self.session.ready(), Err(failure), "an error is final");
        }
    }

    fn drain_in_parts(&mut self, got: &mut Vec<Got>) -> Result<(), ProtocolError> {
        loop {
            let ready = self.session.ready_to_read()?;
            assert!(self.failed.is_none(), "{ready:?} after an error");
            match ready {
                Ready::Message => {
                    let kind = self.session.reading().expect("it was announced");
                    let mut room = [0; 7];
                    let len = self.session.read(&mut room)?;
                    if len > 0 {
                        spared(|| self.read.extend(&room[..len]));
                        continue;
                    }
                    assert_eq!(self.session.reading(), None, "it has ended");
                    let payload = core::mem::take(&mut self.read);
                    let message = as_message(kind, &payload);
                    spared(|| got.push(message.into()));
                    if self.echo {
                        let (_, outgoing) = self.session.halves();
                        // Refused only after a Close.
                        let _ = persist(|| outgoing.send(message));
                    }
                }
                Ready::Control => {
                    let event = self.session.control()?;
                    let event = event.expect("it was announced");
                    spared(|| got.extend(control_event(&event)));
                }
                Ready::NeedData | Ready::Closed => return Ok(()),
            }
        }
    }

    fn drain_whole(&mut self, got: &mut Vec<Got>) -> Result<(), ProtocolError> {
        loop {
            if self.inlet == Inlet::Lent && self.session.ready() == Ok(Ready::Message) {
                let message = self.session.take_message()?;
                let message = message.expect("it was announced");
                spared(|| got.push(message.as_message().into()));
                if self.echo {
                    let (_, outgoing) = self.session.halves();
                    // Refused only after a Close.
                    let _ = persist(|| outgoing.send(&message));
                }
                assert!(self.failed.is_none(), "a message after an error");
                continue;
            }
            let (incoming, outgoing) = self.session.halves();
            match incoming.step(outgoing)? {
                Step::Message(message) => {
                    spared(|| got.push(message.into()));
                    if self.echo {
                        // Refused only after a Close.
                        let _ = persist(|| outgoing.send(message));
                    }
                }
                Step::Control(event) => spared(|| got.extend(control_event(&event))),
                Step::NeedData | Step::Closed => {
                    assert!(self.failed.is_none(), "something after an error");
                    return Ok(());
                }
            }
            assert!(self.failed.is_none(), "an event after an error");
        }
    }
}

/// Has something sent; if there is no memory for it, again when there is.
fn persist(mut send: impl FnMut() -> Result<(), SendError>) -> Result<(), SendError> {
    match send() {
        Err(SendError::OutOfMemory) => spared(send),
        sent => sent,
    }
}

impl Engine for Driven {
    fn receive(&mut self, mut bytes: &[u8], got: &mut Vec<Got>) {
        while !bytes.is_empty() {
            if self.inlet == Inlet::Lent && !self.keeps_its_buffers {
                let buffers = spared(|| Buffers::received(vec![0xEE; 1024], 0..0));
                self.session.attach(buffers);
            }
            bytes = &bytes[self.read(bytes, got)..];
            self.drain(got);
            if self.inlet == Inlet::Lent {
                // Without memory for what is left over, they stay.
                self.keeps_its_buffers = self.session.detach().is_none();
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
        persist(|| match action {
            Action::Send(kind, payload) => outgoing.send(as_message(*kind, payload)),
            Action::SendPart(kind, payload, part) => outgoing.send_part(*kind, payload, *part),
            Action::Ping(payload) => outgoing.ping(payload),
            Action::Pong(payload) => outgoing.pong(payload),
            Action::Close(close) => outgoing.close(as_close(close)?),
            other => unreachable!("no application does {other:?}"),
        })
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
                _ => unsent.len(),
            };
            spared(|| bytes.extend(&unsent[..len]));
            self.session.sent(len);
            if len == 0 {
                return bytes;
            }
        }
    }

    fn compresses(&self) -> bool {
        self.compresses
    }

    fn shutdown(&self) -> Shutdown {
        self.session.shutdown()
    }

    fn state(&self) -> State {
        self.session.state()
    }
}
