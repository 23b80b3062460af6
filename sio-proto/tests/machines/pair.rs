//! A server's session and a client's, with a network between them that delivers in any order that a
//! network can: **in order, once**, for every message, whichever way the transport changes.
//!
//! What can happen next is a list; a schedule is a choice from each. All schedules are tried where
//! there are few enough, and many at random where there are more.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use sio_proto::engine::{
    Action, Binary, Carrier, Client, ClientConfig, Config, Content, Data, Session, Sid, Transmit,
    Transport,
};
use sio_proto::{Instant, Message};

/// A message of either, as it is compared.
type Note = Vec<u8>;

/// What is on its way to the server.
enum Request {
    Get,
    Post(Vec<u8>),
    Open,
}

/// What is on its way back.
enum Response {
    Got(Vec<u8>),
    Posted,
    Opened,
    Refused,
}

/// A frame on its way, or the end of the WebSocket.
enum Frame {
    Text(String),
    Binary(Vec<u8>),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The first request of those that are on their way, or the second, or the third: they overtake
    /// each other.
    Request(usize),
    Response(usize),
    ToServer,
    ToClient,
    ServerSends,
    ClientSends,
    /// The WebSocket is cut, and what is on it is lost.
    Cut,
}

struct World {
    server: Option<Session>,
    client: Client,
    now: Instant,
    carriers: u32,
    /// Requests that came to the server and were not answered yet.
    open: BTreeMap<Carrier, Kind>,
    requests: Vec<(Carrier, Request)>,
    responses: Vec<Response>,
    socket: Option<Carrier>,
    to_server: VecDeque<Frame>,
    to_client: VecDeque<Frame>,
    server_sends: VecDeque<Note>,
    client_sends: VecDeque<Note>,
    /// What was sent, and what has come, of both.
    server_sent: Vec<Note>,
    client_sent: Vec<Note>,
    server_got: Vec<Note>,
    client_got: Vec<Note>,
    cuts: usize,
    /// How often the client was answered with nothing since a frame arrived.
    noops: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Get,
    Post,
}

impl World {
    /// So many messages either way, and so many cuts.
    fn new(from_server: u8, from_client: u8, cuts: usize) -> Self {
        let now = Instant::default();
        let mut world = Self {
            server: None,
            client: Client::open(Transport::Polling, &ClientConfig::default(), now),
            now,
            carriers: 0,
            open: BTreeMap::new(),
            requests: Vec::new(),
            responses: Vec::new(),
            socket: None,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            // Text and binary take different ways through a payload.
            server_sends: (0..from_server).map(|number| vec![number; 3]).collect(),
            client_sends: (0..from_client)
                .map(|number| vec![b'a' + number; 2])
                .collect(),
            server_sent: Vec::new(),
            client_sent: Vec::new(),
            server_got: Vec::new(),
            client_got: Vec::new(),
            cuts,
            noops: 0,
        };
        world.act();
        world
    }

    /// What can happen next.
    fn next(&self) -> Vec<Next> {
        let mut next = Vec::new();
        // No frame is overtaken by polls without end.
        let fair = self.noops < 2 || (self.to_server.is_empty() && self.to_client.is_empty());
        let may_come = |&index: &usize| fair || !matches!(self.requests[index].1, Request::Get);
        next.extend((0..self.requests.len()).filter(may_come).map(Next::Request));
        next.extend((0..self.responses.len()).map(Next::Response));
        if !self.to_server.is_empty() {
            next.push(Next::ToServer);
        }
        if !self.to_client.is_empty() {
            next.push(Next::ToClient);
        }
        if self.server.is_some() && !self.server_sends.is_empty() {
            next.push(Next::ServerSends);
        }
        if self.client.handshake().is_some() && !self.client_sends.is_empty() {
            next.push(Next::ClientSends);
        }
        if self.socket.is_some() && self.cuts > 0 {
            next.push(Next::Cut);
        }
        next
    }

