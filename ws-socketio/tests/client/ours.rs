//! What the client does, with our server at the other end, and without one.

use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::client_common::{log, note, soon};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use ws_socketio::client::{Client, ConnectError, Connected, Socket, Transports};
use ws_socketio::{Arguments, CallError, EmitError, Handle, HandlerError, Reason, Refused, Server};

pub(crate) const EVERY: [Transports; 3] = [
    Transports::Polling,
    Transports::WebSocket,
    Transports::PollingThenWebSocket,
];

/// A server of ours, and where it is.
pub(crate) struct Ours {
    pub(crate) address: SocketAddr,
    handle: Handle,
}

impl Ours {
    pub(crate) async fn start(setup: impl FnOnce(&Server)) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), setup).await
    }

    pub(crate) async fn at(address: SocketAddr, setup: impl FnOnce(&Server)) -> Self {
        // No ping wakes whom something else should have woken.
        let io = Server::new().ping_interval(Duration::from_secs(600));
        Self::run(io, address, setup).await
    }

    /// Runs a server that has settings of its own.
    pub(crate) async fn run(io: Server, address: SocketAddr, setup: impl FnOnce(&Server)) -> Self {
        setup(&io);
        let handle = io.handle();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(io.run_on(listener));
        Self { address, handle }
    }

    fn client(&self, by: Transports) -> Client {
        Client::new(format!("http://{}", self.address)).transports(by)
    }

    pub(crate) async fn stop(self) -> SocketAddr {
        self.handle.shutdown();
        soon(self.handle.ended()).await;
        self.address
    }
}

/// A chat that says in `said` what it hears.
pub(crate) fn chat(said: UnboundedSender<String>) -> impl Fn(&Server) {
    move |io| {
        let said = said.clone();
        io.of("/")
            .on("echo", async |_: ws_socketio::Socket, n: u32| n);
        io.of("/chat")
            .on("say", move |_: ws_socketio::Socket, text: String| {
                note(&said, text)
            });
    }
}

pub(crate) async fn leave(io: Connected) {
    io.disconnect();
    soon(io.wait()).await.unwrap();
}

/// An address at which nobody listens.
async fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

// ---- With our server ----

#[tokio::test]
async fn what_is_emitted_while_the_server_restarts_arrives_in_order_after_the_connect_hook() {
    for by in EVERY {
        let (said, mut heard) = log();
        let server = Ours::start(chat(said.clone())).await;
        let (left, mut went) = log();
        let io = server
            .client(by)
            .namespaces(["/"])
            .reconnect_after(Duration::ZERO)
            .on_connect("/chat", async |socket: Socket| {
                socket.emit("say", "hello").unwrap();
            })
            .on_disconnect("/chat", move |_, why| note(&left, why))
            .connect();
        let io = soon(io).await.unwrap();
        assert_eq!(soon(heard.recv()).await.unwrap(), "hello");
        let address = server.stop().await;
        let why = soon(went.recv()).await.unwrap();
        assert!(matches!(why, Reason::Session(_)), "{by:?}: {why}");

        let chat_room = io.of("/chat");
        // More than one POST takes.
        for number in 0..40 {
            chat_room.emit("say", number.to_string()).unwrap();
        }
        assert!(!chat_room.emit_volatile("say", "volatile").unwrap());
        let _server = Ours::at(address, chat(said)).await;
        assert_eq!(soon(heard.recv()).await.unwrap(), "hello");
        for number in 0..40 {
            assert_eq!(
                soon(heard.recv()).await.unwrap(),
                number.to_string(),
                "{by:?}"
            );
        }
        leave(io).await;
        assert!(heard.try_recv().is_err());
    }
}

