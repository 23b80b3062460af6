//! Two peers in a box: whatever they are told to do, and however the wire between them delivers,
//! both end closed, and every message that was accepted arrives, intact and in order.

#![cfg(feature = "alloc")]

mod support;

use std::collections::VecDeque;

use proptest::prelude::*;
use support::{End, session};
use ws_proto::{
    Buffers, Close, CloseCode, Kind, Limits, Message, MessageBuf, Part, Ready, SendError, Session,
    Shutdown, State,
};
use ws_testkit::Got;

#[derive(Clone, Copy, Debug)]
enum Side {
    Client,
    Server,
}

#[derive(Clone, Debug)]
enum Command {
    Text(String),
    Binary(u8, usize),
    Part(Kind, usize, Part),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<String>),
    /// Up to so many bytes from the outbox to the wire.
    Write(usize),
    /// Up to so many bytes from the wire to the inbox, and steps until it asks for more.
    Read(usize),
    /// As `Read`, and owned messages are taken instead of borrowed.
    Take(usize),
    TakeUnsent,
    Release,
    Lend(usize),
}

fn any_command() -> impl Strategy<Value = Command> {
    let payload = || prop::collection::vec(any::<u8>(), 0..=125);
    let kind = prop_oneof![Just(Kind::Text), Just(Kind::Binary)];
    let part = prop_oneof![2 => Just(Part::More), 1 => Just(Part::Last)];
    prop_oneof![
        6 => "\\PC{0,60}".prop_map(Command::Text),
        6 => (any::<u8>(), prop_oneof![0_usize..200, 500_usize..3000]).prop_map(|(b, n)| Command::Binary(b, n)),
        6 => (kind, 0_usize..900, part).prop_map(|(kind, len, part)| Command::Part(kind, len, part)),
        2 => payload().prop_map(Command::Ping),
        1 => payload().prop_map(Command::Pong),
        1 => any::<Option<[char; 3]>>().prop_map(|r| Command::Close(r.map(String::from_iter))),
        12 => prop_oneof![1_usize..20, 100_usize..4000].prop_map(Command::Write),
        12 => prop_oneof![1_usize..20, 100_usize..4000].prop_map(Command::Read),
        4 => (1_usize..4000).prop_map(Command::Take),
        1 => Just(Command::TakeUnsent),
        1 => Just(Command::Release),
        1 => (0_usize..2000).prop_map(Command::Lend),
    ]
}

struct Peer {
    session: Session,
    /// What was accepted to be sent, and what was received.
    sent: Vec<Got>,
    received: Vec<Got>,
    /// The message of which fragments were accepted.
    begun: Option<(Kind, Vec<u8>)>,
    /// Bytes on their way from here.
    wire: VecDeque<u8>,
}

impl Peer {
    fn new(end: End) -> Self {
        let mut limits = Limits::default();
        limits.max_unsent = 4000;
        limits.read_buffer = Limits::MIN_READ;
        Self {
            session: end.session(&limits),
            sent: Vec::new(),
            received: Vec::new(),
            begun: None,
            wire: VecDeque::new(),
        }
    }

    fn send(&mut self, message: &MessageBuf) {
        let (waiting, open) = (self.waiting(), self.is_open());
        match self.session.send(message) {
            Ok(()) => {
                assert!(open && self.begun.is_none());
                self.sent.push(message.as_message().into());
            }
            Err(error) => self.assert_refused(error, waiting),
        }
    }

    fn send_part(&mut self, kind: Kind, len: usize, part: Part) {
        let waiting = self.waiting();
        let at = self.begun.as_ref().map_or(0, |(_, begun)| begun.len());
        let payload: Vec<u8> = (b'a'..=b'z').cycle().skip(at).take(len).collect();
        let (_, outgoing) = self.session.halves();
        if let Err(error) = outgoing.send_part(kind, &payload, part) {
            return self.assert_refused(error, waiting);
        }
        let (begun_kind, begun) = self.begun.get_or_insert((kind, Vec::new()));
        assert_eq!(*begun_kind, kind);
        begun.extend(payload);
        if part == Part::Last
            && let Some((kind, begun)) = self.begun.take()
        {
            self.sent.push(match kind {
                Kind::Text => Got::Text(String::from_utf8(begun).expect("ASCII")),
                Kind::Binary => Got::Binary(begun),
            });
        }
    }

