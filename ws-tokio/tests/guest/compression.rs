//! Compression as it is agreed on: between ours, with the blocking adapter, and as a guest.
#![cfg(all(feature = "deflate", feature = "axum"))]

use std::time::Duration;

use axum::Router;
use axum::routing::any;
use tokio::net::TcpListener;
use ws_tokio::axum::WebSocketUpgrade;
use ws_tokio::{Client, CloseCode, Compress, Deflate, Error, Message, Server};

/// A server of ours, and one in axum, that compress.
async fn servers() -> [String; 2] {
    let server = Server::bind("127.0.0.1:0")
        .await
        .unwrap()
        .deflate(Deflate::default());
    let server = server.websocket("/", |mut ws, _| async move {
        while let Some((message, mut reply)) = ws.recv_reply().await? {
            reply.queue(message)?;
        }
        Ok::<_, Error>(())
    });
    let own = format!("ws://{}/", server.local_addr());
    tokio::spawn(server.run());

    let echo = |ws: WebSocketUpgrade| async {
        ws.deflate(Deflate::default()).on_upgrade(|ws| async {
            let (mut reader, writer) = ws.split();
            while let Ok(Some(message)) = reader.recv_owned().await {
                let _ = writer.send(&message).await;
            }
        })
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let guest = format!("ws://{}/", listener.local_addr().unwrap());
    let app = Router::new().route("/", any(echo));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    [own, guest]
}

#[tokio::test]
async fn messages_are_compressed_both_ways() {
    let long = "the same again and again, ".repeat(4000);
    for url in servers().await {
        let client = Client::new(&url).deflate(Deflate::default());
        let patience = Duration::from_secs(60);
        let mut clients = [
            client.connect().await.unwrap(),
            client.connect().await.unwrap(),
        ];
        for ws in &mut clients {
            let agreed = ws.headers().unwrap()["sec-websocket-extensions"]
                .to_str()
                .unwrap();
            assert!(agreed.starts_with("permessage-deflate"), "{agreed}");
        }
        for round in 0..3 {
            for ws in &mut clients {
                // One compresses for itself what goes, and the context goes to the other.
                ws.feed(&*long).await.unwrap();
                assert!(
                    ws.unsent_len() < long.len() / 20,
                    "{round}: {}",
                    ws.unsent_len()
                );
                let received = tokio::time::timeout(patience, ws.recv()).await.unwrap();
                assert_eq!(received.unwrap(), Some(Message::Text(&long)));
                ws.send_with(&*long, Compress::Never).await.unwrap();
                let received = tokio::time::timeout(patience, ws.recv()).await.unwrap();
                assert_eq!(received.unwrap(), Some(Message::Text(&long)));
            }
        }
        for ws in &mut clients {
            ws.close(CloseCode::NORMAL, "").await.unwrap();
        }
        // The blocking adapter agrees, too.
        let text = long.clone();
        let theirs = tokio::task::spawn_blocking(move || {
            let client = ws_std::Client::new(url).deflate(Deflate::default());
            let mut ws = client.connect().unwrap();
            ws.send(&text).unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Message::Text(&text)));
            ws.close(CloseCode::NORMAL, "").unwrap();
        });
        theirs.await.unwrap();
    }
}
