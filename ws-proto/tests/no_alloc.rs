//! *No alloc*: a whole conversation, handshake to close, on the stack. Without the feature `alloc`
//! nothing at all is allocated; with it, the slots for control frames and a client's keys are
//! boxed, and everything else is as before.

use ws_proto::handshake::{Key, Offer, Request, Scan};
use ws_proto::{
    Close, CloseCode, Connection, Event, Kind, Limits, Message, Part, Shutdown, Transmit,
};
use ws_testkit::counting::{Counting, Usage, usage};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes on their way, on the stack.
struct Wire {
    bytes: [u8; 2048],
    len: usize,
}

impl Wire {
    const fn new() -> Self {
        Self {
            bytes: [0; 2048],
            len: 0,
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn drop_first(&mut self, len: usize) {
        self.bytes.copy_within(len..self.len, 0);
        self.len -= len;
    }

    fn send(&mut self, from: &mut Connection, message: Message<'_>) {
        self.len += from
            .send(message, &mut self.bytes[self.len..])
            .expect("room, and open");
    }

    /// A message in two fragments, the payload written by the caller.
    fn send_in_two(&mut self, from: &mut Connection, text: &str) {
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        for (payload, part) in [(first, Part::More), (second, Part::Last)] {
            let header = from
                .begin(Kind::Text, payload.len() as u64, part)
                .expect("open");
            self.put(header.encode().as_ref());
            let at = self.len;
            self.put(payload);
            if let Some(mask) = header.mask() {
                let _ = mask.apply(&mut self.bytes[at..self.len]);
            }
        }
    }

    fn flush(&mut self, from: &mut Connection) {
        while let Some(control) = from.poll_transmit() {
            self.put(control.as_ref());
        }
    }
}

/// What one end saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    messages: u32,
    pieces: u32,
    bytes: usize,
    pings: u32,
    pongs: u32,
    closes: u32,
}

/// Receives all that is on the wire, `portion` bytes more at a time.
fn receive(to: &mut Connection, wire: &mut Wire, portion: usize, tally: &mut Tally) {
    let mut until = 0;
    while until < wire.len {
        until = (until + portion).min(wire.len);
        loop {
            let received = to.receive(&mut wire.bytes[..until]).expect("in order");
            let consumed = received.consumed;
            let more = received.event.is_some();
            match received.event {
                Some(Event::Message(message)) => {
                    tally.messages += 1;
                    tally.bytes += message.as_bytes().len();
                }
                Some(Event::Chunk(chunk) | Event::Deflated(chunk)) => {
                    tally.pieces += u32::from(chunk.part == Part::Last);
                    tally.bytes += chunk.payload.len();
                }
                Some(Event::Ping(_)) => tally.pings += 1,
                Some(Event::Pong(_)) => tally.pongs += 1,
                Some(Event::Close(_)) => tally.closes += 1,
                None => {}
            }
            wire.drop_first(consumed);
            until -= consumed;
            if !more {
                break;
            }
        }
    }
    assert_eq!(wire.len, 0);
}

fn handshake(to_server: &mut Wire, to_client: &mut Wire) {
    let limits = Limits::default();
    let key = Key::new(*b"the sample nonce");
    let offer = Offer::new("example.com", "/chat").expect("valid");
    let offer = offer.protocols(&["chat"]).expect("valid");
    to_server.len = offer.encode(&key, &mut to_server.bytes).expect("room");

    let input = &to_server.bytes[..to_server.len];
    let (request, len) = Request::parse_prefix(&mut Scan::new(), input, &limits)
        .expect("in order")
        .expect("whole");
    let accept = request.accept().expect("a handshake");
    let accept = accept.protocol("chat").expect("it was offered");
    to_client.len = accept.encode(&mut to_client.bytes).expect("room");
    to_server.drop_first(len);

    let input = &to_client.bytes[..to_client.len];
    let (response, len) = offer
        .verify(&key, &mut Scan::new(), input, &limits)
        .expect("in order")
        .expect("whole");
    assert_eq!(response.protocol(), Some("chat"));
    to_client.drop_first(len);
}

/// Two peers from the handshake to the end of the stream; what each saw.
fn conversation(portion: usize) -> (Tally, Tally) {
    let (mut to_server, mut to_client) = (Wire::new(), Wire::new());
    handshake(&mut to_server, &mut to_client);

    let limits = Limits::default();
    let mut server = Connection::server(&limits);
    let mut client = Connection::client(&limits, [5; 32]);
    let (mut at_server, mut at_client) = (Tally::default(), Tally::default());
    for round in 0..3 {
        to_server.send(&mut client, Message::Text("Hello, κόσμε"));
        to_server.send(&mut client, Message::Binary(&[round; 300]));
        to_server.send_in_two(&mut client, "in two pieces");
        client.ping(b"from the client").expect("open");
        to_server.flush(&mut client);
        receive(&mut server, &mut to_server, portion, &mut at_server);

        server.ping(b"from the server").expect("open");
        to_client.flush(&mut server);
        to_client.send(&mut server, Message::Text("and back"));
        to_client.send_in_two(&mut server, "in two pieces");
        receive(&mut client, &mut to_client, portion, &mut at_client);
        to_server.flush(&mut client);
        receive(&mut server, &mut to_server, portion, &mut at_server);
    }
    let close = Close::new(CloseCode::NORMAL, "done").expect("short");
    client.close(Some(close)).expect("open");
    to_server.flush(&mut client);
    receive(&mut server, &mut to_server, portion, &mut at_server);
    to_client.flush(&mut server);
    assert_eq!(server.shutdown(), Shutdown::Write);
    server.write_shut();
    assert_eq!(server.shutdown(), Shutdown::Drain);
    receive(&mut client, &mut to_client, portion, &mut at_client);
    assert_eq!(client.shutdown(), Shutdown::AwaitPeer);
    assert_eq!(client.receive_eof(), Ok(()));
    assert_eq!(client.shutdown(), Shutdown::Now);
    (at_server, at_client)
}

#[test]
fn no_alloc_a_whole_conversation_on_the_stack() {
    for portion in [1, 3, 50, 2048] {
        let ((at_server, at_client), usage) = usage(|| conversation(portion));
        let Usage { calls, peak, .. } = usage;
        if cfg!(feature = "alloc") {
            // 2 × 3 Pings and as many Pongs, two Closes, the keys and those that were made: each in
            // its box, and never more than a few at once.
            assert!(calls <= 6 + 6 + 2 + 2 && peak <= 1024, "{usage:?}");
        } else {
            assert_eq!((calls, peak), (0, 0));
        }
        assert_eq!(
            (at_server.pings, at_server.pongs, at_server.closes),
            (3, 3, 1)
        );
        assert_eq!(
            (at_client.pings, at_client.pongs, at_client.closes),
            (3, 3, 1)
        );
        assert_eq!(at_server.messages + at_server.pieces, 9);
        assert_eq!(at_client.messages + at_client.pieces, 6);
        assert_eq!(at_server.bytes, 3 * ("Hello, κόσμε".len() + 300 + 13));
        assert_eq!(at_client.bytes, 3 * (8 + 13));
    }
}

/// What breaks the rules is told without an allocator too.
#[test]
fn no_alloc_an_error_and_its_close() {
    let (transmit, usage) = usage(|| {
        let mut server = Connection::server(&Limits::default());
        assert!(server.receive(&mut [0x83]).is_err());
        server.poll_transmit()
    });
    let first = transmit.as_ref().map(|close: &Transmit| close.as_ref()[0]);
    assert_eq!(first, Some(0x88));
    assert_eq!(usage.calls, usize::from(cfg!(feature = "alloc")));
}

/// The counter counts: or the tests above would prove nothing.
#[test]
fn the_allocator_counts() {
    let (bytes, usage) = usage(|| vec![0_u8; 1000]);
    assert_eq!((usage.calls, usage.peak), (1, bytes.len()));
}
