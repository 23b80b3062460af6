//! Commands to bytes: RFC 6455 §6.1, "Sending Data".
//!
//! ```text
//!         first frame of several
//!        ┌───────────▶ Fragments ─┐
//!        │ ◀─ last frame ─┘       │
//!   ──▶ Open ── close, or an answer to one ──▶ Closing ── Close transmitted ──▶ Closed
//!        └──────────────────── stream ended, nobody left to tell ─────────────────▲
//! ```
//!
//! Data frames are written at once, to the caller's slice. Control frames wait in one slot each,
//! because the RFC lets the latest answer stand for all: no queue exists that a peer could fill.

use core::fmt;

use crate::close::Close;
use crate::error::{NoRoom, ProtocolError, SendError};
use crate::header::{Header, Kind, MAX_CONTROL, Opcode, Part};
use crate::mask::{Mask, MaskKeys};
use crate::message::Message;
use crate::quiet::show;
use crate::role::Role;
use crate::try_box::{TryBox, new_box, try_box};

/// The sending half of a connection: frames messages and answers.
#[derive(Debug)]
pub struct Sender {
    /// A client's keys; a server does not mask.
    keys: Option<Keys>,
    state: State,
    pong: Slot,
    ping: Slot,
    close: Slot,
}

/// The frames that may still be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything.
    Open,
    /// The next fragment of a message of this kind, and control frames.
    Fragments(Kind),
    /// The Close in its slot, and control frames before it.
    Closing,
    /// Nothing.
    Closed,
}

type Keys = TryBox<MaskKeys>;
type Slot = Option<TryBox<Payload>>;

impl Sender {
    /// The sending half of a server's end.
    #[must_use]
    pub const fn server() -> Self {
        Self::new(None)
    }

    /// The sending half of a client's end. See [`MaskKeys`] for the seed.
    #[must_use]
    pub fn client(seed: [u8; 32]) -> Self {
        Self::new(Some(new_box(MaskKeys::new(seed))))
    }

    const fn new(keys: Option<Keys>) -> Self {
        Self {
            keys,
            state: State::Open,
            pong: None,
            ping: None,
            close: None,
        }
    }

