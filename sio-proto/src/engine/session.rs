//! The server's end of a session, whatever carries it (Engine.IO 4, "Transports", "Upgrade").
//!
//! ```text
//!            WebSocket opens           `2probe`              `5`
//!   Polling ────────────────▶ Probing ──────────▶ Upgrading ─────▶ WebSocket
//!      ▲                        │                     │                │
//!      └─ anything else, gone, ─┴─────── or late ─────┘                │
//!      │                                                               │
//!      └────────▶ Closing ── what waits has left ──▶ Closed ◀──────────┘
//! ```
//!
//! While Polling and Probing a GET takes what waits, or is held until something does. While Upgrading
//! every GET is answered with a noop at once, and what waits stays: it leaves by one way, so its
//! order needs no thought, and an upgrade that fails costs nothing. Pings wait as well.
//!
//! Every request is answered exactly once, on every path: what is held when a session ends is
//! answered then.

mod config;
mod heartbeat;
mod requests;
mod transmit;

use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::format;
use core::fmt;
use core::time::Duration;

use ws_proto::{Instant, Message};

use self::heartbeat::{Due, Heartbeat, Pings};
use super::error::{ProtocolError, SendError};
use super::open::{Open, Sid};
use super::outbox::{Outbox, Queued};
use super::packet::{Data, Packet};
use super::query::{Binary, Transport};
use super::reason::Reason;
use super::refusal::Refusal;

pub use config::{Config, Upgrades};
pub use transmit::{Carrier, Transmit};

/// The server's end of a session.
///
/// | what happened | |
/// |---|---|
/// | requests | [`get`](Self::get), [`post`](Self::post) and [`body`](Self::body), [`websocket`](Self::websocket) |
/// | what came | [`step`](Self::step) for a body, [`receive`](Self::receive) for a WebSocket |
/// | the end of either | [`gone`](Self::gone) |
/// | time | [`check`](Self::check), when [`deadline`](Self::deadline) has come |
/// | the application | [`send`](Self::send), [`close`](Self::close) |
///
/// **The one rule of use**: after each of them, send what [`poll_transmit`](Self::poll_transmit)
/// returns, until it returns `None` or the WebSocket is full.
///
/// ```
/// use sio_proto::engine::{Binary, Carrier, Config, Content, Data, Session, Sid, Transmit, Transport};
/// use ws_proto::{Instant, Message};
///
/// let now = Instant::default();
/// let (first, post, poll) = (Carrier(1), Carrier(2), Carrier(3));
/// let sid = Sid::new([7; 15]); // random bytes
/// let mut session = Session::open(&sid, Transport::Polling, Binary::Bare, first, &Config::default(), now);
/// let Some(Transmit::Answer { to, body }) = session.poll_transmit() else { panic!() };
/// assert_eq!(to, first);
/// assert!(body.starts_with("0{\"sid\":"));
///
/// // An echo: each message of a POST goes back by the next GET.
/// session.post(post, Some(6), Content::Text, now);
/// if let Some(mut payload) = session.body(post, b"4hello", now) {
///     while let Some(data) = session.step(&mut payload, now) {
///         session.send(data.as_message())?;
///     }
/// }
/// assert_eq!(session.poll_transmit(), Some(Transmit::Answer { to: post, body: "ok" }));
/// session.get(poll, now);
/// assert_eq!(session.poll_transmit(), Some(Transmit::Answer { to: poll, body: "4hello" }));
/// assert_eq!(session.poll_transmit(), None);
/// # Ok::<(), sio_proto::engine::SendError>(())
/// ```
pub struct Session {
    config: Config,
    binary: Binary,
    state: State,
    /// The GET that waits for something to answer it with.
    held: Option<Carrier>,
    /// The POST that is being read.
    posting: Option<Posting>,
    /// When to give up on a session that has done nothing yet.
    unused: Option<Instant>,
    heartbeat: Heartbeat,
    outbox: Outbox,
    /// What is to leave before anything of the outbox: at most an answer to each request.
    replies: VecDeque<Reply>,
    /// What `poll_transmit` lent out last.
    lent: Queued,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Polling,
    /// A WebSocket has opened, and must begin with `2probe`.
    Probing(Rival),
    /// It was answered `3probe`, and must continue with `5`.
    Upgrading(Rival),
    WebSocket(Carrier),
    /// What waits is still to leave, then the end: by this WebSocket, or by the next GET.
    Closing(Option<Carrier>, Instant),
    /// The moment until which a GET may be late: it was on its way when the client left.
    Closed(Reason, Option<Instant>),
}

