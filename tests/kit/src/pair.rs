//! Two peers in a box: a client, a server, a clock, and a wire in each direction that delivers
//! when it is told to, in pieces if need be, or never.

use core::time::Duration;

use ws_proto::{
    Close, Instant, Message, ProtocolError, SendError, Shutdown, State, TimedOut, Verdict,
};

use crate::engine::{Engine, Got, Setup};
use crate::frame::Frame;
use crate::session::{Driven, Inlet};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that connected.
    Client,
    /// The one that accepted.
    Server,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// How it ended for a peer, when it let go of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Closed by both.
    Clean,
    /// The other broke the protocol, or was gone.
    Failed(ProtocolError),
    /// The other did not answer in time.
    Dead(TimedOut),
}

/// One direction of the stream.
#[derive(Clone, Debug)]
pub struct Wire {
    in_flight: Vec<u8>,
    /// The writer has said that nothing follows what is in flight.
    ended: bool,
    /// The end was delivered.
    end_seen: bool,
    /// Nothing arrives any more, and nobody is told.
    cut: bool,
    /// How many bytes it still takes: few, if the reader does not read.
    room: usize,
}

impl Wire {
    const fn new() -> Self {
        Self {
            in_flight: Vec::new(),
            ended: false,
            end_seen: false,
            cut: false,
            room: usize::MAX,
        }
    }

    /// Whether something, or the end, is still to be delivered.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        !self.cut && (!self.in_flight.is_empty() || (self.ended && !self.end_seen))
    }

    /// Whether it was cut.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// How many bytes are under way.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

/// One peer, with an adapter that does what it should and no more.
#[derive(Debug)]
pub struct Peer {
    engine: Driven,
    side: Side,
    /// What it was told to send and did not refuse.
    pub sent: Vec<Vec<u8>>,
    /// What it received.
    pub got: Vec<Got>,
    /// How it ended, once it has.
    pub end: Option<End>,
    /// Whether its Close is on the wire.
    pub close_written: bool,
    /// What was written of a frame that is not complete.
    cut_frame: Vec<u8>,
    wake: Option<Instant>,
}

impl Peer {
    /// The messages among what was received.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.got.iter().filter_map(|got| match got {
            Got::Text(text) => Some(text.as_bytes()),
            Got::Binary(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// The Close it received, if it did.
    #[must_use]
    pub fn close_received(&self) -> Option<&Got> {
        self.got.iter().find(|got| matches!(got, Got::Close(_)))
    }

    /// The error it found, if it did.
    #[must_use]
    pub fn error(&self) -> Option<ProtocolError> {
        self.got.iter().find_map(|got| match got {
            Got::Error(error) => Some(*error),
            _ => None,
        })
    }

    /// How many bytes wait to be written.
    pub fn unsent_len(&mut self) -> usize {
        let (_, outgoing) = self.engine.session().halves();
        outgoing.unsent_len()
    }

    /// Where its connection stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.engine.state()
    }

    /// When it wants to close the TCP connection.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.engine.shutdown()
    }

    /// Writes what it has to, looks at the clock, and lets go of the stream when it is time.
    fn settle(&mut self, now: Instant, wire: &mut Wire) {
        if self.end.is_some() {
            return;
        }
        let wake = loop {
            let (wake, due) = match self.engine.check(now) {
                Verdict::Alive { wake } => (wake, wake.is_some_and(|wake| wake <= now)),
                // What the peer has sent was received.
                Verdict::LastCall => (None, true),
                Verdict::Dead(silence) => {
                    let end = match self.state() {
                        State::Closed if self.close_written => End::Clean,
                        State::Failed(error) if self.close_written => End::Failed(error),
                        _ => End::Dead(silence),
                    };
                    return self.let_go(end, wire);
                }
            };
            let unsent = self.engine.session().unsent();
            let written = unsent[..unsent.len().min(wire.room)].to_vec();
            self.engine.session().sent(written.len());
            if !written.is_empty() {
                self.look_at(&written);
                wire.room -= written.len();
                if !wire.ended {
                    wire.in_flight.extend(written);
                }
            } else if !due {
                break wake;
            }
        };
        self.wake = wake;
        match self.shutdown() {
            Shutdown::Write => {
                wire.ended = true;
                self.engine.session().write_shut();
            }
            Shutdown::Now => {
                let end = match self.state() {
                    State::Failed(error) => End::Failed(error),
                    _ => End::Clean,
                };
                self.let_go(end, wire);
            }
            Shutdown::NotYet | Shutdown::AwaitPeer | Shutdown::Drain => {}
        }
    }

    fn let_go(&mut self, end: End, wire: &mut Wire) {
        self.end = Some(end);
        self.wake = None;
        wire.ended = true;
    }

    /// Nothing follows a Close, whatever is asked for.
    fn look_at(&mut self, written: &[u8]) {
        assert!(
            !self.close_written,
            "{:?} wrote {written:x?} behind its Close",
            self.side
        );
        self.cut_frame.extend(written);
        while let Some((frame, len)) = Frame::decode(&self.cut_frame) {
            assert_eq!(frame.mask.is_some(), self.side == Side::Client);
            self.cut_frame.drain(..len);
            self.close_written = frame.is_close();
            let last = !self.close_written || self.cut_frame.is_empty();
            assert!(last, "{:?} wrote on behind its Close", self.side);
        }
    }
}

/// A client and a server in a box.
#[derive(Debug)]
pub struct Pair {
    /// The client.
    pub client: Peer,
    /// The server.
    pub server: Peer,
    /// From the client to the server.
    pub up: Wire,
    /// From the server to the client.
    pub down: Wire,
    now: Instant,
}

