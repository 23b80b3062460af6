//! A session that lives through a scenario, as a careful adapter drives it.

use core::time::Duration;

#[cfg(feature = "deflate")]
use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{
    Buffers, Close, CloseCode, Instant, Limits, Message, Outgoing, Prepared, ProtocolError, Ready,
    SendError, Session, State, Step,
};
use ws_testkit::counting::spared;
use ws_testkit::{Driven, Got, Inlet, converse, frames};

use crate::scenarios::{Act, KIND, Scenario};
#[cfg(feature = "deflate")]
use crate::support::End;
use crate::support::session;

/// A session that lives through a scenario.
pub(crate) struct Life<'s> {
    scenario: &'s Scenario,
    session: Session,
    buffers: Option<Buffers>,
    seen: Vec<Got>,
    wrote: Vec<u8>,
    error: Option<ProtocolError>,
    /// How often it was refused to send for want of memory.
    refused: usize,
}

/// What became of one, in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) seen: Vec<Got>,
    pub(crate) error: Option<ProtocolError>,
    /// What the peer has heard.
    pub(crate) heard: Vec<Got>,
    pub(crate) code: Option<CloseCode>,
    pub(crate) refused: usize,
}

impl<'s> Life<'s> {
    pub(crate) fn new(scenario: &'s Scenario) -> Self {
        Self {
            scenario,
            session: make(scenario),
            buffers: Some(Buffers::new(2048)),
            seen: Vec::new(),
            wrote: Vec::new(),
            error: None,
            refused: 0,
        }
    }

    pub(crate) fn live(&mut self, act: &Act) {
        match act {
            Act::Make => drop(make(self.scenario)),
            Act::Prepare(bytes) => drop(Prepared::new(bytes)),
            Act::IntoParts if self.error.is_some() => {}
            Act::IntoParts => {
                let other = Session::server(&Limits::DEFAULT.into());
                drop(core::mem::replace(&mut self.session, other).into_parts());
            }
            Act::Read(bytes, portion) => self.read(bytes, *portion),
            Act::Lent(bytes, portion) => self.lent(bytes, *portion),
            Act::Push(bytes) => {
                self.session.push(bytes);
                self.steps();
            }
            Act::Eof => {
                let end = self.session.eof();
                self.note(end);
                self.steps();
            }
            Act::Send(bytes) => self.command(|out| out.send(bytes)),
            Act::SendText(text) => self.command(|out| out.send(text)),
            Act::SendLent(bytes) => self.lend(bytes),
            Act::SendPrepared(bytes) => {
                let prepared = spared(|| Prepared::new(bytes));
                self.command(|out| out.send_prepared(&prepared));
            }
            Act::SendPart(bytes, part) => self.command(|out| out.send_part(KIND, bytes, *part)),
            Act::Ping(bytes) => self.command(|out| out.ping(bytes)),
            Act::Pong(bytes) => self.command(|out| out.pong(bytes)),
            Act::Close(reason) => {
                let close = Close::new(CloseCode::NORMAL, reason).expect("a short one");
                self.command(|out| out.close(Some(close)));
            }
            Act::Write(most) => {
                let unsent = self.session.unsent();
                let len = unsent.len().min(*most);
                spared(|| self.wrote.extend(&unsent[..len]));
                self.session.sent(len);
            }
            Act::TakeUnsent => {
                let (_, out) = self.session.halves();
                let mut taken = Buffers::default();
                out.swap(&mut taken);
                out.on_written(0);
                spared(|| {
                    let mut slices = [&[][..]; 64];
                    let count = taken.unsent_slices(&mut slices);
                    self.wrote.extend(slices[..count].concat());
                });
            }
            Act::Wait(seconds) => {
                let now = Instant::from_epoch(Duration::from_secs(*seconds));
                let _ = self.session.check(now);
            }
            Act::Release => self.session.release(),
        }
    }

    fn read(&mut self, bytes: &[u8], portion: usize) {
        let mut at = 0;
        while at < bytes.len() && self.error.is_none() {
            let end = bytes.len().min(at + portion);
            match session::read(&mut self.session, &bytes[at..end]) {
                Ok(read) => at += read,
                Err(error) => self.note(Err(error)),
            }
            self.steps();
        }
    }

    fn lent(&mut self, bytes: &[u8], portion: usize) {
        let mut at = 0;
        while at < bytes.len() && self.error.is_none() {
            // Where there was no memory for what was left over, they stayed.
            if let Some(buffers) = self.buffers.take() {
                self.session.attach(buffers);
            }
            let end = bytes.len().min(at + portion);
            match session::read(&mut self.session, &bytes[at..end]) {
                Ok(read) => at += read,
                Err(error) => self.note(Err(error)),
            }
            while self.session.ready() == Ok(Ready::Message) {
                match self.session.take_message() {
                    Ok(message) => {
                        spared(|| self.seen.extend(message.map(|it| it.as_message().into())));
                    }
                    Err(error) => self.note(Err(error)),
                }
            }
            self.steps();
            self.buffers = self.session.detach();
        }
    }

