//! TLS with others: Python's `ssl` under websockets and websocket-client, and OpenSSL's `s_server`
//! and `s_client`, which move bytes and know nothing of WebSockets.
#![cfg(unix)]

use crate::certificates;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::certificates::{Authority, Certificate};
use crate::peers::{PATIENCE, python};
use crate::process::Process;
use ws_proto::handshake;
use ws_std::{
    Backoff, Client, CloseCode, ConnectError, Hosts, Message, Server, ServerTls, Tls, TlsError,
};
use ws_testkit::{Frame, frame};

/// A folder that is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("ws-tests-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    fn certificate(&self, certificate: &Certificate) -> [PathBuf; 2] {
        let chain = self.put("chain.pem", &certificate.chain);
        [chain, self.put("key.pem", &certificate.key)]
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn client(host: &str, port: u16, ca: &Authority) -> Client {
    Client::new(format!("wss://{host}:{port}/"))
        .connect_to("127.0.0.1", port)
        .handshake_timeout(PATIENCE)
        .tls(Tls::new().ca(ca.pem().as_bytes()).expect("a certificate"))
}

/// Sends messages of many lengths and receives them.
fn echoes(client: &Client) {
    let mut ws = client.connect().expect("a connection");
    for len in [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_536, 1_000_000] {
        let message: Vec<u8> = (0..251).cycle().take(len).collect();
        ws.send(&message).expect("open");
        let answer = ws.recv().expect("open");
        assert!(answer == Some(Message::Binary(&message)), "{len}");
    }
    ws.close(CloseCode::NORMAL, "").expect("a good end");
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn our_client_at_python_s_server_lets_the_right_certificates_pass() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let folder = Folder::new("python");
    let serving = |certificate: &Certificate| {
        let files = folder.certificate(certificate);
        let mut server = Process::start(python("tls_server.py").args(files));
        let port: u16 = server.line("listening ").parse().expect("a port");
        (server, port)
    };
    for (name, certificate, says) in certificates::rejected(&ours, &other) {
        let (_server, port) = serving(&certificate);
        match client("chat.example", port, &ours).connect() {
            Err(ConnectError::Tls {
                error: TlsError::Rejected(why),
                ..
            }) => assert_eq!(why, says, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    for (_, certificate, host) in certificates::accepted(&ours) {
        let (_server, port) = serving(&certificate);
        echoes(&client(host, port, &ours));
    }
    // One that wants to know who comes.
    let mut files = folder.certificate(&ours.issue(&["chat.example"])).to_vec();
    files.push(folder.put("ca.pem", &ours.pem()));
    let mut server = Process::start(python("tls_server.py").args(files));
    let port: u16 = server.line("listening ").parse().expect("a port");
    let own = |own: &Certificate| {
        let tls = Tls::new().ca(ours.pem().as_bytes()).expect("a certificate");
        let tls = tls.certificate(own.chain.as_bytes(), own.key.as_bytes());
        client("chat.example", port, &ours).tls(tls.expect("they belong together"))
    };
    echoes(&own(&ours.issue(&["li"])));
    for stranger in [
        client("chat.example", port, &ours),
        own(&other.issue(&["li"])),
    ] {
        let error = stranger.connect().expect_err("a stranger");
        assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    }
}

/// An echo over TLS, until the test process ends.
fn ours(tls: ServerTls) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").expect("a port");
    let server = server.hosts(Hosts::any()).tls(tls);
    let server = server.websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)));
    let address = server.local_addr();
    thread::spawn(move || server.run());
    address
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn python_s_clients_at_our_server() {
    let (authority, folder) = (Authority::new("ours"), Folder::new("python-clients"));
    let ca = folder.put("ca.pem", &authority.pem());
    let [chain, key] = folder.certificate(&authority.issue(&["chat.example"]));
    let tls = || ServerTls::from_files(&chain, &key).expect("a certificate");
    let passes = |address: SocketAddr, own: &[&Path]| {
        let mut client = python("tls_client.py");
        client.arg(address.port().to_string()).arg(&ca).args(own);
        Process::start(&mut client).finish()
    };
    let (status, said) = passes(ours(tls()), &[]);
    assert!(
        status.success() && said.matches("ok ").count() == 3,
        "{said}"
    );
    let strict = ours(tls().require_client_certificates(&ca).expect("one"));
    let own = authority.issue(&["li"]);
    let own = [
        folder.put("own.pem", &own.chain),
        folder.put("own-key.pem", &own.key),
    ];
    let (status, said) = passes(strict, &[&own[0], &own[1]]);
    assert!(status.success(), "{said}");
    let (status, said) = passes(strict, &[]);
    assert!(!status.success(), "{said}");
}

