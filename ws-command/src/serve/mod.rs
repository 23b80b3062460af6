//! `ws serve`: a page with a chat, an echo and a clock, to try clients against.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ws_std::{Hosts, InvalidHost, InvalidOrigin, Limits, Origins, Quota, Server};

use crate::args::{DeflateArgs, bytes, plain, seconds};
use crate::descriptors::allow_all;
use crate::fail;
use crate::log::Lines;
use crate::reach::host_and_port;
use crate::signals::on_signal;
use crate::text::Escaped;

#[cfg(unix)]
mod exec;
mod files;
mod greeting;
mod log;
mod routes;
mod settings;
mod token;

use files::Files;
use token::Token;

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

    /// The most memory that all connections hold together, such as 512MiB; a client that would
    /// exceed it is closed (1013) [default: no bound]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_memory: Option<u64>,

    /// The longest time without a message; a client that is silent for longer is closed (1008)
    /// [default: none]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_idle: Option<Duration>,

    /// The most frames a second; a client that sends more is closed (1008) [default: no bound]
    #[arg(long, value_name = "N")]
    max_frames: Option<u32>,

    /// The fewest bytes a second of a message that has begun; a slower client is closed (1008)
    /// [default: none]
    #[arg(long, value_name = "BYTES")]
    min_rate: Option<u32>,

    /// The longest line of the chat; a client that sends a longer one is closed (1009)
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = bytes)]
    max_line: u64,

    /// The most lines a second of a member of the chat; one that sends more is closed (1008); 0 for
    /// no bound
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_lines: u32,

    /// The most members of a room of the chat; the next is closed (1013)
    #[arg(long, value_name = "N", default_value_t = 500)]
    max_members: usize,

    /// Answer for this host, such as chat.example, or for `any`; repeatable; IP addresses and
    /// localhost are always included [default: any, unless it listens on a loopback or a private
    /// address]
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

    /// Speak TLS with this certificate: a chain as PEM; needs --key
    #[arg(long, value_name = "FILE", requires = "key", help_heading = TLS)]
    cert: Option<PathBuf>,

    /// The key of --cert, as PEM
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = TLS)]
    key: Option<PathBuf>,

    /// Let only clients in with a certificate of the authorities in this PEM file
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = TLS)]
    ca: Option<PathBuf>,

    /// Admit only clients that have this token: as Bearer, as ?token= in the URL, or as the cookie
    /// that a page gets for it
    #[arg(long, value_name = "TOKEN", env = "WS_TOKEN", hide_env_values = true, value_parser = Token::new)]
    token: Option<Token>,

    /// Serve the files of this folder in place of the page
    #[arg(long = "static", value_name = "FOLDER", help_heading = PLACES)]
    folder: Option<PathBuf>,

    /// Run this command, in a shell, for each WebSocket at `/`: it speaks through its standard input
    /// and output
    #[cfg(unix)]
    #[arg(long, value_name = "COMMAND", conflicts_with = "tcp", help_heading = PLACES)]
    exec: Option<String>,

    /// With --exec: how the bytes of the process become messages
    #[cfg(unix)]
    #[arg(long, value_name = "FRAMING", value_enum, default_value = "lines", requires = "exec",
        help_heading = PLACES)]
    framing: exec::Framing,

    /// With --exec: how long a process may go on after its client
    #[cfg(unix)]
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds,
        requires = "exec", help_heading = PLACES)]
    exec_grace: Duration,

    /// Carry the bytes of each WebSocket at `/` to this TCP server and back; `ws connect
    /// --tcp-listen` is the other end
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port, help_heading = PLACES)]
    tcp: Option<(String, u16)>,

    /// Say what is counted at /metrics, as Prometheus reads it
    #[arg(long, help_heading = PLACES)]
    metrics: bool,

    /// Log on standard error who connects, who is refused, how they leave, after what time and how
    /// many messages
    #[arg(short, long)]
    verbose: bool,
}

const TLS: &str = "TLS";
const PLACES: &str = "What is served";

const PATHS: &str = "\
Paths:
  /                     a page: a chat, round trips measured, the time
  /echo                 sends every message back
  /chat?room=R&name=N   everyone in a room gets everyone's lines, and who comes and goes, as JSON
  /clock                the time, every second
With --static, pages are the files of the folder; files whose names begin with a dot are not served.
With --exec or --tcp, a WebSocket at / is a process or a TCP connection. A process is told by its
environment who asks for what: REMOTE_ADDR, REMOTE_PORT, PATH_INFO, QUERY_STRING, HTTP_HOST and
HTTP_ORIGIN. When it ends, its client is closed (1000, or 1011 if it failed); when the client is
gone, its input ends, after --exec-grace it gets SIGTERM, and after as long again SIGKILL.

As soon as it listens it prints `listening on http://ADDRESS:PORT/`, and nothing else. If others can
reach it, their address is on standard error, and on a terminal a QR code of it.

SIGINT (Ctrl-C) or SIGTERM shuts it down: every client gets a close (1001), and the grace to answer
it. A second one ends it at once. The exit status is 0 then, and 2 if it could not listen.

Examples:
  ws serve
  ws serve --listen 0.0.0.0:8080 --max-message 16MiB
  ws serve --listen 127.0.0.1:0 --origin https://example.com --origin http://localhost:3000
  ws serve --static public --exec 'tail -f /var/log/syslog'
  ws serve --tcp 127.0.0.1:22 --token \"$TOKEN\" --listen 0.0.0.0:9001
  ws serve --cert fullchain.pem --key privkey.pem --listen 0.0.0.0:443 --host chat.example";

pub(crate) fn run(args: &Args) -> ExitCode {
    // Each connection takes one.
    allow_all();
    let server = match Server::bind(&*args.listen) {
        Ok(server) => server,
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
    let server = match args.settings(server).and_then(|server| args.routes(server)) {
        Ok(server) => server,
        Err(why) => return fail(2, why),
    };
    let handle = server.handle();
    // Before the line below is printed: its reader may send a signal at once.
    if let Err(error) = on_signal(move |_| handle.shutdown()) {
        return fail(2, format_args!("cannot handle signals: {}", plain(&error)));
    }
    args.greet(&server);
    let ended = server.run();
    Lines::standard().end();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, format_args!("the listener failed: {}", plain(&error))),
    }
}

impl Args {
    /// Says where it listens.
    fn greet(&self, server: &Server) {
        let scheme = if self.cert.is_some() { "https" } else { "http" };
        let address = server.local_addr();
        // If standard output is closed, nobody wants to read this.
        let mut stdout = io::stdout();
        let _ = writeln!(stdout, "listening on {scheme}://{address}/");
        let _ = stdout.flush();
        let Some(address) = greeting::reachable(address) else {
            return;
        };
        let query = self.token.as_ref().map(Token::in_query).unwrap_or_default();
        let url = format!("{scheme}://{address}/{query}");
        Lines::standard().add(format!("open {url}"));
        if io::stderr().is_terminal()
            && let Some(picture) = greeting::picture(&url)
        {
            Lines::standard().add(picture);
        }
    }
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
