//! A connection until it is open: RFC 6455 section 4.1, without waiting.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use ws_proto::handshake::{Compression, Key, ResponseError, Scan};
use ws_proto::{Limits, Session};

use super::peer::Peer;
use super::target::Target;
use crate::args::plain;

/// A connection that is being made.
#[derive(Debug)]
pub(crate) struct Opening {
    socket: TcpStream,
    key: Key,
    request: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    scan: Scan,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Turned {
    /// It has to wait.
    Opening(Box<Opening>),
    /// Messages can go both ways, compressed or not.
    Open(Box<Peer>, Option<Compression>),
}

impl Opening {
    /// Begins to connect.
    pub(crate) fn start(
        target: &Target,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, String> {
        let mut socket = TcpStream::connect(target.address).map_err(|e| cannot(target, &e))?;
        registry
            .register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| cannot(target, &error))?;
        let key = Key::new(entropy()?);
        let offer = target.offer().map_err(|error| error.to_string())?;
        let mut request = Vec::new();
        while let Err(short) = offer.encode(&key, &mut request) {
            request.resize(short.needed, 0);
        }
        Ok(Self {
            socket,
            key,
            request,
            sent: 0,
            received: Vec::new(),
            scan: Scan::new(),
        })
    }

    /// Goes on as far as it can without waiting.
    pub(crate) fn turn(
        mut self: Box<Self>,
        target: &Target,
        limits: &Limits,
    ) -> Result<Turned, String> {
        let lost = |error| cannot(target, &error);
        if !self.ask().map_err(lost)? {
            return Ok(Turned::Opening(self));
        }
        let offer = target.offer().map_err(|error| error.to_string())?;
        loop {
            let is_drained = self.read().map_err(lost)?;
            let verified = offer
                .verify(&self.key, &mut self.scan, &self.received, limits)
                .map_err(failed)?;
            if let Some((response, len)) = verified {
                let agreed = offer.agreed(&response).map_err(failed)?;
                let mut session = Session::client(&(*limits).into(), entropy()?);
                if let (Some(deflate), Some(agreed)) = (&target.deflate, &agreed) {
                    session = session.compressed(deflate, agreed);
                }
                session.push(&self.received[len..]);
                return Ok(Turned::Open(
                    Box::new(Peer::new(self.socket, session)),
                    agreed,
                ));
            }
            if is_drained {
                return Ok(Turned::Opening(self));
            }
        }
    }

    /// Sends the request; whether all of it is sent.
    fn ask(&mut self) -> io::Result<bool> {
        if self.sent == 0 {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            match self.socket.peer_addr() {
                Ok(_) => self.socket.set_nodelay(true)?,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        while self.sent < self.request.len() {
            match self.socket.write(&self.request[self.sent..]) {
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// One read of the answer; whether there is nothing more for now.
    fn read(&mut self) -> io::Result<bool> {
        let mut piece = [0; 4096];
        match self.socket.read(&mut piece) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                self.received.extend_from_slice(&piece[..len]);
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn cannot(target: &Target, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ended during the handshake".into(),
        _ => plain(error),
    };
    format!("cannot connect to {}: {what}", target.address)
}

fn failed(error: ResponseError) -> String {
    match error {
        ResponseError::Refused(status) => format!("the server refused with status {status}"),
        error => format!("handshake failed: {error}"),
    }
}

fn entropy<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("no entropy: {error}"))?;
    Ok(bytes)
}
