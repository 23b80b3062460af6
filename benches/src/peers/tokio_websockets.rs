//! tokio-websockets.

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream as _;
use futures_sink::Sink as _;
use tokio_websockets::{ClientBuilder, Message, ServerBuilder};
use ws_proto::Role;

use super::wire::{Wire, at_once};
use crate::Way;
use crate::feed::Feed;

const NAME: &str = "tokio-websockets";

pub(crate) fn receiving(feed: &Feed) -> Way<'_> {
    let mut socket = ServerBuilder::new().serve(Wire::new(feed));
    Way::batch(NAME, feed.frames(), move || {
        let mut left = feed.messages();
        while left > 0 {
            let message = at_once(poll_fn(|context| Pin::new(&mut socket).poll_next(context)));
            let message = message.expect("a wire without end");
            let message = black_box(message.expect("a client's frames"));
            if message.is_binary() || message.is_text() {
                left -= 1;
            }
        }
    })
}

pub(crate) fn sending(role: Role, payloads: &[Vec<u8>]) -> Way<'static> {
    let wire = Wire::mute();
    let mut socket = match role {
        Role::Server => ServerBuilder::new().serve(wire),
        Role::Client => ClientBuilder::new().take_over(wire),
    };
    let messages: Vec<Bytes> = payloads.iter().cloned().map(Bytes::from).collect();
    Way::batch(NAME, messages.len(), move || {
        let mut socket = Pin::new(&mut socket);
        for message in &messages {
            let ready = at_once(poll_fn(|context| socket.as_mut().poll_ready(context)));
            ready.expect("a wire that takes all");
            let message = Message::binary(message.clone());
            socket.as_mut().start_send(message).expect("open");
        }
        let flushed = at_once(poll_fn(|context| socket.as_mut().poll_flush(context)));
        flushed.expect("a wire that takes all");
    })
}

/// With a socket, and so with its buffers.
pub(crate) fn answering(feed: &Feed) -> Way<'_> {
    let server = ServerBuilder::new();
    Way::new(NAME, move || {
        let accepted = at_once(server.accept(Wire::new(feed)));
        black_box(accepted.expect("a request to upgrade"));
    })
}
