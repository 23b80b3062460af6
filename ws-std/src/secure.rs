//! A socket with TLS around it.
//!
//! A reader that waits for its peer must not keep the writers out, and a writer that waits must not
//! keep the reader from answering. So no thread holds `tls` while it waits:
//!
//! ```text
//!   read    unfed ── socket.read ──▶ unfed ── tls ──▶ plaintext        unfed: the reader's alone
//!   write   sealed ─ tls: plaintext ──▶ sealed ── socket.write ──▶     sealed: in order, one writer
//! ```
//!
//! Locks are taken in the order `unfed`, `sealed`, `tls`; `tls` only for a moment.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rustls::{ClientConnection, Connection, ServerConnection};
use ws_http::{ServerTls, Tls, TlsError};

use crate::deadline::Deadline;
use crate::stream::{PIECES, Socket, Stream};
use crate::sync::lock;

/// A connection over TLS. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Secure(Arc<Inner>);

struct Inner {
    stream: Arc<Stream>,
    tls: Mutex<Connection>,
    unfed: Mutex<Unfed>,
    sealed: Mutex<Sealed>,
}

/// Records that were read and not yet opened.
#[derive(Default)]
struct Unfed {
    bytes: Vec<u8>,
    start: usize,
}

/// Records on their way into the socket.
#[derive(Default)]
struct Sealed {
    bytes: Vec<u8>,
    sent: usize,
    /// The number of bytes in them that no write has reported yet, because not all of the record
    /// had left: a write that is made again begins with these bytes.
    owed: usize,
}

/// The most plaintext of one record (RFC 8446 §5.1), and of one read.
const RECORD: usize = 16 << 10;

/// A buffer with more room than this is not kept while nothing is written.
const KEPT: usize = 4 << 10;

/// What came of one read.
enum Got {
    Plaintext(usize),
    /// Nothing of the application's: part of a record, or one of TLS's own.
    Nothing,
    End,
}

impl Secure {
    /// Puts TLS over a connection to `host`. The handshake is still to be done.
    pub(crate) fn client(tls: &Tls, stream: Arc<Stream>, host: &str) -> Result<Self, TlsError> {
        let connection = ClientConnection::new(tls.config()?, tls.expected(host)?)?;
        Ok(Self::new(stream, connection.into()))
    }

    /// Puts TLS over a connection. The first read does the handshake.
    pub(crate) fn server(tls: &ServerTls, stream: Stream) -> Stream {
        match ServerConnection::new(tls.config()) {
            Ok(connection) => Self::new(Arc::new(stream), connection.into()).into(),
            // Without TLS there must be no connection.
            Err(_) => {
                let _ = stream.shutdown(Shutdown::Both);
                stream
            }
        }
    }

    fn new(stream: Arc<Stream>, tls: Connection) -> Self {
        Self(Arc::new(Inner {
            stream,
            tls: Mutex::new(tls),
            unfed: Mutex::default(),
            sealed: Mutex::default(),
        }))
    }

