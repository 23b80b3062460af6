//! The client's end of a session (Engine.IO 4, "Transports", "Upgrade").
//!
//! ```text
//!            open packet            `3probe`           nothing on its way: `5`
//!   Opening ────────────▶ Polling ──────────▶ Pausing ─────────────────────────▶ WebSocket
//!      │                     ▲                   │                                   ▲
//!      │                     └─ WebSocket gone ──┘                                   │
//!      └──────────────────────── open packet on a WebSocket ─────────────────────────┘
//! ```
//!
//! While Polling one GET is always on its way, and one POST while something waits. While Pausing
//! neither begins: when both have come back, everything that was sent by polling has arrived, and so
//! has everything that came; what waits leaves by the WebSocket.

mod action;
mod config;

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::mem;
use core::time::Duration;

use ws_proto::{Instant, Message};

use super::error::{ProtocolError, SendError};
use super::open::Open;
use super::outbox::{Outbox, Queued, base64_len};
use super::packet::{Data, Packet};
use super::payload::Payload;
use super::query::{Binary, Transport};
use super::reason::Reason;

pub use action::Action;
pub use config::{ClientConfig, Upgrade};

/// The client's end of a session.
///
/// **The one rule of use**: after each call, do what [`poll`](Self::poll) returns, until it returns
/// `None` or the WebSocket is full.
///
/// ```
/// use sio_proto::engine::{Action, Client, ClientConfig, Transport};
/// use ws_proto::{Instant, Message};
///
/// let now = Instant::default();
/// let mut client = Client::open(Transport::WebSocket, &ClientConfig::default(), now);
/// assert_eq!(client.poll(), Some(Action::Open { query: "EIO=4&transport=websocket" }));
/// client.opened();
/// let open = r#"0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
/// client.receive(Message::Text(open), now);
/// client.send("hello")?;
/// assert_eq!(client.poll(), Some(Action::Frame(Message::Text("4hello"))));
/// assert_eq!(client.poll(), None);
/// # Ok::<(), sio_proto::engine::SendError>(())
/// ```
pub struct Client {
    config: ClientConfig,
    state: State,
    open: Option<Open>,
    /// The query of a request by polling, and of one for a WebSocket.
    queries: [String; 2],
    get: Flight,
    post: Flight,
    socket: Socket,
    outbox: Outbox,
    /// Frames of ours that come before what waits.
    frame: Option<&'static str>,
    /// When to give up on the server: it is silent, or does not open the session.
    silent: Instant,
    /// What `poll` lent out last.
    lent: Queued,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening(Transport),
    Polling,
    /// The WebSocket works; requests of polling are still on their way.
    Pausing,
    WebSocket,
    /// Queued messages have still to leave.
    Closing(Transport),
    Closed(Reason),
}

/// Whether a request of a kind is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    Home,
    Away,
}

/// The WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    /// There is no WebSocket, and none is needed.
    Absent,
    /// The adapter has to open it; for an upgrade, by this time.
    Wanted(Option<Instant>),
    /// It is being opened.
    Opening(Option<Instant>),
    /// It is being tested, until this time.
    Probing(Instant),
    Open,
    /// The adapter has to close it.
    Unwanted,
}

const CLOSE: &str = "1";
const PROBE: &str = "2probe";
const PROBED: &str = "3probe";
const PONG: &str = "3";
const UPGRADE: &str = "5";

impl Client {
    /// Begins a session, by polling or by a WebSocket.
    #[must_use]
    pub fn open(by: Transport, config: &ClientConfig, now: Instant) -> Self {
        Self {
            config: *config,
            state: State::Opening(by),
            open: None,
            queries: ["polling", "websocket"].map(|by| format!("EIO=4&transport={by}")),
            get: Flight::Home,
            post: Flight::Home,
            socket: match by {
                Transport::Polling => Socket::Absent,
                Transport::WebSocket => Socket::Wanted(None),
            },
            outbox: Outbox::new(config.max_unsent),
            frame: None,
            silent: now.after(config.open_timeout),
            lent: Queued::Text("".into()),
        }
    }

