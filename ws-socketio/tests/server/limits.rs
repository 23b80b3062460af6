//! What a client can make the server keep, and for how long: each limit, and its refusal.

use crate::common;
use std::time::Duration;

use crate::common::{Net, OK, UNKNOWN};
use bytes::Bytes;
use http::Request;
use http_body_util::{Empty, Full};
use tokio::sync::mpsc;
use ws_socketio::{
    EngineConfig, Limits, Namespace, Origins, Quota, Rate, Raw, Reason, Server, Socket, Transports,
    WhenFull,
};
use ws_tokio::{ConnectError, Message};

type Told = mpsc::UnboundedReceiver<Reason>;

/// A server, and why its sockets leave.
fn serve(
    settings: impl FnOnce(Server) -> Server,
    setup: impl FnOnce(&Namespace),
) -> (Net, ws_socketio::Handle, Told) {
    let (told, log) = mpsc::unbounded_channel();
    let io = settings(Server::new());
    let root = io.of("/");
    root.on("nothing", async |_: Socket| {})
        .disconnect(move |_: Socket, reason: Reason| {
            let told = told.clone();
            async move { told.send(reason).expect("somebody listens") }
        });
    setup(&root);
    let handle = io.handle();
    (Net(io.service()), handle, log)
}

fn plain(settings: impl FnOnce(Server) -> Server) -> (Net, Told) {
    let (net, _, told) = serve(settings, |_| {});
    (net, told)
}

