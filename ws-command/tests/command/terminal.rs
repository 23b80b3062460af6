//! `ws connect` on a terminal: the prompt, its history, and messages above it.
#![cfg(unix)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::common::{PATIENCE, Served, finish};
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use ws_std::{CloseCode, Server};

const ENTER: &str = "\r";
const UP: &str = "\x1b[A";

/// The command on a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Screen>,
    tty: OwnedFd,
}

#[derive(Default)]
struct Screen {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Default)]
struct Shown {
    bytes: Vec<u8>,
    /// How far the test has looked.
    seen: usize,
}

impl Shown {
    /// Where the text ends, behind what was seen before.
    fn find(&self, text: &str) -> Option<usize> {
        self.bytes[self.seen..]
            .windows(text.len())
            .position(|window| window == text.as_bytes())
            .map(|at| self.seen + at + text.len())
    }
}

impl Terminal {
    fn start(args: &[&str]) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_ws"))
            .arg("connect")
            .args(args)
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(pty.master);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new(Screen::default());
        let shows = screen.clone();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(len @ 1..) = output.read(&mut piece) {
                shows.shown.lock().unwrap().bytes.extend(&piece[..len]);
                shows.changed.notify_all();
            }
        });
        Self {
            child,
            keyboard,
            screen,
            tty: pty.slave,
        }
    }

    /// Makes the terminal so wide.
    fn resize(&self, columns: u16) {
        let size = rustix::termios::Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&self.keyboard, size).unwrap();
        // It is not the controlling terminal of the process, which hears of it in this way.
        crate::common::send_signal(&self.child, nix::sys::signal::Signal::SIGWINCH);
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this is written to the screen, behind what was waited for before.
    fn expect(&self, text: &str) {
        let shown = self.screen.shown.lock().unwrap();
        let (mut shown, _) = self
            .screen
            .changed
            .wait_timeout_while(shown, PATIENCE, |shown| shown.find(text).is_none())
            .unwrap();
        let Some(end) = shown.find(text) else {
            let rest = String::from_utf8_lossy(&shown.bytes[shown.seen..]).into_owned();
            panic!("no {text:?} in {rest:?}");
        };
        shown.seen = end;
    }

    /// Waits for the end, and returns the exit status. The terminal is as it was before.
    fn finish(self) -> Option<i32> {
        let status = finish(self.child).status.code();
        let mode = tcgetattr(&self.tty).unwrap().local_flags;
        assert!(mode.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG));
        status
    }
}

