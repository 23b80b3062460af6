//! Faults that were found, each case by itself, over a socket of the system.

use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ws_proto::{Session, TimedOut};
use ws_std::{Client, Clock, CloseCode, ConnectError, Error, Limits, Message, Tapped, WebSocket};
use ws_testkit::faults::{Call, Fails, Fault, Plan};
use ws_testkit::{Frame, Script, frame};

use super::common::{PATIENCE, Raw, within};
use super::faulty::Faulty;
use super::{End, Talk, transcripts};

/// The time that a call seems to wait that waits in vain.
const WAITED: Duration = Duration::from_secs(5);

/// A server's end of an open connection, calls of one kind on which fail, and its peer.
fn broken(fault: Fault, only: Call) -> (WebSocket, TcpStream) {
    let (ws, peer, _) = planned(Plan::new(fault, Fails::All).only(only));
    (ws, peer)
}

fn planned(plan: Plan) -> (WebSocket, TcpStream, Arc<Plan>) {
    let (socket, peer, plan) = socket(plan);
    let session = Session::server(&Limits::default().into());
    let ws = WebSocket::over(socket, session, Clock::system()).expect("nothing fails yet");
    (ws, peer, plan)
}

fn socket(plan: Plan) -> (Faulty<TcpStream>, TcpStream, Arc<Plan>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("it listens");
    let ours = TcpStream::connect(address).expect("it listens");
    let (peer, _) = listener.accept().expect("it connects");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let plan = Arc::new(plan);
    let socket = Faulty {
        socket: ours,
        plan: plan.clone(),
    };
    (socket, peer, plan)
}

fn told<T: Debug>(result: Result<T, Error>) -> String {
    format!("{:?}", result.expect_err("it fails"))
}

#[test]
fn a_reader_is_told_of_the_write_that_failed() {
    let (ws, mut peer) = broken(Fault::Error(ErrorKind::BrokenPipe), Call::WriteAtOnce);
    let (mut reader, writer) = ws.split();
    peer.write_all(b"\x81\x80\0\0\0\0").expect("room");
    assert_eq!(told(writer.send("hello")), "Io(Kind(BrokenPipe))");
    // We receive what had arrived; the end of the stream was our doing, and is not reported.
    assert_eq!(reader.recv().expect("it came"), Some(Message::Text("")));
    for _ in 0..2 {
        assert_eq!(told(reader.recv()), "Io(Kind(BrokenPipe))");
        assert_eq!(told(writer.queue("more")), "Io(Kind(BrokenPipe))");
        assert_eq!(told(writer.ping(b"")), "Io(Kind(BrokenPipe))");
        let closed = writer.close(CloseCode::NORMAL, "");
        assert_eq!(told(closed), "Io(Kind(BrokenPipe))");
    }
    // Nothing was written, and nothing is when it is dropped.
    drop((reader, writer));
    let mut rest = Vec::new();
    let _ = peer.read_to_end(&mut rest);
    assert_eq!(rest, b"");
}

#[test]
fn a_reader_is_told_that_nobody_takes_what_was_queued() {
    let blocked = Fault::Error(ErrorKind::WouldBlock);
    let clock = Clock::manual();
    let ticks = clock.clone();
    let plan = Plan::new(blocked, Fails::All).waiting(move || ticks.advance(WAITED));
    let (socket, _peer, _) = socket(plan);
    let session = Session::server(&Limits::default().into());
    let ws = WebSocket::over(socket, session, clock).expect("nothing fails yet");
    let (mut reader, writer) = ws.split();
    // The pump waits for the peer, and in vain.
    let _ = writer.queue("hello");
    assert_eq!(told(reader.recv()), "TimedOut(Pong)");
    assert_eq!(told(writer.send("more")), "TimedOut(Pong)");
}

#[test]
fn a_write_that_takes_nothing_is_not_made_for_ever() {
    let (ws, _peer) = broken(Fault::Zero, Call::WriteAtOnce);
    let queued = within(move || ws.writer().queue("hello"));
    assert_eq!(told(queued), "Io(Kind(WriteZero))");
}

#[test]
fn nothing_is_written_after_a_write_that_failed() {
    let pipe = Fault::Error(ErrorKind::BrokenPipe);
    for call in [Call::Write, Call::WriteAtOnce] {
        for closes in [true, false] {
            let (ws, _peer, plan) = planned(Plan::new(pipe, Fails::All).only(call));
            let (mut reader, writer) = ws.split();
            let sent = match call {
                // It waits for the peer, which takes nothing.
                Call::Write => writer.send(&vec![0; 32 << 20]),
                _ => writer.queue("hello"),
            };
            assert_eq!(told(sent), "Io(Kind(BrokenPipe))");
            if closes {
                let closed = reader.close(CloseCode::NORMAL, "");
                assert_eq!(told(closed), "Io(Kind(BrokenPipe))");
            }
            drop((reader, writer));
            assert_eq!(plan.failed(), [call]);
        }
    }
}