/// OpenSSL, which passes on what goes in and what comes out.
struct Openssl(Child);

impl Openssl {
    fn start(args: &[&str], files: &[(&str, &Path)]) -> Self {
        let mut command = Command::new("openssl");
        command.args(args).arg("-quiet");
        for (option, file) in files {
            command.arg(option).arg(file);
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(piped.stderr(Stdio::null()).spawn().expect("openssl"))
    }

    fn write(&mut self, bytes: &[u8]) {
        let pipe = self.0.stdin.as_mut().expect("piped");
        pipe.write_all(bytes).expect("it lives");
        pipe.flush().expect("it lives");
    }

    /// Reads a head, byte by byte: what follows it stays where it is.
    fn head(&mut self) -> Vec<u8> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.read(1));
        }
        head
    }

    fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let pipe = self.0.stdout.as_mut().expect("piped");
        pipe.read_exact(&mut bytes).expect("it lives");
        bytes
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs openssl"]
fn our_client_at_openssl_s_server() {
    let (authority, folder) = (Authority::new("ours"), Folder::new("s-server"));
    let [chain, key] = folder.certificate(&authority.issue(&["chat.example"]));
    for version in ["-tls1_2", "-tls1_3"] {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        let accept = format!("127.0.0.1:{port}");
        let args = ["s_server", "-accept", &accept, version, "-naccept", "1"];
        let files = [("-cert", &*chain), ("-key", &*key)];
        let mut server = Openssl::start(&args, &files);
        let client = client("chat.example", port, &authority);
        let asking = thread::spawn(move || {
            // It is waited for.
            let mut soon = Backoff::DEFAULT;
            soon.most = Duration::from_millis(20);
            let mut connections = client.reconnect().backoff(soon);
            let mut ws = connections.next().expect("one").expect("a connection");
            ws.send("hello").expect("open");
            ws.recv_owned().expect("open").expect("an answer")
        });
        let head = server.head();
        let request = handshake::Request::parse(&head).expect("a request");
        let mut out = [0; 1024];
        let accepted = request.accept().expect("a handshake");
        let len = accepted.encode(&mut out).expect("room");
        server.write(&out[..len]);
        // A text of five bytes, masked.
        let (asked, _) = Frame::decode(&server.read(2 + 4 + 5)).expect("whole");
        assert_eq!(asked.payload, b"hello");
        server.write(&frame(0x81, None, b"world"));
        let answer = asking.join().expect("an answer");
        assert_eq!(answer.as_message(), Message::Text("world"), "{version}");
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_s_client_at_our_server() {
    let (authority, folder) = (Authority::new("ours"), Folder::new("s-client"));
    let ca = folder.put("ca.pem", &authority.pem());
    let [chain, key] = folder.certificate(&authority.intermediate().issue(&["chat.example"]));
    let address = ours(ServerTls::from_files(chain, key).expect("a certificate")).to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let args = ["s_client", "-connect", &address, version];
        let verify = [
            "-servername",
            "chat.example",
            "-verify_hostname",
            "chat.example",
        ];
        let args = [&args[..], &verify, &["-verify_return_error"]].concat();
        let mut client = Openssl::start(&args, &[("-CAfile", &ca)]);
        client.write(
            b"GET / HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        let head = client.head();
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{version}");
        client.write(&frame(0x81, Some([1, 2, 3, 4]), b"hello"));
        assert_eq!(client.read(7), b"\x81\x05hello", "{version}");
    }
}