fn status(refused: Result<common::Ws, ConnectError>) -> u16 {
    match refused {
        Err(ConnectError::Refused(response)) => response.status().as_u16(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it is open"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_given_up_after_an_interval_and_a_timeout() {
    let (net, mut told) = plain(|io| io);
    let start = tokio::time::Instant::now();
    let (mut ws, _) = net.join().await;
    assert_eq!(ws.next().await, "2");
    assert_eq!(start.elapsed().as_secs(), 25);
    ws.say("3").await;
    assert_eq!(ws.next().await, "2");
    assert_eq!(ws.next().await, "closed 1000");
    assert_eq!(start.elapsed().as_secs(), 70);
    assert_eq!(told.recv().await.unwrap().name(), "ping timeout");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_nothing_and_one_that_joins_nothing_are_given_up() {
    let (net, _) = plain(|io| io);
    let polling = net.poll().await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(polling.get().await.is(), UNKNOWN);
    let mut ws = net.open().await;
    assert_eq!(ws.next().await, "2");
    ws.say("3").await;
    assert_eq!(ws.next().await, "closed 1008");
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_does_not_take_over_is_hung_up_and_polling_goes_on() {
    let (net, _) = plain(|io| io);
    let polling = net.poll().await;
    polling.post("40").await;
    let mut ws = polling.upgrade().await.unwrap();
    ws.say("2probe").await;
    assert_eq!(ws.next().await, "3probe");
    assert_eq!(ws.next().await, "closed 1000");
    assert!(polling.get().await.body.starts_with("40{"));
    let mut ws = polling.upgrade().await.unwrap();
    ws.say("40").await;
    assert_eq!(ws.next().await, "closed 1000");
    // One while another is there opens, and is closed.
    let _first = polling.upgrade().await.unwrap();
    assert_eq!(polling.upgrade().await.unwrap().next().await, "closed 1008");
}

#[tokio::test(start_paused = true)]
async fn a_body_has_its_length_and_its_time() {
    let (net, _) = plain(|io| io.max_payload(100));
    for body in ["4".repeat(101), format!("4{}", "x".repeat(1000))] {
        let polling = net.poll().await;
        assert_eq!(polling.post(body).await.is(), (413, ""));
        assert_eq!(polling.get().await.is(), UNKNOWN);
    }
    // One that does not say how long it is.
    let polling = net.poll().await;
    let (piece, pieces) = mpsc::channel(4);
    for _ in 0..3 {
        piece.send(Bytes::from_static(&[b'4'; 40])).await.unwrap();
    }
    assert_eq!(
        net.post_slowly(&polling.query, pieces).await.is(),
        (413, "")
    );
    // One that does not come.
    let polling = net.poll().await;
    let (_piece, pieces) = mpsc::channel(4);
    let start = tokio::time::Instant::now();
    assert_eq!(
        net.post_slowly(&polling.query, pieces).await.is(),
        (408, "")
    );
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(polling.get().await.is(), UNKNOWN);
    // By WebSocket it is a message.
    let mut ws = net.open().await;
    ws.say(&"4".repeat(101)).await;
    assert_eq!(ws.next().await, "closed 1009");
}

#[tokio::test]
async fn requests_that_are_none_of_engine_io_are_refused() {
    let (net, _) = plain(|io| io);
    let polling = net.poll().await;
    for (query, code) in [
        ("", 0),
        ("&transport=polling&sid=short", 1),
        ("&transport=polling&j=0", 3),
    ] {
        let answer = net.get(query).await;
        assert_eq!(answer.status, 400);
        assert!(
            answer.body.starts_with(&format!("{{\"code\":{code},")),
            "{}",
            answer.body
        );
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let put = Request::put(format!("{}{}", common::BASE, "&transport=polling"));
    let answer = net.send(put.body(Empty::new()).unwrap()).await;
    assert!(answer.body.starts_with("{\"code\":2,"), "{}", answer.body);
    let elsewhere = Request::get("/elsewhere").body(Empty::new()).unwrap();
    assert_eq!(net.send(elsewhere).await.status, 404);
    let octets = Request::post(format!("{}{}", common::BASE, polling.query));
    let octets = octets.header("content-type", "application/octet-stream");
    let answer = net
        .send(octets.body(Full::new(Bytes::from("40"))).unwrap())
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(polling.get().await.is(), UNKNOWN);
    let unknown = net.websocket("&sid=AAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(status(unknown), 400);
}

#[tokio::test]
async fn bodies_that_are_no_payload_end_the_session() {
    let (net, _) = plain(|io| io);
    for body in ["", "\u{1e}40", "b***", "5", "9"] {
        let polling = net.poll().await;
        assert_eq!(polling.post(body).await.status, 400, "{body:?}");
        assert_eq!(polling.get().await.is(), UNKNOWN, "{body:?}");
    }
    let polling = net.poll().await;
    assert_eq!(polling.post(&b"4\xff"[..]).await.status, 400);
}

#[tokio::test]
async fn a_second_get_ends_the_session_and_both_are_answered() {
    let (net, _) = plain(|io| io);
    let polling = net.poll().await;
    let (a, b) = tokio::join!(polling.get(), polling.get());
    let mut answers = [a.is(), b.is()];
    answers.sort_unstable();
    assert_eq!(answers, [(200, "1"), (400, "")]);
    assert_eq!(polling.get().await.is(), UNKNOWN);
}

#[tokio::test]
async fn a_client_that_leaves_has_all_of_its_requests_answered() {
    let (net, _) = plain(|io| io);
    let polling = net.poll().await;
    let (get, post) = tokio::join!(polling.get(), polling.post("1"));
    assert_eq!((get.is(), post.is()), ((200, "6"), OK));
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_by_either_transport_unless_they_are_listed() {
    let from = |origin: &str, method: http::Method| {
        let uri = format!("{}&transport=polling", common::BASE);
        let request = Request::builder().method(method).uri(uri);
        let request = request.header("host", "a").header("origin", origin);
        request.body(Empty::<Bytes>::new()).unwrap()
    };
    let get = || http::Method::GET;
    let (net, _) = plain(|io| io);
    let evil = net.send(from("http://evil.example", get())).await;
    assert_eq!(evil.is(), (403, r#"{"code":4,"message":"Forbidden"}"#));
    assert!(!evil.headers.contains_key("access-control-allow-origin"));
    assert_eq!(net.send(from("http://a", get())).await.status, 200);

    let list = Origins::list(["https://good.example"]).unwrap();
    let (net, _) = plain(|io| io.origins(list).credentials());
    assert_eq!(net.send(from("http://a", get())).await.status, 403);
    let good = net.send(from("https://good.example", get())).await;
    assert_eq!(good.status, 200);
    assert_eq!(
        good.headers["access-control-allow-origin"],
        "https://good.example"
    );
    assert_eq!(good.headers["access-control-allow-credentials"], "true");
    let asked = net
        .send(from("https://good.example", http::Method::OPTIONS))
        .await;
    assert_eq!(asked.is(), (204, ""));
    assert_eq!(asked.headers["access-control-allow-methods"], "GET, POST");

    let (net, _) = plain(|io| io.origins(Origins::any()));
    let any = net.send(from("http://evil.example", get())).await;
    assert_eq!(any.headers["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn a_server_may_have_one_transport_only() {
    let (net, _) = plain(|io| io.transports(Transports::WebSocket));
    assert_eq!(net.get("&transport=polling").await.status, 400);
    net.join().await;
    let (net, _) = plain(|io| io.transports(Transports::Polling));
    assert!(
        net.get("&transport=polling")
            .await
            .body
            .contains("\"upgrades\":[]")
    );
    assert_eq!(status(net.websocket("").await), 400);
}

#[tokio::test]
async fn sessions_are_counted_and_those_in_no_namespace_give_way() {
    let mut quota = Quota::default();
    quota.connections = 2;
    quota.openings = Some(1);
    let (net, _) = plain(|io| io.quota(quota));
    let mut idle = net.open().await;
    let mut next = net.open().await;
    assert_eq!(idle.next().await, "closed 1013");
    next.say("40").await;
    next.next().await;
    let (_second, _) = net.join().await;
    assert_eq!(net.get("&transport=polling").await.status, 503);
    assert_eq!(status(net.websocket("").await), 503);
}

#[tokio::test]
async fn packets_namespaces_and_attachments_are_counted() {
    let mut limits = Limits::default();
    limits.max_attachments = 2;
    limits.max_namespaces = 2;
    for (wrong, first) in [
        (r#"453-["x",{"_placeholder":true,"num":0}]"#, "40"),
        ("40", "40"),
        (r#"42/x,["x"]"#, "40"),
        (r#"42["x"]"#, "2"),
    ] {
        let (net, _) = plain(|io| io.limits(limits));
        let mut ws = net.open().await;
        if first == "40" {
            ws.say("40").await;
            ws.next().await;
        }
        ws.say(wrong).await;
        assert_eq!(ws.next().await, "closed 1008", "{wrong}");
    }
    let (net, _) = plain(|io| io.limits(limits));
    let (mut ws, _) = net.join().await;
    for name in ["/a", "/b"] {
        ws.say(&format!("40{name},")).await;
    }
    // The second is refused as unknown, and not remembered; a third is never too many.
    assert!(ws.next().await.starts_with("44/a,"));
    assert!(ws.next().await.starts_with("44/b,"));
}

#[tokio::test(start_paused = true)]
async fn events_are_read_at_their_rate_and_nobody_is_closed_for_more() {
    let rate = Rate {
        per_second: 10,
        burst: 5,
    };
    let (net, _) = plain(|io| io.rate(rate));
    let (mut ws, _) = net.join().await;
    let start = tokio::time::Instant::now();
    for id in 0..25 {
        ws.say(&format!("42{id}[\"nothing\"]")).await;
    }
    for id in 0..25 {
        assert_eq!(ws.next().await, format!("43{id}[]"));
    }
    let took = start.elapsed().as_millis();
    assert!((1900..2300).contains(&took), "{took} ms");
    // The same by polling: the body is read on later.
    let polling = net.poll().await;
    polling.post("40").await;
    let start = tokio::time::Instant::now();
    let events = vec!["42[\"nothing\"]"; 25].join("\u{1e}");
    assert_eq!(polling.post(events).await.is(), OK);
    let took = start.elapsed().as_millis();
    assert!((1900..2300).contains(&took), "{took} ms");
}

#[tokio::test]
async fn events_that_wait_for_their_handlers_are_bounded_and_not_lost() {
    let (go, gate) = tokio::sync::watch::channel(false);
    let (net, _, _) = serve(
        |io| io,
        |io| {
            // The first waits, and with it all that come after.
            io.on("wait", move |_: Socket, n: u32| {
                let mut gate = gate.clone();
                async move {
                    if n == 0 {
                        let open = gate.wait_for(|open| *open).await;
                        drop(open.map_err(|error| error.to_string())?);
                    }
                    Ok::<_, String>(n)
                }
            });
        },
    );
    let polling = net.poll().await;
    polling.post("40").await;
    polling.get().await;
    let events: Vec<_> = (0..300).map(|n| format!("42{n}[\"wait\",{n}]")).collect();
    let posting = polling.post(events.join("\u{1e}"));
    tokio::pin!(posting);
    // The body is not read to its end while 256 events wait: it cannot be answered yet.
    tokio::select! {
        biased;
        answer = &mut posting => panic!("{answer:?}"),
        () = async { for _ in 0..1000 { tokio::task::yield_now().await } } => {}
    }
    go.send(true).unwrap();
    assert_eq!(posting.await.is(), OK);
    let mut answers = Vec::new();
    while answers.len() < 300 {
        let body = polling.get().await.body;
        answers.extend(body.split('\u{1e}').map(String::from));
    }
    let expected: Vec<_> = (0..300).map(|n| format!("43{n}[{n}]")).collect();
    assert_eq!(answers, expected);

    // The same by WebSocket: it is read on when there is room.
    go.send(false).unwrap();
    let (mut ws, _) = net.join().await;
    for event in events {
        ws.say(&event).await;
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    go.send(true).unwrap();
    for answer in expected {
        assert_eq!(ws.next().await, answer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_is_not_read_is_given_up() {
    let (net, io, mut told) = serve(|io| io, |_| {});
    let (_ws, _) = net.join().await;
    let text = "x".repeat(100_000);
    while io.emit("news", &text).unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(told.recv().await, Some(Reason::TooSlow));
    assert_eq!(io.of("/").sockets().len(), 0);
}

#[tokio::test]
async fn a_client_that_takes_no_answers_is_not_read() {
    let (net, io, _) = serve(
        |io| io,
        |io| {
            io.on("echo", async |_: Socket, text: String| text);
        },
    );
    let (mut ws, _) = net.join().await;
    let text = "x".repeat(100_000);
    let mut asked = 0;
    // More than both ways hold together; a client that goes on is made to wait.
    let asking = async {
        for id in 0..100 {
            ws.say(&format!("42{id}[\"echo\",\"{text}\"]")).await;
            asked += 1;
        }
    };
    tokio::select! {
        biased;
        () = asking => panic!("everything was read"),
        () = async { for _ in 0..10_000 { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(io.of("/").sockets().len(), 1);
    assert!(asked < 50, "{asked}");
    for id in 0..asked {
        assert!(ws.next().await.starts_with(&format!("43{id}[")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_by_polling_that_joins_nothing_is_told_so() {
    let (net, _) = plain(|io| io);
    let start = tokio::time::Instant::now();
    let polling = net.poll().await;
    assert_eq!(polling.get().await.is(), (200, "2"));
    assert_eq!(polling.post("3").await.is(), OK);
    assert_eq!(polling.get().await.is(), (200, "1"));
    assert_eq!(start.elapsed().as_secs(), 45);
    // One that does not ask at that time hears it later.
    let polling = net.poll().await;
    assert_eq!(polling.get().await.is(), (200, "2"));
    assert_eq!(polling.post("3").await.is(), OK);
    tokio::time::sleep(Duration::from_secs(22)).await;
    assert_eq!(polling.get().await.is(), (200, "1"));
}

fn echo(session: &mut Raw<'_>, message: Message<'_>) {
    session.send(message).expect("it is open");
}

#[tokio::test(start_paused = true)]
async fn an_engine_alone_asks_for_no_namespace() {
    let (net, _) = plain(|io| io.raw(echo));
    let mut ws = net.open().await;
    for _ in 0..4 {
        assert_eq!(ws.next().await, "2");
        ws.say("3").await;
    }
    ws.say("4hello").await;
    assert_eq!(ws.next().await, "4hello");
}

#[tokio::test]
async fn a_member_that_reads_nothing_is_disconnected_or_misses_events_as_is_chosen() {
    for (when_full, stays) in [(WhenFull::Disconnect, false), (WhenFull::Drop, true)] {
        let mut engine = EngineConfig::default();
        engine.max_unsent = 1000;
        let settings = |io: Server| io.engine(engine).when_full(when_full);
        let (net, io, _) = serve(settings, |_| {});
        let polling = net.poll().await;
        polling.post("40").await;
        polling.get().await;
        let text = "x".repeat(600);
        let got: Vec<_> = (0..4).map(|_| io.emit("news", &text).unwrap()).collect();
        assert_eq!(got, [1, 1, 0, 0]);
        let socket = io.of("/").sockets().pop();
        let answer = polling.get().await;
        assert_eq!(answer.body.ends_with('1'), !stays, "{}", answer.body);
        assert_eq!(socket.is_some_and(|socket| socket.is_connected()), stays);
    }
}

#[tokio::test]
async fn the_client_file_is_served_if_there_is_one() {
    let get = || {
        let request = Request::get("/socket.io/socket.io.js");
        request.body(Empty::<Bytes>::new()).unwrap()
    };
    let (net, _) = plain(|io| io);
    assert_eq!(net.send(get()).await.status, 404);
    let (net, _) = plain(|io| io.client_file("io()"));
    assert_eq!(net.send(get()).await.is(), (200, "io()"));
}
