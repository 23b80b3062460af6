//! The rule of life over sockets, for both ends: a peer that shows a sign of life stays, and gets
//! what was accepted for it; one that shows none is given up in time. The clock is moved by hand.
//! The exact moments are in ws-proto's table of the same name, and those of a write that waits in
//! `src/shared.rs`.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::common::{Raw, frame, pattern, timeouts, until, within};
use ws_proto::{Config, Role, Session};
use ws_std::{
    Clock, CloseCode, Error, Message, Next, ProtocolError, TimedOut, Timeouts, WebSocket,
};
use ws_testkit::{BINARY, CLOSE, PING, PONG, TEXT};

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

/// The same, and the system keeps much less than a [`PIECE`] of what the peer does not take.
fn narrow(role: Role, config: &Config, clock: &Clock) -> (WebSocket, Raw) {
    let (ws, below, peer) = pair(role, config, clock);
    let below = socket2::SockRef::from(&below);
    below.set_send_buffer_size(4096).unwrap();
    let peers = socket2::SockRef::from(&peer.stream);
    peers.set_recv_buffer_size(32 << 10).unwrap();
    (ws, peer)
}

/// What a slow peer takes at a time. Some of each piece is taken from us while the peer takes it,
/// because the system keeps less.
const PIECE: usize = 256 << 10;

/// Both ends at the same time.
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

/// The defaults, and no Pings.
fn without_pings() -> Timeouts {
    let mut timeouts = Timeouts::default();
    timeouts.ping_interval = None;
    timeouts
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
        const COUNT: usize = 6;
        let clock = Clock::manual();
        let (mut ws, _, mut peer) = pair(role, &Config::default(), &clock);
        let working = thread::spawn(move || {
            ws.for_each(|message, tx| {
                assert_eq!(message.as_bytes().len(), LEN);
                clock.advance(25 * SECOND);
                tx.send("done")
            })
        });
        // Its Pongs come after the messages, all of which it has sent.
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

/// The peer closes, and waits for the answer.
#[track_caller]
fn closes(peer: &mut Raw) {
    peer.close(1000, "");
    while peer.next().0 != CLOSE {}
}

#[test]
fn alive_a_peer_that_takes_a_large_message_slowly_and_answers_pings_as_it_meets_them() {
    as_both(|role| {
        // In 15 s it takes a sixteenth, and there are 20 s for each Pong.
        const LEN: usize = 4 << 20;
        let clock = Clock::manual();
        let (mut ws, mut peer) = narrow(role, &Config::default(), &clock);
        let writer = ws.writer();
        let sending = thread::spawn(move || writer.send(&pattern(LEN)));
        for _ in 0..LEN / PIECE {
            peer.take(PIECE);
            clock.advance(15 * SECOND);
            finds_nothing(&mut ws);
        }
        assert!(peer.next() == (BINARY, pattern(LEN)));
        within(move || sending.join().unwrap()).unwrap();
        // One Ping stood after the message.
        assert_eq!(peer.next(), (PING, vec![]));
        peer.send(PONG, b"");
        peer.send(TEXT, "all of it");
        assert_eq!(ws.recv().unwrap(), Some(Message::Text("all of it")));
    });
}

#[test]
fn alive_what_was_accepted_is_written_to_its_end_and_then_the_close() {
    as_both(|role| {
        // It takes a sixteenth in 8 s, and there are 10 s for its Close.
        const LINES: usize = 4 << 10;
        let line = pattern(PIECE / 256);
        let mut config = config(without_pings());
        config.limits.max_unsent = 2 * LINES * line.len();
        let clock = Clock::manual();
        let (mut ws, mut peer) = narrow(role, &config, &clock);
        let writer = ws.writer();
        for _ in 0..LINES {
            writer.queue(&line).unwrap();
        }
        writer.close(CloseCode::NORMAL, "").unwrap();
        for _ in 0..LINES / 256 {
            for _ in 0..256 {
                assert_eq!(peer.next(), (BINARY, line.clone()));
            }
            clock.advance(8 * SECOND);
            finds_nothing(&mut ws);
        }
        assert_eq!(peer.next_close().0, 1000);
        peer.close(1000, "");
        drop(peer);
        assert_eq!(within(move || ws.recv_owned()).unwrap(), None);
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

#[test]
fn alive_a_peer_that_takes_nothing_ends_a_send() {
    as_both(|role| {
        let clock = Clock::manual();
        let timeouts = timeouts(None, 100, 60_000);
        let (mut ws, _, _peer) = pair(role, &config(timeouts), &clock);
        let sending = thread::spawn(move || {
            loop {
                if let Err(error) = ws.send(&[0; 1 << 20]) {
                    break error;
                }
            }
        });
        // From when it waits, which only the system knows. That it has one timeout and no more is in
        // `src/shared.rs`: `alive_a_send_to_a_peer_that_takes_nothing_has_one_pong_timeout`.
        until("an end", || {
            clock.advance(SECOND);
            sending.is_finished()
        });
        let error = sending.join().unwrap();
        assert!(matches!(error, Error::TimedOut(TimedOut::Pong)), "{error}");
    });
}

#[test]
fn alive_a_close_by_another_thread_has_one_close_timeout() {
    as_both(|role| {
        let clock = Clock::manual();
        let (mut ws, _, mut peer) = pair(role, &config(without_pings()), &clock);
        finds_nothing(&mut ws);
        clock.advance(3 * SECOND);
        let writer = ws.writer();
        within(move || writer.close(CloseCode::NORMAL, "")).unwrap();
        assert_eq!(peer.next_close().0, 1000);
        // Nobody has looked at the clock since.
        clock.advance(10 * SECOND - Duration::from_nanos(1));
        finds_nothing(&mut ws);
        clock.advance(Duration::from_nanos(1));
        let error = ws.recv_timeout(Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::TimedOut(TimedOut::Close)), "{error}");
    });
}

#[test]
fn alive_a_close_that_cannot_leave_is_given_up() {
    as_both(|role| {
        // More than the system keeps for a peer that reads nothing.
        const LEN: usize = 32 << 20;
        let clock = Clock::manual();
        let mut config = config(without_pings());
        config.limits.max_unsent = LEN;
        let (mut ws, _, _peer) = pair(role, &config, &clock);
        ws.writer().queue(&vec![0; LEN]).unwrap();
        ws.writer().close(CloseCode::NORMAL, "").unwrap();
        // While the system still takes some, it is alive. That it has one timeout after that and no
        // more is in `src/shared.rs`: `alive_a_close_that_cannot_leave_has_one_close_timeout`.
        until("an end", || {
            clock.advance(SECOND);
            match ws.recv_timeout(Duration::ZERO) {
                Ok(Next::Elapsed) => false,
                Err(Error::TimedOut(TimedOut::Close)) => true,
                other => panic!("{other:?}"),
            }
        });
        assert!(clock.now().since_epoch() >= config.timeouts.close_timeout);
    });
}

#[test]
fn alive_with_pings_off_nobody_is_given_up() {
    as_both(|role| {
        let clock = Clock::manual();
        let (mut ws, _, mut peer) = pair(role, &config(without_pings()), &clock);
        for _ in 0..10 {
            clock.advance(3600 * SECOND);
            finds_nothing(&mut ws);
        }
        peer.send(TEXT, "still here");
        assert_eq!(ws.recv().unwrap(), Some(Message::Text("still here")));
        ws.send("and so are we").unwrap();
        assert_eq!(peer.next(), (TEXT, b"and so are we".to_vec()));
    });
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