#[test]
fn lines_are_sent_and_messages_shown_above_the_prompt() {
    let served = Served::start(&[]);
    let mut terminal = Terminal::start(&[&served.url("/echo")]);
    terminal.expect("connected to ws://");
    terminal.expect("> ");
    terminal.press("hello\r");
    terminal.expect("< hello\r\n");
    // The prompt is painted anew below it.
    terminal.expect("> ");
    terminal.press("//quit\r");
    terminal.expect("< /quit\r\n");
    // Further up in the history is the line before.
    terminal.press(&[UP, UP, ENTER].concat());
    terminal.expect("< hello\r\n");
    terminal.press("/quit\r");
    terminal.expect("closed with 1000\r\n");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn lines_typed_ahead_are_all_sent() {
    let served = Served::start(&[]);
    let mut terminal = Terminal::start(&[&served.url("/echo")]);
    terminal.press("one\rtwo\r/ping\rthree\r");
    for line in ["one", "two", "three"] {
        terminal.expect(&format!("< {line}\r\n"));
    }
    terminal.press("/quit\r");
    assert_eq!(terminal.finish(), Some(0));
}

/// As terminals paste: all of it is one message, and nothing is sent before Enter.
#[test]
fn what_is_pasted_is_one_message() {
    let served = Served::start(&[]);
    let mut terminal = Terminal::start(&[&served.url("/echo")]);
    terminal.expect("> ");
    terminal.press("\x1b[200~one\rtwo\x1b[201~\r");
    // It is shown on one row while it is typed.
    terminal.expect("> one\\ntwo");
    terminal.expect("< one\r\n  two\r\n");
    terminal.press("/quit\r");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn a_message_arrives_while_a_line_is_typed() {
    let served = Served::start(&[]);
    let mut terminal = Terminal::start(&[&served.url("/chat?name=Ada")]);
    terminal.expect("\"you\":true");
    terminal.press("half a li");
    terminal.expect("half a li");
    let mut bob = served.connect("/chat?name=Bob");
    terminal.expect("\"type\":\"joined\",\"name\":\"Bob\"");
    // What was typed is still there, and goes on.
    terminal.expect("> half a li");
    terminal.press("ne\r");
    terminal.expect("\"text\":\"half a line\"");
    bob.close(CloseCode::NORMAL, "").unwrap();
    terminal.expect("\"type\":\"left\"");
    terminal.press("/quit\r");
    terminal.expect("closed with 1000");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn what_the_peer_says_cannot_move_the_cursor() {
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .websocket("/", |mut ws, _| {
            ws.send("\x1b[2Jred\u{202e}\u{9b}31m\nsecond\rline")?;
            ws.send(&[0, 1, 0xFF])?;
            while ws.recv()?.is_some() {}
            Ok::<_, ws_std::Error>(())
        });
    let url = format!("ws://{}/", server.local_addr());
    thread::spawn(move || server.run());
    let mut terminal = Terminal::start(&[&url]);
    terminal.expect("< \\u{1b}[2Jred\\u{202e}\\u{9b}31m\r\n  second\\rline\r\n");
    terminal.expect("< binary, 3 bytes: 0001ff\r\n");
    terminal.press("/quit\r");
    terminal.expect("closed with 1000");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn commands() {
    let served = Served::start(&[]);
    let mut terminal = Terminal::start(&[&served.url("/echo")]);
    terminal.expect("> ");
    terminal.press("/help\r");
    terminal.expect("/close [CODE [REASON]]");
    terminal.press("/nonsense\r");
    terminal.expect("no command /nonsense");
    terminal.press("/close 1005\r");
    terminal.expect("1005 is no code to close with");
    terminal.press("/ping there?\r");
    terminal.expect("pong after ");
    terminal.expect(" ms\r\n");
    terminal.press("/ping\r");
    terminal.expect("pong after ");
    terminal.press("/close 4321 because I say so\r");
    terminal.expect("closed with 4321");
    // It is how it was to end.
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn control_keys_close() {
    let served = Served::start(&[]);
    for (key, closed) in [("\x03", "closed with 1001"), ("\x04", "closed with 1000")] {
        let mut terminal = Terminal::start(&[&served.url("/echo")]);
        // The prompt has the terminal: before that, the keys are the system's.
        terminal.expect("\x1b[?2004h");
        terminal.press(key);
        terminal.expect(closed);
        assert_eq!(terminal.finish(), Some(0));
    }
}

#[test]
fn the_trace_is_above_the_prompt_too() {
    let served = Served::start(&[]);
    let mut terminal = Terminal::start(&["-v", &served.url("/echo")]);
    terminal.expect("> GET /echo HTTP/1.1\r\n");
    terminal.expect("< HTTP/1.1 101 Switching Protocols\r\n");
    terminal.expect("\u{1b}[K> ");
    terminal.press("hello\r");
    terminal.expect("> text FIN len=5 \"hello\"\r\n");
    terminal.expect("< text FIN len=5 \"hello\"\r\n");
    terminal.expect("< hello\r\n");
    terminal.press("/quit\r");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn the_server_closes_while_a_line_is_typed() {
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .websocket("/", |mut ws, _| {
            ws.recv()?;
            ws.close(CloseCode::POLICY, "enough\x1b[2J")
        });
    let url = format!("ws://{}/", server.local_addr());
    thread::spawn(move || server.run());
    let mut terminal = Terminal::start(&[&url]);
    terminal.expect("> ");
    terminal.press("one\rtwo");
    terminal.expect("ws: closed by the server with 1008 enough\\u{1b}[2J\r\n");
    assert_eq!(terminal.finish(), Some(1));
}

#[test]
fn no_connection() {
    let terminal = Terminal::start(&["http://127.0.0.1/"]);
    terminal.expect("ws: invalid URL: the scheme is neither ws:// nor wss://");
    assert_eq!(terminal.finish(), Some(2));
}

#[test]
fn a_line_that_is_dropped_is_kept_in_the_history() {
    let served = Served::start(&[]);
    let mut terminal = Terminal::start(&[&served.url("/echo")]);
    terminal.expect("\x1b[?2004h");
    terminal.press("not yet\x03");
    terminal.expect("> not yet^C\r\n");
    terminal.press(&[UP, ENTER].concat());
    terminal.expect("< not yet\r\n");
    terminal.press("\x03");
    terminal.expect("closed with 1001");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn the_history_is_there_the_next_time_and_can_be_searched() {
    let served = Served::start(&[]);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("history-of-a-test");
    let _ = std::fs::remove_file(&path);
    let url = served.url("/echo");
    let args = ["--history", path.to_str().unwrap(), &*url];
    let mut terminal = Terminal::start(&args);
    terminal.press("first one\r second\r");
    terminal.expect("<  second\r\n");
    terminal.press("/quit\r");
    assert_eq!(terminal.finish(), Some(0));
    let mut terminal = Terminal::start(&args);
    terminal.expect("\x1b[?2004h");
    terminal.press("\x12rst");
    terminal.expect("(search: rst) first one");
    terminal.press("\r");
    terminal.expect("< first one\r\n");
    terminal.press("/quit\r");
    assert_eq!(terminal.finish(), Some(0));
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(kept, "first one\n/quit\nfirst one\n/quit\n");
}

#[test]
fn the_line_is_painted_anew_for_another_width() {
    let served = Served::start(&[]);
    let mut terminal = Terminal::start(&[&served.url("/echo")]);
    terminal.expect("\x1b[?2004h");
    terminal.press("0123456789");
    terminal.expect("> 0123456789");
    terminal.resize(8);
    // The prompt, five columns, one for the cursor.
    terminal.expect("\x1b[K> 56789\r");
    terminal.press("\r");
    terminal.press("/quit\r");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn colours_are_asked_for_or_not() {
    let served = Served::start(&[]);
    let mut terminal = Terminal::start(&["--color", "always", &served.url("/echo")]);
    terminal.press("hello\r");
    terminal.expect("\x1b[36m< hello\x1b[m\r\n");
    terminal.press("/quit\r");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn what_is_typed_while_the_server_is_away_is_sent_when_it_is_back() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut terminal = Terminal::start(&["--reconnect", "-x", "hello", &url]);
    let mut first = crate::connect::accepted(&listener);
    terminal.expect("connected to ws://");
    terminal.expect("> ");
    let mut hello = [0; 11];
    first.read_exact(&mut hello).unwrap();
    terminal.press("half a li");
    terminal.expect("half a li");
    drop(first);
    terminal.expect("the connection has ended; again in ");
    terminal.expect("> half a li");
    terminal.press("ne\r");
    let second = crate::connect::accepted(&listener);
    terminal.expect("connected again");
    // What is sent each time, and then what was typed.
    let mut ws = crate::connect::server_side(second);
    assert_eq!(crate::common::text(&mut ws), "hello");
    assert_eq!(crate::common::text(&mut ws), "half a line");
    terminal.press("/quit\r");
    assert_eq!(crate::common::closed(&mut ws), 1000);
    terminal.expect("closed with 1000");
    assert_eq!(terminal.finish(), Some(0));
}