#[tokio::test]
async fn the_hook_of_a_connect_may_ask_and_what_others_emit_waits_for_it() {
    let (said, mut heard) = log();
    let server = Ours::start(|io| {
        io.of("/")
            .on("echo", async |_: ws_socketio::Socket, n: u32| n)
            .on("say", move |_: ws_socketio::Socket, text: String| {
                note(&said, text)
            });
    });
    let server = server.await;
    let (go, gone) = tokio::sync::watch::channel(false);
    let io = server
        .client(Transports::WebSocket)
        .on_connect("/", move |socket: Socket| {
            let mut gone = gone.clone();
            async move {
                gone.wait_for(|gone| *gone).await.unwrap();
                assert_eq!(socket.call::<u32>("echo", 7).await.unwrap(), 7);
                socket.emit("say", "first").unwrap();
            }
        })
        .connect();
    let io = soon(io).await.unwrap();
    io.of("/").emit("say", "second").unwrap();
    go.send(true).unwrap();
    assert_eq!(soon(heard.recv()).await.unwrap(), "first");
    assert_eq!(soon(heard.recv()).await.unwrap(), "second");
    leave(io).await;
}

#[derive(Serialize, Deserialize)]
struct Token {
    token: u32,
}

#[tokio::test]
async fn credentials_are_asked_for_each_time_and_a_refusal_is_final() {
    let (left, mut went) = log();
    let setup = |io: &Server| {
        io.of("/")
            .connect(async |_: ws_socketio::Socket, auth: Token| {
                if auth.token > 1 {
                    return Err(Refused::new("too old").data(auth.token));
                }
                Ok(())
            })
            .on("end", async |socket: ws_socketio::Socket| socket.close());
        io.of("/open");
    };
    let server = Ours::start(setup).await;
    let asked = AtomicU32::new(0);
    let (refused, mut refusals) = log();
    let io = server
        .client(Transports::WebSocket)
        .namespaces(["/", "/open"])
        .reconnect_after(Duration::ZERO)
        .auth_with(move |namespace| {
            let token = match &*namespace {
                "/" => asked.fetch_add(1, Ordering::Relaxed) + 1,
                _ => 0,
            };
            ready(Ok(Token { token }))
        })
        .on_disconnect("/", move |_, why| note(&left, why))
        .on_connect_error(move |error| refused.send(error.to_string()).unwrap())
        .connect();
    let io = soon(io).await.unwrap();
    io.of("/").emit("end", ()).unwrap();
    soon(went.recv()).await.unwrap();
    let said = soon(refusals.recv()).await.unwrap();
    assert_eq!(said, "refused in the namespace /: too old");
    // It is not asked for again, and the other one is there.
    assert!(matches!(
        io.of("/").emit("x", ()),
        Err(EmitError::Disconnected)
    ));
    assert!(io.of("/open").is_connected());
    leave(io).await;
}

#[tokio::test]
async fn an_attempt_without_credentials_failed_and_the_next_may_have_some() {
    let server = Ours::start(|io| drop(io.of("/"))).await;
    let asked = Arc::new(AtomicU32::new(0));
    let (failed, mut errors) = log();
    let io = server
        .client(Transports::Polling)
        .reconnect_after(Duration::ZERO)
        .auth_with(move |_| {
            ready(match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Err(std::io::Error::other("locked")),
                token => Ok(Token { token }),
            })
        })
        .on_connect_error(move |error| failed.send(error.to_string()).unwrap())
        .start()
        .unwrap();
    let said = soon(errors.recv()).await.unwrap();
    assert_eq!(said, "no credentials for the namespace /: locked");
    // It is kept until the client is in.
    assert!(
        soon(
            io.of("/")
                .call::<()>("nobody", ())
                .timeout(Duration::from_millis(1))
        )
        .await
        .is_err()
    );
    leave(io).await;

    let no_object = server.client(Transports::Polling).auth("token").connect();
    let error = soon(no_object).await.unwrap_err();
    assert!(matches!(error, ConnectError::Auth { .. }), "{error}");
}

#[tokio::test]
async fn who_is_put_out_of_all_namespaces_does_not_come_back() {
    for by in EVERY {
        let server = Ours::start(|io| {
            for name in ["/", "/b"] {
                io.of(name).on("out", async |socket: ws_socketio::Socket| {
                    socket.disconnect();
                });
            }
        });
        let server = server.await;
        let io = server.client(by).namespaces(["/", "/b"]).connect();
        let io = soon(io).await.unwrap();
        io.of("/").emit("out", ()).unwrap();
        io.of("/b").emit("out", ()).unwrap();
        soon(io.wait()).await.unwrap();
        assert!(matches!(
            io.of("/b").emit("x", ()),
            Err(EmitError::Disconnected)
        ));
        assert_eq!(io.transport(), None);
    }
}

