//! fastwebsockets.

use std::hint::black_box;

use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, WebSocket};
use ws_proto::Role;

use super::wire::{Wire, at_once};
use crate::Way;
use crate::feed::Feed;

const NAME: &str = "fastwebsockets";

pub(crate) fn receiving(feed: &Feed) -> Way<'_> {
    let socket = WebSocket::after_handshake(Wire::new(feed), fastwebsockets::Role::Server);
    let mut socket = FragmentCollector::new(socket);
    Way::batch(NAME, feed.frames(), move || {
        let mut left = feed.messages();
        while left > 0 {
            let frame = at_once(socket.read_frame()).expect("a client's frames");
            if let OpCode::Binary | OpCode::Text = black_box(frame).opcode {
                left -= 1;
            }
        }
    })
}

pub(crate) fn sending(role: Role, payloads: &[Vec<u8>]) -> Way<'_> {
    let role = match role {
        Role::Server => fastwebsockets::Role::Server,
        Role::Client => fastwebsockets::Role::Client,
    };
    let mut socket = WebSocket::after_handshake(Wire::mute(), role);
    Way::batch(NAME, payloads.len(), move || {
        for payload in payloads {
            let frame = Frame::binary(Payload::Borrowed(payload));
            at_once(socket.write_frame(frame)).expect("open");
        }
        at_once(socket.flush()).expect("a wire that takes all");
    })
}