    fn happen(&mut self, next: Next) {
        let now = self.now;
        match next {
            Next::Request(index) => {
                let (carrier, request) = self.requests.remove(index);
                self.arrive(carrier, request);
            }
            Next::Response(index) => match self.responses.remove(index) {
                Response::Got(body) => {
                    self.noops += usize::from(body == b"6");
                    let Some(mut payload) = self.client.got(&body) else {
                        return;
                    };
                    while let Some(data) = self.client.step(&mut payload, now) {
                        self.client_got.push(note(&data));
                    }
                }
                Response::Posted => self.client.posted(),
                Response::Opened => self.client.opened(),
                Response::Refused => self.client.failed(),
            },
            Next::ToServer => {
                self.noops = 0;
                let frame = self.to_server.pop_front().expect("a frame");
                let (Some(server), Some(socket)) = (&mut self.server, self.socket) else {
                    return;
                };
                match frame.message() {
                    Some(message) => {
                        let data = server.receive(socket, message, now);
                        self.server_got.extend(data.as_ref().map(note));
                    }
                    None => {
                        server.gone(socket, now);
                        self.socket = None;
                        self.to_client.clear();
                    }
                }
            }
            Next::ToClient => {
                self.noops = 0;
                let frame = self.to_client.pop_front().expect("a frame");
                match frame.message() {
                    Some(message) => {
                        let data = self.client.receive(message, now);
                        self.client_got.extend(data.as_ref().map(note));
                    }
                    None => {
                        self.client.gone();
                        self.socket = None;
                        self.to_server.clear();
                    }
                }
            }
            Next::ServerSends => {
                let message = self.server_sends.pop_front().expect("a message");
                let server = self.server.as_mut().expect("a session");
                if server.send(message.as_slice()).is_ok() {
                    self.server_sent.push(message);
                }
            }
            Next::ClientSends => {
                let message = self.client_sends.pop_front().expect("a message");
                let text = std::str::from_utf8(&message).expect("text");
                if self.client.send(text).is_ok() {
                    self.client_sent.push(message);
                }
            }
            Next::Cut => {
                self.cuts -= 1;
                self.to_client.clear();
                self.to_server.clear();
                let (server, socket) = (self.server.as_mut(), self.socket.take());
                server
                    .expect("a session")
                    .gone(socket.expect("a WebSocket"), now);
                self.client.gone();
            }
        }
    }

    /// A request arrives at the server.
    fn arrive(&mut self, carrier: Carrier, request: Request) {
        let now = self.now;
        let Some(server) = &mut self.server else {
            assert!(matches!(request, Request::Get), "the first is a GET");
            let (sid, by, binary) = (Sid::new([1; 15]), Transport::Polling, Binary::Bare);
            let config = Config::default();
            self.open.insert(carrier, Kind::Get);
            self.server = Some(Session::open(&sid, by, binary, carrier, &config, now));
            return;
        };
        match request {
            Request::Get => {
                self.open.insert(carrier, Kind::Get);
                server.get(carrier, now);
            }
            Request::Post(body) => {
                self.open.insert(carrier, Kind::Post);
                server.post(carrier, None, Content::Text, now);
                let Some(mut payload) = server.body(carrier, &body, now) else {
                    return;
                };
                while let Some(data) = server.step(&mut payload, now) {
                    self.server_got.push(note(&data));
                }
            }
            Request::Open => {
                server.websocket(carrier, now).expect("it may upgrade");
                self.socket = Some(carrier);
                self.responses.push(Response::Opened);
            }
        }
    }

    /// Lets both do what there is to be done.
    fn act(&mut self) {
        while let Some(transmit) = self.server.as_mut().and_then(Session::poll_transmit) {
            match transmit {
                Transmit::Answer { to, body } => {
                    let kind = self.open.remove(&to).expect("one answer to each request");
                    self.responses.push(match kind {
                        Kind::Get => Response::Got(body.into()),
                        Kind::Post => Response::Posted,
                    });
                }
                Transmit::Refuse { to, .. } => {
                    self.open.remove(&to).expect("one answer to each request");
                    self.responses.push(Response::Refused);
                }
                Transmit::Frame { on, message } => {
                    assert_eq!(Some(on), self.socket);
                    self.to_client.push_back(message.into());
                }
                Transmit::HangUp { on, .. } if Some(on) == self.socket => {
                    self.to_client.push_back(Frame::End);
                }
                Transmit::HangUp { .. } => {}
            }
        }
        while let Some(action) = self.client.poll() {
            let mut request = |request| {
                self.carriers += 1;
                self.requests.push((Carrier(self.carriers), request));
            };
            match action {
                Action::Get { .. } => request(Request::Get),
                Action::Post { body, .. } => request(Request::Post(body.into())),
                Action::Open { .. } => request(Request::Open),
                Action::Frame(message) => self.to_server.push_back(message.into()),
                Action::HangUp => self.to_server.push_back(Frame::End),
            }
        }
    }

