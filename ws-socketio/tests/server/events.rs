//! What the server does with events: arguments, answers, hooks, rooms, in whatever way they travel.

use crate::common;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Net, OK, UNKNOWN};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use ws_socketio::{
    Ack, Arguments, CallError, EmitError, Handle, HandlerError, Namespace, Refused, Server, Socket,
};

/// A server whose `/` is set up by `setup`, and answers `nothing` with nothing.
fn serve(setup: impl FnOnce(&Namespace)) -> (Net, Handle) {
    let io = Server::new();
    let handle = io.handle();
    let root = io.of("/");
    root.on("nothing", async |_: Socket| {});
    setup(&root);
    (Net(io.service()), handle)
}

/// Where hooks and handlers write what happens.
fn log() -> (
    mpsc::UnboundedSender<String>,
    mpsc::UnboundedReceiver<String>,
) {
    mpsc::unbounded_channel()
}

#[tokio::test]
async fn arguments_are_parameters_and_what_is_returned_is_the_acknowledgement() {
    let (net, _) = serve(|io| {
        io.on("add", async |_: Socket, a: i64, b: i64| Ack(a + b))
            .on("pair", async |_: Socket| Ack((1, "two")))
            .on("maybe", async |_: Socket, text: Option<String>| text)
            .on("bytes", async |_: Socket, bytes: ByteBuf| Ack(bytes));
    });
    let (mut ws, _) = net.join().await;
    for (event, answer) in [
        (r#"420["add",1,2]"#, "430[3]"),
        (r#"421["pair"]"#, r#"431[1,"two"]"#),
        (r#"422["maybe"]"#, "432[null]"),
        (r#"423["maybe","x","more"]"#, r#"433["x"]"#),
    ] {
        ws.say(event).await;
        assert_eq!(ws.next().await, answer);
    }
    ws.say(r#"451-4["bytes",{"_placeholder":true,"num":0}]"#)
        .await;
    ws.0.send(&[1, 2, 3]).await.unwrap();
    assert_eq!(ws.next().await, r#"461-4[{"_placeholder":true,"num":0}]"#);
    assert_eq!(ws.next().await, "[1, 2, 3]");
}

#[tokio::test]
async fn a_session_by_polling_does_the_same() {
    let (net, _) = serve(|io| {
        io.on("double", async |socket: Socket, bytes: ByteBuf| {
            socket
                .emit("doubled", (&bytes, &bytes))
                .map(|()| Ack("done"))
        });
    });
    let polling = net.poll().await;
    assert_eq!(polling.post("40").await.is(), OK);
    assert!(polling.get().await.body.starts_with("40{\"sid\":"));
    let posted = polling
        .post("451-7[\"double\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQI=")
        .await;
    assert_eq!(posted.is(), OK);
    let two = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    let events = format!("452-[\"doubled\",{two}]\u{1e}bAQI=\u{1e}bAQI=\u{1e}437[\"done\"]");
    assert_eq!(polling.get().await.is(), (200, &*events));
}

#[tokio::test]
async fn a_session_moves_to_a_websocket_and_nothing_is_lost_or_turned_round() {
    let (net, io) = serve(|_| {});
    let polling = net.poll().await;
    polling.post("40").await;
    polling.get().await;
    let mut ws = polling.upgrade().await.unwrap();
    io.emit("n", 1).unwrap();
    ws.say("2probe").await;
    assert_eq!(ws.next().await, "3probe");
    io.emit("n", 2).unwrap();
    assert_eq!(polling.get().await.is(), (200, "6"));
    ws.say("5").await;
    for n in 1..=2 {
        assert_eq!(ws.next().await, format!("42[\"n\",{n}]"));
    }
    io.emit("n", 3).unwrap();
    assert_eq!(ws.next().await, r#"42["n",3]"#);
    assert_eq!(polling.get().await.status, 400);
}

#[tokio::test]
async fn handlers_of_a_socket_run_in_order_and_reading_goes_on_meanwhile() {
    let (net, _) = serve(|io| {
        io.on("ask", async |socket: Socket| {
            let (a, b): (i64, i64) = socket.call("how many?", ()).await?;
            Ok::<_, CallError>(Ack(a + b))
        })
        .on("then", async |_: Socket| Ack("later"));
    });
    let (mut ws, _) = net.join().await;
    ws.say(r#"420["ask"]"#).await;
    ws.say(r#"421["then"]"#).await;
    let question = ws.next().await;
    let id = question.trim_start_matches("42").split('[').next().unwrap();
    assert_eq!(question, format!("42{id}[\"how many?\"]"));
    ws.say(&format!("43{id}[2,3]")).await;
    assert_eq!(ws.next().await, "430[5]");
    assert_eq!(ws.next().await, r#"431["later"]"#);
}

#[tokio::test(start_paused = true)]
async fn a_question_has_its_time_and_ends_with_its_socket() {
    let (told, mut log) = log();
    let (net, _) = serve(|io| {
        let told = told.clone();
        io.on("ask", move |socket: Socket, seconds: u64| {
            let told = told.clone();
            async move {
                let call = socket.call::<()>("well?", ());
                let answer = call.timeout(Duration::from_secs(seconds)).await;
                told.send(answer.unwrap_err().to_string()).unwrap();
            }
        });
    });
    let (mut ws, _) = net.join().await;
    ws.say(r#"42["ask",3]"#).await;
    assert_eq!(log.recv().await.unwrap(), CallError::TimedOut.to_string());
    ws.say(r#"42["ask",30]"#).await;
    ws.next().await;
    ws.next().await;
    ws.say("41").await;
    assert_eq!(
        log.recv().await.unwrap(),
        CallError::Disconnected.to_string()
    );
}

#[tokio::test]
async fn what_a_connect_hook_emits_comes_after_the_client_is_in_or_never() {
    let (net, _) = serve(|io| {
        io.connect(async |socket: Socket, auth: Value| {
            socket
                .emit("hello", &auth)
                .map_err(|error| Refused::new(error.to_string()))?;
            match auth["token"] == "secret" {
                true => Ok(()),
                false => Err(Refused::new("who are you?").data(json!({"code": 1}))),
            }
        });
    });
    let mut ws = net.open().await;
    ws.say(r#"40{"token":"x"}"#).await;
    let refused = r#"44{"message":"who are you?","data":{"code":1}}"#;
    assert_eq!(ws.next().await, refused);
    ws.say(r#"40{"token":"secret"}"#).await;
    assert!(ws.next().await.starts_with("40{\"sid\":"));
    assert_eq!(ws.next().await, r#"42["hello",{"token":"secret"}]"#);
}

#[tokio::test]
async fn credentials_of_another_type_and_unknown_namespaces_are_refused() {
    #[derive(serde::Deserialize)]
    struct Login {
        #[expect(dead_code, reason = "it is never good")]
        token: String,
    }
    let (net, _) = serve(|io| {
        io.connect(async |_: Socket, _: Login| {});
    });
    let mut ws = net.open().await;
    ws.say("40").await;
    assert_eq!(ws.next().await, r#"44{"message":"invalid credentials"}"#);
    ws.say("40/nowhere,").await;
    assert_eq!(
        ws.next().await,
        r#"44/nowhere,{"message":"Invalid namespace"}"#
    );
}

#[tokio::test]
async fn a_socket_is_in_rooms_and_events_go_to_whom_they_are_meant_for() {
    let (net, io) = serve(|io| {
        io.on("join", async |socket: Socket, room: String| {
            socket.join(room)
        })
        .on("leave", async |socket: Socket, room: String| {
            socket.leave(&room);
        })
        .on("say", async |socket: Socket, room: String| {
            socket.to(room).emit("said", ()).map(|_| ())
        })
        .on("rooms", async |socket: Socket| socket.rooms());
    });
    let (mut a, a_id) = net.join().await;
    let (mut b, _) = net.join().await;
    let (mut c, _) = net.join().await;
    for ws in [&mut a, &mut b] {
        ws.say(r#"420["join","x"]"#).await;
        assert_eq!(ws.next().await, "430[]");
    }
    a.say(r#"42["say","x"]"#).await;
    assert_eq!(a.rest().await, <[String; 0]>::default());
    assert_eq!(b.rest().await, [r#"42["said"]"#]);
    assert_eq!(c.rest().await, <[String; 0]>::default());

    assert_eq!(io.to("x").emit("to", ()).unwrap(), 2);
    assert_eq!(io.of("/").except("x").emit("except", ()).unwrap(), 1);
    assert_eq!(io.to(&*a_id).emit("id", ()).unwrap(), 1);
    assert_eq!(io.emit("all", ()).unwrap(), 3);
    assert_eq!(
        a.rest().await,
        [r#"42["to"]"#, r#"42["id"]"#, r#"42["all"]"#]
    );
    assert_eq!(b.rest().await, [r#"42["to"]"#, r#"42["all"]"#]);
    assert_eq!(c.rest().await, [r#"42["except"]"#, r#"42["all"]"#]);

    // Nobody hears what is for another.
    c.say(&format!(r#"420["join","{a_id}"]"#)).await;
    c.say(r#"421["rooms"]"#).await;
    assert_eq!(c.next().await, "431[[]]");
    io.of("/").close_room("x");
    assert_eq!(io.to("x").emit("nobody", ()).unwrap(), 0);
}

#[tokio::test]
async fn everybody_is_asked_and_each_answers_for_itself() {
    let (net, io) = serve(|_| {});
    let (mut yes, yes_id) = net.join().await;
    let (mut gone, _) = net.join().await;
    let asking = tokio::spawn(async move {
        let all = io.of("/").all();
        let mut answers = all
            .call_each::<String>("vote", (), Duration::from_secs(60))
            .await
            .unwrap();
        answers.sort_by_key(|(socket, _)| socket.id() != yes_id);
        answers
    });
    assert_eq!(yes.next().await, r#"420["vote"]"#);
    gone.next().await;
    yes.say(r#"430["yes"]"#).await;
    gone.say("1").await;
    let answers = asking.await.unwrap();
    assert_eq!(answers[0].1.as_ref().unwrap(), "yes");
    assert!(matches!(answers[1].1, Err(CallError::Disconnected)));
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_answers_nothing_and_ends_nothing() {
    let (told, mut log) = log();
    let (net, _) = serve(|io| {
        io.on("number", async |_: Socket, n: u8| n)
            .on("fail", async |_: Socket| Err::<(), _>("no"))
            .on("panic", async |_: Socket| -> () { panic!("on purpose") })
            .failed(move |_, event, error| {
                let what = match error {
                    HandlerError::Argument { index, .. } => format!("argument {index}"),
                    error => error.to_string(),
                };
                told.send(format!("{event}: {what}")).unwrap();
            });
    });
    let (mut ws, _) = net.join().await;
    for event in [r#"420["number","x"]"#, r#"421["fail"]"#, r#"422["panic"]"#] {
        ws.say(event).await;
    }
    ws.say(r#"423["number",7]"#).await;
    assert_eq!(ws.next().await, "433[7]");
    for failure in [
        "number: argument 0",
        "fail: no",
        "panic: the handler panicked",
    ] {
        assert_eq!(log.recv().await.unwrap(), failure);
    }
}

#[tokio::test]
async fn who_leaves_is_told_of_with_the_reason_and_the_rooms() {
    let (told, mut log) = log();
    let (net, io) = serve(|io| {
        io.connect(async |socket: Socket| socket.join("x").map_err(|error| error.to_string()))
            .disconnect(move |socket: Socket, reason: ws_socketio::Reason| {
                let told = told.clone();
                async move {
                    let rooms = socket.rooms();
                    told.send(format!("{}, {rooms:?}", reason.name())).unwrap();
                }
            });
    });
    let (mut ws, _) = net.join().await;
    ws.say("41").await;
    assert_eq!(
        log.recv().await.unwrap(),
        "client namespace disconnect, [\"x\"]"
    );
    let (mut ws, id) = net.join().await;
    let socket = io.of("/").socket(&id).unwrap();
    socket.disconnect();
    assert_eq!(ws.next().await, "41");
    assert_eq!(
        log.recv().await.unwrap(),
        "server namespace disconnect, [\"x\"]"
    );
    assert!(!socket.is_connected());
    assert!(matches!(socket.emit("x", ()), Err(EmitError::Disconnected)));
    let (ws, _) = net.join().await;
    drop(ws);
    assert_eq!(log.recv().await.unwrap(), "transport close, [\"x\"]");
    let (mut ws, _) = net.join().await;
    ws.say("4x").await;
    assert_eq!(ws.next().await, "closed 1008");
    assert_eq!(log.recv().await.unwrap(), "parse error, [\"x\"]");
    let (mut ws, _) = net.join().await;
    io.shutdown();
    assert_eq!(ws.next().await, "closed 1001");
    assert_eq!(log.recv().await.unwrap(), "server shutting down, [\"x\"]");
    io.ended().await;
    assert_eq!(net.get("&transport=polling").await.status, 503);
}

#[tokio::test]
async fn several_namespaces_share_a_connection() {
    let io = Server::new();
    io.of("/a").on("where", async |socket: Socket| {
        socket.namespace().name().to_owned()
    });
    let net = Net(io.service());
    let (mut ws, root) = net.join().await;
    ws.say("40/a,").await;
    let joined = ws.next().await;
    assert!(
        joined.starts_with("40/a,{\"sid\":") && !joined.contains(&root),
        "{joined}"
    );
    ws.say(r#"42/a,3["where"]"#).await;
    assert_eq!(ws.next().await, r#"43/a,3["/a"]"#);
    ws.say("41/a,").await;
    // What crosses a farewell is ignored; the other namespace goes on.
    ws.say(r#"42/a,4["where"]"#).await;
    ws.say("40/a,").await;
    assert!(ws.next().await.starts_with("40/a,{\"sid\":"));
}

#[tokio::test]
async fn clients_make_namespaces_where_a_rule_lets_them() {
    let io = Server::new();
    io.of_those(|name| name.starts_with("/room/"))
        .on("who", async |socket: Socket| {
            socket.namespace().sockets().len()
        });
    let net = Net(io.service());
    let mut ws = net.open().await;
    for name in ["/room/1", "/room/2"] {
        ws.say(&format!("40{name},")).await;
        assert!(ws.next().await.starts_with(&format!("40{name},{{\"sid\":")));
        ws.say(&format!("42{name},0[\"who\"]")).await;
        assert_eq!(ws.next().await, format!("43{name},0[1]"));
    }
    ws.say("40/other,").await;
    assert_eq!(
        ws.next().await,
        r#"44/other,{"message":"Invalid namespace"}"#
    );
}

#[tokio::test]
async fn events_without_a_handler_go_to_the_fallback_and_can_be_relayed() {
    let (net, _) = serve(|io| {
        io.fallback(async |socket: Socket, event: String, args: Arguments| {
            socket.relay(&format!("{event}-back"), &args).map(|()| args)
        });
    });
    let (mut ws, _) = net.join().await;
    ws.say(r#"451-5["any",1e400,{"_placeholder":true,"num":0}]"#)
        .await;
    ws.0.send(&[9]).await.unwrap();
    let args = r#"1e400,{"_placeholder":true,"num":0}"#;
    for expected in [format!("451-[\"any-back\",{args}]"), "[9]".into()] {
        assert_eq!(ws.next().await, expected);
    }
    assert_eq!(ws.next().await, format!("461-5[{args}]"));
    assert_eq!(ws.next().await, "[9]");
}

#[tokio::test]
async fn values_are_kept_with_a_socket_by_their_types() {
    #[derive(Clone, Debug, PartialEq)]
    struct Name(String);
    let (net, _) = serve(|io| {
        io.connect(async |socket: Socket| socket.set(Name("Ann".into())))
            .on("count", async |socket: Socket| {
                socket.update(|count: &mut u32| {
                    *count += 1;
                    *count
                })
            })
            .on("name", async |socket: Socket| {
                socket.get::<Name>().map(|name| name.0)
            });
    });
    let (mut ws, _) = net.join().await;
    for (event, answer) in [
        (r#"420["count"]"#, "430[1]"),
        (r#"421["count"]"#, "431[2]"),
        (r#"422["name"]"#, r#"432["Ann"]"#),
    ] {
        ws.say(event).await;
        assert_eq!(ws.next().await, answer);
    }
}

#[tokio::test]
async fn a_volatile_event_is_missed_by_those_who_are_behind() {
    let (net, io) = serve(|_| {});
    let polling = net.poll().await;
    polling.post("40").await;
    polling.get().await;
    let all = io.of("/").all();
    assert_eq!(all.clone().volatile().emit("n", 1).unwrap(), 1);
    assert_eq!(all.volatile().emit("n", 2).unwrap(), 0);
    assert_eq!(polling.get().await.is(), (200, r#"42["n",1]"#));
}

#[tokio::test]
async fn a_client_that_hangs_up_a_held_request_is_gone() {
    let (told, mut log) = log();
    let (net, _) = serve(|io| {
        io.disconnect(move |_: Socket, reason: ws_socketio::Reason| {
            let told = told.clone();
            async move { told.send(reason.name().into()).unwrap() }
        });
    });
    let polling = net.poll().await;
    polling.post("40").await;
    polling.get().await;
    let held = polling.clone();
    let held = tokio::spawn(async move { held.get().await });
    // Once it is held a second one is refused; here one of both is.
    tokio::task::yield_now().await;
    held.abort();
    drop(held.await);
    let last = polling.get();
    tokio::pin!(last);
    let reason = tokio::select! {
        reason = log.recv() => reason,
        answer = &mut last => {
            assert_eq!(answer.is(), UNKNOWN);
            log.recv().await
        }
    };
    assert_eq!(reason.as_deref(), Some("transport error"));
}

#[tokio::test]
async fn a_server_uses_its_handle_from_anywhere_and_a_layer_leaves_other_paths_alone() {
    use axum::{Router, extract::State, routing::get};
    let seen = Arc::new(Mutex::new(0));
    let io = Server::new();
    let handle = io.handle();
    let app = Router::new()
        .route(
            "/price",
            get(async |State(io): State<Handle>| {
                io.emit("price", 7)
                    .map(|got| got.to_string())
                    .unwrap_or_default()
            }),
        )
        .with_state(io.handle())
        .layer(io.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let mut ws = ws_tokio::connect(url).await.unwrap();
    ws.recv().await.unwrap();
    ws.send("40").await.unwrap();
    ws.recv().await.unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/price").header("host", "a");
    let request = request
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .unwrap();
    assert_eq!(body.to_bytes(), "1");
    let event = ws.recv_owned().await.unwrap().unwrap();
    assert_eq!(event, common::owned(r#"42["price",7]"#));
    *seen.lock().unwrap() += handle.of("/").sockets().len();
    assert_eq!(*seen.lock().unwrap(), 1);
}

#[tokio::test]
async fn events_that_come_together_are_answered_with_one_write() {
    let io = Server::new();
    io.of("/").on("echo", async |_: Socket, n: u32| n);
    let service = io.service();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let writes = Arc::new(AtomicUsize::new(0));
    let theirs = common::Counted(theirs, Arc::clone(&writes));
    tokio::spawn(async move {
        let http = hyper::server::conn::http1::Builder::new();
        let io = hyper_util::rt::TokioIo::new(theirs);
        http.serve_connection(io, service).with_upgrades().await
    });
    let url = "ws://a/socket.io/?EIO=4&transport=websocket";
    let mut ws = ws_tokio::Client::new(url).connect_over(ours).await.unwrap();
    ws.recv().await.unwrap();
    ws.send("40").await.unwrap();
    ws.recv().await.unwrap();
    let before = writes.load(Ordering::Relaxed);
    for n in 0..16 {
        ws.feed(&format!("42{n}[\"echo\",{n}]")).await.unwrap();
    }
    ws.flush().await.unwrap();
    for n in 0..16 {
        let answer = ws.recv_owned().await.unwrap().unwrap();
        assert_eq!(answer, common::owned(&format!("43{n}[{n}]")));
    }
    assert_eq!(writes.load(Ordering::Relaxed) - before, 1);
}
