//! What the arguments set: limits, deadlines, who may come.

use ws_std::{Hosts, Limits, Origins, Pace, Server, ServerTls, Timeouts};

use super::{ANY, Args};
use crate::args::unless_zero;
use crate::chat::Bounds;
use crate::text::{Escaped, chain};

impl Args {
    /// The server with the limits, deadlines and lists that were asked for.
    pub(super) fn settings(&self, server: Server) -> Result<Server, String> {
        let mut limits = Limits::DEFAULT;
        limits.max_message = self.max_message;
        limits.max_fragments = self.max_fragments;
        let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        limits.max_head = size(self.max_head);
        limits.max_head_line = size(self.max_head_line);
        limits.max_unsent = size(self.max_unsent);
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.ping_interval = unless_zero(self.ping_interval);
        timeouts.pong_timeout = self.pong_timeout;
        timeouts.close_timeout = self.close_timeout;
        let any = |list: &[String]| list.iter().any(|entry| entry == ANY);
        let origins = match &*self.origin {
            [] => Origins::default(),
            list if any(list) => Origins::any(),
            list => Origins::list(list).expect("each was looked at when it was given"),
        };
        let hosts = match &*self.host {
            [] => Hosts::default(),
            list if any(list) => Hosts::any(),
            list => Hosts::named(list).expect("each was looked at when it was given"),
        };
        let mut pace = Pace::default();
        pace.max_idle = self.max_idle;
        pace.max_frames = self.max_frames;
        pace.min_rate = self.min_rate;
        let server = match self.deflate.settings() {
            Some(deflate) => server.deflate(deflate),
            None => server,
        };
        let server = match self.max_memory {
            Some(bytes) => server.max_memory(size(bytes)),
            None => server,
        };
        let server = match self.tls()? {
            Some(tls) => server.tls(tls),
            None => server,
        };
        Ok(server
            .limits(limits)
            .timeouts(timeouts)
            .hosts(hosts)
            .origins(origins)
            .handshake_timeout(self.handshake_timeout)
            .max_connections(self.max_connections)
            .max_per_address(self.max_per_address)
            .pace(pace)
            .grace(self.grace))
    }

    fn tls(&self) -> Result<Option<ServerTls>, String> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            return Ok(None);
        };
        let wrong = |path: &std::path::Path, error| {
            let path = path.display().to_string();
            format!("{}: {}", Escaped(&path), chain(&error))
        };
        let tls = ServerTls::from_files(cert, key).map_err(|error| wrong(cert, error))?;
        match &self.ca {
            None => Ok(Some(tls)),
            Some(ca) => tls
                .require_client_certificates(ca)
                .map(Some)
                .map_err(|error| wrong(ca, error)),
        }
    }

    /// What a member of the chat may ask of the others.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            members: self.max_members,
            line: usize::try_from(self.max_line).unwrap_or(usize::MAX),
            lines: Some(self.max_lines).filter(|lines| *lines > 0),
        }
    }
}