    /// Reports that a GET was answered with 200 and this body. Read its packets with
    /// [`step`](Self::step). `None` if the session is over.
    #[must_use = "the next GET begins when its packets were read"]
    pub fn got<'b>(&mut self, body: &'b [u8]) -> Option<Payload<'b>> {
        match Payload::decode(body, self.config.max_body) {
            _ if self.get == Flight::Home || self.closed().is_some() => None,
            Ok(payload) => Some(payload),
            Err(error) => {
                let error = match error {
                    ProtocolError::TooLong { limit } => ProtocolError::AnswerTooLong { limit },
                    error => error,
                };
                self.end(error.into());
                None
            }
        }
    }

    /// Returns the next message in the answer to a GET.
    pub fn step<'b>(&mut self, payload: &mut Payload<'b>, now: Instant) -> Option<Data<'b>> {
        while self.get == Flight::Away {
            let Some(packet) = payload.next() else {
                self.get = Flight::Home;
                self.resume();
                break;
            };
            match packet.and_then(|packet| self.packet(packet, now)) {
                Ok(Some(data)) => return Some(data),
                Ok(None) => {}
                Err(error) => self.end(error.into()),
            }
        }
        None
    }

    /// Reports that a POST was answered with 200.
    pub fn posted(&mut self) {
        self.post = Flight::Home;
        if self.state == State::Closing(Transport::Polling) && self.outbox.is_empty() {
            return self.end(Reason::Closed);
        }
        self.resume();
    }

    /// Reports that a GET or a POST failed, or was answered with another status. The session is over,
    /// because it is unknown what has arrived.
    pub fn failed(&mut self) {
        self.end(match self.state {
            State::Closing(_) => Reason::Closed,
            _ => Reason::TransportFailed,
        });
    }

    /// Reports that the WebSocket has opened.
    pub fn opened(&mut self) {
        match self.socket {
            Socket::Opening(Some(until)) => {
                self.socket = Socket::Probing(until);
                self.frame = Some(PROBE);
            }
            Socket::Opening(None) => self.socket = Socket::Open,
            _ => {}
        }
    }

    /// Takes a message of the WebSocket, and returns its content if that is for the application.
    pub fn receive<'b>(&mut self, frame: Message<'b>, now: Instant) -> Option<Data<'b>> {
        match (self.socket, self.state) {
            (Socket::Probing(_), State::Polling) if frame == Message::Text(PROBED) => {
                self.state = State::Pausing;
                self.resume();
                None
            }
            // Some servers send a noop there.
            (Socket::Probing(_), State::Pausing) if frame == Message::Text("6") => None,
            (Socket::Probing(_), _) => {
                self.give_up();
                None
            }
            (Socket::Open, State::Opening(_) | State::WebSocket) => {
                let packet = Packet::decode(frame);
                match packet.and_then(|packet| self.packet(packet, now)) {
                    Ok(data) => data,
                    Err(error) => {
                        self.end(error.into());
                        None
                    }
                }
            }
            _ => None,
        }
    }

    /// Reports that the WebSocket has ended, or could not be opened.
    pub fn gone(&mut self) {
        let socket = mem::replace(&mut self.socket, Socket::Absent);
        match (socket, self.state) {
            (_, State::Closing(Transport::WebSocket)) => self.end(Reason::Closed),
            (Socket::Opening(None) | Socket::Open, _) => self.end(Reason::TransportClosed),
            _ => self.give_up(),
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`SendError`]: nothing was queued.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.send_all(&[message.into()])
    }

    /// Queues messages that belong together, all or none of them.
    ///
    /// # Errors
    ///
    /// [`SendError`]: nothing was queued.
    pub fn send_all(&mut self, messages: &[Message<'_>]) -> Result<(), SendError> {
        let len: fn(&Message<'_>) -> usize = match self.state {
            State::Opening(_) => return Err(SendError::NotOpen),
            State::Closing(_) | State::Closed(_) => return Err(SendError::Closed),
            State::WebSocket => |message| message.as_bytes().len(),
            State::Polling | State::Pausing => |message| match message {
                Message::Text(text) => 1 + text.len(),
                Message::Binary(bytes) => base64_len(bytes.len()),
            },
        };
        let limit = self.max_payload();
        if messages.iter().any(|message| len(message) as u64 > limit) {
            return Err(SendError::TooLong { limit });
        }
        self.outbox.send(messages)
    }

    /// Ends the session, after what waits has left.
    pub fn close(&mut self, now: Instant) {
        match self.state {
            State::Opening(_) => return self.end(Reason::Closed),
            State::Polling | State::Pausing => {
                self.drop_socket();
                self.outbox.push_control(CLOSE);
                self.state = State::Closing(Transport::Polling);
            }
            State::WebSocket => self.state = State::Closing(Transport::WebSocket),
            State::Closing(_) | State::Closed(_) => return,
        }
        self.silent = now.after(self.patience());
    }

    /// Returns the next thing for the adapter to do. It no longer holds a message for the WebSocket
    /// after it has returned it: call this only while the WebSocket can take one.
    pub fn poll(&mut self) -> Option<Action<'_>> {
        self.lent = Queued::Text("".into());
        match self.socket {
            Socket::Wanted(until) => {
                self.socket = Socket::Opening(until);
                return Some(Action::Open {
                    query: &self.queries[1],
                });
            }
            Socket::Unwanted => {
                self.socket = Socket::Absent;
                return Some(Action::HangUp);
            }
            _ => {}
        }
        if let Some(frame) = self.frame.take() {
            return Some(Action::Frame(Message::Text(frame)));
        }
        match self.state {
            State::WebSocket | State::Closing(Transport::WebSocket) => {
                if let Some(packet) = self.outbox.pop(Binary::Bare) {
                    self.lent = packet;
                    return Some(Action::Frame(self.lent.as_message()));
                }
                if self.state == State::WebSocket {
                    return None;
                }
                self.end(Reason::Closed);
                self.socket = Socket::Absent;
                Some(Action::HangUp)
            }
            State::Polling | State::Opening(Transport::Polling) if self.get == Flight::Home => {
                self.get = Flight::Away;
                Some(Action::Get {
                    query: &self.queries[0],
                })
            }
            State::Polling | State::Closing(Transport::Polling)
                if self.post == Flight::Home && !self.outbox.is_empty() =>
            {
                self.post = Flight::Away;
                let body = self.outbox.join(self.max_payload(), Outbox::MAX_PACKETS);
                self.lent = Queued::Text(body.into());
                Some(Action::Post {
                    query: &self.queries[0],
                    body: self.lent.as_message().as_text().unwrap_or_default(),
                })
            }
            _ => None,
        }
    }

    /// The time at which [`check`](Self::check) is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let upgrade = match self.socket {
            Socket::Wanted(until) | Socket::Opening(until) => until,
            Socket::Probing(until) => Some(until),
            Socket::Absent | Socket::Open | Socket::Unwanted => None,
        };
        let silent = self.closed().is_none().then_some(self.silent);
        [upgrade, silent].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn check(&mut self, now: Instant) {
        if let Socket::Wanted(Some(until)) | Socket::Opening(Some(until)) | Socket::Probing(until) =
            self.socket
            && until <= now
        {
            self.give_up();
        }
        if self.closed().is_none() && self.silent <= now {
            self.end(match self.state {
                State::Closing(_) => Reason::Closed,
                _ => Reason::PingTimeout,
            });
        }
    }

    /// The server's description of the session, once it has opened it.
    #[must_use]
    pub const fn handshake(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// Why the session is over, if it is.
    #[must_use]
    pub const fn closed(&self) -> Option<Reason> {
        match self.state {
            State::Closed(reason) => Some(reason),
            _ => None,
        }
    }

    /// The transport that carries the session now.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match self.state {
            State::Opening(by) | State::Closing(by) => by,
            State::WebSocket => Transport::WebSocket,
            State::Polling | State::Pausing | State::Closed(_) => Transport::Polling,
        }
    }

    /// The bytes that wait to be sent.
    #[must_use]
    pub const fn unsent(&self) -> usize {
        self.outbox.bytes()
    }

    /// Receives a packet, whatever carried it.
    fn packet<'b>(
        &mut self,
        packet: Packet<'b>,
        now: Instant,
    ) -> Result<Option<Data<'b>>, ProtocolError> {
        if let State::Opening(by) = self.state {
            let Packet::Open(data) = packet else {
                return Err(ProtocolError::Handshake);
            };
            return self.begin(by, Open::decode(data)?, now).map(|()| None);
        }
        if !matches!(self.state, State::Closing(_)) {
            self.silent = now.after(self.patience());
        }
        match packet {
            Packet::Message(data) => return Ok(Some(data)),
            Packet::Ping(_) => self.outbox.push_control(PONG),
            Packet::Close => self.end(Reason::PeerLeft),
            Packet::Open(_) | Packet::Upgrade => return Err(ProtocolError::Direction),
            Packet::Pong(_) | Packet::Noop => {}
        }
        Ok(None)
    }

    /// The server has opened the session.
    fn begin(&mut self, by: Transport, open: Open, now: Instant) -> Result<(), ProtocolError> {
        self.queries =
            ["polling", "websocket"].map(|by| format!("EIO=4&transport={by}&sid={}", open.sid()));
        match by {
            Transport::Polling => {
                self.state = State::Polling;
                if open.offers_websocket() && self.config.upgrade == Upgrade::IfOffered {
                    self.socket = Socket::Wanted(Some(now.after(self.config.upgrade_timeout)));
                }
            }
            Transport::WebSocket => self.state = State::WebSocket,
        }
        self.silent = now.after(open.patience());
        self.open = Some(open);
        Ok(())
    }

    /// Moves to the WebSocket once no request of polling is on its way.
    fn resume(&mut self) {
        let home = (Flight::Home, Flight::Home);
        if self.state == State::Pausing && (self.get, self.post) == home {
            self.state = State::WebSocket;
            self.socket = Socket::Open;
            self.frame = Some(UPGRADE);
        }
    }

    /// The WebSocket does not take over; polling continues.
    fn give_up(&mut self) {
        self.drop_socket();
        if self.state == State::Pausing {
            self.state = State::Polling;
        }
    }

    fn end(&mut self, reason: Reason) {
        self.drop_socket();
        self.get = Flight::Home;
        self.post = Flight::Home;
        self.outbox.clear();
        if self.closed().is_none() {
            self.state = State::Closed(reason);
        }
    }

    /// Has the adapter hang up the WebSocket, if there is one.
    fn drop_socket(&mut self) {
        self.frame = None;
        self.socket = match self.socket {
            Socket::Absent | Socket::Wanted(_) => Socket::Absent,
            _ => Socket::Unwanted,
        };
    }

    fn max_payload(&self) -> u64 {
        self.open.as_ref().map_or(u64::MAX, Open::max_payload)
    }

    fn patience(&self) -> Duration {
        (self.open.as_ref()).map_or(self.config.open_timeout, Open::patience)
    }
}

/// No content, no secrets.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("state", &self.state)
            .field("get", &self.get)
            .field("post", &self.post)
            .field("socket", &self.socket)
            .field("unsent", &self.outbox.bytes())
            .finish_non_exhaustive()
    }
}