    /// Does the handshake, which the first read does otherwise.
    pub(crate) fn shake_hands(&self, deadline: Deadline<'_>) -> io::Result<()> {
        loop {
            self.0.stream.set_write_timeout(deadline.left()?)?;
            self.0.answer()?;
            if !lock(&self.0.tls).is_handshaking() {
                return Ok(());
            }
            self.0.stream.set_read_timeout(deadline.left()?)?;
            match self.0.read(&mut []) {
                Ok(Got::End) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    // `left` says whether the time is up.
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

impl Inner {
    /// Makes at most one read of the socket.
    fn read(&self, room: &mut [u8]) -> io::Result<Got> {
        let mut unfed = lock(&self.unfed);
        match take(&mut lock(&self.tls), room)? {
            Got::Nothing => {}
            got => return Ok(got),
        }
        if unfed.rest().is_empty() {
            unfed.bytes.resize(RECORD, 0);
            // The reader is the only one that waits for `unfed`.
            let read = self.stream.read(&mut unfed.bytes);
            let len = *read.as_ref().unwrap_or(&0);
            unfed.bytes.truncate(len);
            unfed.start = 0;
            match read {
                // With a close_notify or without: a WebSocket has a Close of its own, and a stream
                // that ends without one is an error there.
                Ok(0) => return Ok(Got::End),
                Ok(_) => {}
                Err(error) => {
                    // Silence: memory that is not in use is freed.
                    *unfed = Unfed::default();
                    return Err(error);
                }
            }
        }
        let opened = self.open(&mut unfed, room);
        // Alerts, and what the handshake or a new key asks for. A failure shows at the next write.
        let answered = self.answer();
        let got = opened?;
        if lock(&self.tls).is_handshaking() {
            answered?;
        }
        Ok(got)
    }

    /// Opens records until `room` is full.
    fn open(&self, unfed: &mut Unfed, room: &mut [u8]) -> io::Result<Got> {
        let mut tls = lock(&self.tls);
        let mut len = 0;
        while !unfed.rest().is_empty() {
            let fed = tls.read_tls(&mut unfed.rest())?;
            if fed == 0 {
                // Nothing is read after its close_notify.
                unfed.start = unfed.bytes.len();
            }
            unfed.start += fed;
            let opened = tls.process_new_packets();
            opened.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let rest = room.get_mut(len..).unwrap_or_default();
            match take(&mut tls, rest)? {
                Got::Plaintext(more) => len += more,
                Got::Nothing => {}
                Got::End if len == 0 => return Ok(Got::End),
                Got::End => break,
            }
            if len == room.len() {
                break;
            }
        }
        Ok(match len {
            0 => Got::Nothing,
            len => Got::Plaintext(len),
        })
    }

    /// Writes what TLS itself has to say, unless a thread is writing: what it writes next goes
    /// after that.
    fn answer(&self) -> io::Result<()> {
        let Some(mut sealed) = self.free_sealed() else {
            return Ok(());
        };
        let is_handshaking = {
            let mut tls = lock(&self.tls);
            sealed.take_from(&mut tls)?;
            tls.is_handshaking()
        };
        let written = match is_handshaking {
            // Nobody else writes, and it is no more than any socket takes.
            true => sealed.flush(|bytes| self.stream.write(&[bytes], bytes.len())),
            false => sealed.flush(|bytes| self.stream.write_at_once(&[bytes], bytes.len())),
        };
        match written {
            // The next write begins with it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            written => written,
        }
    }

    /// Writes from `pieces` with `send`: all of them, or until that takes no more; or, if it
    /// `waits`, until it has taken some.
    fn write(
        &self,
        pieces: &[IoSlice<'_>],
        waits: bool,
        send: impl Fn(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut sealed = lock(&self.sealed);
        let given: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut taken = 0;
        loop {
            match sealed.flush(&send) {
                Err(error) if taken == 0 => return Err(error),
                Err(_) => return Ok(taken),
                Ok(()) => {}
            }
            let told = sealed.owed.min(given - taken);
            sealed.owed -= told;
            taken += told;
            if taken == given || (waits && taken > 0) {
                return Ok(taken);
            }
            let mut tls = lock(&self.tls);
            if tls.is_handshaking() {
                // It would be kept in the clear until the handshake is done, and nobody does it.
                return Err(io::ErrorKind::NotConnected.into());
            }
            sealed.owed = seal(&mut tls, pieces, taken)?;
            sealed.take_from(&mut tls)?;
        }
    }

    fn free_sealed(&self) -> Option<MutexGuard<'_, Sealed>> {
        match self.sealed.try_lock() {
            Ok(sealed) => Some(sealed),
            Err(TryLockError::Poisoned(sealed)) => Some(PoisonError::into_inner(sealed)),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Takes what is opened, if there is some.
fn take(tls: &mut Connection, room: &mut [u8]) -> io::Result<Got> {
    if room.is_empty() {
        return Ok(Got::Nothing);
    }
    match tls.reader().read(room) {
        Ok(0) => Ok(Got::End),
        Ok(len) => Ok(Got::Plaintext(len)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Got::Nothing),
        Err(error) => Err(error),
    }
}

/// Makes one record of what `pieces` have after the first `skipped` bytes. Returns how many bytes
/// it has.
fn seal(tls: &mut Connection, pieces: &[IoSlice<'_>], mut skipped: usize) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); PIECES];
    let (mut count, mut room) = (0, RECORD);
    for piece in pieces {
        let rest = piece.get(skipped..).unwrap_or_default();
        skipped = skipped.saturating_sub(piece.len());
        let rest = &rest[..rest.len().min(room)];
        if let (false, Some(slice)) = (rest.is_empty(), slices.get_mut(count)) {
            *slice = IoSlice::new(rest);
            count += 1;
            room -= rest.len();
        }
    }
    match tls.writer().write_vectored(&slices[..count])? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        len => Ok(len),
    }
}

impl Unfed {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl Sealed {
    /// Takes the records that were made.
    fn take_from(&mut self, tls: &mut Connection) -> io::Result<()> {
        while tls.wants_write() {
            tls.write_tls(&mut self.bytes)?;
        }
        Ok(())
    }

    /// Writes the records.
    fn flush(&mut self, send: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<()> {
        while self.sent < self.bytes.len() {
            match send(&self.bytes[self.sent..])? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                len => self.sent += len,
            }
        }
        self.sent = 0;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        Ok(())
    }
}

impl Socket for Secure {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self.0.read(room)? {
            Got::Plaintext(len) => Ok(len),
            Got::End => Ok(0),
            // The caller looks at the clock between any two reads of the socket.
            Got::Nothing => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let stream = &self.0.stream;
        (self.0).write(pieces, true, |bytes| stream.write(&[bytes], bytes.len()))
    }

    fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let stream = &self.0.stream;
        (self.0).write(pieces, false, |bytes| {
            stream.write_at_once(&[bytes], bytes.len())
        })
    }

    fn wait_readable(&self) -> io::Result<()> {
        let has_more = !lock(&self.0.unfed).rest().is_empty();
        let state = lock(&self.0.tls).process_new_packets();
        match state {
            Ok(state)
                if !has_more
                    && state.plaintext_bytes_to_read() == 0
                    && !state.peer_has_closed() =>
            {
                self.0.stream.wait_readable()
            }
            // The read says what it is.
            _ => Ok(()),
        }
    }

    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.0.stream.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.0.stream.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            // RFC 8446 §6.1; if it cannot leave now, the end of the stream has to do.
            lock(&self.0.tls).send_close_notify();
            let _ = self.0.answer();
        }
        self.0.stream.shutdown(how)
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.0.stream.descriptor()
    }

    fn prepare(&self) -> io::Result<()> {
        self.0.stream.prepare()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        Some(self.0.stream.peer_addr())
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.0.stream.local_addr()
    }
}

/// Nothing of the keys.
impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secure").field(&self.0.stream).finish()
    }
}

#[cfg(all(test, not(target_arch = "x86")))]
#[path = "../tests/certificates/mod.rs"]
mod made;

#[cfg(all(test, not(target_arch = "x86")))]
mod tests {
    use super::made::Authority;
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::thread;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A socket that takes no more than `most` bytes at once, and fails every other time if it is to.
    struct Reluctant {
        tcp: TcpStream,
        most: usize,
        fails: Option<io::ErrorKind>,
        turn: AtomicBool,
    }

    impl Socket for Reluctant {
        fn read(&self, room: &mut [u8]) -> io::Result<usize> {
            Socket::read(&self.tcp, room)
        }

        fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            Socket::write(&self.tcp, pieces)
        }

        fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            let [piece] = pieces else {
                panic!("records are one piece");
            };
            match self.fails {
                Some(kind) if self.turn.fetch_not(Ordering::Relaxed) => Err(kind.into()),
                _ => {
                    let piece = &piece[..piece.len().min(self.most)];
                    self.tcp.write_at_once(&[IoSlice::new(piece)])
                }
            }
        }

        fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
            Socket::set_read_timeout(&self.tcp, timeout)
        }

        fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
            Socket::set_write_timeout(&self.tcp, timeout)
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            Socket::shutdown(&self.tcp, how)
        }
    }

