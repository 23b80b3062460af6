//! What a peer can make a connection keep, and what reading costs: counted by the allocator.

use sio_proto::engine::{Binary, Carrier, Config, Payload, Session, Sid, Transport};
use sio_proto::{Assembly, Connection, Event, Instant, Limits, Message, Packet};
use ws_testkit::counting::{Counting, usage};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// serde_json keeps a list of the brackets that are open within an argument: a byte for each.
#[test]
fn an_event_is_read_without_an_allocation_for_each_argument() {
    let many = format!(r#"2["many",{}0]"#, "0,".repeat(500_000));
    let nested = r#"2["nested",{"a":[1,{"b":2}]},[3]]"#;
    for (text, calls) in [(r#"2/chat,17["said","Ann"]"#, 0), (&many, 0), (nested, 1)] {
        let (packet, usage) = usage(|| Packet::decode(text, &[]));
        let Ok(Packet::Event { args, .. }) = packet else {
            panic!("{packet:?}");
        };
        assert!(!args.is_empty());
        assert_eq!(usage.calls, calls, "{usage:?}");
        assert_eq!(usage.kept, 0);
    }
}

#[test]
fn a_payload_is_read_without_an_allocation() {
    let body = ["4x"; 300_000].join("\u{1e}");
    let (packets, usage) = usage(|| Payload::decode(body.as_bytes(), 1 << 20).map(Iterator::count));
    assert_eq!(packets, Ok(300_000));
    assert_eq!(usage.calls, 0);
}

/// Nothing is kept for attachments that were only announced.
#[test]
fn a_promise_takes_no_memory() {
    let text = r#"564-["p"]"#;
    let mut assembly = Assembly::new(&Limits::default());
    let (packet, usage) = usage(|| {
        let packet = assembly.receive(Message::Text(text), Instant::default());
        packet.map(|packet| packet.is_none())
    });
    assert_eq!(packet, Ok(true));
    assert!(usage.peak <= text.len(), "{usage:?}");
}

/// What came of a packet is kept, and nothing of it when it was handed out and the next has come.
#[test]
fn a_packet_takes_what_came_of_it() {
    let now = Instant::default();
    let mut assembly = Assembly::new(&Limits::default());
    let attachment = vec![7; 100_000];
    let ((), usage) = usage(|| {
        for _ in 0..10 {
            let first = assembly.receive(Message::Text(r#"54-["p"]"#), now);
            assert_eq!(first, Ok(None));
            for last in [false, false, false, true] {
                let packet = assembly.receive(Message::Binary(&attachment), now);
                assert_eq!(packet.expect("a packet").is_some(), last);
            }
        }
        assembly.receive(Message::Text("0"), now).expect("a packet");
    });
    assert!(usage.peak < 4 * attachment.len() + 1000, "{usage:?}");
    assert_eq!(usage.kept, 0);
}

/// A kibibyte for a session and its connection, in one namespace, beside the WebSocket's own.
#[test]
fn an_idle_connection_takes_a_kibibyte() {
    let now = Instant::default();
    let (mut connected, usage) = usage(|| {
        let (sid, config) = (Sid::new([7; 15]), Config::default());
        let (by, binary) = (Transport::WebSocket, Binary::Bare);
        let mut session = Session::open(&sid, by, binary, Carrier(1), &config, now);
        let mut connection = Connection::server(&Limits::default(), now);
        let event = connection.receive(Message::Text("0"), now);
        assert!(matches!(event, Ok(Some(Event::Connect { .. }))));
        let accepted = connection.accept("/", "AAAAAAAAAAAAAAAAAAAA", None, &mut session);
        accepted.expect("it was asked for");
        while session.poll_transmit().is_some() {}
        (session, connection)
    });
    let (session, connection) = &mut connected;
    assert!(connection.is_joined("/") && session.unsent() == 0);
    let kept = usage.kept.cast_unsigned() + size_of_val(&connected);
    assert!(
        kept <= 1 << 10,
        "{kept} bytes, of them {} in place",
        size_of_val(&connected)
    );
}