    /// Writes `message` as one frame to the start of `out`; returns its length. See
    /// [`Connection::send`](crate::Connection::send).
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`MessageInProgress`](SendError::MessageInProgress),
    /// [`NoRoom`](SendError::NoRoom): nothing was written or changed.
    #[inline(always)]
    pub fn send(&mut self, message: Message<'_>, out: &mut [u8]) -> Result<usize, SendError> {
        let payload = message.as_bytes();
        let needed = self.frame_len(payload.len());
        let Some(frame) = out.get_mut(..needed) else {
            return Err(NoRoom { needed }.into());
        };
        self.admit_message()?;
        let header = Header::message(message.kind(), payload);
        // Two ways, each of which knows whether the frame is masked.
        let written = match &mut self.keys {
            Some(keys) => {
                let header = header.masked(Some(keys.draw()));
                header.write_frame(payload, frame)
            }
            None => header.write_frame(payload, frame),
        };
        written.ok_or(NoRoom { needed })?;
        Ok(needed)
    }

    /// Appends `message` as one frame to `out`. See
    /// [`Connection::send_to`](crate::Connection::send_to).
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`MessageInProgress`](SendError::MessageInProgress),
    /// [`OutOfMemory`](SendError::OutOfMemory): nothing was added or changed.
    #[cfg(feature = "alloc")]
    pub fn send_to(
        &mut self,
        message: Message<'_>,
        out: &mut alloc::vec::Vec<u8>,
    ) -> Result<(), SendError> {
        let payload = message.as_bytes();
        out.try_reserve(Header::MAX_LEN.saturating_add(payload.len()))
            .map_err(|_| SendError::OutOfMemory)?;
        self.admit_message()?;
        let header = self.message_header(message);
        header.encode().push_to(out);
        match header.mask() {
            Some(mask) => mask.push_to(payload, out),
            None => out.extend_from_slice(payload),
        }
        Ok(())
    }

    /// Begins a frame whose payload the caller writes. See
    /// [`Connection::begin`](crate::Connection::begin).
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`PayloadTooLong`](SendError::PayloadTooLong), or
    /// [`MessageInProgress`](SendError::MessageInProgress) if the fragments of a message of the
    /// other kind are being sent.
    #[inline(always)]
    pub fn begin(&mut self, kind: Kind, len: u64, part: Part) -> Result<Header, SendError> {
        let opcode = match (self.state, kind) {
            (State::Open, kind) => kind.opcode(),
            (State::Fragments(begun), kind) if begun == kind => Opcode::Continuation,
            (State::Fragments(_), _) => return Err(SendError::MessageInProgress),
            (State::Closing | State::Closed, _) => return Err(SendError::Closed),
        };
        let header = Header::data(opcode, len, part).ok_or(SendError::PayloadTooLong)?;
        self.state = match part {
            Part::More => State::Fragments(kind),
            Part::Last => State::Open,
        };
        Ok(header.masked(self.draw()))
    }

    /// The header of a message in one frame, which was [admitted](Self::admit_message).
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn message_header(&mut self, message: Message<'_>) -> Header {
        Header::message(message.kind(), message.as_bytes()).masked(self.draw())
    }

    /// Begins a frame of a compressed message: RSV1 is set on the first.
    #[cfg(feature = "deflate")]
    pub(crate) fn begin_deflated(
        &mut self,
        kind: Kind,
        len: u64,
        part: Part,
    ) -> Result<Header, SendError> {
        let header = self.begin(kind, len, part)?;
        Ok(header.compressed().unwrap_or(header))
    }

    /// Whether a frame of this kind may begin.
    #[cfg(feature = "alloc")]
    pub(crate) fn admit(&self, kind: Kind) -> Result<(), SendError> {
        match self.state {
            State::Fragments(begun) if begun == kind => Ok(()),
            _ => self.admit_message(),
        }
    }

    /// Whether a message may begin.
    #[inline(always)]
    pub(crate) const fn admit_message(&self) -> Result<(), SendError> {
        match self.state {
            State::Open => Ok(()),
            _ => Err(self.refusal()),
        }
    }

    /// Why no message may begin.
    #[cold]
    const fn refusal(&self) -> SendError {
        match self.state {
            State::Open | State::Fragments(_) => SendError::MessageInProgress,
            State::Closing | State::Closed => SendError::Closed,
        }
    }

    /// Whether the fragments of a message are being sent.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_within_message(&self) -> bool {
        matches!(self.state, State::Fragments(_))
    }

    /// Queues a Ping; one that has not been transmitted yet is replaced. See
    /// [`Connection::ping`](crate::Connection::ping).
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong),
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.ping = self.control(payload)?;
        Ok(())
    }

    /// Queues a Pong that answers no Ping: a heartbeat that asks for none (§5.5.3). If a Pong waits
    /// already, that is the heartbeat: an answer that is owed is not replaced.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`ControlTooLong`](SendError::ControlTooLong),
    /// [`OutOfMemory`](SendError::OutOfMemory).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let pong = self.control(payload)?;
        if self.pong.is_none() {
            self.pong = pong;
        }
        Ok(())
    }

    /// Queues a Ping without a payload, unless one waits already: that will be answered as well.
    pub(crate) fn keep_alive(&mut self) -> Result<(), SendError> {
        match self.ping {
            Some(_) => Ok(()),
            None => self.ping(&[]),
        }
    }

    /// Queues a Close: no message and no second Close may follow (§5.5.1).
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`OutOfMemory`](SendError::OutOfMemory).
    pub fn close(&mut self, close: Option<Close<'_>>) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        let payload = close.as_ref().map_or_else(Payload::empty, Payload::close);
        self.close = Some(try_box(payload).ok_or(SendError::OutOfMemory)?);
        self.state = State::Closing;
        Ok(())
    }

    /// Takes the next control frame to transmit: a Pong before a Ping before the Close.
    #[inline]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        // Callers ask after each event, and mostly for nothing.
        if !self.wants_transmit() {
            return None;
        }
        self.next_control()
    }

    #[inline(never)]
    fn next_control(&mut self) -> Option<Transmit> {
        if let Some(payload) = self.pong.take() {
            return Some(self.frame(Opcode::Pong, &payload));
        }
        if let Some(payload) = self.ping.take() {
            return Some(self.frame(Opcode::Ping, &payload));
        }
        let payload = self.close.take()?;
        self.state = State::Closed;
        Some(self.frame(Opcode::Close, &payload))
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has something.
    #[inline]
    #[must_use]
    pub const fn wants_transmit(&self) -> bool {
        self.pong.is_some() || self.ping.is_some() || self.close.is_some()
    }

    /// The length in bytes of a frame with a payload of `len` bytes.
    #[inline]
    #[must_use]
    pub const fn frame_len(&self, len: usize) -> usize {
        len.saturating_add(Header::size(len as u64, self.keys.is_some()))
    }

    /// The same for a payload that exists: no slice is so long that the sum would overflow.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) const fn frame_len_of(&self, payload: &[u8]) -> usize {
        payload.len() + Header::size(payload.len() as u64, self.keys.is_some())
    }

    /// Whether messages may be sent: until a Close is queued, by us or in answer.
    #[inline]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Fragments(_))
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has returned the Close: nothing more will be
    /// sent.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Answers a Ping.
    ///
    /// > Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it
    /// > already received a Close frame. (§5.5.2)
    ///
    /// > If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to
    /// > previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most
    /// > recently processed Ping frame. (§5.5.3)
    ///
    /// The error is that there is no memory for the answer: the peer would never get it.
    pub(crate) fn answer_ping(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        owed(self.control(payload).map(|pong| self.pong = pong))
    }

    /// Answers a Close.
    ///
    /// > When sending a Close frame in response, the endpoint typically echos the status code it
    /// > received. (§5.5.1)
    pub(crate) fn answer_close(&mut self, close: Option<Close<'_>>) -> Result<(), ProtocolError> {
        owed(self.close(close.map(|close| close.code().into())))
    }

    /// The role: server or client.
    pub(crate) const fn role(&self) -> Role {
        match self.keys {
            Some(_) => Role::Client,
            None => Role::Server,
        }
    }

    /// Frees the memory that is not in use.
    #[cfg(feature = "alloc")]
    pub(crate) fn release(&mut self) {
        if let Some(keys) = &mut self.keys {
            keys.release();
        }
    }

    /// Queues a Close that reports the peer's violation, if the peer is still there to read it.
    #[cold]
    pub(crate) fn fail(&mut self, error: ProtocolError) {
        match error
            .close_code()
            .map(|code| Close::new(code, error.reason()))
        {
            Some(Ok(close)) => {
                // If our Close is on its way, it is the last word.
                if self.close(Some(close)) == Err(SendError::OutOfMemory) {
                    self.abandon();
                }
            }
            Some(Err(_)) | None => self.abandon(),
        }
    }

    /// Sends nothing more, not even what was queued.
    #[cold]
    pub(crate) fn abandon(&mut self) {
        (self.pong, self.ping, self.close) = (None, None, None);
        self.state = State::Closed;
    }

    fn control(&self, payload: &[u8]) -> Result<Slot, SendError> {
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        let payload = Payload::new(payload).ok_or(SendError::ControlTooLong)?;
        let payload = try_box(payload).ok_or(SendError::OutOfMemory)?;
        Ok(Some(payload))
    }

    fn frame(&mut self, opcode: Opcode, payload: &Payload) -> Transmit {
        Transmit::new(opcode, self.draw(), payload)
    }

    #[inline]
    fn draw(&mut self) -> Option<Mask> {
        self.keys.as_mut().map(|keys| keys.draw())
    }
}