/// A WebSocket that is to take the session over, until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rival {
    socket: Carrier,
    until: Instant,
}

#[derive(Clone, Copy)]
struct Posting {
    request: Carrier,
    until: Instant,
    /// Whether the body has come.
    body: Body,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Awaited,
    Here,
}

enum Reply {
    Answer(Carrier, Cow<'static, str>),
    Refuse(Carrier, Refusal),
    Frame(Carrier, Cow<'static, str>),
    HangUp(Carrier, Option<ProtocolError>),
}

/// The answer to a POST.
const OK: &str = "ok";
const CLOSE: &str = "1";
const PING: &str = "2";
const PROBED: &str = "3probe";
const NOOP: &str = "6";

impl Session {
    /// How long a GET may be late that was on its way when the client closed.
    const LATE: Duration = Duration::from_secs(1);

    /// Begins a session. `carrier` is the GET that asked for it, or the WebSocket, which has
    /// opened. The open packet is its answer.
    #[must_use]
    pub fn open(
        sid: &Sid,
        by: Transport,
        binary: Binary,
        carrier: Carrier,
        config: &Config,
        now: Instant,
    ) -> Self {
        let upgrades = by == Transport::Polling && config.upgrades == Upgrades::Allowed;
        let open = Open::new(
            sid,
            upgrades,
            config.ping_interval,
            config.ping_timeout,
            config.max_payload,
        );
        let open = format!("0{}", open.encode()).into();
        let (state, reply, unused) = match by {
            Transport::Polling => (
                State::Polling,
                Reply::Answer(carrier, open),
                Some(now.after(config.unused_timeout)),
            ),
            Transport::WebSocket => (State::WebSocket(carrier), Reply::Frame(carrier, open), None),
        };
        Self {
            config: *config,
            binary,
            state,
            held: None,
            posting: None,
            unused,
            heartbeat: Heartbeat::new(config.ping_interval, config.ping_timeout, now),
            outbox: Outbox::new(config.max_unsent),
            replies: VecDeque::from([reply]),
            lent: Queued::Text("".into()),
        }
    }

    /// Takes a message of a WebSocket, and returns its content if that is for the application.
    pub fn receive<'b>(
        &mut self,
        socket: Carrier,
        frame: Message<'b>,
        now: Instant,
    ) -> Option<Data<'b>> {
        match self.state {
            State::Probing(rival) if rival.socket == socket => {
                if frame == Message::Text("2probe") {
                    self.state = State::Upgrading(rival);
                    self.replies.push_back(Reply::Frame(socket, PROBED.into()));
                    if let Some(held) = self.held.take() {
                        self.answer(held, NOOP);
                    }
                } else {
                    self.give_up(rival);
                }
                None
            }
            State::Upgrading(rival) if rival.socket == socket => {
                if frame == Message::Text("5") {
                    self.state = State::WebSocket(socket);
                    // Clients wait for the answer to a POST before they send a `5`.
                    if let Some(posting) = self.posting.take() {
                        self.refuse(posting.request, Refusal::BadRequest);
                    }
                } else {
                    self.give_up(rival);
                }
                None
            }
            State::WebSocket(current) if current == socket => {
                let packet = Packet::decode(frame);
                match packet.and_then(|packet| self.packet(packet, now)) {
                    Ok(data) => data,
                    Err(error) => {
                        self.end(error.into(), now);
                        None
                    }
                }
            }
            // A WebSocket that was hung up.
            _ => None,
        }
    }

