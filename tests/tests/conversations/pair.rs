//! Two peers in a box: stories of how a connection ends, and then every order in which it can.

use core::time::Duration;

use ws_proto::{Close, CloseCode, ProtocolError, SendError, Shutdown, State, TimedOut};
use ws_testkit::{End, Got, Pair, Setup, Side};

use Side::{Client, Server};

const CLEAN: (Option<End>, Option<End>) = (Some(End::Clean), Some(End::Clean));

fn pair() -> Pair {
    let setup = Setup::new(ws_proto::Role::Server);
    Pair::new(&setup, &setup)
}

fn normal() -> Option<Close<'static>> {
    Some(CloseCode::NORMAL.into())
}

fn code(code: u16) -> Option<Got> {
    Some(Got::Close(Some((code, String::new()))))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn messages_go_both_ways() {
    let mut pair = pair();
    pair.send(Client, "to the server").unwrap();
    pair.send(Server, "to the client").unwrap();
    pair.send(Client, b"and bytes").unwrap();
    pair.exchange();
    let server: Vec<_> = pair.server.messages().collect();
    assert_eq!(server, [&b"to the server"[..], b"and bytes"]);
    let client: Vec<_> = pair.client.messages().collect();
    assert_eq!(client, [b"to the client"]);
    assert_eq!(pair.ends(), (None, None));
}

#[test]
fn the_client_closes_first() {
    let mut pair = pair();
    pair.send(Client, "last").unwrap();
    pair.close(Client, normal()).unwrap();
    assert_eq!(pair.client.state(), State::Closing);

    pair.deliver(Client);
    assert_eq!(pair.server.messages().next(), Some(&b"last"[..]));
    assert_eq!(pair.server.close_received().cloned(), code(1000));
    // The server has answered and ends its side first; the client still waits for both.
    assert_eq!(pair.server.shutdown(), Shutdown::Drain);
    assert_eq!(pair.ends(), (None, None));

    pair.deliver(Server);
    assert_eq!(pair.client.close_received().cloned(), code(1000));
    assert_eq!(pair.ends(), (Some(End::Clean), None));
    pair.deliver(Client); // the end of the stream
    assert_eq!(pair.ends(), CLEAN);
}

#[test]
fn the_server_closes_first() {
    let mut pair = pair();
    pair.close(Server, normal()).unwrap();
    pair.deliver(Server);
    assert_eq!(pair.client.state(), State::Closed);
    assert_eq!(pair.client.shutdown(), Shutdown::AwaitPeer);
    assert_eq!(pair.ends(), (None, None));

    pair.deliver(Client);
    assert_eq!(pair.server.shutdown(), Shutdown::Drain);
    pair.deliver(Server); // the end of the stream
    assert_eq!(pair.ends(), (Some(End::Clean), None));
    pair.deliver(Client);
    assert_eq!(pair.ends(), CLEAN);
}

#[test]
fn both_close_at_once() {
    let mut pair = pair();
    pair.close(Client, Some(CloseCode::NORMAL.into())).unwrap();
    pair.close(Server, Some(CloseCode::GOING_AWAY.into()))
        .unwrap();
    pair.exchange();
    assert_eq!(pair.ends(), CLEAN);
    assert_eq!(pair.client.close_received().cloned(), code(1001));
    assert_eq!(pair.server.close_received().cloned(), code(1000));
}

#[test]
fn what_was_sent_before_the_peer_saw_our_close_arrives() {
    let mut pair = pair();
    pair.close(Client, normal()).unwrap();
    pair.send(Server, "on its way").unwrap();
    pair.exchange();
    assert_eq!(pair.client.messages().next(), Some(&b"on its way"[..]));
    assert_eq!(pair.ends(), CLEAN);
}

#[test]
fn byte_by_byte_it_is_the_same() {
    let mut pair = pair();
    pair.send(Client, "你好").unwrap();
    pair.ping(Server, b"there?").unwrap();
    pair.close(Client, normal()).unwrap();
    while pair.up.is_busy() || pair.down.is_busy() {
        pair.deliver_at_most(Client, 1);
        pair.deliver_at_most(Server, 1);
    }
    assert_eq!(pair.server.messages().next(), Some("你好".as_bytes()));
    assert_eq!(pair.client.got[0], Got::Ping(b"there?".into()));
    assert_eq!(pair.ends(), CLEAN);
}

#[test]
fn a_close_that_is_cut_in_half_is_no_close() {
    let mut pair = pair();
    pair.close(Client, normal()).unwrap();
    pair.deliver_at_most(Client, 5);
    pair.end_stream(Client);
    assert_eq!(pair.server.end, None);
    // Three bytes were under way; the wire breaks behind one of them.
    pair.deliver_at_most(Client, 1);
    pair.cut(Client);
    pair.pass(secs(20));
    pair.pass(secs(20));
    assert_eq!(pair.server.end, Some(End::Dead(TimedOut::Pong)));
}

#[test]
fn the_client_goes_without_a_word() {
    let mut pair = pair();
    pair.send(Client, "bye, in a way").unwrap();
    pair.end_stream(Client);
    pair.deliver(Client);
    assert_eq!(pair.server.messages().count(), 1);
    let gone = End::Failed(ProtocolError::UnexpectedEof);
    assert_eq!(pair.server.end, Some(gone));
    pair.exchange();
    assert_eq!(pair.client.end, Some(gone));
}

#[test]
fn the_server_breaks_the_protocol() {
    let mut pair = pair();
    pair.inject(Server, &[0x83, 0]);
    pair.deliver(Server);
    assert_eq!(pair.client.error(), Some(ProtocolError::ReservedOpcode));
    pair.exchange();
    let failed = End::Failed(ProtocolError::ReservedOpcode);
    // The server learns why.
    assert_eq!(pair.ends(), (Some(failed), Some(End::Clean)));
    let told = Got::Close(Some((1002, "reserved opcode".into())));
    assert_eq!(pair.server.got, [told]);
}

#[test]
fn the_client_breaks_the_protocol() {
    let mut pair = pair();
    pair.inject(Client, &[0x81, 0x02, b'h', b'i']);
    pair.exchange();
    let failed = End::Failed(ProtocolError::MaskMissing);
    assert_eq!(pair.ends(), (Some(End::Clean), Some(failed)));
}

#[test]
fn both_break_the_protocol() {
    let mut pair = pair();
    pair.inject(Client, &[0xFF]);
    pair.inject(Server, &[0xFF]);
    pair.exchange();
    let failed = Some(End::Failed(ProtocolError::ReservedBit));
    assert_eq!(pair.ends(), (failed, failed));
}

#[test]
fn a_violation_after_a_close_is_not_looked_at() {
    let mut pair = pair();
    pair.close(Client, normal()).unwrap();
    pair.inject(Client, &[0xFF, 0xFF]);
    pair.exchange();
    assert_eq!(pair.ends(), CLEAN);
}

#[test]
fn a_healthy_connection_is_pinged_and_stays() {
    let mut pair = pair();
    for _ in 0..100 {
        pair.pass_until_wake();
        pair.exchange();
    }
    assert!(pair.elapsed() >= secs(600), "{:?}", pair.elapsed());
    assert_eq!(pair.ends(), (None, None));
    let pongs = |got: &[Got]| got.iter().filter(|got| matches!(got, Got::Pong(_))).count();
    assert!(pongs(&pair.client.got) >= 30 && pongs(&pair.server.got) >= 30);
}

#[test]
fn the_cable_is_cut_and_both_notice_within_40_seconds() {
    let mut pair = pair();
    pair.cut(Client);
    pair.cut(Server);
    pair.pass(secs(20));
    pair.pass(Duration::from_millis(19_999));
    assert_eq!(pair.ends(), (None, None));
    pair.pass(Duration::from_millis(1));
    let dead = Some(End::Dead(TimedOut::Pong));
    assert_eq!(pair.ends(), (dead, dead));
}

#[test]
fn half_a_cut_is_noticed_by_the_clock_of_one_and_told_to_the_other() {
    let mut pair = pair();
    pair.cut(Client);
    pair.pass(secs(20));
    pair.exchange();
    // The server hears nothing; what it sends arrives, and would extend the client's wait.
    pair.pass(secs(20));
    assert_eq!(pair.ends(), (None, Some(End::Dead(TimedOut::Pong))));
    pair.exchange();
    let gone = End::Failed(ProtocolError::UnexpectedEof);
    assert_eq!(pair.client.end, Some(gone));
}

#[test]
fn a_close_that_nobody_answers() {
    let mut pair = pair();
    pair.cut(Client);
    pair.close(Client, normal()).unwrap();
    pair.pass(Duration::from_millis(9_999));
    assert_eq!(pair.client.end, None);
    pair.pass(Duration::from_millis(1));
    assert_eq!(pair.client.end, Some(End::Dead(TimedOut::Close)));
}

#[test]
fn a_server_that_closes_and_leaves_the_stream_open_is_left() {
    let mut pair = pair();
    pair.close(Server, normal()).unwrap();
    pair.deliver(Server);
    pair.deliver(Client);
    pair.cut(Server); // the end of the stream does not arrive
    assert_eq!(pair.client.end, None);
    pair.pass(secs(10));
    // Both have closed, and so it was clean: it is only the stream that is dropped.
    assert_eq!(pair.ends(), CLEAN);
}

#[test]
fn a_peer_that_reads_nothing_is_given_up() {
    let mut pair = pair();
    pair.stall(Server);
    let mut sent = 0_usize;
    let full = loop {
        match pair.send(Server, &[0; 10_000]) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((full, sent), (SendError::Full { limit: 1 << 20 }, 105));
    while pair.server.end.is_none() && pair.elapsed() < secs(60) {
        pair.pass_until_wake();
    }
    assert_eq!(pair.server.end, Some(End::Dead(TimedOut::Pong)));
    assert_eq!(pair.elapsed(), secs(40));
}

#[test]
fn a_peer_that_reads_late_gets_everything_in_order_and_the_close_last() {
    let mut pair = pair();
    pair.stall(Server);
    pair.send(Server, "one").unwrap();
    pair.send(Server, "two").unwrap();
    pair.ping(Client, b"1").unwrap();
    pair.deliver(Client);
    pair.ping(Client, b"2").unwrap();
    pair.deliver(Client);
    pair.close(Server, normal()).unwrap();
    pair.unstall(Server);
    pair.exchange();
    assert_eq!(
        pair.client.got,
        [
            Got::Pong(b"1".into()),
            Got::Text("one".into()),
            Got::Text("two".into()),
            // One batch of control frames goes before the messages, or a flood would.
            Got::Pong(b"2".into()),
            code(1000).unwrap()
        ]
    );
    assert_eq!(pair.ends(), CLEAN);
}

#[test]
fn a_flood_of_pings_to_a_peer_that_cannot_write_takes_no_memory() {
    let mut pair = pair();
    pair.stall(Server);
    pair.send(Server, "waits").unwrap();
    for number in 0..10_000_u32 {
        pair.ping(Client, &number.to_be_bytes().repeat(31)).unwrap();
        pair.deliver(Client);
    }
    let unsent = pair.server.unsent_len();
    assert!(unsent < 2048, "{unsent}");
    pair.unstall(Server);
    pair.deliver(Server);
    // The first, which was on its way, and the last; as section 5.5.3 has it.
    let pong = |number: u32| Got::Pong(number.to_be_bytes().repeat(31));
    let waits = Got::Text("waits".into());
    assert_eq!(pair.client.got, [pong(0), waits, pong(9_999)]);
}

#[test]
fn a_pong_goes_between_two_frames_and_never_within_one() {
    for taken in 0..=20 {
        let mut pair = pair();
        pair.stall(Server);
        pair.send(Server, "one").unwrap();
        pair.send(Server, "second").unwrap();
        pair.send(Server, "3rd").unwrap();
        pair.take(Server, taken);
        pair.ping(Client, b"?").unwrap();
        pair.deliver(Client);
        pair.unstall(Server);
        pair.exchange();
        let mut messages = vec![
            Got::Text("one".into()),
            Got::Text("second".into()),
            Got::Text("3rd".into()),
        ];
        let begun = [0, 5, 13].iter().filter(|start| taken > **start).count();
        messages.insert(begun, Got::Pong(b"?".into()));
        assert_eq!(pair.client.got, messages, "{taken} bytes were taken");
    }
}

#[test]
fn a_violation_and_a_full_wire_end_too() {
    let mut pair = pair();
    pair.stall(Server);
    pair.inject(Client, &[0xFF]);
    pair.deliver(Client);
    assert_eq!(pair.server.shutdown(), Shutdown::NotYet); // the Close is not written
    pair.pass(secs(10));
    assert_eq!(pair.server.end, Some(End::Dead(TimedOut::Close)));
}

#[test]
fn sending_into_a_closing_connection_is_refused_and_changes_nothing() {
    let mut pair = pair();
    pair.close(Client, normal()).unwrap();
    assert_eq!(pair.send(Client, "late"), Err(SendError::Closed));
    assert_eq!(pair.ping(Client, b""), Err(SendError::Closed));
    assert_eq!(pair.close(Client, None), Err(SendError::Closed));
    pair.exchange();
    assert_eq!(pair.ends(), CLEAN);
    assert_eq!(pair.server.messages().count(), 0);
}