/// `Closed` means that our Close is on its way: then there is no answer to give.
const fn owed(queued: Result<(), SendError>) -> Result<(), ProtocolError> {
    match queued {
        Err(SendError::OutOfMemory) => Err(ProtocolError::OutOfMemory),
        _ => Ok(()),
    }
}

/// The payload of a control frame.
#[derive(Clone, Copy)]
struct Payload {
    len: u8,
    bytes: [u8; MAX_CONTROL],
}

/// Shows its length, and nothing of what it says.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "Payload", usize::from(self.len))
    }
}

impl Payload {
    const fn empty() -> Self {
        Self {
            len: 0,
            bytes: [0; MAX_CONTROL],
        }
    }

    fn new(payload: &[u8]) -> Option<Self> {
        let mut this = Self::empty();
        this.bytes
            .get_mut(..payload.len())?
            .copy_from_slice(payload);
        this.len = u8::try_from(payload.len()).ok()?;
        Some(this)
    }

    fn close(close: &Close<'_>) -> Self {
        let mut this = Self::empty();
        let code = close.code().get().to_be_bytes();
        let bytes = code.iter().chain(close.reason().as_bytes());
        for (to, from) in this.bytes.iter_mut().zip(bytes) {
            *to = *from;
            this.len += 1;
        }
        this
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A control frame, ready to be written: at most 131 bytes.
#[derive(Clone, Copy)]
pub struct Transmit {
    opcode: Opcode,
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Transmit {
    /// The longest control frame, in bytes: two, four of masking key, 125 of payload.
    pub const MAX_LEN: usize = 6 + MAX_CONTROL;

    /// The kind of control frame.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn new(opcode: Opcode, mask: Option<Mask>, payload: &Payload) -> Self {
        let mut this = Self {
            opcode,
            len: 0,
            bytes: [0; Self::MAX_LEN],
        };
        // A slot holds at most 125 bytes, so that the header can be made, and all of it fits.
        let Ok(header) = Header::new(opcode, u64::from(payload.len)) else {
            return this;
        };
        let header = header.masked(mask);
        if header
            .write_frame(payload.as_bytes(), &mut this.bytes)
            .is_none()
        {
            return this;
        }
        let head_len = if mask.is_some() { 6 } else { 2 };
        this.len = head_len + payload.len;
        this
    }
}

/// Shows its kind and its length, and nothing of what it says.
impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit")
            .field("opcode", &self.opcode)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl AsRef<[u8]> for Transmit {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close_code::CloseCode;

    /// Every command in every state: the diagram at the top, written down.
    #[test]
    fn every_command_in_every_state() {
        type Command = fn(&mut Sender) -> Result<(), SendError>;
        const TEXT: State = State::Fragments(Kind::Text);
        const IN_PROGRESS: Result<State, SendError> = Err(SendError::MessageInProgress);
        // From `Open`, and while the fragments of a text are being sent.
        let commands: [(Command, State, Result<State, SendError>); 9] = [
            (
                |s| s.send(Message::Text("x"), &mut [0; 16]).map(|_| ()),
                State::Open,
                IN_PROGRESS,
            ),
            (
                |s| s.begin(Kind::Text, 1, Part::More).map(|_| ()),
                TEXT,
                Ok(TEXT),
            ),
            (
                |s| s.begin(Kind::Text, 1, Part::Last).map(|_| ()),
                State::Open,
                Ok(State::Open),
            ),
            (
                |s| s.begin(Kind::Binary, 1, Part::More).map(|_| ()),
                State::Fragments(Kind::Binary),
                IN_PROGRESS,
            ),
            (
                |s| s.begin(Kind::Binary, 1, Part::Last).map(|_| ()),
                State::Open,
                IN_PROGRESS,
            ),
            (|s| s.ping(b"x"), State::Open, Ok(TEXT)),
            (|s| s.pong(b"x"), State::Open, Ok(TEXT)),
            (|s| s.close(None), State::Closing, Ok(State::Closing)),
            (
                |s| s.close(Some(CloseCode::NORMAL.into())),
                State::Closing,
                Ok(State::Closing),
            ),
        ];
        for (command, then, in_fragments) in commands {
            let mut sender = Sender::server();
            assert_eq!(command(&mut sender), Ok(()));
            assert_eq!(sender.state, then);

            let mut sender = Sender::server();
            sender.begin(Kind::Text, 1, Part::More).unwrap();
            let done = command(&mut sender);
            assert_eq!(done.map(|()| sender.state), in_fragments);
            assert_eq!(sender.state, in_fragments.unwrap_or(TEXT));

            let mut sender = Sender::server();
            sender.close(None).unwrap();
            assert_eq!(command(&mut sender), Err(SendError::Closed));
            assert_eq!(sender.state, State::Closing);

            while sender.poll_transmit().is_some() {}
            assert_eq!(sender.state, State::Closed);
            assert_eq!(command(&mut sender), Err(SendError::Closed));
            assert!(!sender.wants_transmit());
        }
    }

    /// A refused frame draws no key and begins no message.
    #[test]
    fn what_is_refused_changes_nothing() {
        let send = |refuse: bool| {
            let mut client = Sender::client([3; 32]);
            if refuse {
                let no_room = client.send(Message::Text("hello"), &mut [0; 10]);
                assert_eq!(no_room, Err(NoRoom { needed: 11 }.into()));
                let too_long = client.begin(Kind::Text, 1 << 63, Part::More);
                assert_eq!(too_long, Err(SendError::PayloadTooLong));
                assert_eq!(client.ping(&[0; 126]), Err(SendError::ControlTooLong));
                assert_eq!(client.pong(&[0; 126]), Err(SendError::ControlTooLong));
            }
            let mut out = [0; 32];
            let len = client.send(Message::Text("hello"), &mut out).unwrap();
            assert!(!client.wants_transmit());
            (out, len)
        };
        assert_eq!(send(true), send(false));
        assert_eq!(send(false).1, 11);
    }

    #[test]
    fn frame_len_is_what_send_writes() {
        let payload = [0; 66_000];
        let mut out = [0; 66_100];
        for mut sender in [Sender::server(), Sender::client([0; 32])] {
            // Miri takes its time for the long ones.
            let lens = [0, 1, 125, 126, 127, 65_535, 65_536, 66_000];
            for len in lens.into_iter().take(if cfg!(miri) { 5 } else { 8 }) {
                let needed = sender.frame_len(len);
                let message = Message::Binary(&payload[..len]);
                let short = sender.send(message, &mut out[..needed - 1]);
                assert_eq!(short, Err(NoRoom { needed }.into()));
                assert_eq!(sender.send(message, &mut out[..needed]), Ok(needed));
            }
        }
    }

    #[test]
    fn an_answer_that_is_owed_is_not_replaced_by_a_heartbeat() {
        let mut sender = Sender::server();
        sender.answer_ping(b"owed").unwrap();
        assert_eq!(sender.pong(&[0; 126]), Err(SendError::ControlTooLong));
        sender.pong(b"heartbeat").unwrap();
        assert_eq!(sender.poll_transmit().unwrap().as_ref(), b"\x8A\x04owed");
        assert!(!sender.wants_transmit());
        // The latest Ping is answered, whatever waits.
        sender.pong(b"heartbeat").unwrap();
        sender.answer_ping(b"owed").unwrap();
        assert_eq!(sender.poll_transmit().unwrap().as_ref(), b"\x8A\x04owed");
    }

    #[test]
    fn a_ping_that_waits_keeps_alive_as_well() {
        let mut sender = Sender::server();
        sender.ping(b"mine").unwrap();
        sender.keep_alive().unwrap();
        assert_eq!(sender.poll_transmit().unwrap().as_ref(), b"\x89\x04mine");
        assert!(!sender.wants_transmit());
        sender.keep_alive().unwrap();
        assert_eq!(sender.poll_transmit().unwrap().as_ref(), b"\x89\0");
        sender.close(None).unwrap();
        assert_eq!(sender.keep_alive(), Err(SendError::Closed));
    }

    /// The longest of each kind fits its slot, byte for byte.
    #[test]
    fn the_longest_control_frames() {
        let reason = core::str::from_utf8(&[b'r'; Close::MAX_REASON]).unwrap();
        let mut server = Sender::server();
        server.ping(&[0xAA; MAX_CONTROL]).unwrap();
        server
            .close(Some(Close::new(CloseCode::NORMAL, reason).unwrap()))
            .unwrap();
        let ping = server.poll_transmit().unwrap();
        assert_eq!(ping.as_ref()[..2], [0x89, 125]);
        assert_eq!(ping.as_ref()[2..], [0xAA; 125]);
        let close = server.poll_transmit().unwrap();
        assert_eq!(close.as_ref()[..4], [0x88, 125, 0x03, 0xE8]);
        assert_eq!(close.as_ref()[4..], [b'r'; 123]);

        let mut client = Sender::client([0; 32]);
        client.ping(&[0xAA; MAX_CONTROL]).unwrap();
        let ping = client.poll_transmit().unwrap();
        assert_eq!(ping.as_ref().len(), Transmit::MAX_LEN);
    }
}