    /// Reports that a carrier is gone: the client of a request hung up, or a WebSocket has ended. A
    /// carrier that was answered or hung up already is ignored.
    pub fn gone(&mut self, carrier: Carrier, now: Instant) {
        if self.held == Some(carrier) {
            self.held = None;
            return self.end(Reason::TransportFailed, now);
        }
        if self
            .posting
            .is_some_and(|posting| posting.request == carrier)
        {
            self.posting = None;
            return self.end(Reason::TransportFailed, now);
        }
        match self.state {
            State::Probing(rival) | State::Upgrading(rival) if rival.socket == carrier => {
                self.state = State::Polling;
            }
            State::WebSocket(socket) if socket == carrier => {
                self.drop_socket(Reason::TransportClosed);
            }
            State::Closing(Some(socket), _) if socket == carrier => {
                self.drop_socket(Reason::Closed);
            }
            _ => {}
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

    /// Queues messages that belong together, all or none of them. Nothing comes between them.
    ///
    /// # Errors
    ///
    /// [`SendError`]: nothing was queued.
    pub fn send_all(&mut self, messages: &[Message<'_>]) -> Result<(), SendError> {
        match self.state {
            State::Closing(..) | State::Closed(..) => Err(SendError::Closed),
            _ => self.outbox.send(messages),
        }
    }

    /// Ends the session. What is queued leaves first: by the WebSocket, or by a GET if one comes
    /// within [`Config::ping_timeout`].
    pub fn close(&mut self, now: Instant) {
        self.unused = None;
        let until = now.after(self.config.ping_timeout);
        match self.state {
            State::Polling | State::Probing(_) | State::Upgrading(_) => {
                if let State::Probing(rival) | State::Upgrading(rival) = self.state {
                    self.give_up(rival);
                }
                if let Some(posting) = self.posting.take() {
                    self.answer(posting.request, OK);
                }
                self.state = State::Closing(None, until);
                if let Some(held) = self.held.take() {
                    self.get(held, now);
                }
            }
            State::WebSocket(socket) => self.state = State::Closing(Some(socket), until),
            State::Closing(..) | State::Closed(..) => {}
        }
    }

    /// Returns the next thing to send. It no longer holds a message for a WebSocket after it has
    /// returned it: call this only while the WebSocket can take one.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        // The memory of a long answer is not kept.
        self.lent = Queued::Text("".into());
        if let Some(reply) = self.replies.pop_front() {
            return Some(self.lend(reply));
        }
        match self.state {
            State::Polling | State::Probing(_) if !self.outbox.is_empty() => {
                let to = self.held.take()?;
                let body = self.outbox.join(u64::MAX, Outbox::MAX_PACKETS);
                Some(self.lend(Reply::Answer(to, body.into())))
            }
            State::WebSocket(on) | State::Closing(Some(on), _) => {
                if let Some(packet) = self.outbox.pop(self.binary) {
                    self.lent = packet;
                    let message = self.lent.as_message();
                    return Some(Transmit::Frame { on, message });
                }
                if let State::WebSocket(_) = self.state {
                    return None;
                }
                self.drop_socket(Reason::Closed);
                Some(Transmit::HangUp { on, why: None })
            }
            _ => None,
        }
    }

    /// The time at which [`check`](Self::check) is due. When a session is [`closed`](Self::closed)
    /// and nothing is due, it can be forgotten.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let (state, heartbeat) = match self.state {
            State::Polling | State::WebSocket(_) => (None, self.heartbeat.deadline(Pings::Leave)),
            State::Probing(rival) => (Some(rival.until), self.heartbeat.deadline(Pings::Leave)),
            State::Upgrading(rival) => (Some(rival.until), self.heartbeat.deadline(Pings::Wait)),
            State::Closing(_, until) => (Some(until), None),
            State::Closed(_, late) => (late, None),
        };
        let body = self.posting.and_then(|posting| posting.timeout());
        [state, heartbeat, body, self.unused]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub fn check(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.posting.and_then(|posting| posting.timeout())) {
            return self.end(ProtocolError::TooSlow.into(), now);
        }
        if is_due(self.unused) {
            return self.end(Reason::Unused, now);
        }
        match self.state {
            State::Probing(rival) | State::Upgrading(rival) if rival.until <= now => {
                self.give_up(rival);
            }
            State::Closing(_, until) if until <= now => return self.end(Reason::Closed, now),
            State::Closed(reason, late) if is_due(late) => {
                self.state = State::Closed(reason, None);
            }
            _ => {}
        }
        let pings = match self.state {
            State::Polling | State::Probing(_) | State::WebSocket(_) => Pings::Leave,
            State::Upgrading(_) => Pings::Wait,
            State::Closing(..) | State::Closed(..) => return,
        };
        match self.heartbeat.check(now, pings) {
            Due::Nothing => {}
            Due::Ping => self.outbox.push_control(PING),
            Due::Dead => self.end(Reason::PingTimeout, now),
        }
    }