    /// What has to be true at any moment.
    fn check(&self) {
        assert!(
            self.client_sent.starts_with(&self.server_got),
            "in order, once"
        );
        assert!(
            self.server_sent.starts_with(&self.client_got),
            "in order, once"
        );
    }

    fn is_over(&self) -> bool {
        let server = self.server.as_ref().and_then(Session::closed);
        server.is_some() || self.client.closed().is_some()
    }

    /// Nothing can happen any more, but time may pass.
    fn check_end(&self, cut: bool) {
        if self.is_over() {
            assert!(cut, "{:?} {:?}", self.server, self.client);
            return;
        }
        assert_eq!(
            self.server_got, self.client_sent,
            "{:?} {:?}",
            self.server, self.client
        );
        assert_eq!(
            self.client_got, self.server_sent,
            "{:?} {:?}",
            self.server, self.client
        );
        let server = self.server.as_ref().expect("a session");
        assert_eq!(server.transport(), self.client.transport());
        let held: Vec<_> = self.open.values().copied().collect();
        match self.client.transport() {
            Transport::WebSocket => assert_eq!(held, []),
            Transport::Polling => {
                assert!(cut);
                assert_eq!(held, [Kind::Get]);
            }
        }
    }
}

impl Frame {
    fn message(&self) -> Option<Message<'_>> {
        match self {
            Self::Text(text) => Some(Message::Text(text)),
            Self::Binary(bytes) => Some(Message::Binary(bytes)),
            Self::End => None,
        }
    }
}

impl From<Message<'_>> for Frame {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

fn note(data: &Data<'_>) -> Note {
    data.as_message().as_bytes().to_vec()
}

/// Plays a schedule; beyond its end, always the first choice. Returns how many choices there were at
/// each step, and what was chosen.
fn play(mut world: World, schedule: &mut dyn FnMut(usize) -> usize) -> Vec<(usize, usize)> {
    let (cuts, mut chosen) = (world.cuts, Vec::new());
    loop {
        let next = world.next();
        if next.is_empty() {
            break;
        }
        assert!(
            chosen.len() < 200,
            "no end: {world:?}",
            world = world.client
        );
        let choice = schedule(next.len()) % next.len();
        chosen.push((choice, next.len()));
        world.happen(next[choice]);
        world.act();
        world.check();
    }
    world.check_end(world.cuts < cuts);
    chosen
}

/// Plays all schedules there are, and says how many.
fn play_all(world: impl Fn() -> World) -> usize {
    let mut prefix: Vec<usize> = Vec::new();
    let mut played = 0;
    loop {
        let mut step = 0;
        let mut chosen = play(world(), &mut |_| {
            step += 1;
            prefix.get(step - 1).copied().unwrap_or_default()
        });
        played += 1;
        // The next schedule: the last choice that was not the last of its step moves on.
        while let Some((choice, choices)) = chosen.pop() {
            if choice + 1 < choices {
                prefix = chosen.iter().map(|&(choice, _)| choice).collect();
                prefix.push(choice + 1);
                break;
            }
            if chosen.is_empty() {
                return played;
            }
        }
    }
}

#[test]
fn an_upgrade_in_every_order() {
    for (from_server, from_client) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        assert!(play_all(|| World::new(from_server, from_client, 0)) > 1);
    }
}

#[test]
fn an_upgrade_in_every_order_that_is_cut_anywhere() {
    for (from_server, from_client) in [(0, 0), (1, 0), (0, 1), (2, 0)] {
        assert!(play_all(|| World::new(from_server, from_client, 1)) > 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_upgrade_in_any_order_with_many_messages(
        from_server in 0..6_u8,
        from_client in 0..6_u8,
        cuts in 0..2_usize,
        schedule in prop::collection::vec(0..64_usize, 0..64),
    ) {
        let mut schedule = schedule.into_iter();
        play(World::new(from_server, from_client, cuts), &mut |_| schedule.next().unwrap_or_default());
    }
}
