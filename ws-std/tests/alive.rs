//! The rule of life over sockets, for both ends: a peer that shows a sign of life stays, and gets
//! what was accepted for it; one that shows none is given up in time. The exact moments are in
//! ws-proto's table of the same name.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::{Raw, frame, pattern, timeouts, until, within};
use ws_proto::{Config, Role, Session};
use ws_std::{
    Clock, CloseCode, Error, Message, Next, ProtocolError, TimedOut, Timeouts, WebSocket, Writer,
};
use ws_testkit::{BINARY, CLOSE, PING, PONG, TEXT};

mod common;

/// An end of ours without an opening handshake, the stream below it, and a peer that speaks bytes.
fn pair(role: Role, config: &Config, clock: &Clock) -> (WebSocket, TcpStream, Raw) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = listener.accept().unwrap().0;
    let below = stream.try_clone().unwrap();
    let session = match role {
        Role::Server => Session::server(config),
        Role::Client => Session::client(config, [7; 32]),
    };
    let ws = WebSocket::over(stream, session, clock.clone()).unwrap();
    (ws, below, Raw::over(peer, role == Role::Server))
}

/// The same, and the system keeps little of what the peer does not take.
fn narrow(role: Role, config: &Config, clock: &Clock) -> (WebSocket, Raw) {
    let (ws, below, peer) = pair(role, config, clock);
    let below = socket2::SockRef::from(&below);
    below.set_send_buffer_size(4096).unwrap();
    let peers = socket2::SockRef::from(&peer.stream);
    peers.set_recv_buffer_size(32 << 10).unwrap();
    (ws, peer)
}

/// Both ends at the same time: some of these tests take a while.
fn as_both(test: fn(Role)) {
    thread::scope(|scope| {
        scope.spawn(|| test(Role::Server));
        scope.spawn(|| test(Role::Client));
    });
}

fn config(timeouts: Timeouts) -> Config {
    let mut config = Config::default();
    config.timeouts = timeouts;
    config
}

/// Looks once at the connection: what is due is done, and what lies there is read.
#[track_caller]
fn finds_nothing(ws: &mut WebSocket) {
    assert_eq!(ws.recv_timeout(Duration::ZERO).unwrap(), Next::Elapsed);
}

