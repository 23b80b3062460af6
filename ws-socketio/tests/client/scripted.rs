//! What the client does with a server that says what a test wants.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::ours::leave;
use crate::client_common::{log, note, soon};
use tokio::net::TcpListener;
use ws_socketio::Limits;
use ws_socketio::client::{Client, ConnectError, Transports};
use ws_socketio::sio_proto::Violation;
use ws_tokio::{CloseCode, Message};

/// One that opens each session, and does with each message of it what `act` does.
async fn scripted<F, Acting>(act: F) -> Client
where
    F: Fn(ws_tokio::WebSocket<tokio::net::TcpStream>) -> Acting + Clone + Send + Sync + 'static,
    Acting: Future<Output = Result<(), ws_tokio::Error>> + Send + 'static,
{
    const OPEN: &str =
        r#"0{"sid":"S","upgrades":[],"pingInterval":300000,"pingTimeout":1,"maxPayload":1000000}"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = move |mut ws: ws_tokio::WebSocket<tokio::net::TcpStream>, _| {
        let act = act.clone();
        async move {
            ws.send(OPEN).await?;
            act(ws).await
        }
    };
    tokio::spawn(ws_tokio::serve(listener, handler));
    Client::new(format!("http://{address}"))
        .transports(Transports::WebSocket)
        .reconnect_after(Duration::ZERO)
}

/// Why a client gives up that a server lets in, after which that is all it hears.
async fn after(frames: &'static [&'static str]) -> String {
    let client = scripted(move |mut ws| async move {
        ws.recv().await?;
        for frame in frames {
            ws.send(*frame).await?;
        }
        while ws.recv().await?.is_some() {}
        Ok(())
    });
    let (failed, mut errors) = log();
    let client = client.await.attempts(0);
    let client = client.on_disconnect("/", move |_, why| note(&failed, why));
    let io = match soon(client.connect()).await {
        Ok(io) => io,
        Err(error) => return error.to_string(),
    };
    let error = soon(io.wait()).await.unwrap_err();
    let why = soon(errors.recv()).await.unwrap();
    format!("{error}; {why}")
}

#[tokio::test]
async fn a_server_that_breaks_the_rules_is_left_and_the_rule_named() {
    let table: [(&'static [&'static str], &str); 5] = [
        (
            &["40"],
            "the server broke the protocol: the server speaks an earlier revision of Socket.IO",
        ),
        (
            &["4?"],
            "the server broke the protocol: unknown packet type",
        ),
        (&["9"], "the session ended: unknown packet type"),
        (&["5"], "the session ended: packet in the wrong direction"),
        (
            &[r#"40{"sid":"s"}"#, r#"450-["e"]"#],
            "the server broke the protocol: ",
        ),
    ];
    for (frames, said) in table {
        let why = after(frames).await;
        assert!(why.starts_with(said), "{frames:?}: {why}");
    }
}

#[tokio::test]
async fn a_server_of_an_earlier_revision_is_not_asked_again() {
    let client = scripted(async |mut ws| {
        ws.send("40").await?;
        while ws.recv().await?.is_some() {}
        Ok(())
    });
    let io = client.await.start().unwrap();
    let error = soon(io.wait()).await.unwrap_err();
    assert!(
        matches!(&*error, ConnectError::Protocol(Violation::EarlierRevision)),
        "{error}"
    );
}

#[tokio::test]
async fn a_policy_is_the_same_the_next_time_and_any_other_close_is_none() {
    for (code, again) in [(CloseCode::POLICY, false), (CloseCode::NORMAL, true)] {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let client = scripted(move |mut ws| {
            let asked = Arc::clone(&count);
            async move {
                ws.recv().await?;
                ws.send(r#"40{"sid":"s"}"#).await?;
                if asked.fetch_add(1, Ordering::Relaxed) == 0 {
                    return ws.close(code, "").await;
                }
                while ws.recv().await?.is_some() {}
                Ok(())
            }
        });
        let (joined, mut joins) = log();
        let client = client.await.on_connect("/", move |_| note(&joined, ()));
        let io = client.start().unwrap();
        soon(joins.recv()).await.unwrap();
        if again {
            soon(joins.recv()).await.unwrap();
            leave(io).await;
        } else {
            let error = soon(io.wait()).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the server closed the WebSocket with {code}")
            );
            assert_eq!(asked.load(Ordering::Relaxed), 1);
        }
    }
}

#[tokio::test]
async fn a_packet_over_the_limit_ends_the_session() {
    let client = scripted(async |mut ws| {
        ws.recv().await?;
        ws.send(r#"40{"sid":"s"}"#).await?;
        ws.send(&format!(r#"42["e","{}"]"#, "x".repeat(1000)))
            .await?;
        while ws.recv().await?.is_some() {}
        Ok(())
    });
    let mut limits = Limits::default();
    limits.max_packet = 1000;
    let client = client.await.limits(limits).attempts(0);
    let io = soon(client.connect()).await.unwrap();
    let error = soon(io.wait()).await.unwrap_err();
    assert!(error.to_string().contains("1000 bytes"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_for_a_namespace_is_given_up() {
    let client = scripted(async |mut ws| {
        while let Some(message) = ws.recv().await? {
            assert_eq!(message, Message::Text("40"));
        }
        Ok(())
    });
    let mut limits = Limits::default();
    limits.connect_timeout = Duration::from_millis(1);
    let error = soon(client.await.limits(limits).connect())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Protocol(Violation::ConnectTimeout)),
        "{error}"
    );
}

#[tokio::test]
async fn a_call_to_connect_that_is_dropped_leaves_no_connection() {
    let (ended, mut ends) = log();
    let client = scripted(move |mut ws| {
        let ended = ended.clone();
        async move {
            while ws.recv().await.is_ok_and(|message| message.is_some()) {
                ended.send("asked").unwrap();
            }
            ended.send("gone").unwrap();
            Ok(())
        }
    });
    let connecting = tokio::spawn(client.await.connect());
    assert_eq!(soon(ends.recv()).await, Some("asked"));
    connecting.abort();
    assert_eq!(soon(ends.recv()).await, Some("gone"));
}
