//! A connection for which there is no memory is not left in the dark, and nobody waits in vain.

#[allow(dead_code, reason = "nothing is counted here")]
use std::net::{TcpListener, TcpStream};

use common::Raw;
use ws_proto::Session;
use ws_std::{
    Clock, CloseCode, Error, Group, Limits, Message, ProtocolError, SendError, WebSocket,
};
use ws_testkit::counting::{Counting, Failing, failing};
use ws_testkit::{BINARY, TEXT};

mod common;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A server's end of an open connection, and a peer that speaks bytes.
fn served() -> (WebSocket, Raw) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = listener.accept().unwrap().0;
    let session = Session::server(&Limits::default().into());
    let ws = WebSocket::over(stream, session, Clock::system()).unwrap();
    (ws, Raw::over(peer, true))
}

#[test]
fn closing_without_memory_does_nothing_and_says_so() {
    let (mut ws, mut peer) = served();
    // Whoever waited for it would see it.
    peer.close(1001, "bye");
    peer.half_close();
    let (closed, failed) = failing(Failing::Only(1), || ws.close(CloseCode::NORMAL, "done"));
    let refused = closed.unwrap_err();
    assert!(
        matches!(refused, Error::Send(SendError::OutOfMemory)),
        "{refused}"
    );
    assert_eq!((failed, ws.peer_close()), (1, None));

    // The connection is as it was.
    ws.send("still here").unwrap();
    ws.close(CloseCode::NORMAL, "done").unwrap();
    assert_eq!(
        ws.peer_close().unwrap(),
        (CloseCode::GOING_AWAY, "bye".into())
    );
    assert_eq!(peer.next(), (TEXT, b"still here".to_vec()));
    assert_eq!(peer.next_close(), (1000, "done".into()));
}

#[test]
fn a_member_without_memory_for_a_message_is_told_that_it_lost_one() {
    let group = Group::new();
    let ((poor, mut poor_peer), (rich, mut rich_peer)) = (served(), served());
    let _members = [group.join(poor.writer()), group.join(rich.writer())];
    // This one has room from before.
    rich.writer().queue(&[1; 5000]).unwrap();
    assert_eq!(rich_peer.next(), (BINARY, vec![1; 5000]));

    // There is memory for the message that all refer to, and not for the queue of the first.
    let message = Message::Binary(&[2; 1000]);
    assert_eq!(failing(Failing::Only(2), || group.send(message)), (1, 1));
    assert_eq!(poor_peer.next_close(), (1013, "out of memory".into()));
    assert_eq!(rich_peer.next(), (BINARY, vec![2; 1000]));
    assert_eq!(group.send("on"), 1);
    assert_eq!(rich_peer.next(), (TEXT, b"on".to_vec()));
}

#[test]
fn a_member_without_memory_for_the_close_is_dropped() {
    let group = Group::new();
    let (mut ws, mut peer) = served();
    let _member = group.join(ws.writer());
    // There is memory for the message that all refer to, and for nothing after it.
    let message = Message::Binary(&[2; 80]);
    assert_eq!(failing(Failing::From(2), || group.send(message)).0, 0);
    peer.ends();
    let ended = ws.recv().unwrap_err();
    assert!(
        matches!(ended, Error::Protocol(ProtocolError::UnexpectedEof)),
        "{ended}"
    );
}
