//! `ws serve`: a page with a chat, an echo and a clock, to try clients against.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use ws_std::ws_http::without_secrets;
use ws_std::{
    Error, Hosts, InvalidHost, InvalidOrigin, Limits, Next, Origins, Pace, Quota, Refusal, Request,
    Response, SendError, Server, StatusCode, Timeouts, WebSocket,
};

use crate::args::{DeflateArgs, bytes, plain, seconds, unless_zero};
use crate::chat::{self, Bounds, Place, Rooms};
use crate::fail;
use crate::log::Lines;
use crate::signals::on_signal;
use crate::text::Escaped;
use crate::utc::Utc;

/// Serve a chat page, an echo and a clock, to try clients against
#[derive(Debug, clap::Args)]
#[command(after_help = PATHS)]
pub(crate) struct Args {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9001")]
    listen: String,

    /// The longest message accepted, such as 4096, 64KiB or 16MiB
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = bytes)]
    max_message: u64,

    /// The most fragments of one message
    #[arg(long, value_name = "N", default_value_t = Limits::DEFAULT.max_fragments)]
    max_fragments: u32,

    /// The longest head of a request
    #[arg(long, value_name = "BYTES", default_value = "32KiB", value_parser = bytes)]
    max_head: u64,

    /// The longest line of a head: of cookies, for example
    #[arg(long, value_name = "BYTES", default_value = "16KiB", value_parser = bytes)]
    max_head_line: u64,

    #[command(flatten)]
    deflate: DeflateArgs,

    /// The most output that waits for one slow client; in the chat, one with more is closed (1013)
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = bytes)]
    max_unsent: u64,

    /// The most connections at a time; the next gets 503
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_connections: usize,

    /// The most connections of an address; the next gets 429, and those of this machine are not
    /// counted
    #[arg(long, value_name = "N", default_value_t = Quota::DEFAULT.per_address.unwrap_or(usize::MAX))]
    max_per_address: usize,

    /// The most memory that all connections hold together, such as 512MiB; who would pass it is
    /// closed (1013) [default: no bound]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_memory: Option<u64>,

    /// The longest time without a message; who says nothing for longer is closed (1008)
    /// [default: none]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_idle: Option<Duration>,

    /// The most frames a second; who sends more is closed (1008) [default: no bound]
    #[arg(long, value_name = "N")]
    max_frames: Option<u32>,

    /// The fewest bytes a second of a message that has begun; who is slower is closed (1008)
    /// [default: none]
    #[arg(long, value_name = "BYTES")]
    min_rate: Option<u32>,

    /// The longest line of the chat; who sends a longer one is closed (1009)
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = bytes)]
    max_line: u64,

    /// The most lines a second of a member of the chat; who sends more is closed (1008); 0 for no
    /// bound
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_lines: u32,

    /// The most members of a room of the chat; the next is closed (1013)
    #[arg(long, value_name = "N", default_value_t = 500)]
    max_members: usize,

    /// Answer for this host, such as chat.example, or for `any`; repeatable; IP addresses and
    /// localhost always are [default: any, unless it listens on a loopback or a private address]
    #[arg(long, value_name = "NAME", value_parser = host)]
    host: Vec<String>,

    /// Let pages of this origin connect, such as https://example.com, or of `any`; repeatable
    /// [default: pages of the same host]
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    origin: Vec<String>,

    /// How often to ping each client; 0 for never
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    ping_interval: Duration,

    /// How long a client may take to answer a ping
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    pong_timeout: Duration,

    /// How long a client may take from connecting to having sent its request
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    handshake_timeout: Duration,

    /// How long a client may take to answer a close
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    close_timeout: Duration,

    /// How long a shutdown waits for the clients to end
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    grace: Duration,

    /// Log on standard error who connects, who leaves, and why
    #[arg(short, long)]
    verbose: bool,
}

const PATHS: &str = "\
Paths:
  /                     a page: a chat, round trips measured, the time
  /echo                 sends every message back
  /chat?room=R&name=N   everyone in a room gets everyone's lines, and who comes and goes, as JSON
  /clock                the time, every second

As soon as it listens it prints `listening on http://ADDRESS:PORT/`, and nothing else.

SIGINT (Ctrl-C) or SIGTERM shuts it down: every client gets a close (1001), and the grace to answer
it. A second one ends it at once. The exit status is 0 then, and 2 if it could not listen.

Examples:
  ws serve
  ws serve --listen 0.0.0.0:8080 --max-message 16MiB
  ws serve --listen 127.0.0.1:0 --origin https://example.com --origin http://localhost:3000";

/// The page and what it is made of: path, type, content.
const PAGE: [(&str, &str, &str); 3] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("page/page.html"),
    ),
    (
        "/page.css",
        "text/css; charset=utf-8",
        include_str!("page/page.css"),
    ),
    (
        "/page.js",
        "text/javascript; charset=utf-8",
        include_str!("page/page.js"),
    ),
];

