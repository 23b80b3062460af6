//! One session, and everything that an adapter and a peer can do to it, in any order.

mod peer;
mod reading;
mod spoken;

use core::time::Duration;
use std::collections::VecDeque;

use ws_proto::{
    Buffers, Close, CloseCode, Config, Deflate, Instant, Kind, Limits, Message, Part, Prepared,
    ProtocolError, Ready, Role, SendError, Session, Shutdown, State, Step, Timeouts, Verdict,
};

use reading::Writing;
use spoken::Spoken;

/// Whatever is done to a session, in whatever order: what it writes is well-formed frames in the
/// masking of its role, nothing behind a Close; messages arrive as they were sent; an error and
/// the end are final; queues keep to their limit; a deadline is never one that has passed.
///
/// The input is a byte for role and limits, one for what is agreed on, and two bytes for each
/// operation: which, and how much of it.
///
/// # Panics
///
/// If not.
pub fn session_ops(input: &[u8]) {
    limit(input);
}

/// The limit of a session that this input passes.
pub(super) fn limit(input: &[u8]) -> Option<&'static str> {
    let [choice, agreed, operations @ ..] = input else {
        return None;
    };
    let mut run = Run::new(*choice, *agreed);
    for &[operation, how_much] in operations.as_chunks().0.iter().take(64) {
        run.operate(operation, how_much);
        run.check_now();
    }
    let limit = match (run.full, run.failed) {
        (true, _) => Some("max_unsent"),
        (false, Some(ProtocolError::MessageTooBig { .. })) => Some("max_message"),
        _ => None,
    };
    run.finish();
    limit
}

/// A session, and what is known of it from what was done to it.
struct Run {
    session: Session,
    role: Role,
    max_unsent: usize,
    compressed: bool,
    now: Instant,
    /// What it wrote.
    spoken: Spoken,
    /// The messages that the peer sent, as long as it keeps to the protocol.
    expected: VecDeque<(Kind, Vec<u8>)>,
    /// The fragments that the peer has sent of a message.
    begun: Option<(Kind, Vec<u8>)>,
    /// So much of the first message was read, in parts.
    read: Option<usize>,
    /// Of the message that the peer has begun, the rest is dropped.
    dropping: bool,
    /// The message that is written in parts.
    writing: Option<Writing>,
    /// The peer has sent what nobody has judged yet.
    spoiled: bool,
    /// The peer has sent a Close, and so nothing is expected behind it.
    peer_closed: bool,
    failed: Option<ProtocolError>,
    /// Whether it was open before the operation.
    was_open: bool,
    ended: bool,
    dead: bool,
    /// A message found no room in the queue.
    full: bool,
    count: u8,
}

impl Run {
    fn new(choice: u8, agreed: u8) -> Self {
        let role = [Role::Server, Role::Client][usize::from(choice & 1)];
        let mut limits = Limits::DEFAULT;
        limits.max_unsent = [1 << 20, 0, 100, 1000][usize::from(choice >> 1 & 3)];
        limits.read_buffer = [512, 4096][usize::from(choice >> 3 & 1)];
        limits.max_message = [1 << 20, 300][usize::from(choice >> 4 & 1)];
        let mut timeouts = Timeouts::DEFAULT;
        if choice & 32 != 0 {
            timeouts.ping_interval = None;
        }
        let mut config = Config::from(limits);
        config.timeouts = timeouts;
        let mut session = match role {
            Role::Server => Session::server(&config),
            Role::Client => Session::client(&config, [7; 32]),
        };
        let _ = session.check(Instant::default());
        // Making a context takes longer than all the rest: few have one.
        let compressed = agreed >= 0xF0;
        if compressed {
            let mut settings = Deflate::DEFAULT;
            (settings.min_len, settings.memory) = (8, 1);
            session = session.compressed(&settings, &settings.bounds(role));
        }
        Self {
            session,
            role,
            max_unsent: limits.max_unsent.max(1),
            compressed,
            now: Instant::default(),
            spoken: Spoken::new(role, compressed),
            expected: VecDeque::new(),
            begun: None,
            read: None,
            dropping: false,
            writing: None,
            spoiled: limits.max_message == 300,
            peer_closed: false,
            failed: None,
            was_open: true,
            ended: false,
            dead: false,
            full: false,
            count: 0,
        }
    }

