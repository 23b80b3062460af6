//! A server on a thread of its own, and peers that speak bytes.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{self, BufRead, BufReader, Lines, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ws_proto::Limits;
use ws_proto::handshake;
use ws_std::{Handle, Hosts, Response, Server, Timeouts, WebSocket};
use ws_testkit::{CLOSE, Frame, KEY};

/// How long an event may take that is sure to come. Only a broken program waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs until this is dropped.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) handle: Handle,
    thread: Option<JoinHandle<io::Result<()>>>,
}

pub(crate) fn run(server: Server) -> Running {
    let (addr, handle) = (server.local_addr(), server.handle());
    let thread = thread::spawn(move || server.run());
    Running {
        addr,
        handle,
        thread: Some(thread),
    }
}

/// Requests in tests name whatever host they like.
pub(crate) fn server() -> Server {
    Server::bind("127.0.0.1:0").unwrap().hosts(Hosts::any())
}

/// Echoes at `/`.
pub(crate) fn echo() -> Server {
    server().websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)))
}

/// A page at `/`, a page and a socket at `/both`, a socket at `/socket`.
pub(crate) fn site() -> Server {
    server()
        .get("/", |request| {
            let name = request.param("name").unwrap_or_else(|| "world".into());
            Response::html(format!("<h1>hello {name}</h1>")).header("cache-control", "no-store")
        })
        .get("/both", |_| Response::text("the page"))
        .get("/panics", |_| panic!("as the test wants"))
        .websocket("/both", |mut ws, _| ws.send("the socket"))
        .websocket("/socket", |mut ws, _| ws.send("the socket"))
}

impl Running {
    pub(crate) fn url(&self, target: &str) -> String {
        format!("ws://{}{target}", self.addr)
    }

    pub(crate) fn connect(&self) -> WebSocket {
        ws_std::connect(self.url("/")).unwrap()
    }

    /// What `run` returns, at the latest when patience ends.
    pub(crate) fn ended(mut self) -> io::Result<()> {
        let thread = self.thread.take().unwrap();
        within(move || thread.join().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown();
        self.handle.shutdown();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().unwrap().unwrap();
        }
    }
}

/// Runs what may hang in a broken program, and fails then.
#[track_caller]
pub(crate) fn within<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(run()));
    result
        .recv_timeout(PATIENCE)
        .expect("neither panics nor hangs")
}

/// Looks until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

/// The test `child` of this program, in a process of its own with at most 64 descriptors: what it
/// says, and the address at which it says to listen.
#[cfg(unix)]
pub(crate) fn with_few_descriptors() -> (Child, SocketAddr, Said) {
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 64; exec \"$0\" --exact child --ignored --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let addr = said(&mut lines, "listening at ");
    (child, addr.parse().unwrap(), lines)
}

/// The lines of a process.
pub(crate) type Said = Lines<BufReader<ChildStdout>>;

/// What follows `prefix` in the next line that begins with it.
pub(crate) fn said(lines: &mut Said, prefix: &str) -> String {
    lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix(prefix).map(String::from))
        .expect("it says so")
}

pub(crate) fn timeouts(ping: Option<u64>, pong: u64, close: u64) -> Timeouts {
    let mut timeouts = Timeouts::default();
    timeouts.ping_interval = ping.map(Duration::from_millis);
    timeouts.pong_timeout = Duration::from_millis(pong);
    timeouts.close_timeout = Duration::from_millis(close);
    timeouts
}

/// A peer that speaks bytes.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
    masks: bool,
}