    fn waiting(&mut self) -> usize {
        self.session.halves().1.unsent_len()
    }

    fn is_open(&self) -> bool {
        self.session.state() == State::Open
    }

    /// What is refused leaves nothing behind, and there was a reason.
    fn assert_refused(&mut self, error: SendError, waiting: usize) {
        assert_eq!(self.waiting(), waiting);
        match error {
            SendError::Full { limit } => assert!(waiting > 0 && waiting + 3100 > limit),
            SendError::MessageInProgress => assert!(self.begun.is_some()),
            SendError::Closed => assert!(!self.is_open()),
            other => panic!("{other}"),
        }
    }

    fn write(&mut self, len: usize) {
        let unsent = self.session.unsent();
        let len = len.min(unsent.len());
        self.wire.extend(&unsent[..len]);
        self.session.sent(len);
    }

    fn read(&mut self, wire: &mut VecDeque<u8>, len: usize, take: bool) {
        let bytes: Vec<u8> = wire.iter().copied().take(len).collect();
        let len = session::read(&mut self.session, &bytes).expect("there is memory");
        wire.drain(..len);
        let mut calls = 2 * len + 300;
        loop {
            calls = calls.checked_sub(1).expect("an endless loop");
            if take {
                while self.session.ready() == Ok(Ready::Message) {
                    let message = self.session.take_message().expect("in order");
                    self.received
                        .extend(message.map(|it| it.as_message().into()));
                }
            }
            match session::step(&mut self.session).expect("a peer that keeps the rules") {
                Some(seen @ (Got::Text(_) | Got::Binary(_))) => self.received.push(seen),
                Some(_) => {}
                None => break,
            }
        }
    }

    fn obey(&mut self, command: &Command, other: &mut VecDeque<u8>) {
        match command {
            Command::Text(text) => self.send(&MessageBuf::Text(text.clone())),
            Command::Binary(byte, len) => self.send(&MessageBuf::Binary(vec![*byte; *len])),
            Command::Part(kind, len, part) => self.send_part(*kind, *len, *part),
            Command::Ping(payload) => {
                let _ = self.session.ping(payload);
            }
            Command::Pong(payload) => {
                let _ = self.session.halves().1.pong(payload);
            }
            Command::Close(reason) => {
                let reason = reason.as_deref();
                let close = |r| Close::new(CloseCode::NORMAL, r).expect("short");
                if self.session.close(reason.map(close)).is_ok() {
                    self.begun = None;
                }
            }
            Command::Write(len) => self.write(*len),
            Command::Read(len) => self.read(other, *len, false),
            Command::Take(len) => self.read(other, *len, true),
            Command::TakeUnsent => {
                let bytes = session::swap_out(&mut self.session);
                self.wire.extend(bytes);
            }
            Command::Release => self.session.release(),
            Command::Lend(len) => {
                self.session
                    .attach(Buffers::received(vec![0xEE; *len], 0..0));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn two_peers_end_closed_and_lose_nothing(
        commands in prop::collection::vec(
            (prop_oneof![Just(Side::Client), Just(Side::Server)], any_command()),
            0..120,
        ),
        chunk in 1_usize..5000,
    ) {
        let mut client = Peer::new(End::Client);
        let mut server = Peer::new(End::Server);
        for (side, command) in &commands {
            match side {
                Side::Client => client.obey(command, &mut server.wire),
                Side::Server => server.obey(command, &mut client.wire),
            }
        }

        // Somebody has to say goodbye; then the wires run empty.
        let _ = client.session.close(None);
        let mut rounds = 0;
        while (client.session.shutdown(), server.session.shutdown())
            != (Shutdown::AwaitPeer, Shutdown::Write)
        {
            client.write(chunk);
            server.write(chunk);
            client.read(&mut server.wire, chunk, false);
            server.read(&mut client.wire, chunk, true);
            rounds += 1;
            prop_assert!(rounds < 500_000, "no end: {:?} {:?}", client.session.state(), server.session.state());
        }
        prop_assert_eq!(client.session.eof(), Ok(()));
        prop_assert_eq!(client.session.shutdown(), Shutdown::Now);
        prop_assert_eq!(&server.received, &client.sent);
        prop_assert_eq!(&client.received, &server.sent);
        prop_assert_eq!(client.session.send(Message::Text("late")), Err(SendError::Closed));
        prop_assert!(client.session.unsent().is_empty() && server.session.unsent().is_empty());
    }
}
