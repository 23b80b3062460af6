//! Connections over TLS: who is let in, and that everything works over it that works without.

#![cfg(all(feature = "tls", not(target_arch = "x86")))]

use crate::certificates;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::certificates::{Authority, Certificate};
use crate::common::{PATIENCE, Raw, Running, echo, pattern, run, server, timeouts, within};
use ws_std::{
    Client, CloseCode, ConnectError, Message, Response, ServerTls, StatusCode, Tls, TlsError,
    WebSocket,
};

/// Files that are gone when this is dropped.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = format!("ws-std-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn tls(&self, certificate: &Certificate) -> ServerTls {
        let chain = self.put("chain.pem", &certificate.chain);
        let key = self.put("key.pem", &certificate.key);
        ServerTls::from_files(chain, key).unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn serving(name: &str, certificate: &Certificate) -> Running {
    run(echo().tls(Files::new(name).tls(certificate)))
}

/// A client for a host, at the server of a test.
fn client(server: &Running, host: &str, ca: &Authority) -> Client {
    Client::new(format!("wss://{host}:{}/", server.addr.port()))
        .connect_to("127.0.0.1", server.addr.port())
        .handshake_timeout(PATIENCE)
        .tls(Tls::new().ca(ca.pem().as_bytes()).unwrap())
}

fn says_hello(ws: &mut WebSocket) {
    ws.send("hello").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("hello")));
}

#[test]
fn only_the_right_certificates_pass() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    for (name, certificate, says) in certificates::rejected(&ours, &other) {
        let server = serving("rejected", &certificate);
        let error = client(&server, "chat.example", &ours)
            .connect()
            .unwrap_err();
        let ConnectError::Tls {
            error: TlsError::Rejected(why),
            tried,
        } = &error
        else {
            panic!("{name}: {error:?}");
        };
        assert_eq!(why, says, "{name}");
        assert_eq!(tried.addresses(), [server.addr]);
        // Who wants no verification gets none.
        let any = Tls::new().danger_accept_any_certificate();
        let client = client(&server, "chat.example", &ours).tls(any);
        says_hello(&mut client.connect().unwrap());
    }
    for (name, certificate, host) in certificates::accepted(&ours) {
        let server = serving("accepted", &certificate);
        let mut ws = client(&server, host, &ours).connect().expect(name);
        says_hello(&mut ws);
        ws.close(CloseCode::NORMAL, "").unwrap();
    }
    // One that issued itself is trusted by whoever says so.
    let own = Certificate::self_signed("chat.example");
    let server = serving("own", &own);
    let trusting = Tls::new().ca(own.chain.as_bytes()).unwrap();
    let mut ws = client(&server, "chat.example", &ours)
        .tls(trusting)
        .connect()
        .unwrap();
    says_hello(&mut ws);
}

#[test]
fn the_name_to_expect_may_be_another_than_the_url_s() {
    let ca = Authority::new("ours");
    let server = serving("name", &ca.issue(&["chat.example"]));
    let tls = Tls::new().ca(ca.pem().as_bytes()).unwrap();
    let tls = tls.server_name("chat.example").unwrap();
    let client = client(&server, "localhost", &ca);
    assert!(client.connect().is_err());
    says_hello(&mut client.tls(tls).connect().unwrap());
    let error = Tls::new().server_name("a b").unwrap_err();
    assert!(matches!(error, TlsError::Name), "{error}");
}

/// (RFC 6455 §4.1: "use the Server Name Indication extension in the TLS handshake")
#[test]
fn the_tls_handshake_names_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (host, is_named) in [("chat.example", true), ("127.0.0.1", false)] {
        let client = Client::new(format!("wss://{host}/")).connect_to("127.0.0.1", port);
        let client = client.tls(Tls::new().danger_accept_any_certificate());
        let shaking = thread::spawn(move || client.connect().unwrap_err());
        let (mut peer, _) = listener.accept().unwrap();
        // The whole first record: its length is in its header.
        let mut header = [0; 5];
        peer.read_exact(&mut header).unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        peer.read_exact(&mut hello).unwrap();
        drop(peer);
        shaking.join().unwrap();
        let named = hello
            .windows(host.len())
            .any(|part| part == host.as_bytes());
        assert_eq!(named, is_named, "{host}");
    }
}

