//! A socket in the hands of a hostile peer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;
use ws_testkit::Frame;

/// How long an event may take that is sure to come. Only a broken endpoint takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one waits for the other before it does the next thing.
const GLANCE: Duration = Duration::from_millis(10);

/// After how long an endpoint that takes no byte is said to take no more.
const STALLED: Duration = Duration::from_secs(1);

/// The pause behind each byte that drips.
const DRIP: Duration = Duration::from_millis(50);

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// In order.
    Eof,
    /// By a reset.
    Reset,
}

pub(super) struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    ended: Option<Ended>,
}

impl Peer {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        // What is written in pieces is to travel in pieces.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            unread: Vec::new(),
            ended: None,
        })
    }

    /// Writes, and hears what comes back meanwhile, lest both wait for the other. An endpoint
    /// that is gone need not be told the rest.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !bytes.is_empty() && self.ended != Some(Ended::Reset) {
            match self.write_for(GLANCE, bytes) {
                Ok(0) if Instant::now() > deadline => return Err("it takes no more".into()),
                Ok(0) => drop(self.read(GLANCE)?),
                Ok(len) => bytes = &bytes[len..],
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Writes `bytes` over and over, and reads nothing.
    pub(super) fn flood(&self, bytes: &[u8], most: usize) -> Result<(), String> {
        let mut sent = 0;
        while sent < most {
            match self.write_for(STALLED, &bytes[sent % bytes.len()..]) {
                Ok(0) | Err(_) => return Ok(()),
                Ok(len) => sent += len,
            }
        }
        Err(format!("it took {sent} bytes, and nobody took its answers"))
    }

    /// Writes one byte after the other, until something comes back.
    pub(super) fn drip(&mut self, bytes: &[u8]) -> Result<(), String> {
        for byte in bytes {
            self.write(&[*byte])?;
            if self.read(DRIP)? {
                return Ok(());
            }
        }
        Err(format!("it was patient for {} bytes", bytes.len()))
    }

    pub(super) fn eof(&self) {
        // It may be gone already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub(super) fn reset(self) -> Result<(), String> {
        let linger = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        linger.map_err(|error| error.to_string())
    }

    /// The next head, its empty line included.
    pub(super) fn head(&mut self) -> Result<String, String> {
        loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.take(at + 4);
                return String::from_utf8(head).map_err(|error| error.to_string());
            }
            self.more("a head")?;
        }
    }

    /// The next `len` bytes.
    pub(super) fn bytes(&mut self, len: usize) -> Result<Vec<u8>, String> {
        while self.unread.len() < len {
            self.more("a body")?;
        }
        Ok(self.take(len))
    }

    /// The next frame, and the bytes that it was.
    pub(super) fn frame(&mut self) -> Result<(Frame, Vec<u8>), String> {
        loop {
            if let Some((frame, len)) = Frame::decode(&self.unread) {
                return Ok((frame, self.take(len)));
            }
            self.more("a frame")?;
        }
    }

    /// Waits for the end of the stream, with nothing before it.
    pub(super) fn ended(&mut self) -> Result<Ended, String> {
        loop {
            if !self.unread.is_empty() {
                return Err(format!("more came: {}", brief(&self.unread)));
            }
            if let Some(ended) = self.ended {
                return Ok(ended);
            }
            if !self.read(PATIENCE)? {
                return Err("the stream did not end".into());
            }
        }
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        self.unread.drain(..len).collect()
    }

    fn more(&mut self, what: &str) -> Result<(), String> {
        if self.ended.is_none() && self.read(PATIENCE)? {
            return Ok(());
        }
        let (ended, unread) = (self.ended, brief(&self.unread));
        let end = ended.map_or_else(|| "silence".into(), |ended| format!("{ended:?}"));
        Err(format!("{end} instead of {what}, behind {unread}"))
    }

    /// Reads once; whether anything came in time, be it the end.
    fn read(&mut self, patience: Duration) -> Result<bool, String> {
        if self.ended.is_some() {
            return Ok(true);
        }
        let mut piece = [0; 16 << 10];
        let timeout = self.stream.set_read_timeout(Some(patience));
        match timeout.and_then(|()| self.stream.read(&mut piece)) {
            Ok(0) => self.ended = Some(Ended::Eof),
            Ok(len) => self.unread.extend(&piece[..len]),
            Err(error) if is_timeout(&error) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                self.ended = Some(Ended::Reset);
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(true)
    }

    /// Writes once; 0 if nothing could be in time.
    fn write_for(&self, patience: Duration, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(patience))?;
        match (&self.stream).write(bytes) {
            Err(error) if is_timeout(&error) => Ok(0),
            result => result,
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// The first bytes in hex and how many there are.
pub(super) fn brief(bytes: &[u8]) -> String {
    let shown: Vec<_> = bytes
        .iter()
        .take(40)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{} bytes [{}]", bytes.len(), shown.join(" "))
}