    /// The two ends of a connection: the client's takes little.
    fn pair(most: usize, fails: Option<io::ErrorKind>) -> (Secure, Stream) {
        let ca = Authority::new("ours");
        let own = ca.issue(&["chat.example"]);
        // Tests that run at the same time have a folder each.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("ws-std-{}-secure-{made}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        std::fs::write(&chain, own.chain).unwrap();
        std::fs::write(&key, own.key).unwrap();
        let server = ServerTls::from_files(chain, key).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let client = Reluctant {
            tcp,
            most,
            fails,
            turn: AtomicBool::new(false),
        };
        let tls = Tls::new().ca(ca.pem().as_bytes()).unwrap();
        let client = Secure::client(&tls, Arc::new(client.into()), "chat.example").unwrap();
        let server = Secure::server(&server, listener.accept().unwrap().0.into());
        client.set_write_timeout(PATIENCE).unwrap();
        client.set_read_timeout(PATIENCE).unwrap();
        server.set_read_timeout(PATIENCE).unwrap();
        (client, server)
    }

    /// Everything up to the end.
    fn read_all(stream: &Stream) -> Vec<u8> {
        let mut all = Vec::new();
        let mut room = vec![0; 5000];
        loop {
            match stream.read(&mut room) {
                Ok(0) => return all,
                Ok(len) => all.extend_from_slice(&room[..len]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::Interrupted),
            }
        }
    }

