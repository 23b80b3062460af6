//! The receiving half of a connection.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ws_proto::{
    Close, CloseCode, Event, Incoming, Instant, Kind, Message, MessageBuf, ProtocolError, Ready,
    SendError, Step, Verdict,
};

use crate::error::{Error, Failure};
use crate::guard::{Frame, Guard};
use crate::shared::{Answers, Shared};
use crate::stream::{TICK, is_timeout};
use crate::tap::Tapped;
use crate::writer::Corked;

/// The receiving half of a connection: see [`WebSocket::split`](crate::WebSocket::split).
///
/// While one of its methods waits, it pings the peer, and answers the peer's Pings.
#[derive(Debug)]
pub struct Reader {
    incoming: Incoming,
    shared: Arc<Shared>,
    /// The timeout that the socket has: how long a read may wait.
    patience: Option<Duration>,
    /// The moment to look at the clock on behalf of the connection.
    wake: Option<Instant>,
    /// The transport has failed, and was read to its end.
    lost: bool,
    /// The closing handshake has begun, as far as it is known.
    closing: bool,
    on_pong: OnPong,
    /// Watches the peer, on a server that asks something of it.
    guard: Option<Box<Guard>>,
}

/// The application's handler of Pongs.
type Pong = Box<dyn FnMut(&[u8]) + Send>;

#[derive(Default)]
struct OnPong(Option<Pong>);

/// The result of waiting for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next<'a> {
    /// A message.
    Message(Message<'a>),
    /// The time was up.
    Elapsed,
    /// The peer has closed.
    Closed,
}

/// The same, while the message is still where it is.
enum Waited {
    Message,
    Elapsed,
    Closed,
}

/// What is waited for.
#[derive(Clone, Copy)]
enum Wanted {
    /// A whole message.
    Whole,
    /// A part of one, or its end.
    Part,
}

impl Reader {
    pub(crate) fn new(incoming: Incoming, shared: Arc<Shared>) -> Self {
        let rules = shared.rules();
        Self {
            guard: rules.and_then(|rules| rules.guard(shared.clock().now())),
            incoming,
            shared,
            patience: None,
            // At once: the first look begins the time of a connection.
            wake: Some(Instant::default()),
            lost: false,
            closing: false,
            on_pong: OnPong(None),
        }
    }

    /// Calls `on_pong` with the payload of each Pong that comes while one of its methods waits: see
    /// [`WebSocket::on_pong`](crate::WebSocket::on_pong).
    pub fn on_pong(&mut self, on_pong: impl FnMut(&[u8]) + Send + 'static) {
        self.on_pong = OnPong(Some(Box::new(on_pong)));
    }