#[tokio::test]
async fn a_client_that_nobody_holds_leaves() {
    for by in EVERY {
        let (left, mut went) = log();
        let server = Ours::start(|io| {
            io.of("/")
                .disconnect(move |_: ws_socketio::Socket, why| note(&left, why));
        });
        let server = server.await;
        let io = soon(server.client(by).connect()).await.unwrap();
        let socket = io.of("/");
        drop(io);
        // A socket holds it.
        assert!(
            soon(socket.call::<()>("x", ()).timeout(Duration::from_millis(1)))
                .await
                .is_err()
        );
        assert!(socket.is_connected());
        drop(socket);
        assert_eq!(soon(went.recv()).await, Some(Reason::PeerLeft), "{by:?}");
    }
}

#[tokio::test]
async fn what_was_emitted_before_a_disconnect_arrives() {
    for by in EVERY {
        let (said, mut heard) = log();
        let server = Ours::start(chat(said)).await;
        let io = server.client(by).namespaces(["/", "/chat"]).connect();
        let io = soon(io).await.unwrap();
        for number in 0..100 {
            io.of("/chat").emit("say", number.to_string()).unwrap();
        }
        io.of("/chat").disconnect();
        assert!(io.of("/chat").emit("say", "late").is_err());
        leave(io).await;
        for number in 0..100 {
            assert_eq!(
                soon(heard.recv()).await.unwrap(),
                number.to_string(),
                "{by:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_handler_that_panics_fails_alone() {
    let server = Ours::start(|io| {
        io.of("/").on("start", async |socket: ws_socketio::Socket| {
            for event in ["panic", "text", "other", "fine"] {
                socket.emit(event, 1).unwrap();
            }
        });
    });
    let server = server.await;
    let (failed, mut failures) = log();
    let (fine, mut done) = log();
    let fallen = fine.clone();
    let io = server
        .client(Transports::WebSocket)
        .on("/", "panic", async |_: Socket| -> () {
            panic!("on purpose")
        })
        .on("/", "text", async |_: Socket, _: String| {})
        .on("/", "fine", move |_: Socket, n: u32| {
            note(&fine, n.to_string())
        })
        .fallback("/", move |_: Socket, name: String, args: Arguments| {
            note(&fallen, format!("{name} {}", args.len()))
        })
        .failed(move |socket: &Socket, name: &str, error: &HandlerError| {
            let said = format!("{} {name}: {error}", socket.namespace());
            failed.send(said).unwrap();
        })
        .connect();
    let io = soon(io).await.unwrap();
    io.of("/").emit("start", ()).unwrap();
    assert_eq!(soon(done.recv()).await.unwrap(), "other 1");
    assert_eq!(soon(done.recv()).await.unwrap(), "1");
    assert_eq!(
        soon(failures.recv()).await.unwrap(),
        "/ panic: the handler panicked"
    );
    let said = soon(failures.recv()).await.unwrap();
    assert!(
        said.starts_with("/ text: argument 0 is of another type"),
        "{said}"
    );
    leave(io).await;
}

#[tokio::test]
async fn handlers_that_do_not_keep_up_stop_the_reading_and_nothing_is_lost() {
    for by in EVERY {
        let (handle, server) = {
            let server = Ours::start(|io| drop(io.of("/"))).await;
            (server.handle.clone(), server)
        };
        let (go, gone) = tokio::sync::watch::channel(false);
        let (came, mut all) = log();
        let io = server
            .client(by)
            .on("/", "n", move |_: Socket, n: u32| {
                let (mut gone, came) = (gone.clone(), came.clone());
                async move {
                    gone.wait_for(|gone| *gone).await.unwrap();
                    came.send(n).unwrap();
                }
            })
            .connect();
        let io = soon(io).await.unwrap();
        for n in 0..1000_u32 {
            handle.emit("n", n).unwrap();
        }
        // The sending half works meanwhile.
        io.of("/").emit("x", ()).unwrap();
        go.send(true).unwrap();
        for n in 0..1000 {
            assert_eq!(soon(all.recv()).await, Some(n), "{by:?}");
        }
        leave(io).await;
    }
}

#[tokio::test]
async fn an_answer_of_a_session_that_is_gone_is_given_to_nobody() {
    let (asked, mut answers) = log();
    let server = Ours::start(|io| {
        io.of("/")
            .on("ask", move |socket: ws_socketio::Socket, n: u32| {
                let asked = asked.clone();
                async move {
                    tokio::spawn(async move {
                        let answer = socket.call::<u32>("question", n).await;
                        drop(note(&asked, answer.map_err(|error| error.to_string())));
                    });
                }
            })
            .on("echo", async |_: ws_socketio::Socket, n: u32| n)
            .on("end", async |socket: ws_socketio::Socket| socket.close());
    });
    let server = server.await;
    let (began, mut begins) = log();
    let (go, gone) = tokio::sync::watch::channel(false);
    let io = server
        .client(Transports::WebSocket)
        .reconnect_after(Duration::ZERO)
        .on("/", "question", move |_: Socket, n: u32| {
            let mut gone = gone.clone();
            drop(note(&began, n));
            async move {
                gone.wait_for(|gone| *gone).await.unwrap();
                n
            }
        })
        .connect();
    let io = soon(io).await.unwrap();
    let socket = io.of("/");
    let id = socket.id();
    socket.emit("ask", 1).unwrap();
    assert_eq!(soon(begins.recv()).await, Some(1));
    socket.emit("end", ()).unwrap();
    let error = soon(answers.recv()).await.unwrap().unwrap_err();
    assert_eq!(error, CallError::Disconnected.to_string());
    // What is emitted before the client has noticed it is lost. The hooks wait for the handler.
    soon(async {
        while socket.id() == id {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Both questions have the first id of their connection. This one is there when that is answered.
    socket.emit("ask", 2).unwrap();
    for n in 0..2 {
        assert_eq!(soon(socket.call::<u32>("echo", n)).await.unwrap(), n);
    }
    go.send(true).unwrap();
    assert_eq!(soon(answers.recv()).await.unwrap(), Ok(2));
    leave(io).await;
}

// ---- Without a server ----

#[tokio::test(start_paused = true)]
async fn a_question_that_is_kept_has_its_time() {
    let io = Client::new(format!("http://{}", nowhere().await))
        .start()
        .unwrap();
    let before = Instant::now();
    let call = io
        .of("/")
        .call::<u32>("echo", 7)
        .timeout(Duration::from_secs(30));
    let error = call.await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut), "{error}");
    assert_eq!(before.elapsed().as_secs(), 30);
    // One that was left is not answered.
    let call = tokio::spawn(io.of("/").call::<u32>("echo", 7).into_future());
    tokio::task::yield_now().await;
    io.disconnect();
    assert!(matches!(call.await.unwrap(), Err(CallError::Disconnected)));
    io.wait().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_has_a_limit_that_names_itself() {
    let io = Client::new(format!("http://{}", nowhere().await))
        .namespaces(["/", "/b"])
        .max_unsent(100)
        .start()
        .unwrap();
    soon(io.of("/b").room()).await.unwrap();
    io.of("/").emit("e", "x".repeat(100)).unwrap();
    let full = io.of("/b").emit("e", "x").unwrap_err();
    assert_eq!(
        full.to_string(),
        "send queue is full (max_unsent is 100 bytes)"
    );
    let full = io.of("/").call::<()>("e", "x").await.unwrap_err();
    assert!(matches!(full, CallError::Emit(EmitError::Full { .. })));
    // It is given up, and there is room.
    io.of("/").disconnect();
    soon(io.of("/b").room()).await.unwrap();
    let gone = soon(io.of("/").room()).await.unwrap_err();
    assert!(matches!(gone, EmitError::Disconnected));
    let unknown = io.of("/c").emit("e", "x").unwrap_err();
    assert!(matches!(unknown, EmitError::Disconnected));
}

#[tokio::test]
async fn who_emits_more_than_the_server_takes_waits_for_room() {
    for by in EVERY {
        let (said, mut heard) = log();
        let server = Ours::start(chat(said)).await;
        let client = server.client(by).namespaces(["/chat"]).max_unsent(1000);
        let io = soon(client.connect()).await.unwrap();
        let chat_room = io.of("/chat");
        let emits = async {
            for number in 0..500 {
                chat_room.room().await.unwrap();
                chat_room.emit("say", format!("{number:0>100}")).unwrap();
            }
        };
        soon(emits).await;
        for number in 0..500 {
            let said = soon(heard.recv()).await.unwrap();
            assert_eq!(said, format!("{number:0>100}"), "{by:?}");
        }
        leave(io).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_is_tried_as_often_as_was_said_and_not_without_a_pause() {
    let (failed, mut errors) = log();
    let io = Client::new(format!("http://{}", nowhere().await))
        .reconnect_after(Duration::ZERO)
        .attempts(3)
        .on_connect_error(move |error| failed.send(error.to_string()).unwrap())
        .start()
        .unwrap();
    let before = Instant::now();
    let error = io.wait().await.unwrap_err();
    assert!(matches!(&*error, ConnectError::Polling(_)), "{error}");
    assert_eq!(before.elapsed().as_millis(), 300);
    for _ in 0..4 {
        let said = errors.recv().await.unwrap();
        assert!(said.starts_with("polling failed: "), "{said}");
    }
    assert!(errors.recv().await.is_none());
}

#[tokio::test]
async fn what_is_set_wrongly_is_said_before_anybody_is_asked() {
    let names = (0..=64).map(|n| format!("/{n}"));
    let error = Client::new("http://localhost")
        .namespaces(names)
        .connect()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot ask for the namespace /9: too many namespaces (Limits::max_namespaces is 64)"
    );
    #[cfg(not(feature = "tls"))]
    {
        let error = Client::new("https://localhost").start().unwrap_err();
        assert!(matches!(error, ConnectError::NoTls));
    }
    let client = Client::new("http://li:s3cret@localhost?token=t0ken").auth(["s3cret"]);
    let shown = format!("{:?}", client.header("Cookie", "s3cret"));
    assert!(
        !shown.contains("s3cret") && !shown.contains("t0ken"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_namespace_that_cannot_be_asked_for_is_not_asked_for_again() {
    let server = Ours::start(|io| drop(io.of("/"))).await;
    let client = server.client(Transports::Polling).namespaces(["chat"]);
    let io = client.start().unwrap();
    let error = soon(io.wait()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot ask for the namespace chat: invalid namespace"
    );
}

#[tokio::test]
async fn who_is_refused_in_one_namespace_comes_back_to_the_others() {
    let server = Ours::start(|io| {
        io.of("/")
            .on("end", async |socket: ws_socketio::Socket| socket.close());
        io.of("/no")
            .connect(async |_: ws_socketio::Socket| Err::<(), _>("no"));
    });
    let server = server.await;
    let (joined, mut joins) = log();
    let io = server
        .client(Transports::WebSocket)
        .namespaces(["/no"])
        .reconnect_after(Duration::ZERO)
        .on_connect("/", move |socket: Socket| note(&joined, socket.id()))
        .start()
        .unwrap();
    let first = soon(joins.recv()).await.unwrap();
    io.of("/").emit("end", ()).unwrap();
    assert_ne!(soon(joins.recv()).await.unwrap(), first);
    leave(io).await;
}

#[tokio::test]
async fn an_error_says_what_the_server_said() {
    let server = Ours::start(|io| drop(io.of("/"))).await;
    let error = soon(
        server
            .client(Transports::Polling)
            .path("/elsewhere")
            .connect(),
    )
    .await;
    let said = error.unwrap_err().to_string();
    assert!(said.starts_with("polling failed: answered 404"), "{said}");
    let error = soon(
        server
            .client(Transports::WebSocket)
            .path("/elsewhere")
            .connect(),
    )
    .await;
    let said = error.unwrap_err().to_string();
    assert_eq!(said, "WebSocket failed: the server refused with status 404");
}