    fn operate(&mut self, operation: u8, how_much: u8) {
        if self.dead {
            return;
        }
        self.was_open = self.session.state() == State::Open;
        let len = usize::from(how_much);
        let more = [Part::More, Part::Last][usize::from(how_much & 1)];
        self.count = self.count.wrapping_add(1);
        let payload = vec![b'a' + self.count % 26; len];
        let kind = [Kind::Text, Kind::Binary][usize::from(operation >> 5 & 1)];
        match operation & 31 {
            0 | 1 => self.peer_sends(kind, &payload, Part::Last),
            2 | 3 => self.peer_sends(kind, &payload, more),
            4 => self.peer(9, &payload[..len.min(125)]),
            5 => self.peer(10, &payload[..len.min(125)]),
            6 => self.peer_closes(how_much),
            7 => self.bytes(&[how_much]),
            8 => self.eof(),
            9 => self.send(kind, &payload),
            10 => self.send_prepared(kind, &payload),
            11 => self.send_by_reference(kind, &payload),
            13 if operation & 64 != 0 => self.write_in_parts(kind, &payload, how_much),
            12 | 13 => self.send_part(kind, &payload, more),
            14 => {
                let result = self.session.ping(&payload);
                self.allowed(result, len <= 125);
            }
            15 => {
                let result = self.session.halves().1.pong(&payload);
                self.allowed(result, len <= 125);
            }
            16 => self.close(how_much),
            17..=19 => self.write(len),
            20 => self.write(usize::MAX),
            21 => self.take_unsent(),
            22..=25 => self.receive(how_much),
            26 => self.pass(Duration::from_millis(len.try_into().unwrap_or(0))),
            27 => self.pass(Duration::from_secs(len.try_into().unwrap_or(0))),
            28 => self.pass_until_wake(),
            29 => self.session.release(),
            30 => {
                let buffer = vec![0xEE; len * 4];
                self.session.attach(Buffers::received(buffer, 0..0));
            }
            _ => drop(self.session.detach()),
        }
    }

    /// Receives all there is, each message in the way that `how` says.
    fn receive(&mut self, how: u8) {
        if how & 3 == 3 {
            self.read_in_parts(how >> 4, usize::from(how >> 2 & 3) * 20 + 1);
            if how >> 4 == 7 {
                self.skip(true);
            }
            return;
        }
        self.skip(false);
        loop {
            let ready = self.session.ready();
            let (incoming, outgoing) = self.session.halves();
            let before = outgoing.unsent_len();
            let got = match (ready, how & 3) {
                (Err(error), _) => Err(error),
                (Ok(Ready::Message), 1) => match incoming.take_message(outgoing) {
                    Ok(message) => Ok(message.map(|message| owned(message.as_message()))),
                    Err(error) => Err(error),
                },
                (Ok(Ready::Message), 2) => {
                    let message = incoming.message(outgoing);
                    message.map(|message| message.map(owned))
                }
                (Ok(ready), _) => match incoming.step(outgoing) {
                    Ok(Step::Message(message)) => {
                        assert_eq!(ready, Ready::Message);
                        if how & 4 != 0 && outgoing.send(message).is_ok() {
                            let payload = message.as_bytes();
                            self.spoken.told(message.kind(), payload, Part::Last);
                        }
                        Ok(Some(owned(message)))
                    }
                    Ok(Step::Control(_)) => {
                        assert_eq!(ready, Ready::Control);
                        // An answer of at most 131 bytes, if it left its slot.
                        assert!(outgoing.unsent_len() <= before + 2 * 131);
                        continue;
                    }
                    Ok(Step::NeedData) => return assert_eq!(ready, Ready::NeedData),
                    Ok(Step::Closed) => return assert_eq!(ready, Ready::Closed),
                    Err(error) => Err(error),
                },
            };
            match got {
                Err(error) => return self.fails(error),
                Ok(got) => {
                    assert!(
                        self.failed.is_none() && !self.ended,
                        "behind the end: {got:?}"
                    );
                    let expected = self.expected.pop_front();
                    assert!(got.is_some() && (self.spoiled || got == expected));
                }
            }
        }
    }

    fn send(&mut self, kind: Kind, payload: &[u8]) {
        let before = self.session.halves().1.unsent_len();
        let result = self.session.send(message(kind, payload));
        self.queued(before, payload.len(), result);
        let idle = !self.spoken.is_within_message();
        self.allowed(result, idle);
        if result.is_ok() {
            self.spoken.told(kind, payload, Part::Last);
        }
    }

    fn send_prepared(&mut self, kind: Kind, payload: &[u8]) {
        let (_, outgoing) = self.session.halves();
        let before = outgoing.unsent_len();
        let result = outgoing.send_prepared(&Prepared::new(message(kind, payload)));
        self.queued(before, payload.len(), result);
        let idle = !self.spoken.is_within_message();
        self.allowed(result, idle);
        if result.is_ok() {
            self.spoken.told(kind, payload, Part::Last);
        }
    }

    /// What is lent is written at once, and nothing comes before it.
    fn send_by_reference(&mut self, kind: Kind, payload: &[u8]) {
        let (_, outgoing) = self.session.halves();
        let before = outgoing.unsent_len();
        let result = outgoing.send_by_reference(message(kind, payload));
        self.queued(before, payload.len(), result.map(drop));
        let idle = !self.spoken.is_within_message();
        self.allowed(result.map(drop), idle);
        let Ok(lent) = result else { return };
        self.spoken.told(kind, payload, Part::Last);
        if !lent.is_empty() {
            let refused = self.session.send("something else");
            assert_eq!(refused, Err(SendError::MessageInProgress));
            self.session.ping(&[]).expect("it is open");
        }
        while !self.session.unsent().is_empty() {
            self.write(usize::MAX);
        }
        self.spoken.hear(lent);
        if !lent.is_empty() {
            self.session.sent(lent.len());
        }
        assert_eq!(self.session.halves().1.unsent_len(), 0);
    }