/// Waits until something lies in the kernel that was not read.
#[track_caller]
fn arrives(below: &TcpStream) {
    until("it arrives", || {
        below.peek(&mut [0]).is_ok_and(|len| len > 0)
    });
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn alive_a_pong_that_lies_unread_is_read_before_its_peer_is_judged() {
    as_both(|role| {
        // A Ping every 20 s, 20 s for the Pong, and an application that looks every 30 s.
        let clock = Clock::manual();
        let (mut ws, below, mut peer) = pair(role, &Config::default(), &clock);
        for _ in 0..10 {
            clock.advance(30 * SECOND);
            finds_nothing(&mut ws);
            assert_eq!(peer.next(), (PING, vec![]));
            peer.send(PONG, b"");
            arrives(&below);
        }
        // The whole process was stopped, for an hour: one Ping, and not as many as were missed.
        clock.advance(3600 * SECOND);
        finds_nothing(&mut ws);
        ws.send("here we are again").unwrap();
        assert_eq!(peer.next(), (PING, vec![]));
        assert_eq!(peer.next(), (TEXT, b"here we are again".to_vec()));
    });
}

#[test]
fn alive_a_peer_within_a_frame_that_takes_many_pong_timeouts() {
    as_both(|role| {
        let clock = Clock::manual();
        let (mut ws, below, mut peer) = pair(role, &Config::default(), &clock);
        let payload = pattern(100_000);
        let whole = frame(BINARY, &payload, role == Role::Server);
        let mut pieces = whole.chunks(1000).peekable();
        while let Some(piece) = pieces.next() {
            peer.write(piece);
            arrives(&below);
            if pieces.peek().is_some() {
                finds_nothing(&mut ws);
                clock.advance(15 * SECOND);
            }
        }
        assert_eq!(ws.recv().unwrap(), Some(Message::Binary(&payload)));
        // It could not answer them before: it is asked, and not given up.
        assert_eq!(peer.next(), (PING, vec![]));
    });
}

#[test]
fn alive_a_peer_whose_messages_are_each_worked_on_for_long() {
    as_both(|role| {
        const LEN: usize = 900_000;
        const COUNT: usize = 3;
        let timeouts = timeouts(Some(200), 200, 60_000);
        let (mut ws, _, mut peer) = pair(role, &config(timeouts), &Clock::system());
        let working = thread::spawn(move || {
            ws.for_each(|message, tx| {
                assert_eq!(message.as_bytes().len(), LEN);
                work_for(Duration::from_millis(1000));
                tx.send("done")
            })
        });
        peer.write(peer.frame(BINARY, &pattern(LEN)).repeat(COUNT));
        let mut done = 0;
        while done < COUNT {
            match peer.next() {
                (PING, _) => peer.send(PONG, b""),
                answer => {
                    assert_eq!(answer, (TEXT, b"done".to_vec()));
                    done += 1;
                }
            }
        }
        closes(&mut peer);
        drop(peer);
        within(move || working.join().unwrap()).unwrap();
    });
}

/// An application that is busy with something else.
fn work_for(time: Duration) {
    let (_busy, done) = std::sync::mpsc::channel::<()>();
    let _ = done.recv_timeout(time);
}

/// The peer closes, and waits for the answer.
#[track_caller]
fn closes(peer: &mut Raw) {
    peer.close(1000, "");
    while peer.next().0 != CLOSE {}
}

#[test]
fn alive_a_peer_that_takes_a_large_message_slowly_and_answers_pings_as_it_meets_them() {
    as_both(|role| {
        // 2.5 s at the pace of the peer.
        const LEN: usize = 4 << 20;
        let timeouts = timeouts(Some(100), 500, 60_000);
        let (ws, peer) = narrow(role, &config(timeouts), &Clock::system());
        let mut peer = peer.slowly(16 << 10, Duration::from_millis(10));
        let (mut reader, writer) = ws.split();
        let reading = thread::spawn(move || reader.recv_owned());
        let sending = thread::spawn(move || writer.send(&pattern(LEN)));
        let mut pings = 0;
        while pings < 2 {
            match peer.next() {
                (PING, _) => {
                    pings += 1;
                    peer.send(PONG, b"");
                }
                (opcode, payload) => {
                    assert!(opcode == BINARY && payload == pattern(LEN));
                    break;
                }
            }
        }
        within(move || sending.join().unwrap()).unwrap();
        // What stood after the message, or comes now.
        assert_eq!(peer.next(), (PING, vec![]));
        peer.send(PONG, b"");
        closes(&mut peer);
        drop(peer);
        assert_eq!(within(move || reading.join().unwrap()).unwrap(), None);
    });
}

#[test]
fn alive_what_was_accepted_is_written_to_its_end_and_then_the_close() {
    as_both(|role| {
        // 2.5 s at the pace of the peer.
        const LINES: usize = 4 << 10;
        let line = pattern(1000);
        let mut config = config(timeouts(None, 500, 500));
        config.limits.max_unsent = 2 * LINES * line.len();
        let (ws, peer) = narrow(role, &config, &Clock::system());
        let mut peer = peer.slowly(16 << 10, Duration::from_millis(10));
        let (mut reader, writer) = ws.split();
        let reading = thread::spawn(move || reader.recv_owned());
        for _ in 0..LINES {
            writer.queue(&line).unwrap();
        }
        writer.close(CloseCode::NORMAL, "").unwrap();
        for _ in 0..LINES {
            assert_eq!(peer.next(), (BINARY, line.clone()));
        }
        assert_eq!(peer.next_close().0, 1000);
        peer.close(1000, "");
        drop(peer);
        assert_eq!(within(move || reading.join().unwrap()).unwrap(), None);
    });
}

#[test]
fn alive_a_peer_that_wrote_far_beyond_the_limit_is_told_1009() {
    for role in [Role::Server, Role::Client] {
        let large = frame(BINARY, &pattern(16_000_000), role == Role::Server);
        for _ in 0..30 {
            let (mut ws, _, mut peer) = pair(role, &Config::default(), &Clock::system());
            let failing = thread::spawn(move || ws.recv_owned().unwrap_err());
            // All of it is taken, and the peer's error is that of nothing.
            peer.write(&large);
            assert!(peer.stream.take_error().unwrap().is_none());
            assert_eq!(peer.next_close().0, 1009);
            drop(peer);
            let error = within(move || failing.join().unwrap());
            let limit = 1 << 20;
            assert!(
                matches!(error, Error::Protocol(ProtocolError::MessageTooBig { limit: its }) if its == limit),
                "{error}"
            );
        }
    }
}

/// A second, and the machine may be busy with something else for as long and a half.
#[track_caller]
fn ended_after_one_timeout(started: Instant) {
    let took = started.elapsed();
    assert!(took >= SECOND, "too early: {took:?}");
    assert!(took < 5 * SECOND / 2, "more than one timeout: {took:?}");
}

#[test]
fn alive_a_peer_that_takes_nothing_ends_a_send_after_one_pong_timeout() {
    as_both(|role| {
        let timeouts = timeouts(None, 1000, 60_000);
        let (mut ws, _, _peer) = pair(role, &config(timeouts), &Clock::system());
        let started = Instant::now();
        let error = within(move || {
            loop {
                if let Err(error) = ws.send(&[0; 1 << 20]) {
                    break error;
                }
            }
        });
        ended_after_one_timeout(started);
        assert!(matches!(error, Error::TimedOut(TimedOut::Pong)), "{error}");
    });
}

#[test]
fn alive_a_close_by_another_thread_has_one_close_timeout() {
    as_both(|role| {
        let timeouts = timeouts(None, 60_000, 1000);
        let (ws, _, mut peer) = pair(role, &config(timeouts), &Clock::system());
        its_close_is_given_up(ws, |_| {
            peer.send(PING, b"");
            assert_eq!(peer.next().0, PONG);
        });
    });
}

#[test]
fn alive_a_close_that_cannot_leave_has_one_close_timeout_too() {
    as_both(|role| {
        let mut config = config(timeouts(None, 60_000, 1000));
        config.limits.max_unsent = 32 << 20;
        let (ws, _, _peer) = pair(role, &config, &Clock::system());
        its_close_is_given_up(ws, |writer| {
            // More than the system keeps for a peer that reads nothing.
            writer.queue(&vec![0; 32 << 20]).unwrap();
        });
    });
}

/// One thread reads; when `before` is done another closes, and nobody answers.
fn its_close_is_given_up(ws: WebSocket, before: impl FnOnce(&Writer)) {
    let (mut reader, writer) = ws.split();
    let reading = thread::spawn(move || reader.recv_owned().unwrap_err());
    before(&writer);
    let started = Instant::now();
    writer.close(CloseCode::NORMAL, "").unwrap();
    let error = within(move || reading.join().unwrap());
    ended_after_one_timeout(started);
    assert!(matches!(error, Error::TimedOut(TimedOut::Close)), "{error}");
}

#[test]
fn alive_a_peer_that_is_gone_is_noticed_after_an_interval_and_a_timeout() {
    as_both(|role| {
        let clock = Clock::manual();
        let (mut ws, _, mut peer) = pair(role, &Config::default(), &clock);
        clock.advance(20 * SECOND - Duration::from_nanos(1));
        finds_nothing(&mut ws);
        clock.advance(Duration::from_nanos(1));
        finds_nothing(&mut ws);
        assert_eq!(peer.next(), (PING, vec![]));
        clock.advance(20 * SECOND - Duration::from_nanos(1));
        finds_nothing(&mut ws);
        clock.advance(Duration::from_nanos(1));
        let error = ws.recv_timeout(Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::TimedOut(TimedOut::Pong)), "{error}");
        peer.ends();
    });
}