#[test]
fn a_head_that_cannot_be_written_says_why() {
    let fault = Fault::Error(ErrorKind::ConnectionReset);
    let plan = Plan::new(fault, Fails::All).only(Call::WriteAtOnce);
    let (socket, mut peer, _) = socket(plan);
    let opened = Client::new("ws://h/").connect_over(socket);
    let Err(ConnectError::Io { error, .. }) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(peer.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn messages_after_an_answer_that_failed_leave_no_hole() {
    let (mut ws, mut peer) = broken(Fault::Error(ErrorKind::BrokenPipe), Call::WriteAtOnce);
    // The first is answered at once, because it is large; the last is not in the same read.
    for len in [40_000, 500, 60_000] {
        let message = frame(0x82, Some([0; 4]), &vec![0; len]);
        peer.write_all(&message).expect("room");
    }
    let mut seen = Vec::new();
    let ended = ws.for_each(|message, tx| {
        seen.push(message.as_bytes().len());
        tx.send(message)
    });
    assert_eq!(told(ended), "Io(Kind(BrokenPipe))");
    assert_eq!(told(ws.recv()), "Io(Kind(BrokenPipe))");
    assert_eq!(seen, [40_000]);
}

#[test]
fn a_peer_that_acknowledges_nothing_has_failed_and_was_not_waited_for() {
    let (mut ws, mut peer) = broken(Fault::Error(ErrorKind::TimedOut), Call::Read);
    peer.write_all(b"\x81\x80\0\0\0\0").expect("room");
    assert_eq!(told(ws.recv()), "Io(Kind(TimedOut))");
}

#[test]
fn a_peer_that_is_gone_after_its_close_has_closed() {
    let (mut ws, mut peer) = broken(Fault::Error(ErrorKind::BrokenPipe), Call::WriteAtOnce);
    peer.write_all(b"\x88\x82\0\0\0\0\x03\xe9").expect("room");
    drop(peer);
    ws.close(CloseCode::NORMAL, "").expect("it has closed");
    let (code, _) = ws.peer_close().expect("it came");
    assert_eq!(code, CloseCode::GOING_AWAY);
    // The Close says more than the loss of our answer.
    assert_eq!(told(ws.send("late")), "Send(Closed)");
}

#[test]
fn each_byte_is_shown_once_however_little_is_taken() {
    const LARGE: usize = 64 << 10; // written from where it lies
    let shown = Arc::new(Mutex::new(Vec::new()));
    let seen = shown.clone();
    let little = Plan::new(Fault::Short, Fails::All).only(Call::WriteAtOnce);
    let (socket, peer, _) = socket(little);
    let reading = thread::spawn(move || Raw::accepted(peer).rest());
    let client = Client::new("ws://h/").tap(move |what| {
        if let Tapped::Sent(bytes) = what {
            seen.lock().expect("no panic").extend_from_slice(bytes);
        }
    });
    let ws = client.connect_over(socket).expect("it accepts");
    let (reader, writer) = ws.split();
    writer.send("hello").expect("it reads");
    writer.queue("hi").expect("it reads");
    writer.send(&[7; LARGE]).expect("it reads");
    drop((reader, writer));
    let read = reading.join().expect("it does not panic");
    let shown = shown.lock().expect("no panic");
    let (messages, leave) = read.split_at(shown.len());
    assert!(messages.len() > LARGE && messages == *shown);
    let (leave, _) = Frame::decode(leave).expect("the Close of one that is dropped");
    assert!(leave.is_close());
}

/// Time passes with each call that waits in vain.
#[test]
fn a_peer_that_stalls_for_good_is_given_up() {
    let blocked = Fault::Error(ErrorKind::WouldBlock);
    let (mut runs, mut given_up) = (0, 0);
    for script in Script::all() {
        let pings = script.setup.timeouts.ping_interval.is_some();
        if !script.is_for_adapters() || script.is_timed() || !pings {
            continue;
        }
        let whole = transcripts::hold(&script, Plan::none(), Clock::manual());
        for first in 0.. {
            let clock = Clock::manual();
            let (times, ticks) = (usize::MAX, clock.clone());
            let plan = Plan::new(blocked, Fails::From { first, times });
            let plan = plan.waiting(move || ticks.advance(WAITED));
            let held = transcripts::hold(&script, plan, clock);
            if held.failed.is_empty() {
                break;
            }
            runs += 1;
            let told = &held.told;
            assert!(whole.told.seen.starts_with(&told.seen), "{told:?}");
            match &told.end {
                End::Failed(error) if *told != whole.told => {
                    let silent = [TimedOut::Pong, TimedOut::Close];
                    let silent = silent.map(|of| format!("TimedOut({of:?})"));
                    assert!(silent.contains(error), "{}: {error}", script.name);
                    given_up += 1;
                }
                // It had said everything.
                _ => assert_eq!(told, &whole.told, "{}", script.name),
            }
        }
    }
    println!("stalled for good: {runs} runs, {given_up} given up");
    assert!(given_up > 0);
}
