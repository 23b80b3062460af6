//! Clients of callbacks, and calls with one answer.

use crate::common;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, Raw, echo, run, server, timeouts, within};
use ws_std::{
    App, AppError, Backoff, CallError, Client, CloseCode, ConnectError, Error, SendError,
};

/// What an app's callbacks were called with.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// One that notes what happens.
fn noting(app: App) -> (App, Log) {
    let log = Log::default();
    let [open, message, error, close] = [(); 4].map(|()| log.clone());
    let app = app
        .on_open(move |_| {
            open.note("open");
            Ok::<_, Error>(())
        })
        .on_message(move |_, text| {
            message.note(text.as_text().unwrap());
            Ok::<_, Error>(())
        })
        .on_error(move |_, text| error.note(format!("! {text}")))
        .on_close(move |_, text| {
            close.note(match text {
                Some((code, reason)) => format!("close {code} {reason}"),
                None => "close".into(),
            });
        });
    (app, log)
}

#[test]
fn callbacks_are_called_in_the_order_of_what_happens() {
    let server = run(server().websocket("/", |mut ws, _| {
        ws.send("one")?;
        ws.send("two")?;
        ws.close(CloseCode::NORMAL, "that is all")
    }));
    let (app, log) = noting(App::new(server.url("/")));
    within(move || app.run()).unwrap();
    let expected = ["open", "one", "two", "close 1000 that is all"];
    assert_eq!(log.lines(), expected);
}

#[test]
fn a_thread_sends_and_stops() {
    let server = run(echo());
    let (heard, hearing) = mpsc::channel();
    let app = App::new(server.url("/")).on_message(move |_, text| {
        heard.send(text.as_text().unwrap().to_owned()).unwrap();
        Ok::<_, Error>(())
    });
    let handle = app.handle();
    // There is no connection yet.
    let error = handle.send("too soon").unwrap_err();
    assert!(matches!(error, Error::Send(SendError::Closed)), "{error}");
    let (open, opened) = mpsc::channel();
    let app = app.on_open(move |_| open.send(()));
    let running = thread::spawn(move || app.run());
    opened.recv_timeout(PATIENCE).unwrap();
    for at in 0..3 {
        handle.send(&*format!("message {at}")).unwrap();
        let echoed = hearing.recv_timeout(PATIENCE).unwrap();
        assert_eq!(echoed, format!("message {at}"));
    }
    handle.stop();
    within(move || running.join().unwrap()).unwrap();
    assert!(handle.send("too late").is_err());
}

#[test]
fn a_callback_may_stop_it_and_what_it_sent_before_arrives() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (app, log) = noting(App::new(url));
    let app = app.on_message(|app, _| {
        app.send("bye")?;
        app.stop();
        Ok::<_, Error>(())
    });
    let running = thread::spawn(move || app.run());
    let mut peer = Raw::accept(&listener);
    peer.send(1, "go");
    assert_eq!(peer.next(), (1, b"bye".to_vec()));
    assert_eq!(peer.next_close().0, 1000);
    peer.close(1000, "so long");
    within(move || running.join().unwrap()).unwrap();
    assert_eq!(log.lines(), ["open", "close 1000 so long"]);
    // One that answers no Close keeps nobody, however long it may take for that.
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let patient = Client::new(url).timeouts(timeouts(None, 600_000, 600_000));
    let (app, log) = noting(patient.into());
    let app = app.on_message(|app, _| {
        app.stop();
        Ok::<_, Error>(())
    });
    let running = thread::spawn(move || app.run());
    let mut peer = Raw::accept(&listener);
    peer.send(1, "go");
    within(move || running.join().unwrap()).unwrap();
    assert_eq!(log.lines(), ["open", "close"]);
}

#[test]
fn a_callback_that_fails_is_told_and_ends_nothing() {
    let server = run(server().websocket("/", |mut ws, _| {
        ws.send("one")?;
        ws.send("two")?;
        ws.close(CloseCode::NORMAL, "")
    }));
    let (app, log) = noting(App::new(server.url("/")));
    let app = app.on_message(|_, text| Err(text.as_text().unwrap().to_owned()));
    within(move || app.run()).unwrap();
    assert_eq!(log.lines(), ["open", "! one", "! two", "close 1000 "]);
}