/// The page loads its own files and talks to its own server; it must run nothing else, send nothing
/// elsewhere, and be embedded nowhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn run(args: &Args) -> ExitCode {
    let server = match Server::bind(&*args.listen) {
        Ok(server) => args.routes(args.settings(server)),
        Err(error) => {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => "; --listen takes another, and port 0 a free one",
                _ => "",
            };
            let listen = Escaped(&args.listen);
            return fail(
                2,
                format_args!("cannot listen on {listen}: {}{hint}", plain(&error)),
            );
        }
    };
    let handle = server.handle();
    // Before the line below is printed: its reader may send a signal at once.
    if let Err(error) = on_signal(move |_| handle.shutdown()) {
        return fail(2, format_args!("cannot handle signals: {}", plain(&error)));
    }
    // If standard output is closed, nobody wants to read this.
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "listening on http://{}/", server.local_addr());
    let _ = stdout.flush();
    let ended = server.run();
    Lines::standard().end();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, format_args!("the listener failed: {}", plain(&error))),
    }
}

impl Args {
    fn settings(&self, server: Server) -> Server {
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
        server
            .limits(limits)
            .timeouts(timeouts)
            .hosts(hosts)
            .origins(origins)
            .handshake_timeout(self.handshake_timeout)
            .max_connections(self.max_connections)
            .max_per_address(self.max_per_address)
            .pace(pace)
            .grace(self.grace)
    }

    /// What a member of the chat may ask of the others.
    fn bounds(&self) -> Bounds {
        Bounds {
            members: self.max_members,
            line: usize::try_from(self.max_line).unwrap_or(usize::MAX),
            lines: Some(self.max_lines).filter(|lines| *lines > 0),
        }
    }

    fn routes(&self, server: Server) -> Server {
        let log = Log {
            verbose: self.verbose,
        };
        let rooms = Rooms::new(self.bounds());
        let server = PAGE
            .into_iter()
            .fold(server, |server, (path, kind, content)| {
                server.get(path, move |_| page(kind, content))
            });
        server
            .hook(|request| match request.path() {
                "/chat" => Place::of(request).err().map(|bad| {
                    Response::text(format!("{bad}\n")).with_status(StatusCode::BAD_REQUEST)
                }),
                _ => None,
            })
            .websocket("/echo", move |mut ws, request| {
                let _entry = log.entry(&ws, request);
                ws.for_each(|message, tx| tx.send(message))
            })
            .websocket("/clock", move |ws, request| {
                let _entry = log.entry(&ws, request);
                tick(ws)
            })
            .websocket("/chat", move |ws, request| {
                let _entry = log.entry(&ws, request);
                match Place::of(request) {
                    Ok(place) => chat::talk(&rooms, ws, place),
                    // The hook has answered it.
                    Err(_) => Ok(()),
                }
            })
            .on_refusal(move |peer, refusal| log.refusal(peer, refusal))
            .on_shortage(|error| {
                // Whoever runs it wants to know, verbose or not.
                say(format_args!("clients have to wait: {}", plain(error)));
            })
            .on_error(move |request, error| log.failure(request, error))
    }
}

fn page(kind: &str, content: &str) -> Response {
    Response::of(kind, content)
        .header("content-security-policy", POLICY)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-cache")
}

/// Sends the time now and at every full second, until the client closes.
fn tick(mut ws: WebSocket) -> Result<(), Error> {
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
                Next::Message(_) => {}
                Next::Elapsed => break,
                Next::Closed => return Ok(()),
            }
        }
    }
}

/// The log of `--verbose`.
#[derive(Clone, Copy, Debug)]
struct Log {
    verbose: bool,
}

/// A connection in the log; its end is noted when this is dropped.
#[derive(Debug)]
struct Entry(String);

impl Log {
    fn entry(self, ws: &WebSocket, request: &Request) -> Option<Entry> {
        if !self.verbose {
            return None;
        }
        let entry = Entry(format!("{} {}", ws.peer_addr(), target(request)));
        say(format_args!("{} open", entry.0));
        Some(entry)
    }

    fn refusal(self, peer: SocketAddr, refusal: &Refusal) {
        if self.verbose {
            let status = refusal.status().as_u16();
            say(format_args!("{peer} refused with {status}: {refusal}"));
        }
    }

    fn failure(self, request: &Request, error: &dyn std::fmt::Display) {
        if self.verbose {
            let error = error.to_string();
            let (peer, target) = (request.peer_addr(), target(request));
            say(format_args!("{peer} {target} failed: {}", Escaped(&error)));
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        say(format_args!("{} closed", self.0));
    }
}

/// What is asked for, without tokens in its query.
fn target(request: &Request) -> String {
    Escaped(&without_secrets(&request.uri().to_string())).to_string()
}

/// Logs one line, with the time, and waits for nobody.
fn say(line: std::fmt::Arguments<'_>) {
    Lines::standard().say(line);
}

/// The word for all origins, and for all hosts.
const ANY: &str = "any";

fn origin(text: &str) -> Result<String, InvalidOrigin> {
    if text != ANY {
        Origins::list([text])?;
    }
    Ok(text.into())
}

fn host(text: &str) -> Result<String, InvalidHost> {
    if text != ANY {
        Hosts::named([text])?;
    }
    Ok(text.into())
}