#[test]
fn the_platform_does_not_trust_everybody() {
    let ca = Authority::new("ours");
    let server = serving("platform", &ca.issue(&["chat.example"]));
    let client = client(&server, "chat.example", &ca).tls(Tls::new());
    match client.connect().unwrap_err() {
        ConnectError::Tls {
            error: TlsError::Rejected(_) | TlsError::NoRoots,
            ..
        } => {}
        error => panic!("{error}"),
    }
}

#[test]
fn a_server_may_want_a_client_s_certificate() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let files = Files::new("clients");
    let tls = files.tls(&ours.issue(&["chat.example"]));
    let tls = tls.require_client_certificates(files.put("ca.pem", &ours.pem()));
    let server = run(echo().tls(tls.unwrap()));
    let plain = || Tls::new().ca(ours.pem().as_bytes()).unwrap();
    let with = |own: &Certificate| {
        let tls = plain().certificate(own.chain.as_bytes(), own.key.as_bytes());
        client(&server, "chat.example", &ours).tls(tls.unwrap())
    };
    says_hello(&mut with(&ours.issue(&["li"])).connect().unwrap());
    let none = client(&server, "chat.example", &ours);
    for client in [none, with(&other.issue(&["li"]))] {
        let error = client.connect().unwrap_err();
        let is_tls = matches!(
            error,
            ConnectError::Tls {
                error: TlsError::Handshake(_),
                ..
            }
        );
        assert!(is_tls, "{error:?}");
    }
    // What does not belong together is an error when it is given.
    let (a, b) = (ours.issue(&["a"]), ours.issue(&["b"]));
    let error = plain().certificate(a.chain.as_bytes(), b.key.as_bytes());
    assert!(matches!(error.unwrap_err(), TlsError::Key));
}

#[test]
fn a_redirect_to_another_server_takes_no_certificate_along() {
    let ours = Authority::new("ours");
    let files = Files::new("redirect");
    let tls = files.tls(&ours.issue(&["127.0.0.1", "localhost"]));
    let strict = tls.require_client_certificates(files.put("ca.pem", &ours.pem()));
    let strict = strict.unwrap();
    let far = run(echo().tls(strict.clone()));
    let end = format!("https://127.0.0.1:{}/", far.addr.port());
    let near = run(server().tls(strict).get("/", move |_| {
        Response::text("")
            .with_status(StatusCode::FOUND)
            .header("location", end.clone())
    }));
    let own = ours.issue(&["li"]);
    let trusting = Tls::new().ca(ours.pem().as_bytes()).unwrap();
    let tls = trusting
        .certificate(own.chain.as_bytes(), own.key.as_bytes())
        .unwrap();
    let at = |server: &Running| {
        let url = format!("wss://127.0.0.1:{}/", server.addr.port());
        Client::new(url).tls(tls.clone()).follow_redirects()
    };
    says_hello(&mut at(&far).connect().unwrap());
    let error = at(&near).connect().unwrap_err();
    let is_tls = matches!(
        error,
        ConnectError::Tls {
            error: TlsError::Handshake(_),
            ..
        }
    );
    assert!(is_tls, "{error:?}");
}

