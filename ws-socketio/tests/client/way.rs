//! The way to a server: polling and WebSockets go the same, through a proxy and over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client_common::{log, soon};
use crate::ours::{EVERY, Ours, chat, leave};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use ws_socketio::Proxy;
use ws_socketio::client::{Client, Transports};

/// A proxy that connects everybody to one address, whatever is asked for. Counts what was.
async fn proxy(to: SocketAddr) -> (Proxy, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let asked = String::from_utf8(head).unwrap();
                assert!(asked.starts_with("CONNECT chat.example:5000 "), "{asked}");
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(to).await.unwrap();
                // Whichever side ends it.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (Proxy::parse(&format!("http://{address}")).unwrap(), asked)
}

#[tokio::test]
async fn both_transports_go_through_the_proxy() {
    let (said, _heard) = log();
    let server = Ours::start(chat(said)).await;
    let (proxy, asked) = proxy(server.address).await;
    for by in EVERY {
        // Nobody looks this up but the proxy.
        let client = Client::new("http://chat.example:5000")
            .transports(by)
            .proxy(proxy.clone());
        let io = soon(client.connect()).await.unwrap();
        assert_eq!(soon(io.of("/").call::<u32>("echo", 7)).await.unwrap(), 7);
        leave(io).await;
    }
    // Polling keeps its connections, one for a GET and one for a POST at a time.
    assert!(asked.load(Ordering::SeqCst) >= EVERY.len());
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_named() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let proxy = Proxy::parse(&format!("http://{nobody}")).unwrap();
    for by in [Transports::Polling, Transports::WebSocket] {
        let client = Client::new("http://chat.example:5000");
        let client = client.transports(by).proxy(proxy.clone());
        let error = soon(client.connect()).await.unwrap_err();
        assert!(error.to_string().contains(&nobody.to_string()), "{error}");
        assert!(error.ended().is_worth_a_retry(), "{error}");
    }
}

#[cfg(all(feature = "tls", not(target_arch = "x86")))]
pub(crate) mod tls {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::certificates::{Authority, Certificate};
    use ws_socketio::{Server, ServerTls, Tls};

    /// A certificate and its key in files, which are gone when this is dropped.
    pub(crate) struct Files(PathBuf);

    impl Files {
        pub(crate) fn new(certificate: &Certificate, name: &str) -> Self {
            let name = format!("ws-socketio-{}-{name}", std::process::id());
            let files = Self(std::env::temp_dir().join(name));
            fs::create_dir_all(&files.0).unwrap();
            let texts = [&certificate.chain, &certificate.key];
            for (path, text) in files.paths().iter().zip(texts) {
                fs::write(path, text).unwrap();
            }
            files
        }

        pub(crate) fn paths(&self) -> [PathBuf; 2] {
            ["chain.pem", "key.pem"].map(|name| self.0.join(name))
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    async fn server(certificate: &Certificate, name: &str) -> Ours {
        let io = Server::new().ping_interval(Duration::from_secs(600));
        let files = Files::new(certificate, name);
        let [chain, key] = files.paths();
        let io = io.tls(ServerTls::from_files(chain, key).unwrap());
        let (said, _heard) = log();
        Ours::run(io, "127.0.0.1:0".parse().unwrap(), chat(said)).await
    }

    pub(crate) fn trusting(authority: &Authority) -> Tls {
        Tls::new().ca(authority.pem().as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn every_transport_works_over_tls() {
        let ours = Authority::new("ours");
        let server = server(&ours.issue(&["127.0.0.1"]), "good").await;
        for by in EVERY {
            let client = Client::new(format!("https://{}", server.address));
            let client = client.transports(by).tls(trusting(&ours));
            let io = soon(client.connect()).await.unwrap();
            assert_eq!(soon(io.of("/").call::<u32>("echo", 7)).await.unwrap(), 7);
            leave(io).await;
        }
        server.stop().await;
    }

    #[tokio::test]
    async fn a_certificate_that_nobody_trusts_is_the_end_by_either_transport() {
        let (ours, other) = (Authority::new("ours"), Authority::new("other"));
        let server = server(&other.issue(&["127.0.0.1"]), "other").await;
        for by in [Transports::Polling, Transports::WebSocket] {
            let client = Client::new(format!("https://{}", server.address));
            let client = client.transports(by).tls(trusting(&ours));
            let error = soon(client.connect()).await.unwrap_err();
            let said = error.to_string();
            assert!(
                said.contains("nobody who is trusted has issued it"),
                "{said}"
            );
            assert!(!error.ended().is_worth_a_retry(), "{said}");
        }
        server.stop().await;
    }

    #[tokio::test]
    async fn a_page_that_came_without_tls_is_a_foreign_one() {
        let ours = Authority::new("ours");
        let server = server(&ours.issue(&["127.0.0.1"]), "pages").await;
        let url = format!("https://{}", server.address);
        for (scheme, is_let_in) in [("https", true), ("http", false)] {
            let page = format!("{scheme}://{}", server.address);
            let client = Client::new(&url).header("Origin", page);
            let connected = soon(client.tls(trusting(&ours)).connect()).await;
            assert_eq!(connected.is_ok(), is_let_in, "{scheme}: {connected:?}");
        }
        server.stop().await;
    }

    #[tokio::test]
    async fn who_does_not_speak_tls_holds_nobody_up() {
        let ours = Authority::new("ours");
        let server = server(&ours.issue(&["127.0.0.1"]), "plain").await;
        let mut plain = TcpStream::connect(server.address).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        // An alert, or nothing.
        let _ = soon(plain.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP"));
        let silent = TcpStream::connect(server.address).await.unwrap();
        let client = Client::new(format!("https://{}", server.address));
        let io = soon(client.tls(trusting(&ours)).connect()).await.unwrap();
        leave(io).await;
        // It does not wait for who says nothing.
        server.stop().await;
        drop(silent);
    }
}