    fn send_part(&mut self, kind: Kind, payload: &[u8], part: Part) {
        let before = self.session.halves().1.unsent_len();
        let result = self.session.halves().1.send_part(kind, payload, part);
        self.queued(before, payload.len(), result);
        let same = self
            .spoken
            .kind_within()
            .is_none_or(|within| within == kind);
        self.allowed(result, same);
        if result.is_ok() {
            self.spoken.told(kind, payload, part);
        }
    }

    /// What is queued keeps to the limit: "A message of any length is queued while less than this
    /// waits."
    fn queued(&mut self, before: usize, len: usize, result: Result<(), SendError>) {
        let after = self.session.halves().1.unsent_len();
        // What is small may take a few bytes more compressed.
        let most = before + len + if self.compressed { 64 } else { 14 };
        match result {
            Ok(()) => assert!(before < self.max_unsent && after <= most),
            Err(SendError::Full { limit }) => {
                assert_eq!((limit, after), (self.max_unsent, before));
                assert!(before > 0 && before >= limit);
                self.full = true;
            }
            Err(_) => assert_eq!(after, before),
        }
    }

    fn close(&mut self, how_much: u8) {
        let close = match how_much & 1 {
            0 => None,
            _ => Some(Close::new(CloseCode::NORMAL, "done").expect("short")),
        };
        let result = self.session.close(close);
        self.allowed(result, true);
        if result.is_ok() {
            self.spoken.closing();
            assert_ne!(self.session.state(), State::Open);
        }
    }

    /// A command is refused for a reason.
    fn allowed(&mut self, result: Result<(), SendError>, well_formed: bool) {
        match result {
            Ok(()) => assert!(well_formed && self.was_open && !self.spoken.is_closed()),
            Err(SendError::Full { .. }) => {}
            Err(SendError::Closed) => assert!(!self.was_open),
            Err(SendError::ControlTooLong | SendError::MessageInProgress) => assert!(!well_formed),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn write(&mut self, most: usize) {
        let unsent = self.session.unsent();
        let len = unsent.len().min(most);
        self.spoken.hear(&unsent[..len]);
        self.session.sent(len);
    }

    fn take_unsent(&mut self) {
        let mut taken = Buffers::default();
        let (_, outgoing) = self.session.halves();
        outgoing.swap(&mut taken);
        assert_eq!(outgoing.unsent_len(), 0);
        while taken.unsent_len() > 0 {
            let mut slices = [&[][..]; 2];
            let count = taken.unsent_slices(&mut slices);
            let len = slices.iter().map(|slice| slice.len()).sum();
            slices[..count]
                .iter()
                .for_each(|slice| self.spoken.hear(slice));
            taken.sent(len);
        }
        outgoing.on_written(0);
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        match self.session.check(self.now) {
            // Now, if there is something to be written first.
            Verdict::Alive { wake } => assert!(wake.is_none_or(|wake| wake >= self.now)),
            Verdict::LastCall => {
                assert!(matches!(self.session.check(self.now), Verdict::Dead(_)));
                self.dead = true;
            }
            dead @ Verdict::Dead(_) => {
                assert_eq!(self.session.check(self.now), dead);
                self.dead = true;
            }
        }
    }

    /// To the moment that was asked for, at which something is done about it.
    fn pass_until_wake(&mut self) {
        let wake = match self.session.check(self.now) {
            Verdict::Alive { wake } => wake,
            Verdict::LastCall => Some(self.now),
            Verdict::Dead(_) => return self.dead = true,
        };
        if let Some(wake) = wake {
            self.pass(wake.saturating_duration_since(self.now));
        }
    }

    /// What is true at every moment.
    fn check_now(&mut self) {
        let (state, shutdown) = (self.session.state(), self.session.shutdown());
        if let Some(error) = self.failed {
            assert_eq!(state, State::Failed(error));
        }
        if self.session.halves().1.unsent_len() > 0 {
            assert_eq!(shutdown, Shutdown::NotYet);
        }
        if shutdown != Shutdown::NotYet {
            assert!(matches!(state, State::Closed | State::Failed(_)));
        }
        assert!(self.role == Role::Client || shutdown != Shutdown::AwaitPeer);
        if self.spoken.is_closed() {
            assert_ne!(state, State::Open);
        }
    }

    /// What is left is received and written; then all of it was said that was told.
    fn finish(mut self) {
        if !self.ended {
            self.receive(0);
            assert!(self.spoiled || self.failed.is_some() || self.expected.is_empty());
        }
        while !self.session.unsent().is_empty() {
            self.write(usize::MAX);
        }
        self.check_now();
        self.spoken.finish();
        assert_eq!(self.spoken.is_compressed(), self.compressed);
    }
}

fn message(kind: Kind, payload: &[u8]) -> Message<'_> {
    match kind {
        Kind::Text => Message::Text(str::from_utf8(payload).expect("ASCII")),
        Kind::Binary => Message::Binary(payload),
    }
}

fn owned(message: Message<'_>) -> (Kind, Vec<u8>) {
    (message.kind(), message.as_bytes().into())
}