    /// Waits for the next message: see [`WebSocket::recv`](crate::WebSocket::recv).
    ///
    /// # Errors
    ///
    /// [`Protocol`](Error::Protocol), [`TimedOut`](Error::TimedOut) or [`Io`](Error::Io): the
    /// connection is over.
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        match self.wait(Wanted::Whole, None)? {
            Waited::Message => self.message(),
            Waited::Elapsed | Waited::Closed => Ok(None),
        }
    }

    /// Waits for the next message, and returns it with a payload of its own: see
    /// [`recv`](Self::recv). A large binary message is moved, not copied.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_owned(&mut self) -> Result<Option<MessageBuf>, Error> {
        match self.wait(Wanted::Whole, None)? {
            Waited::Message => {
                self.saw(Frame::Message);
                let taken = self.incoming.take_message(&mut Answers(&self.shared));
                taken.map_err(|error| self.fail(error))
            }
            Waited::Elapsed | Waited::Closed => Ok(None),
        }
    }

    /// Waits for the next message, at most `timeout` long.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Next<'_>, Error> {
        let deadline = self.shared.clock().now().after(timeout);
        Ok(match self.wait(Wanted::Whole, Some(deadline))? {
            Waited::Message => self.message()?.map_or(Next::Closed, Next::Message),
            Waited::Elapsed => Next::Elapsed,
            Waited::Closed => Next::Closed,
        })
    }

    /// Calls `handle` with each message until the peer closes: see
    /// [`WebSocket::for_each`](crate::WebSocket::for_each).
    ///
    /// # Errors
    ///
    /// The first error of `handle`, or as [`recv`](Self::recv).
    pub fn for_each<E: From<Error>>(
        &mut self,
        mut handle: impl FnMut(Message<'_>, &mut Corked<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut answered = false;
        loop {
            // No lock is held while the application's code runs: it may well send on this
            // connection through a `Writer`.
            match self.incoming.step(&mut Answers(&self.shared)) {
                Ok(Step::Message(message)) => {
                    // The application may take long, and the peer waits for its Pong.
                    if answered && self.shared.take_queued() {
                        let _ = self.shared.flush_if_free();
                    }
                    answered = false;
                    if let Some(guard) = &mut self.guard {
                        guard.frame(Frame::Message, self.shared.clock().now());
                    }
                    let mut corked = Corked::new(&self.shared);
                    if let Err(error) = handle(message, &mut corked) {
                        // A peer that is gone after its Close has done nothing wrong.
                        if corked.is_lost() && self.drop_the_rest().is_ok() {
                            return Ok(());
                        }
                        // What it sent before it failed counts as sent.
                        let _ = self.shared.flush();
                        return Err(error);
                    }
                }
                Ok(Step::Control(event)) => {
                    answered = true;
                    self.on_pong.see(Some(event));
                    self.saw(Frame::Control);
                }
                Ok(Step::NeedData) => {
                    // We do not read from a peer that does not take the answers. If it is gone, we
                    // still receive what it sent before: see `read`.
                    if self.shared.take_queued() {
                        let _ = self.shared.flush_if_free();
                    }
                    match self.wait(Wanted::Whole, None)? {
                        Waited::Message | Waited::Elapsed => {}
                        Waited::Closed => return Ok(()),
                    }
                }
                Ok(Step::Closed) => {
                    self.shared.hang_up();
                    return Ok(());
                }
                Err(error) => return Err(self.fail(error).into()),
            }
        }
    }

    /// Starts the closing handshake and waits until it is done: see
    /// [`WebSocket::close`](crate::WebSocket::close).
    ///
    /// # Errors
    ///
    /// [`Send`](Error::Send) if the reason is too long, or there is no memory for the Close:
    /// nothing was done. Otherwise as [`recv`](Self::recv).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let close = Close::new(code, reason)?;
        match self.shared.queue_close(close) {
            // A Close that is on its way already ends in the same way.
            Ok(()) | Err(SendError::Closed) => {}
            // Without a Close we would wait for the peer as long as it lives.
            Err(error) => return Err(error.into()),
        }
        // A peer that is gone after its own Close has done nothing wrong.
        let _ = self.shared.flush();
        self.drop_the_rest()
    }

    /// The code and reason of the peer's Close: `None` before it came, and if it had none.
    #[must_use]
    pub fn peer_close(&self) -> Option<(CloseCode, String)> {
        let outgoing = self.shared.outgoing();
        let close = outgoing.peer_close()?;
        Some((close.code(), close.reason().into()))
    }

    /// Waits until some of the next message has come: of which kind it is. `None` if the peer has
    /// closed. What is left of the message before is dropped.
    pub(crate) fn begin_to_read(&mut self) -> Result<Option<Kind>, Error> {
        self.skip();
        Ok(match self.wait(Wanted::Part, None)? {
            Waited::Message => {
                self.saw(Frame::Message);
                self.incoming.reading()
            }
            Waited::Elapsed | Waited::Closed => None,
        })
    }

    /// Reads some of the message: how many bytes, 0 at its end, and `None` if the peer has closed
    /// before that.
    pub(crate) fn read_part(&mut self, room: &mut [u8]) -> Result<Option<usize>, Error> {
        Ok(match self.wait(Wanted::Part, None)? {
            Waited::Message => {
                let read = self.incoming.read(room, &mut Answers(&self.shared));
                Some(read.map_err(|error| self.fail(error))?)
            }
            Waited::Elapsed | Waited::Closed => None,
        })
    }

    /// Has the rest of the message dropped, as it comes.
    pub(crate) fn skip(&mut self) {
        self.incoming.skip();
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn message(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.saw(Frame::Message);
        match self.incoming.message(&mut Answers(&self.shared)) {
            Ok(message) => Ok(message),
            // Not `fail`: the borrow of an absent message would last to the end of the function.
            Err(error) => {
                self.shared.hang_up();
                Err(error.into())
            }
        }
    }

    fn wait(&mut self, wanted: Wanted, deadline: Option<Instant>) -> Result<Waited, Error> {
        let mut tried = false;
        loop {
            match self.ready(wanted).map_err(|error| self.fail(error))? {
                Ready::Message => {
                    // The application may take long, and the peer waits for its Pong.
                    self.flush_queued();
                    return Ok(Waited::Message);
                }
                Ready::Control => {}
                Ready::Closed => {
                    self.shared.hang_up();
                    return Ok(Waited::Closed);
                }
                Ready::NeedData => {
                    self.flush_queued();
                    let now = self.shared.clock().now();
                    self.check(now)?;
                    let watched = self.watch(now)?;
                    if tried && deadline.is_some_and(|deadline| now >= deadline) {
                        return Ok(Waited::Elapsed);
                    }
                    self.read(now, earlier(earlier(self.wake, watched), deadline))?;
                    tried = true;
                }
            }
        }
    }

    /// Notes what was received, if that is watched.
    fn saw(&mut self, frame: Frame) {
        if let Some(guard) = &mut self.guard {
            guard.frame(frame, self.shared.clock().now());
        }
    }

    /// Closes the connection of a peer that talks too slowly or too much. Returns when to look again.
    fn watch(&mut self, now: Instant) -> Result<Option<Instant>, Error> {
        let (Some(guard), Some(rules)) = (&mut self.guard, self.shared.rules()) else {
            return Ok(None);
        };
        if let Some(excess) = guard.closed() {
            return Err(excess.into());
        }
        // In the closing handshake it need not talk.
        if self.closing {
            return Ok(None);
        }
        guard.stands(&self.incoming, now);
        guard.check(now, &rules.counters).map_err(|excess| {
            let reason = excess.to_string();
            // If there is no memory for the Close, the end of the stream has to say it.
            let _ = Close::new(excess.code(), &reason).map(|close| self.shared.queue_close(close));
            self.shared.hang_up();
            excess.into()
        })
    }

    /// Writes what was queued, not waiting for the peer, which may be waiting for us to read.
    fn flush_queued(&self) {
        if self.shared.take_queued() {
            let _ = self.shared.flush_soon();
        }
    }

    /// Goes on to the next message, and handles control frames on the way.
    fn ready(&mut self, wanted: Wanted) -> Result<Ready, ProtocolError> {
        let mut answers = Answers(&self.shared);
        loop {
            let next = match wanted {
                Wanted::Whole => self.incoming.ready(&mut answers)?,
                Wanted::Part => self.incoming.ready_to_read(&mut answers)?,
            };
            match next {
                Ready::Control => {
                    let event = self.incoming.control(&mut answers)?;
                    self.on_pong.see(event);
                    if let Some(guard) = &mut self.guard {
                        guard.frame(Frame::Control, self.shared.clock().now());
                    }
                }
                ready => return Ok(ready),
            }
        }
    }

    /// Looks at the clock when that is due: pings the peer, or gives up on it.
    fn check(&mut self, now: Instant) -> Result<(), Error> {
        let is_due = self.wake.is_some_and(|wake| wake <= now);
        let is_closing = self.shared.take_closing();
        self.closing |= is_closing;
        if !is_closing && !is_due {
            return Ok(());
        }
        let mut again = false;
        loop {
            let verdict = self.incoming.check(&mut self.shared.outgoing(), now);
            let _ = self.shared.flush_soon();
            match verdict {
                // Something was queued; whether it has left is known now.
                Verdict::Alive { wake } if wake == Some(now) && !again => again = true,
                Verdict::Alive { wake } => {
                    self.wake = wake;
                    return Ok(());
                }
                // What lies in the socket already is read before the peer is judged.
                Verdict::LastCall => {
                    self.wake = Some(now);
                    if self.read_what_is_there()? {
                        return Ok(());
                    }
                }
                Verdict::Dead(timed_out) => return Err(self.lost(timed_out)),
            }
        }
    }

    /// Makes one read that does not wait. Returns whether something came of it.
    fn read_what_is_there(&mut self) -> Result<bool, Error> {
        match self.receive(Duration::ZERO) {
            Ok(0) => self.end().map(|()| true),
            Ok(_) => Ok(true),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(Error::Io(error)) if is_timeout(&error) => Ok(false),
            Err(Error::Io(error)) => Err(self.lost(error)),
            Err(error) => Err(error),
        }
    }

    /// Drops what still comes, until the peer has closed.
    fn drop_the_rest(&mut self) -> Result<(), Error> {
        loop {
            match self.wait(Wanted::Whole, None)? {
                Waited::Message => {
                    self.message()?;
                }
                Waited::Elapsed | Waited::Closed => return Ok(()),
            }
        }
    }

    /// Makes one read, which waits until `wake` at most.
    ///
    /// A transport that failed while something was written is still read to its end: what the peer
    /// sent before, perhaps a Close with its reason, counts.
    fn read(&mut self, now: Instant, wake: Option<Instant>) -> Result<(), Error> {
        if self.lost {
            self.shared.check_transport()?;
        }
        let longest = self.shared.close_timeout().max(SHORT);
        let needed = wake.map_or(longest, |wake| wake.saturating_duration_since(now));
        match self.receive(needed.min(longest)) {
            Ok(0) => self.end(),
            Ok(_) => Ok(()),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(Error::Io(error)) if is_timeout(&error) => {
                self.check_transport()?;
                // Silence: memory that is not in use is freed.
                self.incoming.release();
                self.shared.release();
                if let Some(guard) = &mut self.guard {
                    guard.account(&self.incoming);
                }
                Ok(())
            }
            Err(Error::Io(error)) => Err(self.lost(error)),
            Err(error) => Err(error),
        }
    }

    /// Takes what a read gave: the number of bytes, 0 at the end of the stream.
    fn receive(&mut self, patience: Duration) -> Result<usize, Error> {
        self.set_patience(patience)?;
        if self.incoming.is_released() {
            // A silent connection waits without a buffer.
            self.shared.stream().wait_readable()?;
        }
        let spare = match self.incoming.spare_mut() {
            Ok(spare) => spare,
            // The step tells the peer.
            Err(error) => {
                let _ = self.ready(Wanted::Whole);
                return Err(self.fail(error));
            }
        };
        let len = self.shared.stream().read(spare)?;
        self.shared.tapped(Tapped::Received(&spare[..len]));
        self.incoming.filled(len);
        if let Some(guard) = &mut self.guard {
            guard.received(&self.incoming, len, self.shared.clock().now());
        }
        Ok(len)
    }

    /// Notes the end of the stream: the peer ended it, or we did when a write failed.
    fn end(&mut self) -> Result<(), Error> {
        self.check_transport()?;
        let eof = self.incoming.eof(&mut Answers(&self.shared));
        eof.map_err(|error| self.fail(error))
    }

    /// Sets how long a read may wait, unless the current timeout still serves: a longer one would
    /// miss a deadline, and a much shorter one would wake for nothing. Half of the time at first,
    /// so that a busy connection whose deadline comes closer does not set it at every read.
    fn set_patience(&mut self, needed: Duration) -> io::Result<()> {
        let needed = needed.max(TICK);
        let does = |told| told <= needed && told >= needed / 4;
        if !self.patience.is_some_and(does) {
            let told = if needed > SHORT { needed / 2 } else { needed };
            self.shared.stream().set_read_timeout(told)?;
            self.patience = Some(told);
        }
        Ok(())
    }

    /// Reports the peer's violation to it, and gives it the time to read that.
    #[cold]
    fn fail(&self, error: ProtocolError) -> Error {
        self.shared.hang_up();
        error.into()
    }

    /// Ends receiving: fails if the transport has failed.
    fn check_transport(&mut self) -> Result<(), Error> {
        let checked = self.shared.check_transport();
        self.lost = checked.is_err();
        checked
    }

    /// The transport failed, and there is nothing more to read.
    #[cold]
    fn lost(&mut self, failure: impl Into<Failure>) -> Error {
        self.lost = true;
        self.shared.lost(failure)
    }
}

