//! Socket.IO's packets and connections.

use std::time::Duration;

use sio_proto::engine::SendError;
use sio_proto::{Args, Connection, Encoded, Event, Header, Instant, Limits, Message, Packet, Sink};

/// A packet that is read can be written and read again, and passed on; and a connection of either
/// role stands any messages, keeping no more of them than its limits allow.
///
/// The input is messages, each of them ended by 0xFF; the first byte of each tells text from binary.
///
/// # Panics
///
/// If not.
pub fn socket_packets(input: &[u8]) {
    let mut limits = Limits::default();
    limits.max_packet = 1000;
    limits.max_attachments = 4;
    limits.max_namespaces = 4;
    limits.max_connecting = 2;
    let now = Instant::default();
    let mut server = Some(Connection::server(&limits, now));
    let mut client = Some(Connection::client(&limits));
    for namespace in ["/", "/a"] {
        let asked = client
            .as_mut()
            .expect("one")
            .connect(namespace, None, None, &mut Nowhere);
        asked.expect("a namespace");
    }
    for message in input.split(|byte| *byte == 0xFF) {
        let message = match message.split_first() {
            Some((1, bytes)) => Message::Binary(bytes),
            _ => match std::str::from_utf8(message) {
                Ok(text) => Message::Text(text),
                Err(_) => Message::Binary(message),
            },
        };
        if let Message::Text(text) = message {
            packet(text);
        }
        // Whoever broke the protocol is not listened to any longer.
        server = server.and_then(|server| listen(server, message, now));
        client = client.and_then(|client| listen(client, message, now));
    }
    for mut connection in [server, client].into_iter().flatten() {
        connection.close();
        while connection.unanswered().is_some() {}
        // A packet of which a part is missing is the only thing that is still due.
        let last = now.after(Duration::from_secs(1000));
        let _ = connection.check(last);
    }
}

/// A packet without attachments.
fn packet(text: &str) {
    let Ok(header) = Header::decode(text) else {
        assert!(Packet::decode(text, &[]).is_err());
        return;
    };
    let mut again = String::new();
    header.encode(&mut again);
    assert_eq!(Header::decode(&again), Ok(header));

    let Ok(packet) = Packet::decode(text, &[]) else {
        return;
    };
    assert_eq!(Packet::decode(&again, &[]).as_ref(), Ok(&packet));
    if let Packet::Event {
        namespace,
        id,
        name,
        args,
    } = &packet
    {
        let relayed = Encoded::relay(name, args).expect("the name was one");
        let (text, attachments) = relayed.packet(namespace, *id);
        let passed_on = Packet::decode(&text, attachments).expect("it was one");
        let Packet::Event { name: other, .. } = &passed_on else {
            panic!("{passed_on:?}");
        };
        assert_eq!(other, name);
        let Packet::Event { args: others, .. } = passed_on else {
            return;
        };
        assert_eq!(texts(&others), texts(args));
    }
}

fn texts<'a>(args: &Args<'a>) -> Vec<&'a str> {
    let texts = (0..args.len()).map(|index| args.json_at(index).expect("an argument"));
    texts.collect()
}

/// One message, answered as an application would.
fn listen(mut connection: Connection, message: Message<'_>, now: Instant) -> Option<Connection> {
    let (namespace, ack) = match connection.receive(message, now) {
        Err(_) => return None,
        Ok(None) => return Some(connection),
        Ok(Some(Event::Connect { namespace, .. })) => {
            let namespace = namespace.to_owned();
            let accepted = connection.accept(&namespace, "S", Some("P"), &mut Nowhere);
            accepted.expect("it was asked for");
            return Some(connection);
        }
        Ok(Some(Event::Event {
            namespace,
            args,
            ack: Some(ack),
            ..
        })) => {
            assert_eq!(texts(&args).len(), args.len());
            (namespace.to_owned(), ack)
        }
        Ok(Some(_)) => {
            while connection.early().is_some() {}
            return Some(connection);
        }
    };
    let answered = connection.answer(&namespace, ack, &Encoded::ack(), &mut Nowhere);
    answered.expect("it was joined");
    Some(connection)
}

/// Takes everything.
struct Nowhere;

impl Sink for Nowhere {
    fn put(&mut self, packet: &[Message<'_>]) -> Result<(), SendError> {
        assert!(packet[0].as_text().is_some());
        Ok(())
    }
}
