//! What is where: pages, the echo, the chat, the clock, and what else is asked for.

use std::net::TcpStream;
use std::sync::Arc;

use ws_std::{CloseCode, Error, Next, Response, SendError, Server, StatusCode, WebSocket};

#[cfg(unix)]
use super::exec::Exec;
use super::log::{Entry, Log, say};
use super::{Args, Files};
use crate::args::plain;
use crate::bridge::carry;
use crate::chat::{self, Place, Rooms};
use crate::text::Escaped;
use crate::utc::Utc;

/// The page and what it is made of: path, type, content.
const PAGE: [(&str, &str, &str); 3] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../page/page.html"),
    ),
    (
        "/page.css",
        "text/css; charset=utf-8",
        include_str!("../page/page.css"),
    ),
    (
        "/page.js",
        "text/javascript; charset=utf-8",
        include_str!("../page/page.js"),
    ),
];

/// The page loads its own files and talks to its own server; it must run nothing else, send nothing
/// elsewhere, and be embedded nowhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Args {
    /// The server with all that it serves.
    pub(super) fn routes(&self, server: Server) -> Result<Server, String> {
        let log = Log {
            verbose: self.verbose,
        };
        let server = self.hook(self.pages(server)?, log);
        let mut server = self.sockets(server, log);
        if self.metrics {
            let handle = server.handle();
            server = server.get("/metrics", move |_| handle.metrics().page());
        }
        Ok(server
            .on_refusal(move |peer, refusal| log.refusal(peer, refusal))
            .on_shortage(|error| {
                // Whoever runs it wants to know, verbose or not.
                say(format_args!("clients have to wait: {}", plain(error)));
            })
            .on_error(move |request, error| log.failure(request, error)))
    }

    fn pages(&self, server: Server) -> Result<Server, String> {
        let Some(folder) = &self.folder else {
            return Ok(PAGE
                .into_iter()
                .fold(server, |server, (path, kind, content)| {
                    server.get(path, move |_| page(kind, content))
                }));
        };
        let files = Files::of(folder).map_err(|error| {
            let folder = folder.display().to_string();
            format!("no files in {}: {}", Escaped(&folder), plain(&error))
        })?;
        let home = files.clone();
        Ok(server
            .get("/", move |request| home.answer(request))
            .get("/{*path}", move |request| files.answer(request)))
    }

    /// Who is turned away before anything is looked for.
    fn hook(&self, server: Server, log: Log) -> Server {
        let token = self.token.clone();
        server.hook(move |request| {
            let answer = token.as_ref().and_then(|token| token.check(request));
            let answer = answer.or_else(|| match request.path() {
                "/chat" => Place::of(request).err().map(|bad| {
                    Response::text(format!("{bad}\n")).with_status(StatusCode::BAD_REQUEST)
                }),
                _ => None,
            });
            if let Some(answer) = &answer {
                log.turned_away(request, answer.status().as_u16());
            }
            answer
        })
    }

    fn sockets(&self, server: Server, log: Log) -> Server {
        let rooms = Rooms::new(self.bounds());
        let server = server
            .websocket("/echo", move |mut ws, request| {
                let entry = log.entry(&ws, request);
                ws.for_each(|message, tx| {
                    entry.message();
                    tx.send(message)
                })
            })
            .websocket("/clock", move |ws, request| {
                let entry = log.entry(&ws, request);
                tick(ws, &entry)
            })
            .websocket("/chat", move |ws, request| {
                let entry = log.entry(&ws, request);
                match Place::of(request) {
                    Ok(place) => chat::talk(&rooms, ws, place, || entry.message()),
                    // The hook has answered it.
                    Err(_) => Ok(()),
                }
            });
        #[cfg(unix)]
        if let Some(command) = &self.exec {
            let exec = Exec {
                command: command.clone(),
                framing: self.framing,
                grace: self.exec_grace,
            };
            return server.websocket("/", move |ws, request| {
                let entry = log.entry(&ws, request);
                exec.talk(ws, request, &entry)
            });
        }
        match &self.tcp {
            None => server,
            Some(to) => {
                let to = Arc::new(to.clone());
                server.websocket("/", move |ws, request| {
                    let entry = log.entry(&ws, request);
                    forward(ws, &to, &entry)
                })
            }
        }
    }
}

fn page(kind: &str, content: &str) -> Response {
    Response::of(kind, content)
        .header("content-security-policy", POLICY)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-cache")
}

/// Carries a WebSocket's bytes to a TCP server.
fn forward(mut ws: WebSocket, (host, port): &(String, u16), entry: &Entry) -> Result<(), Error> {
    match TcpStream::connect((&**host, *port)) {
        Ok(tcp) => carry(ws, tcp, || entry.message()),
        Err(error) => {
            ws.close(CloseCode::BAD_GATEWAY, "")?;
            Err(Error::Io(error))
        }
    }
}

/// Sends the time now and at every full second, until the client closes.
fn tick(mut ws: WebSocket, entry: &Entry) -> Result<(), Error> {
    loop {
        match ws.send(Utc::now().to_string().as_str()) {
            Ok(()) => {}
            // The server shuts down: the client's answer is still to come.
            Err(Error::Send(SendError::Closed)) => {
                while ws.recv()?.is_some() {}
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let next = std::time::Instant::now() + Utc::now().to_next_second();
        loop {
            let left = next.saturating_duration_since(std::time::Instant::now());
            match ws.recv_timeout(left)? {
                // It gets the time, whatever it sends.
                Next::Message(_) => entry.message(),
                Next::Elapsed => break,
                Next::Closed => return Ok(()),
            }
        }
    }
}