    fn shake_hands(secure: &Secure) {
        let clock = crate::clock::Clock::system();
        let deadline = Deadline::after(&clock, PATIENCE);
        secure.shake_hands(deadline).unwrap();
    }

    #[test]
    fn a_socket_that_takes_little_gets_each_byte_once() {
        for (most, fails) in [
            (1, None),
            (RECORD, Some(io::ErrorKind::WouldBlock)),
            (1000, Some(io::ErrorKind::WouldBlock)),
            (RECORD, Some(io::ErrorKind::Interrupted)),
        ] {
            let (client, server) = pair(most, fails);
            let reading = thread::spawn(move || read_all(&server));
            shake_hands(&client);
            let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
            let mut rest = &bytes[..];
            let mut calls = 0;
            while !rest.is_empty() {
                // As the wire does: much at first, and little if it has to be waited for.
                calls += 1;
                let (most, wrote) = match calls % 3 {
                    0 => (
                        4096,
                        client.write(&[IoSlice::new(&rest[..rest.len().min(4096)])]),
                    ),
                    _ => (rest.len(), {
                        let (a, b) = rest.split_at(rest.len().min(7));
                        client.write_at_once(&[IoSlice::new(a), IoSlice::new(b)])
                    }),
                };
                match wrote {
                    Ok(len) => {
                        assert!(len > 0 && len <= most, "{len} of {most}");
                        rest = &rest[len..];
                    }
                    Err(error) => assert!(
                        matches!(
                            error.kind(),
                            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                        ),
                        "{error}"
                    ),
                }
            }
            Socket::shutdown(&client, Shutdown::Write).unwrap();
            assert!(reading.join().unwrap() == bytes, "{most} {fails:?}");
        }
    }

    #[test]
    fn nothing_is_kept_in_the_clear_before_the_handshake() {
        let (client, _server) = pair(RECORD, None);
        let error = client.write(&[IoSlice::new(b"secret")]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    }

    #[test]
    fn a_record_of_tls_s_own_is_no_read_of_ours_and_no_end() {
        let (client, server) = pair(RECORD, None);
        let serving = thread::spawn(move || {
            let mut room = [0; 100];
            loop {
                match server.read(&mut room) {
                    Ok(len) => return (server, room[..len].to_vec()),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::Interrupted),
                }
            }
        });
        shake_hands(&client);
        client.write(&[IoSlice::new(b"hello")]).unwrap();
        let (server, heard) = serving.join().unwrap();
        assert_eq!(heard, b"hello");
        // The tickets of the session came, and nothing of the server's.
        client.wait_readable().unwrap();
        let error = Socket::read(&client, &mut [0; 100]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(Socket::read(&client, &mut [0; 100]).unwrap(), 0);
        assert_eq!(Socket::read(&client, &mut [0; 100]).unwrap(), 0);
    }
}
