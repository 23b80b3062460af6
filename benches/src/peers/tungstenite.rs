//! tungstenite.

use std::hint::black_box;

use bytes::Bytes;
use tungstenite::Message;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::protocol::{self, WebSocket};
use ws_proto::Role;

use super::wire::Wire;
use crate::Way;
use crate::feed::Feed;

const NAME: &str = "tungstenite";

pub(crate) fn receiving(feed: &Feed) -> Way<'_> {
    let mut socket = WebSocket::from_raw_socket(Wire::new(feed), protocol::Role::Server, None);
    Way::batch(NAME, feed.frames(), move || {
        let mut left = feed.messages();
        while left > 0 {
            let message = socket.read().expect("a client's frames");
            if let Message::Binary(_) | Message::Text(_) = black_box(message) {
                left -= 1;
            }
        }
    })
}

pub(crate) fn sending(role: Role, payloads: &[Vec<u8>]) -> Way<'static> {
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let mut socket = WebSocket::from_raw_socket(Wire::mute(), role, None);
    let messages: Vec<Bytes> = payloads.iter().cloned().map(Bytes::from).collect();
    Way::batch(NAME, messages.len(), move || {
        for message in &messages {
            let message = Message::Binary(message.clone());
            socket.write(message).expect("room, and open");
        }
        socket.flush().expect("a wire that takes all");
    })
}

/// Without a socket: as it does in one call that also makes its buffers.
pub(crate) fn answering(feed: &Feed) -> Way<'_> {
    let mut out = Vec::new();
    Way::new(NAME, move || {
        let parsed = Request::try_parse(feed.nth(0)).expect("a request");
        let (_, request) = parsed.expect("a whole request");
        let response = create_response(&request).expect("a request to upgrade");
        out.clear();
        write_response(&mut out, &response).expect("memory");
        black_box((&request, &out[..]));
    })
}
