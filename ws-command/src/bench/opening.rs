//! A connection until it is open: the bytes of its opening handshake, moved without waiting.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use ws_proto::{Config, ConnectStep, Connecting};

use super::peer::Peer;
use super::target::Target;
use crate::args::plain;

/// A connection that is being made.
#[derive(Debug)]
pub(crate) struct Opening {
    socket: TcpStream,
    is_connected: bool,
    connecting: Connecting,
}

/// The stage of a connection.
#[derive(Debug)]
pub(crate) enum Turned {
    /// It has to wait.
    Opening(Box<Opening>),
    /// Messages can go both ways, compressed or not.
    Open(Box<Peer>, Encoding),
}

/// Whether compression was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Compressed,
    Plain,
}

impl Opening {
    /// Begins to connect.
    pub(crate) fn start(
        target: &Target<'_>,
        config: &Config,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, String> {
        let mut socket = TcpStream::connect(target.address).map_err(|e| cannot(target, &e))?;
        registry
            .register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| cannot(target, &error))?;
        Ok(Self {
            socket,
            is_connected: false,
            connecting: target.connecting(config, entropy()?)?,
        })
    }

    /// Goes on as far as possible without waiting.
    pub(crate) fn turn(mut self: Box<Self>, target: &Target<'_>) -> Result<Turned, String> {
        let lost = |error| cannot(target, &error);
        if !self.connect().map_err(lost)? {
            return Ok(Turned::Opening(self));
        }
        loop {
            self.write().map_err(lost)?;
            match self.connecting.step() {
                Ok(ConnectStep::Open(session, _)) => {
                    let encoding = match self.connecting.compression() {
                        Some(_) => Encoding::Compressed,
                        None => Encoding::Plain,
                    };
                    let peer = Peer::new(self.socket, session);
                    return Ok(Turned::Open(Box::new(peer), encoding));
                }
                Ok(ConnectStep::Refused(response)) => {
                    let status = response.status();
                    return Err(format!("the server refused with status {status}"));
                }
                Ok(ConnectStep::NeedData | ConnectStep::Over) => {}
                Err(error) => return Err(format!("handshake failed: {error}")),
            }
            let spare = self.connecting.spare_mut().map_err(|e| lost(e.into()))?;
            match self.socket.read(spare) {
                Ok(0) => return Err(lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(len) => self.connecting.filled(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Turned::Opening(self));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }

    /// Whether the socket is connected.
    fn connect(&mut self) -> io::Result<bool> {
        if !self.is_connected {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            match self.socket.peer_addr() {
                Ok(_) => self.socket.set_nodelay(true)?,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
                Err(error) => return Err(error),
            }
            self.is_connected = true;
        }
        Ok(true)
    }

    /// Writes until nothing is unsent, or the socket takes no more.
    fn write(&mut self) -> io::Result<()> {
        while !self.connecting.unsent().is_empty() {
            match self.socket.write(self.connecting.unsent()) {
                Ok(len) => self.connecting.sent(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn cannot(target: &Target<'_>, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ended during the handshake".into(),
        _ => plain(error),
    };
    format!("cannot connect to {}: {what}", target.address)
}

/// Makes the entropy for the key and the masks of one connection.
fn entropy() -> Result<[u8; 48], String> {
    let mut bytes = [0; 48];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("system random number generator failed: {error}"))?;
    Ok(bytes)
}
