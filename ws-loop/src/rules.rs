//! Settings for all connections of a loop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ws_http::{Answer, Refusal, Request, Response, RouteError, Site};
use ws_proto::handshake::{self, Accept};
use ws_proto::{Config, Instant};

pub(crate) type Page = dyn Fn(&Request) -> Response + Send;
pub(crate) type Hook = dyn FnMut(&mut Request) -> Option<Response> + Send;
pub(crate) type Log = dyn FnMut(SocketAddr, &Refusal) + Send;
pub(crate) type Report = dyn FnMut(&io::Error) + Send;
pub(crate) type Clock = dyn FnMut() -> Instant + Send;

/// What holds for all connections.
pub(crate) struct Rules {
    pub(crate) site: Site<Box<Page>, ()>,
    /// The first path that could not be added.
    pub(crate) misspelt: Option<RouteError>,
    pub(crate) hook: Option<Box<Hook>>,
    pub(crate) log: Option<Box<Log>>,
    pub(crate) exhausted: Option<Box<Report>>,
    pub(crate) clock: Box<Clock>,
    pub(crate) config: Config,
    pub(crate) max_connections: usize,
    pub(crate) max_openings: usize,
    pub(crate) grace: Duration,
}

impl Rules {
    /// Decides about a request as far as no handler is needed. `peer` is where it came from, and
    /// becomes where a trusted proxy says that it came from.
    pub(crate) fn judge<'b>(
        &mut self,
        parsed: handshake::Request<'b>,
        peer: &mut SocketAddr,
        listener: IpAddr,
    ) -> Result<(Accept<'b>, Request), Answer> {
        let hook = &mut self.hook;
        let (accept, request, ()) = self.site.decide(
            &parsed,
            (*peer, listener),
            |request| {
                *peer = request.peer_addr();
                Ok(hook.as_mut().and_then(|hook| hook(request)))
            },
            |page, request| Ok(page(request)),
        )?;
        Ok((accept, request))
    }

    /// Tells the application of a refusal.
    pub(crate) fn log(&mut self, peer: SocketAddr, refusal: &Refusal) {
        if let Some(log) = &mut self.log {
            log(peer, refusal);
        }
    }
}