impl OnPong {
    fn see(&mut self, event: Option<Event<'_>>) {
        if let (Some(Event::Pong(payload)), Some(on_pong)) = (event, &mut self.0) {
            on_pong(payload);
        }
    }
}

impl fmt::Debug for OnPong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnPong").field(&self.0.is_some()).finish()
    }
}

/// A read that may wait no longer than this gets exactly that timeout.
const SHORT: Duration = Duration::from_millis(100);

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::Ordering;

    use ws_http::Budget;
    use ws_proto::{Config, Session};

    use crate::clock::Clock;
    use crate::guard::Rules;
    use crate::shared::Setup;

    /// A server's reader that has begun, and its peer.
    fn reader(session: Session) -> (Reader, TcpStream) {
        ruled(session, None)
    }

    /// One whose server asks something of its connections: that they talk, and their share of its
    /// memory.
    fn guarded(session: Session) -> (Reader, TcpStream) {
        let mut rules = Rules::default();
        rules.pace.max_idle = Some(Duration::from_secs(3600));
        rules.budget = Some(Budget::new(1 << 30));
        ruled(session, Some(rules))
    }

    fn ruled(session: Session, rules: Option<Rules>) -> (Reader, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, address) = listener.accept().unwrap();
        let (incoming, outgoing) = session.split();
        let setup = Setup {
            rules,
            ..Setup::new(Clock::system())
        };
        let shared = Shared::new(Arc::new(stream.into()), address, outgoing, setup);
        let mut reader = Reader::new(incoming, shared.unwrap());
        // The first look at the clock, which takes the lock.
        let first = reader.recv_timeout(Duration::ZERO).unwrap();
        assert_eq!(first, Next::Elapsed);
        (reader, peer)
    }

    /// The number of times that `run` locks the sending half.
    fn locks(reader: &mut Reader, run: impl FnOnce(&mut Reader)) -> usize {
        let locked = |reader: &Reader| reader.shared.locked.load(Ordering::SeqCst);
        let before = locked(reader);
        run(reader);
        locked(reader) - before
    }

    /// Says so many messages to a server, in one write.
    fn say(mut peer: &TcpStream, count: usize) {
        let mut client = Session::client(&Config::default(), [7; 32]);
        for at in 0..count {
            client.send(&*format!("message {at}")).unwrap();
        }
        peer.write_all(client.unsent()).unwrap();
    }

    #[test]
    fn messages_are_received_without_the_lock_of_the_sending_half() {
        for begin in [reader, guarded] {
            let (mut reader, peer) = begin(Session::server(&Config::default()));
            say(&peer, 1000);
            let locks = locks(&mut reader, |reader| {
                for at in 0..1000 {
                    let message = reader.recv().unwrap().unwrap();
                    assert_eq!(message, Message::Text(&format!("message {at}")));
                }
            });
            assert_eq!(locks, 0);
        }
    }

    #[test]
    fn each_answer_takes_the_lock_of_the_sending_half_once() {
        // All of them come with one read.
        const COUNT: usize = 100;
        for begin in [reader, guarded] {
            let (mut reader, peer) = begin(Session::server(&Config::default()));
            say(&peer, COUNT);
            let shared = Arc::clone(reader.shared());
            let mut locked = Vec::new();
            let over = reader.for_each(|message, ws| {
                ws.send(message)?;
                locked.push(shared.locked.load(Ordering::SeqCst));
                match locked.len() {
                    COUNT => Err(Error::from(SendError::Closed)),
                    _ => Ok(()),
                }
            });
            assert!(matches!(over, Err(Error::Send(SendError::Closed))));
            assert_eq!(locked[COUNT - 1] - locked[0], COUNT - 1);
        }
    }

    /// A server's reader, and what a message of 64 MiB is on its way to it.
    #[cfg(feature = "deflate")]
    fn bomb() -> (Reader, TcpStream, Vec<u8>) {
        use ws_proto::Deflate;
        use ws_proto::handshake::{Compression, Direction};
        let mut config = Config::default();
        config.limits.max_message = LEN as u64;
        let agreed = Compression {
            server: Direction::FULL,
            client: Direction::FULL,
        };
        let mut settings = Deflate::DEFAULT;
        settings.send = Direction::FULL;
        let (reader, peer) = reader(Session::server(&config).compressed(&settings, &agreed));
        let mut client = Session::client(&config, [7; 32]).compressed(&settings, &agreed);
        client.send(&vec![0; LEN]).unwrap();
        let bytes = client.unsent().to_vec();
        assert!(bytes.len() < 70_000, "{}", bytes.len());
        (reader, peer, bytes)
    }

    #[cfg(feature = "deflate")]
    const LEN: usize = 64 << 20;

    #[cfg(feature = "deflate")]
    #[test]
    fn a_large_message_is_inflated_without_the_lock_of_the_sending_half() {
        let (mut reader, mut peer, bytes) = bomb();
        let writing = std::thread::spawn(move || {
            peer.write_all(&bytes).unwrap();
            peer
        });
        let locks = locks(&mut reader, |reader| {
            let message = reader.recv().unwrap().unwrap();
            assert_eq!(message.as_bytes().len(), LEN);
        });
        assert_eq!(locks, 0);
        drop(writing.join().unwrap());
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn a_large_message_is_inflated_while_another_thread_has_the_lock() {
        let (mut reader, mut peer, bytes) = bomb();
        let shared = Arc::clone(reader.shared());
        let sending = shared.outgoing();
        let (done, inflated) = std::sync::mpsc::channel();
        let receiving = std::thread::spawn(move || {
            let len = reader
                .recv()
                .map(|message| message.map_or(0, |m| m.as_bytes().len()));
            done.send(len).unwrap();
        });
        peer.write_all(&bytes).unwrap();
        let len = inflated.recv_timeout(Duration::from_secs(60));
        drop(sending);
        assert_eq!(len.expect("it does not wait for the lock").unwrap(), LEN);
        receiving.join().unwrap();
    }
}
