//! sockudo-ws: its protocol on the caller's buffers, which its sockets are built on.

use std::hint::black_box;

use bytes::BytesMut;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::{self, Message, Protocol};
use ws_proto::Role;

use crate::Way;
use crate::feed::Feed;

const NAME: &str = "sockudo-ws";

/// The longest frame and message.
const LONGEST: usize = 1 << 20;

pub(crate) fn receiving(feed: &Feed) -> Way<'_> {
    let mut protocol = Protocol::new(protocol::Role::Server, LONGEST, LONGEST);
    let (mut unread, mut messages) = (BytesMut::new(), Vec::new());
    let mut pongs = BytesMut::new();
    Way::batch(NAME, feed.frames(), move || {
        let mut left = feed.messages();
        for read in feed.reads() {
            unread.extend_from_slice(read);
            let processed = protocol.process_into(&mut unread, &mut messages);
            processed.expect("a client's frames");
            for message in messages.drain(..) {
                match black_box(message) {
                    Message::Ping(payload) => protocol.encode_pong(&payload, &mut pongs),
                    _ => left -= 1,
                }
            }
            black_box(&pongs[..]);
            pongs.clear();
        }
        assert_eq!(left, 0);
    })
}

pub(crate) fn sending(role: Role, payloads: &[Vec<u8>]) -> Way<'static> {
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let mut protocol = Protocol::new(role, LONGEST, LONGEST);
    let messages: Vec<Message> = payloads.iter().cloned().map(Message::binary).collect();
    let mut out = BytesMut::new();
    Way::batch(NAME, messages.len(), move || {
        for message in &messages {
            let encoded = protocol.encode_message(message, &mut out);
            encoded.expect("open");
        }
        black_box(&out[..]);
        out.clear();
    })
}

pub(crate) fn answering(feed: &Feed) -> Way<'_> {
    Way::new(NAME, move || {
        let parsed = parse_request(feed.nth(0)).expect("a request");
        let (request, _) = parsed.expect("a whole request");
        let key = generate_accept_key(request.key);
        black_box((&request, build_response(&key, None, None)));
    })
}