pub(crate) const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl Raw {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).unwrap(), true)
    }

    /// One whose receive buffer is as small as it may be.
    pub(crate) fn connect_small(addr: SocketAddr) -> Self {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(addr),
            socket2::Type::STREAM,
            None,
        )
        .unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&addr.into()).unwrap();
        Self::over(socket.into(), true)
    }

    pub(crate) fn over(stream: TcpStream, masks: bool) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            unread: Vec::new(),
            masks,
        }
    }

    pub(crate) fn request(target: &str, headers: &str) -> String {
        format!("GET {target} HTTP/1.1\r\nHost: h\r\n{headers}\r\n")
    }

    /// Opens a WebSocket at a server.
    pub(crate) fn open(addr: SocketAddr) -> Self {
        let mut raw = Self::connect(addr);
        raw.upgrade();
        raw
    }

    pub(crate) fn upgrade(&mut self) {
        self.write(Self::request("/", UPGRADE));
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    /// Accepts a client of ours.
    pub(crate) fn accept(listener: &TcpListener) -> Self {
        Self::accepted(listener.accept().unwrap().0)
    }

    /// Accepts a client of ours on its stream.
    pub(crate) fn accepted(stream: TcpStream) -> Self {
        let mut raw = Self::over(stream, false);
        let head = raw.head();
        let request = handshake::Request::parse(head.as_bytes()).unwrap();
        let mut out = [0; 1024];
        let len = request.accept().unwrap().encode(&mut out).unwrap();
        raw.write(&out[..len]);
        raw
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn send(&mut self, opcode: u8, payload: impl AsRef<[u8]>) {
        let frame = self.frame(opcode, payload.as_ref());
        self.write(frame);
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.send(CLOSE, [&code.to_be_bytes()[..], reason.as_bytes()].concat());
    }

    pub(crate) fn frame(&self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        frame(opcode, payload, self.masks)
    }

    /// A head, its empty line included.
    #[track_caller]
    pub(crate) fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.unread.drain(..at + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.fill() > 0, "the stream ended within a head");
        }
    }

    /// The next frame: its opcode and payload. Panics at the end of the stream.
    #[track_caller]
    pub(crate) fn next(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let Some((frame, len)) = Frame::decode(&self.unread) {
                self.unread.drain(..len);
                return (frame.opcode(), frame.payload);
            }
            assert!(self.fill() > 0, "the stream ended before a frame");
        }
    }

    /// The next frame, which is a Close: its code and reason.
    #[track_caller]
    pub(crate) fn next_close(&mut self) -> (u16, String) {
        let (opcode, payload) = self.next();
        assert_eq!(opcode, CLOSE, "{payload:02x?}");
        (
            u16::from_be_bytes([payload[0], payload[1]]),
            String::from_utf8(payload[2..].to_vec()).unwrap(),
        )
    }

    /// Takes `len` bytes from the system, for later.
    #[track_caller]
    pub(crate) fn take(&mut self, len: usize) {
        let from = self.unread.len();
        self.unread.resize(from + len, 0);
        self.stream.read_exact(&mut self.unread[from..]).unwrap();
    }

    /// Everything up to the end of the stream, or to a reset.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        if let Err(error) = self.stream.read_to_end(&mut self.unread) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
        }
        std::mem::take(&mut self.unread)
    }

    /// Waits for the end of the stream, with nothing before it.
    #[track_caller]
    pub(crate) fn ends(&mut self) {
        assert_eq!(self.rest(), b"");
    }

    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn fill(&mut self) -> usize {
        let mut piece = [0; 65536];
        let len = self.stream.read(&mut piece).unwrap();
        self.unread.extend_from_slice(&piece[..len]);
        len
    }
}

pub(crate) fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    ws_testkit::frame(0x80 | opcode, masked.then_some(KEY), payload)
}

/// The whole answer to a request: its status, head and body.
#[track_caller]
pub(crate) fn ask(addr: SocketAddr, request: impl AsRef<[u8]>) -> (u16, String, Vec<u8>) {
    let mut raw = Raw::connect(addr);
    raw.write(request);
    answer(&mut raw)
}

#[track_caller]
pub(crate) fn answer(raw: &mut Raw) -> (u16, String, Vec<u8>) {
    let head = raw.head();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), raw.rest())
}

pub(crate) fn get(target: &str) -> String {
    Raw::request(target, "")
}

pub(crate) fn upgrade(target: &str, headers: &str) -> String {
    Raw::request(target, &format!("{UPGRADE}{headers}"))
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..251).cycle().take(len).collect()
}

pub(crate) fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}
