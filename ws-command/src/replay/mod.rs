//! `ws replay`: a session that was recorded, played against a server or to a client.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use ws_std::{Error, Response, Server, StatusCode, WebSocket};

use crate::args::{plain, seconds};
use crate::fail;
use crate::reach::{ReachArgs, no_connection};
use crate::record::{Direction, Entry, Said, parse};
use crate::text::Escaped;

mod diff;
mod play;

use diff::{Change, diff};
use play::{Pace, play};

/// Play a recorded session against a server, or to a client, and show what differs
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The session, as `ws record` writes it
    file: PathBuf,

    /// The server to play it against: [ws://|wss://]host[:port]/path?query
    #[arg(required_unless_present = "listen", conflicts_with = "listen")]
    url: Option<String>,

    /// Play the server instead, to one client; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,

    /// Send nothing before its time in the session
    #[arg(long)]
    timed: bool,

    /// How long a message of the session may take to come
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    patience: Duration,

    #[command(flatten)]
    reach: ReachArgs,
}

const HELP: &str = "\
What one side said is said again, each message after those that it followed in the session. What the
other side says to it is compared with the session:
  - 0.012 < text hello      this was to come, and did not
  + < text hallo            this came, and is not in the session
With --listen it prints `listening on ws://ADDRESS:PORT/`, serves the first client on any path, and
ends.

The exit status is 0 if nothing differs, 1 if something does, and 2 if there was no session or no
connection.

Examples:
  ws replay session.txt ws://127.0.0.1:9001/echo
  ws replay --timed session.txt wss://staging.example/chat
  ws replay --listen 127.0.0.1:9001 session.txt";

pub(crate) fn run(args: &Args) -> ExitCode {
    let session = match args.session() {
        Ok(session) => session,
        Err(why) => {
            let path = args.file.display().to_string();
            return fail(2, format_args!("{}: {why}", Escaped(&path)));
        }
    };
    let (ours, heard) = match (&args.listen, &args.url) {
        (Some(address), _) => (Direction::Received, args.serve(address, &session)),
        (None, Some(url)) => (Direction::Sent, args.call(url, &session)),
        (None, None) => return fail(2, "no URL"),
    };
    let heard = match heard {
        Ok(heard) => heard,
        Err(why) => return fail(2, why),
    };
    let (text, is_same) = compared(&session, ours, &heard);
    // If standard output is closed, the status still says it.
    let _ = io::stdout().write_all(text.as_bytes());
    match is_same {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

impl Args {
    fn session(&self) -> Result<Vec<Entry>, String> {
        let text = std::fs::read_to_string(&self.file).map_err(|error| plain(&error))?;
        parse(&text).map_err(|error| error.to_string())
    }

    const fn pace(&self) -> Pace {
        Pace {
            is_timed: self.timed,
            patience: self.patience,
        }
    }

    /// Plays the client.
    fn call(&self, url: &str, session: &[Entry]) -> Result<Vec<Said>, String> {
        let client = self.reach.client(url)?;
        let mut ws = client
            .connect()
            .map_err(|error| no_connection(url, &error))?;
        Ok(play(&mut ws, session, Direction::Sent, self.pace()))
    }

    /// Plays the server to the first client.
    fn serve(&self, address: &str, session: &[Entry]) -> Result<Vec<Said>, String> {
        let server = Server::bind(address)
            .map_err(|error| format!("cannot listen on {}: {}", Escaped(address), plain(&error)))?;
        let (session, pace): (Arc<[Entry]>, _) = (session.into(), self.pace());
        let (done, heard) = mpsc::channel();
        let handle = server.handle();
        let has_begun = AtomicBool::new(false);
        let play = move |mut ws: WebSocket, _: &ws_std::Request| {
            let _ = done.send(play(&mut ws, &session, Direction::Received, pace));
            handle.shutdown();
            Ok::<_, Error>(())
        };
        let other = play.clone();
        let server = server
            .hook(move |_| {
                let is_second = has_begun.swap(true, Ordering::Relaxed);
                is_second.then(|| {
                    Response::text("this plays one session, to one client\n")
                        .with_status(StatusCode::SERVICE_UNAVAILABLE)
                })
            })
            .websocket("/", play)
            .websocket("/{*path}", other);
        let mut stdout = io::stdout();
        let _ = writeln!(stdout, "listening on ws://{}/", server.local_addr());
        let _ = stdout.flush();
        server
            .run()
            .map_err(|error| format!("the listener failed: {}", plain(&error)))?;
        heard.recv().map_err(|_| "no client came".into())
    }
}

/// What differs, and whether nothing does.
fn compared(session: &[Entry], ours: Direction, heard: &[Said]) -> (String, bool) {
    let theirs: Vec<&Entry> = session
        .iter()
        .filter(|entry| entry.direction != ours)
        .collect();
    let expected: Vec<&Said> = theirs.iter().map(|entry| &entry.said).collect();
    let heard: Vec<&Said> = heard.iter().collect();
    let arrow = match ours {
        Direction::Sent => Direction::Received,
        Direction::Received => Direction::Sent,
    };
    let (mut text, mut same, mut missing, mut added) = (String::new(), 0, 0, 0);
    for change in diff(&expected, &heard) {
        match change {
            Change::Same(_) => same += 1,
            Change::Missing(at) => {
                missing += 1;
                text += &format!("- {}\n", theirs[at]);
            }
            Change::Added(at) => {
                added += 1;
                text += &format!("+ {arrow} {}\n", heard[at]);
            }
        }
    }
    text += &format!("{same} as recorded, {missing} missing, {added} not in the session\n");
    (text, missing + added == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_with_its_time() {
        let session = "# ws session 1\n0 > text a\n0.5 < text a\n1 < text b\n1.2 < close 1000\n";
        let session = parse(session).unwrap();
        let said = |at: usize| session[at].said.clone();
        let heard = [said(1), said(2), said(3)];
        assert_eq!(
            compared(&session, Direction::Sent, &heard),
            (
                "3 as recorded, 0 missing, 0 not in the session\n".into(),
                true
            )
        );
        let other = Said::Message(ws_std::MessageBuf::Text("B\n".into()));
        let heard = [said(1), other, said(3)];
        let text = "- 1.000 < text b\n+ < text B\\n\n\
            2 as recorded, 1 missing, 1 not in the session\n";
        assert_eq!(
            compared(&session, Direction::Sent, &heard),
            (text.into(), false)
        );
    }
}