    /// Why the session is over, if it is.
    #[must_use]
    pub const fn closed(&self) -> Option<Reason> {
        match self.state {
            State::Closed(reason, _) => Some(reason),
            _ => None,
        }
    }

    /// The transport that carries the session now.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match self.state {
            State::WebSocket(_) | State::Closing(Some(_), _) => Transport::WebSocket,
            _ => Transport::Polling,
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
        match packet {
            Packet::Pong(_) => self.heartbeat.on_pong(now),
            _ => self.heartbeat.on_packet(now),
        }
        match packet {
            Packet::Message(data) => return Ok(Some(data)),
            Packet::Close => self.end(Reason::PeerLeft, now),
            Packet::Open(_) | Packet::Ping(_) => return Err(ProtocolError::Direction),
            Packet::Pong(_) | Packet::Upgrade | Packet::Noop => {}
        }
        Ok(None)
    }

    /// Ends the session now: answers what is held, and hangs up.
    fn end(&mut self, reason: Reason, now: Instant) {
        let mut late = (reason == Reason::PeerLeft).then(|| now.after(Self::LATE));
        if let Some(held) = self.held.take() {
            self.answer(held, if late.is_some() { NOOP } else { CLOSE });
            late = None;
        }
        if let Some(posting) = self.posting.take() {
            match reason {
                Reason::PeerLeft | Reason::Closed => self.answer(posting.request, OK),
                Reason::Protocol(ProtocolError::TooLong { .. }) => {
                    self.refuse(posting.request, Refusal::TooLarge);
                }
                Reason::Protocol(ProtocolError::TooSlow) => {
                    self.refuse(posting.request, Refusal::TooSlow);
                }
                Reason::Protocol(_) => self.refuse(posting.request, Refusal::BadRequest),
                _ => self.refuse(posting.request, Refusal::UnknownSid),
            }
        }
        match self.state {
            State::Probing(Rival { socket, .. })
            | State::Upgrading(Rival { socket, .. })
            | State::WebSocket(socket)
            | State::Closing(Some(socket), _) => {
                late = None;
                let why = match reason {
                    Reason::Protocol(error) => Some(error),
                    _ => None,
                };
                self.replies.push_back(Reply::HangUp(socket, why));
            }
            State::Polling | State::Closing(None, _) | State::Closed(..) => {}
        }
        self.unused = None;
        self.outbox.clear();
        self.state = State::Closed(reason, late);
    }

    /// Ends a session whose WebSocket is gone, or was hung up.
    fn drop_socket(&mut self, reason: Reason) {
        self.outbox.clear();
        self.state = State::Closed(reason, None);
    }

    /// Hangs up a WebSocket that does not take over. What waits was kept.
    fn give_up(&mut self, rival: Rival) {
        self.replies.push_back(Reply::HangUp(rival.socket, None));
        self.state = State::Polling;
    }

    fn answer(&mut self, request: Carrier, body: &'static str) {
        self.replies.push_back(Reply::Answer(request, body.into()));
    }

    fn refuse(&mut self, request: Carrier, why: Refusal) {
        self.replies.push_back(Reply::Refuse(request, why));
    }

    fn lend(&mut self, reply: Reply) -> Transmit<'_> {
        let (carrier, text) = match reply {
            Reply::Refuse(to, why) => return Transmit::Refuse { to, why },
            Reply::HangUp(on, why) => return Transmit::HangUp { on, why },
            Reply::Answer(to, body) => (Err(to), body),
            Reply::Frame(on, text) => (Ok(on), text),
        };
        self.lent = Queued::Text(text);
        match (carrier, self.lent.as_message()) {
            (Err(to), message) => Transmit::Answer {
                to,
                body: message.as_text().unwrap_or_default(),
            },
            (Ok(on), message) => Transmit::Frame { on, message },
        }
    }
}

impl Posting {
    /// The time by which the rest of the body must arrive, if some is missing.
    fn timeout(&self) -> Option<Instant> {
        (self.body == Body::Awaited).then_some(self.until)
    }
}

/// No content, no secrets.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("state", &self.state)
            .field("held", &self.held)
            .field("posting", &self.posting.map(|posting| posting.request))
            .field("unsent", &self.outbox.bytes())
            .finish_non_exhaustive()
    }
}
