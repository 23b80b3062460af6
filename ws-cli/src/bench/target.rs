//! Where the load goes: asked once, before thousands follow.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ws_proto::Role;
use ws_proto::handshake::{HandshakeError, Offer, Request};
use ws_std::{Client, CloseCode, ConnectError, Deflate, Tapped, Timeouts};

use super::{CLOSING, PATIENCE};
use crate::args::without_number;
use crate::text::Escaped;

/// A server that takes connections, and how it is asked for one.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    host: String,
    path: String,
    pub(crate) deflate: Option<Deflate>,
}

impl Target {
    /// Connects once as any client does, and closes: it shows which address answers, and that it
    /// does.
    pub(crate) fn find(url: &str, deflate: Option<Deflate>) -> Result<Self, String> {
        let head = Arc::new(Mutex::new(Vec::new()));
        let seen = head.clone();
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.close_timeout = CLOSING;
        let mut client = Client::new(url)
            .handshake_timeout(PATIENCE)
            .timeouts(timeouts)
            .tap(move |tapped| {
                if let Tapped::HeadSent(bytes) = tapped {
                    *seen.lock().unwrap_or_else(PoisonError::into_inner) = bytes.to_vec();
                }
            });
        if let Some(deflate) = deflate {
            client = client.deflate(deflate);
        }
        let mut ws = client.connect().map_err(|error| {
            let line = match error {
                ConnectError::Url(error) => format!("invalid URL: {error} in {url:?}"),
                error => without_number(&error.to_string()),
            };
            Escaped(&line).to_string()
        })?;
        let address = ws.peer_addr();
        // How it takes the end of a connection is not asked here.
        let _ = ws.close(CloseCode::NORMAL, "");
        // The URL was understood there: what came of it is in the request.
        let head = head.lock().unwrap_or_else(PoisonError::into_inner);
        let request = Request::parse(&head).map_err(|error| error.to_string())?;
        Ok(Self {
            address,
            host: request.header("Host").unwrap_or_default().into(),
            path: request.target().into(),
            deflate,
        })
    }

    pub(crate) fn offer(&self) -> Result<Offer<'_>, HandshakeError> {
        let compression = self.deflate.map(|deflate| deflate.bounds(Role::Client));
        Ok(Offer::new(&self.host, &self.path)?.compression(compression))
    }
}
