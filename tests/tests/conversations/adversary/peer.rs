//! A socket in the hands of a hostile peer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;
use ws_testkit::hostile::{Adversary, Ended, Ending, Turn};

/// How long an event may take that is sure to come. Only a broken endpoint takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one waits for the other before it does the next thing.
const GLANCE: Duration = Duration::from_millis(10);

/// After how long an endpoint that takes no byte is said to take no more.
const STALLED: Duration = Duration::from_secs(1);

/// The pause behind each byte that drips.
const DRIP: Duration = Duration::from_millis(50);

pub(super) struct Peer {
    stream: TcpStream,
    adversary: Adversary,
}

impl Peer {
    pub(super) fn new(stream: TcpStream, adversary: Adversary) -> io::Result<Self> {
        // What is written in pieces is to travel in pieces.
        stream.set_nodelay(true)?;
        Ok(Self { stream, adversary })
    }

    /// Plays the case to its end.
    pub(super) fn play(mut self) -> Ending {
        loop {
            let done = match self.adversary.turn() {
                Turn::Say {
                    times,
                    piece,
                    bytes,
                } => (0..times)
                    .flat_map(|_| bytes.chunks(piece))
                    .try_for_each(|piece| self.write(piece)),
                Turn::Flood(bytes, most) => self.flood(&bytes, most),
                Turn::Drip(bytes) => self.drip(&bytes),
                Turn::Eof => {
                    // It may be gone already.
                    let _ = self.stream.shutdown(Shutdown::Write);
                    Ok(())
                }
                Turn::Reset => {
                    let linger = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                    linger.map_err(|error| error.to_string())
                }
                Turn::Listen => match self.read(PATIENCE) {
                    Ok(false) => Err("silence".into()),
                    read => read.map(drop),
                },
                Turn::Over(outcome) => return outcome,
            };
            if let Err(why) = done {
                return self.adversary.given_up(&why);
            }
        }
    }

    /// Writes, and hears what comes back meanwhile, lest both wait for the other. An endpoint
    /// that is gone need not be told the rest.
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !bytes.is_empty() && self.adversary.ended() != Some(Ended::Reset) {
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
    fn flood(&self, bytes: &[u8], most: usize) -> Result<(), String> {
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
    fn drip(&mut self, bytes: &[u8]) -> Result<(), String> {
        for byte in bytes {
            self.write(&[*byte])?;
            if self.read(DRIP)? {
                return Ok(());
            }
        }
        Err(format!("it was patient for {} bytes", bytes.len()))
    }

    /// Reads once; whether anything came in time, be it the end.
    fn read(&mut self, patience: Duration) -> Result<bool, String> {
        if self.adversary.ended().is_some() {
            return Ok(true);
        }
        let mut piece = [0; 16 << 10];
        let timeout = self.stream.set_read_timeout(Some(patience));
        match timeout.and_then(|()| self.stream.read(&mut piece)) {
            Ok(0) => self.adversary.end(Ended::Eof),
            Ok(len) => self.adversary.hear(&piece[..len]),
            Err(error) if is_timeout(&error) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                self.adversary.end(Ended::Reset);
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