    fn steps(&mut self) {
        loop {
            // What a step gives is copied, which needs memory of ours.
            let (incoming, outgoing) = self.session.halves();
            let seen = match incoming.step(outgoing) {
                Ok(Step::Message(message)) => spared(|| Got::from(message)),
                Ok(Step::Control(event)) => spared(|| session::seen_control(event)),
                Ok(Step::NeedData | Step::Closed) => return,
                Err(error) => return self.note(Err(error)),
            };
            assert_eq!(self.error, None, "an event after an error");
            spared(|| self.seen.push(seen));
        }
    }

    fn note(&mut self, result: Result<(), ProtocolError>) {
        if let Err(error) = result {
            assert_eq!(*self.error.get_or_insert(error), error, "an error is final");
        }
    }

    /// Has something sent; if there is no memory, again when there is.
    fn command(&mut self, mut command: impl FnMut(&mut Outgoing) -> Result<(), SendError>) {
        let (_, out) = self.session.halves();
        let mut sent = command(out);
        if sent == Err(SendError::OutOfMemory) {
            self.refused += 1;
            sent = spared(|| command(out));
        }
        match sent {
            Ok(()) => {}
            // A failure or the peer was faster.
            Err(SendError::Closed) => assert_ne!(self.session.state(), State::Open),
            Err(error) => panic!("{error}"),
        }
    }

    fn lend(&mut self, bytes: &[u8]) {
        let mut lent = 0;
        self.command(|out| {
            lent = out.send_by_reference(Message::Binary(bytes))?.len();
            Ok(())
        });
        if lent > 0 {
            let len = self.session.unsent().len();
            spared(|| self.wrote.extend(self.session.unsent()));
            spared(|| self.wrote.extend(bytes));
            self.session.sent(len + lent);
        }
    }

    /// There is memory again: everything that was queued leaves, and nothing else.
    pub(crate) fn end(mut self) -> Fate {
        self.steps();
        self.wrote.extend(session::drain(&mut self.session));
        if let State::Failed(error) = self.session.state() {
            self.note(Err(error));
        }
        if let Some(error) = self.error {
            assert_eq!(self.session.ready(), Err(error), "an error is final");
            assert_eq!(self.session.state(), State::Failed(error));
        }
        let whole = frames(&self.wrote);
        assert!(
            whole.iter().rev().skip(1).all(|frame| frame.opcode() != 8),
            "a Close is the last"
        );
        let peer = Scenario {
            end: self.scenario.end.other(),
            limits: unlimited(),
            ..self.scenario.clone()
        };
        let mut session = Driven::over(make(&peer), Inlet::Spare);
        let outcome = converse(&mut session, peer.end.role(), [&self.wrote[..]]);
        assert_eq!(outcome.error(), None, "what was sent is wrong");
        Fate {
            seen: self.seen,
            error: self.error,
            // A Ping of keepalive, which is empty, comes later if there is no memory.
            heard: outcome
                .got
                .into_iter()
                .filter(|seen| *seen != Got::Ping(vec![]))
                .collect(),
            code: self.session.peer_close().map(|close| close.code()),
            refused: self.refused,
        }
    }
}

fn make(scenario: &Scenario) -> Session {
    let mut session = scenario.end.session(&scenario.limits);
    let _ = session.check(Instant::default());
    #[cfg(feature = "deflate")]
    if scenario.compressed {
        return session.compressed(&settings(), &agreed(12));
    }
    session
}

/// Messages refer to those before: also to one that was never sent, if nobody takes care.
#[cfg(feature = "deflate")]
pub(crate) fn agreed(bits: u8) -> Compression {
    let window = WindowBits::new(bits).expect("from 9 to 15");
    let takeover = Takeover::Kept;
    let both = Direction { window, takeover };
    Compression {
        server: both,
        client: both,
    }
}

#[cfg(feature = "deflate")]
pub(crate) fn settings() -> ws_proto::Deflate {
    let mut settings = ws_proto::Deflate::default();
    settings.send = Direction::FULL;
    settings.min_len = 100;
    settings
}

/// What this end's peer sends when it says `texts`, compressed.
#[cfg(feature = "deflate")]
pub(crate) fn deflated(end: End, texts: &[&str]) -> Vec<u8> {
    let peer = end.other().session(&unlimited());
    let mut peer = peer.compressed(&settings(), &agreed(12));
    texts
        .iter()
        .for_each(|text| peer.send(*text).expect("room"));
    session::drain(&mut peer)
}

fn unlimited() -> Limits {
    let mut limits = Limits::default();
    limits.max_message = u64::MAX;
    limits.max_unsent = usize::MAX;
    limits
}
