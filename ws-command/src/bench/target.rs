//! The target of the load: asked once, before thousands of connections follow.

use std::net::SocketAddr;

use ws_proto::handshake::{Offer, Uri};
use ws_proto::{Config, Connecting};
use ws_std::ws_http::Ask;
use ws_std::{Client, CloseCode, ConnectError, Deflate, Timeouts, Url};

use super::{CLOSING, PATIENCE};
use crate::args::without_number;
use crate::ask::AskArgs;
use crate::text::{Escaped, chain};

/// A server that takes connections, and the request that it takes.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) address: SocketAddr,
    uri: Uri<'a>,
    ask: Ask,
    pub(crate) deflate: Option<Deflate>,
}

impl<'a> Target<'a> {
    /// Connects once as any client does, and closes: it shows which address answers, and that it
    /// does.
    pub(crate) fn find(
        url: &'a str,
        asked: &AskArgs,
        deflate: Option<Deflate>,
    ) -> Result<Self, String> {
        // Its connections are driven by this thread, in the clear.
        if url.starts_with("wss://") {
            return Err(format!(
                "wss:// needs TLS, which `ws bench` does not speak, in {url:?}"
            ));
        }
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.close_timeout = CLOSING;
        let mut client = asked
            .of(Client::new(url))
            .handshake_timeout(PATIENCE)
            .timeouts(timeouts);
        if let Some(deflate) = deflate {
            client = client.deflate(deflate);
        }
        let mut ws = client.connect().map_err(|error| {
            let line = match error {
                ConnectError::Url(_) | ConnectError::NoTls => {
                    format!("{} in {url:?}", chain(&error))
                }
                error => without_number(&chain(&error)),
            };
            Escaped(&line).to_string()
        })?;
        let address = ws.peer_addr();
        // How the server takes the end of a connection does not matter here.
        let _ = ws.close(CloseCode::NORMAL, "");
        let mut ask = asked.ask();
        let url_of = Url::parse(url).map_err(|error| error.to_string())?;
        ask.take_credentials_of(&url_of);
        Ok(Self {
            address,
            ask,
            uri: Uri::parse(url).map_err(|error| error.to_string())?,
            deflate,
        })
    }

    /// Begins the handshake of a connection.
    pub(crate) fn connecting(
        &self,
        config: &Config,
        entropy: [u8; 48],
    ) -> Result<Connecting, String> {
        let connecting = |offer: Offer<'_>| Ok(Connecting::new(&offer, config, entropy));
        let made = self.ask.offer(&self.uri, connecting);
        made.map_err(|error| Escaped(&chain(&error)).to_string())
    }
}