#[test]
fn what_is_no_certificate_is_an_error_when_it_is_given() {
    let ca = Authority::new("ours");
    let good = ca.issue(&["chat.example"]);
    for pem in ["", "hello", &good.key] {
        let error = Tls::new().ca(pem.as_bytes()).unwrap_err();
        assert!(matches!(error, TlsError::Certificates), "{error}");
    }
    let error = Tls::new()
        .certificate(good.chain.as_bytes(), b"")
        .unwrap_err();
    assert!(matches!(error, TlsError::Key), "{error}");
    let files = Files::new("none");
    let error = ServerTls::from_files(files.folder.join("a"), files.folder.join("b"));
    assert!(matches!(error.unwrap_err(), TlsError::File { .. }));
    let other = files.put("other.pem", &ca.issue(&["b"]).key);
    let chain = files.put("chain.pem", &good.chain);
    let error = ServerTls::from_files(&chain, other);
    assert!(matches!(error.unwrap_err(), TlsError::Key));
    // None of it shows a key.
    let tls = files.tls(&good);
    assert!(!format!("{tls:?} {:?}", Tls::new()).contains("PRIVATE"));
}

#[test]
fn a_certificate_may_be_renewed_while_the_server_runs() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let files = Files::new("renewed");
    let tls = files.tls(&before.issue(&["chat.example"]));
    let server = run(echo().tls(tls.clone()));
    let connects = |ca| client(&server, "chat.example", ca).connect();
    let mut open = connects(&before).unwrap();
    // What cannot be read changes nothing.
    files.put("key.pem", "");
    assert!(matches!(tls.reload().unwrap_err(), TlsError::Key));
    connects(&before).unwrap();
    files.tls(&after.issue(&["chat.example"]));
    tls.reload().unwrap();
    says_hello(&mut connects(&after).unwrap());
    connects(&before).unwrap_err();
    says_hello(&mut open);
}

#[test]
fn messages_of_all_lengths_go_both_ways() {
    let ca = Authority::new("ours");
    let server = serving("lengths", &ca.issue(&["chat.example"]));
    let client = client(&server, "chat.example", &ca);
    #[cfg(feature = "deflate")]
    let client = client.deflate(ws_std::Deflate::default());
    let mut ws = client.connect().unwrap();
    for len in [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_536, 1_000_000] {
        let message = pattern(len);
        ws.send(&message).unwrap();
        let answer = ws.recv().unwrap();
        assert!(answer == Some(Message::Binary(&message)), "{len}");
    }
    ws.close(CloseCode::NORMAL, "").unwrap();
}

/// Both directions are full at once: a reader that kept the writer out, or the other way round,
/// would be the end.
#[test]
fn a_reader_that_waits_keeps_no_writer_out() {
    let ca = Authority::new("ours");
    let tls = Files::new("split").tls(&ca.issue(&["chat.example"]));
    let (go, gone) = mpsc::channel();
    let gone = std::sync::Mutex::new(gone);
    let server = run(server().tls(tls).websocket("/", move |ws, _| {
        let (mut reader, writer) = ws.split();
        // It says nothing until the client has sent, while its own reader waits.
        let waiting = thread::spawn(move || {
            let mut count = 0;
            while let Ok(Some(message)) = reader.recv() {
                assert_eq!(message.as_bytes().len(), 100_000);
                count += 1;
            }
            count
        });
        gone.lock().unwrap().recv_timeout(PATIENCE)?;
        for _ in 0..100 {
            writer.send(&[7; 100_000][..])?;
        }
        assert_eq!(waiting.join().unwrap(), 100);
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    }));
    let client = client(&server, "chat.example", &ca);
    let (mut reader, writer) = client.connect().unwrap().split();
    let (tell, told) = mpsc::channel();
    let receiving = thread::spawn(move || {
        tell.send(()).unwrap();
        for _ in 0..100 {
            assert!(reader.recv().unwrap().is_some());
        }
        reader
    });
    told.recv_timeout(PATIENCE).unwrap();
    within(move || {
        for at in 0..100 {
            writer.send(&[7; 100_000][..]).unwrap();
            if at == 50 {
                go.send(()).unwrap();
            }
        }
        // A server that has received a Close sends no more messages.
        let mut reader = receiving.join().unwrap();
        writer.close(CloseCode::NORMAL, "").unwrap();
        assert!(reader.recv().unwrap().is_none());
    });
}

