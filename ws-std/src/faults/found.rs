//! Faults that were found, each case by itself.

use std::io::{ErrorKind, Read, Write};

use ws_proto::{CloseCode, Message};

use super::*;
use crate::deadline::Deadline;
use crate::error::Error;

/// A server's end of an open connection, calls of one kind on which fail, and its peer.
fn broken(fault: Fault, only: Call) -> (WebSocket, TcpStream) {
    let (ws, peer, _) = planned(Plan::new(fault, Fails::All).only(only));
    (ws, peer)
}

fn planned(plan: Plan) -> (WebSocket, TcpStream, Arc<Plan>) {
    let (stream, peer, plan) = planned_stream(plan);
    let ws = open(Side::Accepted, stream, Clock::system()).unwrap();
    (ws, peer, plan)
}

fn planned_stream(plan: Plan) -> (Faulty, TcpStream, Arc<Plan>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let plan = Arc::new(plan);
    (
        Faulty {
            tcp,
            plan: plan.clone(),
        },
        peer,
        plan,
    )
}

fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    format!("{:?}", result.unwrap_err())
}

#[test]
fn a_reader_is_told_of_the_write_that_failed() {
    let (ws, mut peer) = broken(Fault::Error(ErrorKind::BrokenPipe), Call::WriteAtOnce);
    let (mut reader, writer) = ws.split();
    peer.write_all(b"\x81\x80\0\0\0\0").unwrap();
    assert_eq!(told(writer.send("hello")), "Io(Kind(BrokenPipe))");
    // We receive what had arrived; the end of the stream was our doing, and is not reported.
    assert_eq!(reader.recv().unwrap(), Some(Message::Text("")));
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
    let (stream, _peer, _) = planned_stream(Plan::new(blocked, Fails::All).on(&clock));
    let ws = open(Side::Accepted, stream, clock).unwrap();
    let (mut reader, writer) = ws.split();
    // The pump waits for the peer, and in vain.
    let _ = writer.queue("hello");
    assert_eq!(told(reader.recv()), "TimedOut(Pong)");
    assert_eq!(told(writer.send("more")), "TimedOut(Pong)");
}

#[test]
fn a_write_that_takes_nothing_is_not_made_for_ever() {
    let (ws, _peer) = broken(Fault::Zero, Call::WriteAtOnce);
    let queued = common::within(move || ws.writer().queue("hello"));
    assert_eq!(told(queued), "Io(Kind(WriteZero))");
}

#[test]
fn nothing_is_written_behind_a_write_that_failed() {
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
    let (stream, mut peer, _) = planned_stream(plan);
    let stream = crate::stream::Stream::from(stream);
    let clock = Clock::system();
    let written = Deadline::after(&clock, PATIENCE).write(&stream, b"GET");
    assert_eq!(written.unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(stream);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}

#[test]
fn messages_behind_an_answer_that_failed_leave_no_hole() {
    let (mut ws, mut peer) = broken(Fault::Error(ErrorKind::BrokenPipe), Call::WriteAtOnce);
    // The first is answered at once, because it is large; the last is not in the same read.
    for len in [40_000u16, 500, 60_000] {
        peer.write_all(&[0x82, 0xfe]).unwrap();
        peer.write_all(&len.to_be_bytes()).unwrap();
        peer.write_all(&vec![0; 4 + usize::from(len)]).unwrap();
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
    peer.write_all(b"\x81\x80\0\0\0\0").unwrap();
    assert_eq!(told(ws.recv()), "Io(Kind(TimedOut))");
}

#[test]
fn a_peer_that_is_gone_behind_its_close_has_closed() {
    let (mut ws, mut peer) = broken(Fault::Error(ErrorKind::BrokenPipe), Call::WriteAtOnce);
    peer.write_all(b"\x88\x82\0\0\0\0\x03\xe9").unwrap();
    drop(peer);
    ws.close(CloseCode::NORMAL, "").unwrap();
    let (code, _) = ws.peer_close().unwrap();
    assert_eq!(code, CloseCode::GOING_AWAY);
    // The Close says more than the loss of our answer.
    assert_eq!(told(ws.send("late")), "Send(Closed)");
}
