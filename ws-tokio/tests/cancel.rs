//! Every method can be dropped at every point at which it waits: nothing is lost, nothing comes twice.

mod common;

use common::{End, pair_over, polled};
use ws_testkit::Random;
use ws_tokio::{CloseCode, Config, Error, Message, MessageBuf};

/// How many messages go each way.
const MESSAGES: usize = 3000;

/// The message of this number: its number, and as many bytes more as it says.
fn message(number: usize) -> String {
    format!("{number}:{}", "x".repeat(number % 41))
}

/// Receives all messages of the peer, in order, through calls that are dropped again and again.
/// Returns how many were.
async fn receive(ws: &mut End, random: &mut Random) -> usize {
    let (mut next, mut dropped) = (0, 0);
    while next < MESSAGES {
        let polls = 1 + random.below(3);
        let received = match next % 2 {
            0 => polled(polls, ws.recv())
                .await
                .map(|got| got.map(|got| got.map(MessageBuf::from))),
            _ => polled(polls, ws.recv_owned()).await,
        };
        match received {
            Some(received) => {
                let received = received.unwrap().expect("a message");
                assert_eq!(received, MessageBuf::Text(message(next)));
                next += 1;
            }
            None => dropped += 1,
        }
    }
    dropped
}

/// Sends all messages through calls that are dropped again and again.
async fn send(ws: &mut End, random: &mut Random) -> usize {
    let (mut next, mut dropped) = (0, 0);
    while next < MESSAGES {
        let text = message(next);
        let polls = 1 + random.below(3);
        let sent = match random.below(3) {
            // It is queued when it returns, and not before.
            0 => polled(polls, ws.feed(&text))
                .await
                .map(|fed| next += fed.map(|()| 1).unwrap()),
            1 => polled(polls, ws.flush()).await.map(Result::unwrap),
            // There is room: it is queued at the first poll.
            _ if ws.has_room() => {
                next += 1;
                polled(polls, ws.send(&text)).await.map(Result::unwrap)
            }
            _ => None,
        };
        dropped += usize::from(sent.is_none());
    }
    while polled(1 + random.below(3), ws.flush()).await.is_none() {
        dropped += 1;
    }
    dropped
}

fn narrow() -> Config {
    let mut config = Config::default();
    // So that there often is no room.
    config.limits.max_unsent = 100;
    config
}

#[tokio::test]
async fn calls_that_are_dropped_lose_nothing_and_repeat_nothing() {
    for seed in 0..4 {
        let (mut client, mut server) = pair_over(7, &narrow());
        let sending = tokio::spawn(async move {
            let dropped = send(&mut client, &mut Random::new(seed)).await;
            (client, dropped)
        });
        let dropped_by_server = receive(&mut server, &mut Random::new(seed + 100)).await;
        let (mut client, dropped_by_client) = sending.await.unwrap();
        assert!(dropped_by_client > 1000 && dropped_by_server > 1000);

        // The other way, over the same connection.
        let sending = tokio::spawn(async move {
            send(&mut server, &mut Random::new(seed + 200)).await;
            server
        });
        receive(&mut client, &mut Random::new(seed + 300)).await;
        let mut server = sending.await.unwrap();

        // And the end, from both sides.
        let closing = tokio::spawn(async move {
            while polled(1, server.close(CloseCode::NORMAL, "done"))
                .await
                .is_none()
            {
                tokio::task::yield_now().await;
            }
            server
        });
        while polled(1, client.recv()).await.is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            client.peer_close(),
            Some((CloseCode::NORMAL, "done".into()))
        );
        // The answer to a Close has its code.
        let answer = closing.await.unwrap().peer_close();
        assert_eq!(answer, Some((CloseCode::NORMAL, String::new())));
    }
}

#[tokio::test]
async fn an_echo_whose_calls_are_dropped_answers_each_message_once() {
    let (client, mut server) = pair_over(7, &narrow());
    let echoing = tokio::spawn(async move {
        let mut random = Random::new(5);
        let mut dropped = 0;
        loop {
            match polled(1 + random.below(2), server.recv_reply()).await {
                Some(Ok(Some((message, mut reply)))) => reply.queue(message).unwrap(),
                Some(Ok(None)) => return dropped,
                Some(Err(error)) => panic!("{error}"),
                None => dropped += 1,
            }
        }
    });
    let (mut reader, writer) = client.split();
    let sending = tokio::spawn(async move {
        let mut random = Random::new(6);
        let mut next = 0;
        while next < MESSAGES {
            // A writer's message is queued at the first poll if there is room.
            if writer.has_room() {
                let _ = polled(1 + random.below(3), writer.send(&message(next))).await;
                next += 1;
            } else {
                let _ = polled(1 + random.below(3), writer.flush()).await;
            }
        }
        writer.close(CloseCode::NORMAL, "").unwrap();
    });
    let mut random = Random::new(7);
    let (mut next, mut dropped) = (0, 0);
    while next < MESSAGES {
        match polled(1 + random.below(2), reader.recv()).await {
            Some(received) => {
                let wanted = message(next);
                assert_eq!(received.unwrap(), Some(Message::Text(&wanted)));
                next += 1;
            }
            None => dropped += 1,
        }
    }
    sending.await.unwrap();
    assert_eq!(reader.recv().await.unwrap(), None);
    assert!(echoing.await.unwrap() > 1000 && dropped > 1000);
}

#[tokio::test]
async fn a_violation_is_answered_however_often_the_call_is_dropped() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    // A frame that is not masked; text that is no UTF-8, which only the message shows.
    for (frame, code) in [
        (&b"\x81\x02hi"[..], 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007_u16),
    ] {
        let (mut peer, server) = tokio::io::duplex(7);
        let mut server = ws_tokio::WebSocket::over(server, ws_tokio::Session::server(&narrow()));
        let peering = tokio::spawn(async move {
            peer.write_all(frame).await.unwrap();
            let mut answer = Vec::new();
            peer.read_to_end(&mut answer).await.unwrap();
            answer
        });
        let error = loop {
            if let Some(received) = polled(1, server.recv()).await {
                break received.unwrap_err();
            }
            tokio::task::yield_now().await;
        };
        let Error::Protocol(error) = error else {
            panic!("{error}");
        };
        assert_eq!(error.close_code().unwrap().get(), code);
        let answer = peering.await.unwrap();
        assert_eq!((answer[0], &answer[2..4]), (0x88, &code.to_be_bytes()[..]));
        // It is final.
        assert!(matches!(server.recv().await, Err(Error::Protocol(same)) if same == error));
    }
}