#[test]
fn a_silent_peer_is_pinged_and_given_up_over_tls() {
    let ca = Authority::new("ours");
    let tls = Files::new("silent").tls(&ca.issue(&["chat.example"]));
    let (hold, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let server = run(server()
        .tls(tls)
        .grace(Duration::ZERO)
        .websocket("/", move |_ws, _| {
            // It reads nothing, so it answers no Ping.
            let _ = held.lock().unwrap().recv();
            Ok::<_, ws_std::Error>(())
        }));
    let client = client(&server, "chat.example", &ca).timeouts(timeouts(Some(20), 20, 20));
    let mut ws = client.connect().unwrap();
    let error = within(move || ws.recv().map(drop).unwrap_err());
    assert!(matches!(error, ws_std::Error::TimedOut(_)), "{error}");
    drop(hold);
}

#[test]
fn whoever_does_not_speak_tls_is_told_from_a_server_that_is_gone() {
    let ca = Authority::new("ours");
    let (listener, silent) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let asking = |listener: &TcpListener| {
        let tls = Tls::new().ca(ca.pem().as_bytes()).unwrap();
        Client::new(format!("wss://{}/", listener.local_addr().unwrap())).tls(tls)
    };
    let client = asking(&listener);
    let failing = thread::spawn(move || client.connect().unwrap_err());
    let mut peer = Raw::over(listener.accept().unwrap().0, false);
    peer.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    let error = failing.join().unwrap();
    let is_tls = matches!(
        error,
        ConnectError::Tls {
            error: TlsError::Handshake(_),
            ..
        }
    );
    assert!(is_tls, "{error:?}");
    drop(peer);
    let client = asking(&listener);
    let failing = thread::spawn(move || client.connect().unwrap_err());
    drop(listener.accept().unwrap());
    let error = failing.join().unwrap();
    assert!(matches!(error, ConnectError::Io { .. }), "{error:?}");
    // The handshake is within the one deadline.
    let address = silent.local_addr().unwrap();
    let client = asking(&silent).handshake_timeout(Duration::from_millis(20));
    assert_eq!(
        client.connect().unwrap_err().to_string(),
        format!("timed out after 0.02 s, shaking hands (TLS) with {address}")
    );
    // And a plain client learns nothing from a server that speaks it.
    let server = serving("plain", &ca.issue(&["chat.example"]));
    let error = ws_std::connect(server.url("/")).unwrap_err();
    let is_broken = matches!(error, ConnectError::Handshake(_) | ConnectError::Io { .. });
    assert!(is_broken, "{error:?}");
}

#[test]
fn a_handshake_can_be_stopped() {
    let ca = Authority::new("ours");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = Tls::new().ca(ca.pem().as_bytes()).unwrap();
    let client = Client::new(format!("wss://{}/", listener.local_addr().unwrap())).tls(tls);
    let mut connections = client.handshake_timeout(Duration::MAX).reconnect();
    let stop = connections.stop_handle();
    let shaking = thread::spawn(move || assert!(connections.next().is_none()));
    let (mut silent, _) = listener.accept().unwrap();
    // It has said hello, and waits.
    silent.read_exact(&mut [0]).unwrap();
    stop.stop();
    within(move || shaking.join().unwrap());
}

#[test]
fn a_page_in_the_clear_may_not_open_a_websocket_over_tls() {
    let ca = Authority::new("ours");
    let server = serving("origin", &ca.issue(&["chat.example"]));
    let client = |origin: &str| {
        client(&server, "chat.example", &ca)
            .host("chat.example")
            .origin(origin)
    };
    says_hello(&mut client("https://chat.example").connect().unwrap());
    let error = client("http://chat.example").connect().unwrap_err();
    let ConnectError::Refused(answer) = error else {
        panic!("{error}");
    };
    assert_eq!(answer.status(), 403);
}
