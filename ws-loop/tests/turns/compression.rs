//! Compression on a loop: contexts are shared, and nothing of them stays.
#![cfg(feature = "deflate")]

use crate::support::{run, server};
use ws_loop::{Deflate, Message};
use ws_std::Client;

#[test]
fn compressed_messages_come_back_and_go_to_many() {
    let server = run(server().deflate(Deflate::default()));
    let mut all: Vec<_> = (0..30)
        .map(|_| {
            let client = Client::new(server.url("/room")).deflate(Deflate::default());
            client.connect().unwrap()
        })
        .collect();
    for _ in 0..30 {
        server.opened();
    }
    let text = "the same words, again and again; ".repeat(500);
    for round in 0..3 {
        all[round].send(&*text).unwrap();
        for ws in &mut all {
            assert_eq!(ws.recv().unwrap(), Some(Message::Text(&text)));
        }
    }
    let mut echo = Client::new(server.url("/"))
        .deflate(Deflate::default())
        .connect()
        .unwrap();
    for len in [10, 1500, 100_000] {
        let text = &text.repeat(10)[..len];
        echo.send(text).unwrap();
        assert_eq!(echo.recv().unwrap(), Some(Message::Text(text)));
    }
}