#[test]
fn what_goes_wrong_is_told_and_returned() {
    let server = run(server());
    let (app, log) = noting(App::new(server.url("/nowhere")));
    let error = within(move || app.run()).unwrap_err();
    let refused = "the server refused with status 404";
    assert!(matches!(error, AppError::Connect(ConnectError::Refused(_))));
    assert_eq!(
        (error.to_string().as_str(), log.lines()),
        (refused, vec![format!("! {refused}")])
    );

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (app, log) = noting(App::new(format!(
        "ws://{}/",
        listener.local_addr().unwrap()
    )));
    let running = thread::spawn(move || app.run());
    drop(Raw::accept(&listener));
    let error = within(move || running.join().unwrap()).unwrap_err();
    assert!(
        matches!(error, AppError::Lost(Error::Protocol(_))),
        "{error}"
    );
    assert_eq!(
        log.lines(),
        ["open".into(), "close".into(), format!("! {error}")]
    );
}

#[test]
fn it_connects_again_if_it_may_and_until_it_is_stopped() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut eager = Backoff::DEFAULT;
    eager.most = Duration::ZERO;
    let client = Client::new(&url).reconnect().backoff(eager);
    for app in [App::new(&url).reconnect(eager), App::from(client)] {
        let (app, log) = noting(app);
        let handle = app.handle();
        let running = thread::spawn(move || app.run());
        for _ in 0..2 {
            drop(Raw::accept(&listener));
        }
        let mut peer = Raw::accept(&listener);
        peer.send(1, "here I am");
        common::until("a message", || log.lines().contains(&"here I am".into()));
        handle.stop();
        within(move || running.join().unwrap()).unwrap();
        let lines = log.lines();
        let opened = lines.iter().filter(|line| *line == "open").count();
        assert_eq!(opened, 3, "{lines:?}");
        assert_eq!(lines[..2], ["open", "close"]);
        assert!(lines[2].starts_with("! "), "{lines:?}");
        assert_eq!(lines.last().unwrap(), "close");
    }
}

#[test]
fn a_call_brings_one_answer_and_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let calling = thread::spawn(move || Client::new(url).call("hello", PATIENCE));
    let mut peer = Raw::accept(&listener);
    assert_eq!(peer.next(), (1, b"hello".to_vec()));
    peer.send(2, "world");
    assert_eq!(peer.next_close().0, 1000);
    peer.close(1000, "");
    drop(peer);
    let answer = within(move || calling.join().unwrap()).unwrap();
    assert_eq!(answer.as_message().as_bytes(), b"world");
}

#[test]
fn a_call_s_deadline_is_one_for_all_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let short = Duration::from_millis(50);
    let call = |message: Vec<u8>, deadline| {
        // Nothing else ends it in time.
        let client = Client::new(&url).timeouts(timeouts(None, 600_000, 600_000));
        thread::spawn(move || client.call(&*message, deadline))
    };
    // Nobody answers the handshake.
    let asking = call(vec![], short);
    let (_silent, _) = listener.accept().unwrap();
    let error = within(move || asking.join().unwrap()).unwrap_err();
    assert!(
        matches!(error, CallError::Connect(ConnectError::Timeout { .. })),
        "{error}"
    );
    // Nobody takes the message, or answers it.
    for len in [5, 20_000_000] {
        let sending = call(vec![0; len], Duration::from_millis(500));
        let _silent = Raw::accept(&listener);
        let error = within(move || sending.join().unwrap()).unwrap_err();
        assert!(matches!(error, CallError::Timeout(_)), "{error}");
        assert_eq!(error.to_string(), "no answer within 0.5 s");
    }
    // An answer is one, whatever comes of the end.
    let answered = call(vec![], Duration::from_millis(500));
    let mut silent = Raw::accept(&listener);
    silent.send(1, "there");
    let answer = within(move || answered.join().unwrap()).unwrap();
    assert_eq!(answer.as_message().as_text(), Some("there"));
}

#[test]
fn a_call_says_who_did_not_answer() {
    let closes = run(server().websocket("/", |mut ws, _| ws.close(CloseCode::POLICY, "no")));
    let error = Client::new(closes.url("/")).call("", PATIENCE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server closed without an answer: 1008 no"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let calling = thread::spawn(move || Client::new(url).call("hello", PATIENCE));
    drop(Raw::accept(&listener));
    let error = within(move || calling.join().unwrap()).unwrap_err();
    assert!(matches!(error, CallError::Lost(_)), "{error}");
}
