//! What holds for all connections of a loop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ws_http::{Refusal, Request, Response, Route, RouteError, Site};
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

/// What a request comes to that opens nothing.
pub(crate) enum Answer {
    Page(Box<Response>),
    Refusal(Refusal),
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
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
        let mut request = self.site.receive(&parsed, *peer, listener)?;
        *peer = request.peer_addr();
        if let Some(hook) = &mut self.hook
            && let Some(answer) = hook(&mut request)
        {
            return Err(Answer::Page(Box::new(answer)));
        }
        if let Route::Page(page) = self.site.route(&mut request)? {
            return Err(Answer::Page(Box::new(page(&request))));
        }
        let accept = self.site.accept(&parsed, &request)?;
        Ok((accept, request))
    }

    /// Tells the application of a refusal.
    pub(crate) fn log(&mut self, peer: SocketAddr, refusal: &Refusal) {
        if let Some(log) = &mut self.log {
            log(peer, refusal);
        }
    }
}
