//! A connection before it is a WebSocket: what it has said, and the answer if that opens nothing.

use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

use ws_http::{Answer, Body, ProxyHeader, Refusal};
use ws_proto::{Accepting, Instant};

use crate::flags::Flags;
use crate::rules::Rules;
use crate::stream::Stream;

/// A connection in its opening handshake.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) accepting: Accepting,
    /// Where it comes from, as far as is known.
    pub(crate) peer: SocketAddr,
    /// What a proxy says before the first byte of the client.
    pub(crate) proxy: Option<ProxyHeader>,
}

/// A connection that gets an answer, and then ends.
#[derive(Debug)]
pub(crate) struct Answering {
    bytes: Vec<u8>,
    sent: usize,
    /// What was read and dropped after the answer; `None` before our side has ended.
    dropped: Option<usize>,
    pub(crate) deadline: Instant,
    refused: Refused,
}

/// Whether there was no room for the connection from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Yes,
    No,
}

impl Opening {
    pub(crate) fn new(rules: &Rules, peer: SocketAddr, now: Instant) -> Self {
        let mut accepting = Accepting::new(&rules.config);
        // Its time begins here.
        let _ = accepting.check(now);
        let sends_header = rules.site.trusted.sends_proxy_header(peer.ip());
        Self {
            accepting,
            peer,
            proxy: sends_header.then(ProxyHeader::new),
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.accepting.deadline()
    }
}

impl Answering {
    pub(crate) fn new(bytes: Vec<u8>, deadline: Instant) -> Self {
        Self {
            bytes,
            sent: 0,
            dropped: None,
            deadline,
            refused: Refused::No,
        }
    }

    /// For a client that there is no room for.
    pub(crate) fn refusal(refusal: &Refusal, deadline: Instant) -> Self {
        Self {
            refused: Refused::Yes,
            ..Self::new(refused(refusal), deadline)
        }
    }

    pub(crate) fn is_refusal(&self) -> bool {
        self.refused == Refused::Yes
    }

    /// Writes the answer, and lets the client read it.
    ///
    /// # Errors
    ///
    /// The connection is over.
    pub(crate) fn go_on(
        &mut self,
        stream: &Stream,
        flags: &mut Flags,
        scratch: &mut [u8],
    ) -> Result<(), Over> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match waits(stream.write(rest), flags, Flags::BLOCKED)? {
                Some(len) => self.sent += len,
                None => return Ok(()),
            }
        }
        let mut dropped = match self.dropped {
            Some(dropped) => dropped,
            None => {
                stream.end().map_err(|_| Over)?;
                0
            }
        };
        while flags.has(Flags::READABLE) && dropped < Answer::DROPPED {
            match waits(stream.read(scratch), flags, Flags::READABLE)? {
                Some(0) => return Err(Over),
                Some(len) => dropped += len,
                None => break,
            }
        }
        self.dropped = Some(dropped);
        if dropped < Answer::DROPPED {
            Ok(())
        } else {
            Err(Over)
        }
    }
}

/// The connection is over.
#[derive(Debug)]
pub(crate) struct Over;

/// What a call has moved; `None` if the socket has to be waited for, which is noted: something may
/// be read no more, or cannot be written.
pub(crate) fn waits(
    moved: io::Result<usize>,
    flags: &mut Flags,
    flag: Flags,
) -> Result<Option<usize>, Over> {
    match moved {
        Ok(len) => Ok(Some(len)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            if flag == Flags::BLOCKED {
                flags.set(flag);
            } else {
                flags.clear(flag);
            }
            Ok(None)
        }
        Err(_) => Err(Over),
    }
}

/// Reads what a proxy says about a client, and what follows it. An invalid header is `InvalidData`,
/// with its error as the source.
pub(crate) fn introduce(
    header: &mut ProxyHeader,
    peer: &mut SocketAddr,
    accepting: &mut Accepting,
    stream: &Stream,
    scratch: &mut [u8],
) -> io::Result<usize> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let len = stream.read(scratch)?;
    let read = scratch.get(..len).unwrap_or_default();
    if header.introduce(read, accepting).map_err(invalid)? {
        *peer = header.client().unwrap_or(*peer);
    }
    Ok(len)
}

/// A refusal as it travels now.
pub(crate) fn refused(refusal: &Refusal) -> Vec<u8> {
    refusal.response().encode(Body::Send, SystemTime::now())
}