impl Pair {
    /// Two that have just opened their connection. The setups are theirs but for the roles.
    #[must_use]
    pub fn new(client: &Setup, server: &Setup) -> Self {
        let peer = |side, setup: &Setup| {
            let role = match side {
                Side::Client => ws_proto::Role::Client,
                Side::Server => ws_proto::Role::Server,
            };
            Peer {
                engine: Driven::new(&Setup { role, ..*setup }, Inlet::Spare),
                side,
                sent: Vec::new(),
                got: Vec::new(),
                end: None,
                close_written: false,
                cut_frame: Vec::new(),
                wake: None,
            }
        };
        let mut pair = Self {
            client: peer(Side::Client, client),
            server: peer(Side::Server, server),
            up: Wire::new(),
            down: Wire::new(),
            now: Instant::default(),
        };
        pair.settle();
        pair
    }

    /// Has `side` send a message.
    ///
    /// # Errors
    ///
    /// That it may not.
    pub fn send<'m>(
        &mut self,
        side: Side,
        message: impl Into<Message<'m>>,
    ) -> Result<(), SendError> {
        let message = message.into();
        let peer = self.peer_mut(side);
        let result = peer.engine.session().send(message);
        if result.is_ok() {
            peer.sent.push(message.as_bytes().into());
        }
        self.settle();
        result
    }

    /// Has `side` ping.
    ///
    /// # Errors
    ///
    /// That it may not.
    pub fn ping(&mut self, side: Side, payload: &[u8]) -> Result<(), SendError> {
        let result = self.peer_mut(side).engine.session().ping(payload);
        self.settle();
        result
    }

    /// Has `side` close.
    ///
    /// # Errors
    ///
    /// That it may not.
    pub fn close(&mut self, side: Side, close: Option<Close<'_>>) -> Result<(), SendError> {
        let result = self.peer_mut(side).engine.session().close(close);
        self.settle();
        result
    }

    /// Delivers what `side` has under way, and the end of the stream if it comes to that.
    pub fn deliver(&mut self, side: Side) {
        self.deliver_at_most(side, usize::MAX);
    }

    /// Delivers up to `len` bytes of what `side` has under way.
    pub fn deliver_at_most(&mut self, side: Side, len: usize) {
        let (wire, reader) = match side {
            Side::Client => (&mut self.up, &mut self.server),
            Side::Server => (&mut self.down, &mut self.client),
        };
        if wire.cut {
            return;
        }
        let len = len.min(wire.in_flight.len());
        let bytes: Vec<u8> = wire.in_flight.drain(..len).collect();
        let end = wire.ended && wire.in_flight.is_empty() && !wire.end_seen;
        wire.end_seen |= end;
        // Who has let go reads nothing.
        if reader.end.is_none() {
            if reader.shutdown() == Shutdown::Drain {
                reader.engine.session().dropped(bytes.len());
            } else if !bytes.is_empty() {
                reader.engine.receive(&bytes, &mut reader.got);
            }
            if end {
                // The adapter writes before it reads on, and so before it learns of the end.
                self.settle();
                let reader = self.peer_mut(side.other());
                if reader.end.is_none() {
                    let mut got = Vec::new();
                    reader.engine.eof(&mut got);
                    reader.got.extend(got);
                }
            }
        }
        self.settle();
    }

    /// Puts bytes on the wire that `side` never wrote, unless it is within a frame.
    pub fn inject(&mut self, side: Side, bytes: &[u8]) {
        if !self.peer(side).cut_frame.is_empty() {
            return;
        }
        let wire = self.wire_mut(side);
        if !wire.ended {
            wire.in_flight.extend(bytes);
        }
    }

    /// The stream from `side` ends behind what is under way, whatever it meant to write.
    pub fn end_stream(&mut self, side: Side) {
        self.wire_mut(side).ended = true;
    }

    /// Nothing that `side` writes arrives any more, and nobody is told.
    pub fn cut(&mut self, side: Side) {
        self.wire_mut(side).cut = true;
    }

    /// Nothing that `side` wants to write is taken any more.
    pub fn stall(&mut self, side: Side) {
        self.take(side, 0);
    }

    /// The next `len` bytes that `side` wants to write are taken, and no more.
    pub fn take(&mut self, side: Side, len: usize) {
        self.wire_mut(side).room = len;
        self.settle();
    }

    /// Everything is taken again.
    pub fn unstall(&mut self, side: Side) {
        self.take(side, usize::MAX);
    }

    /// Lets time pass.
    pub fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        self.settle();
    }

    /// Lets time pass until somebody wants to look at the clock, if anybody does.
    pub fn pass_until_wake(&mut self) {
        if let Some(wake) = self.client.wake.into_iter().chain(self.server.wake).min() {
            self.now = self.now.max(wake);
            self.settle();
        }
    }

    /// Delivers everything until nothing is under way.
    pub fn exchange(&mut self) {
        while self.up.is_busy() || self.down.is_busy() {
            self.deliver(Side::Client);
            self.deliver(Side::Server);
        }
    }

    /// How long ago it began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(Instant::default())
    }

    /// One of them.
    #[must_use]
    pub const fn peer(&self, side: Side) -> &Peer {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// How it ended: for the client, for the server.
    #[must_use]
    pub const fn ends(&self) -> (Option<End>, Option<End>) {
        (self.client.end, self.server.end)
    }

    const fn peer_mut(&mut self, side: Side) -> &mut Peer {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    const fn wire_mut(&mut self, side: Side) -> &mut Wire {
        match side {
            Side::Client => &mut self.up,
            Side::Server => &mut self.down,
        }
    }

    fn settle(&mut self) {
        self.client.settle(self.now, &mut self.up);
        self.server.settle(self.now, &mut self.down);
    }
}
