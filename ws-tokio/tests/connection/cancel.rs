//! Every method can be dropped at every point at which it waits: nothing is lost, nothing comes twice.

use crate::common::{End, pair_over, polled};
use ws_testkit::Random;
use ws_tokio::{CloseCode, Config, Error, Message, MessageBuf};

/// How many messages go each way.
const MESSAGES: usize = 3000;

/// How many calls of each kind are dropped at least while they wait.
const DROPPED: usize = 10_000;

/// How many calls were dropped while they waited, by their method.
#[derive(Debug, Default)]
struct Dropped {
    recv: usize,
    send: usize,
    flush: usize,
    close: usize,
}

impl Dropped {
    fn add(&mut self, more: &Self) {
        self.recv += more.recv;
        self.send += more.send;
        self.flush += more.flush;
        self.close += more.close;
    }
}

/// The message of this number: its number, and as many bytes more as it says.
fn message(number: usize) -> String {
    format!("{number}:{}", "x".repeat(number % 41))
}

/// Receives all messages of the peer, in order, through calls that are dropped again and again.
async fn receive(ws: &mut End, random: &mut Random) -> Dropped {
    let mut dropped = Dropped::default();
    let mut next = 0;
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
            None => dropped.recv += 1,
        }
    }
    dropped
}

/// Sends all messages through calls that are dropped again and again.
async fn send(ws: &mut End, random: &mut Random) -> Dropped {
    let mut dropped = Dropped::default();
    let mut next = 0;
    while next < MESSAGES {
        let text = message(next);
        let polls = 1 + random.below(3);
        match random.below(4) {
            // It is queued when it returns, and not before.
            0 => match polled(polls, ws.feed(&text)).await {
                Some(fed) => next += fed.map(|()| 1).unwrap(),
                None => dropped.send += 1,
            },
            1 => match polled(polls, ws.flush()).await {
                Some(flushed) => flushed.unwrap(),
                None => dropped.flush += 1,
            },
            // There is room: it is queued at the first poll.
            _ if ws.has_room() => {
                next += 1;
                match polled(polls, ws.send(&text)).await {
                    Some(sent) => sent.unwrap(),
                    None => dropped.send += 1,
                }
            }
            // There is none, and it is dropped before there is: it was not queued.
            _ => match polled(1, ws.send(&text)).await {
                Some(sent) => next += sent.map(|()| 1).unwrap(),
                None if ws.has_room() => panic!("nobody knows whether it was queued"),
                None => dropped.send += 1,
            },
        }
    }
    while polled(1 + random.below(3), ws.flush()).await.is_none() {
        dropped.flush += 1;
    }
    dropped
}

/// Closes a connection through calls that are dropped again and again, until one returns.
async fn close(ws: &mut End, code: CloseCode, random: &mut Random) -> Dropped {
    let mut dropped = Dropped::default();
    while polled(1 + random.below(2), ws.close(code, "done"))
        .await
        .is_none()
    {
        dropped.close += 1;
        // The peer may be in another task.
        if random.below(2) == 0 {
            tokio::task::yield_now().await;
        }
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
    let mut dropped = Dropped::default();
    for seed in 0..4 {
        let (mut client, mut server) = pair_over(7, &narrow());
        let sending = tokio::spawn(async move {
            let dropped = send(&mut client, &mut Random::new(seed)).await;
            (client, dropped)
        });
        dropped.add(&receive(&mut server, &mut Random::new(seed + 100)).await);
        let (mut client, by_client) = sending.await.unwrap();
        dropped.add(&by_client);

        // The other way, over the same connection.
        let sending = tokio::spawn(async move {
            let dropped = send(&mut server, &mut Random::new(seed + 200)).await;
            (server, dropped)
        });
        dropped.add(&receive(&mut client, &mut Random::new(seed + 300)).await);
        let (mut server, by_server) = sending.await.unwrap();
        dropped.add(&by_server);

        // And the end, from both sides.
        let closing = tokio::spawn(async move {
            close(&mut server, CloseCode::NORMAL, &mut Random::new(seed)).await;
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
    assert!(dropped.recv >= DROPPED && dropped.send >= DROPPED && dropped.flush >= DROPPED);
}

/// The Close leaves once, after what was queued before it, and its answer is waited for.
#[tokio::test]
async fn a_close_that_is_dropped_is_sent_once_and_answered() {
    let mut random = Random::new(11);
    let (mut dropped, mut connections) = (0, 0_usize);
    while dropped < DROPPED {
        let (mut client, mut server) = pair_over(7, &narrow());
        let code = [CloseCode::NORMAL, CloseCode::GOING_AWAY][connections % 2];
        let text = message(connections);
        let both = connections.is_multiple_of(3);
        let peering = tokio::spawn(async move {
            let first = server.recv_owned().await.unwrap();
            let last = match both {
                // It closes, too, at about the same time.
                true => server.close(CloseCode::NORMAL, "done").await,
                false => server.recv().await.map(|last| assert_eq!(last, None)),
            };
            last.unwrap();
            (first, server.peer_close())
        });
        client.feed(&text).await.unwrap();
        dropped += close(&mut client, code, &mut random).await.close;
        let (first, their_end) = peering.await.unwrap();
        assert_eq!(first, Some(MessageBuf::Text(text)));
        assert_eq!(their_end, Some((code, "done".into())));
        assert!(client.peer_close().is_some());
        assert_eq!(client.recv().await.unwrap(), None);
        connections += 1;
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
    assert!(echoing.await.unwrap() >= DROPPED && dropped >= DROPPED);
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
