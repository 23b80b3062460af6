//! Connections over TLS: who is let in, that everything works over it that works without, and both
//! adapters at each other.
#![cfg(all(feature = "tls", not(target_arch = "x86")))]

use crate::certificates;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::certificates::{Authority, Certificate};
use crate::common::within;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_blocking};
use ws_tokio::ws_http::{Request, Response, StatusCode};
use ws_tokio::{
    Client, CloseCode, ConnectError, Error, Handle, Message, Server, ServerTls, Timeouts, Tls,
    TlsError, Transport, WebSocket,
};

/// Longer than anything takes that is not broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Files that are gone when this is dropped.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = format!("ws-tokio-{}-{name}", std::process::id());
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

/// A server that runs.
struct Running {
    address: SocketAddr,
    handle: Handle,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start(
        tls: ServerTls,
        set_up: impl FnOnce(Server<Transport>) -> Server<Transport>,
    ) -> Self {
        let server = set_up(Server::bind_tls("127.0.0.1:0", tls).await.unwrap());
        Self {
            address: server.local_addr(),
            handle: server.handle(),
            task: tokio::spawn(server.run()),
        }
    }

    /// One that echoes.
    async fn echo(tls: ServerTls) -> Self {
        Self::start(tls, |server| server.websocket("/", echo)).await
    }

    async fn end(self) {
        self.handle.shutdown();
        within(self.task).await.unwrap().unwrap();
    }

    fn url(&self) -> String {
        format!("wss://{}/", self.address)
    }
}

async fn echo<S>(mut ws: WebSocket<S>, _: Request) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some((message, mut reply)) = ws.recv_reply().await? {
        reply.queue(message)?;
    }
    Ok(())
}

async fn serving(name: &str, certificate: &Certificate) -> Running {
    Running::echo(Files::new(name).tls(certificate)).await
}

/// That trusts an authority, and expects the certificate of a host.
fn trusting(ca: &Authority, host: &str) -> Tls {
    let tls = Tls::new().ca(ca.pem().as_bytes()).unwrap();
    tls.server_name(host).unwrap()
}

fn client(server: &Running, tls: Tls) -> Client {
    let client = Client::new(server.url());
    client.handshake_timeout(PATIENCE).tls(tls)
}

async fn says_hello<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocket<S>) {
    within(ws.send("hello")).await.unwrap();
    let answer = within(ws.recv()).await.unwrap();
    assert_eq!(answer, Some(Message::Text("hello")));
}

async fn rejected(client: &Client) -> String {
    match within(client.connect()).await.unwrap_err() {
        ConnectError::Tls {
            error: TlsError::Rejected(why),
            ..
        } => why,
        error => panic!("{error:?}"),
    }
}

async fn fails_in_the_handshake(client: &Client) {
    let error = within(client.connect()).await.unwrap_err();
    let is_tls = matches!(
        error,
        ConnectError::Tls {
            error: TlsError::Handshake(_),
            ..
        }
    );
    assert!(is_tls, "{error:?}");
}

#[tokio::test]
async fn only_the_right_certificates_pass() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    for (name, certificate, says) in certificates::rejected(&ours, &other) {
        let server = serving("rejected", &certificate).await;
        let strict = client(&server, trusting(&ours, "chat.example"));
        assert_eq!(rejected(&strict).await, says, "{name}");
        // Who wants no verification gets none.
        let lax = client(&server, Tls::new().danger_accept_any_certificate());
        says_hello(&mut within(lax.connect()).await.unwrap()).await;
    }
    for (name, certificate, host) in certificates::accepted(&ours) {
        let server = serving("accepted", &certificate).await;
        let client = client(&server, trusting(&ours, host));
        let mut ws = within(client.connect()).await.expect(name);
        says_hello(&mut ws).await;
        within(ws.close(CloseCode::NORMAL, "")).await.unwrap();
        assert_eq!(ws.peer_close().unwrap().0, CloseCode::NORMAL);
    }
}

/// Without a name that is given, the certificate is to be that of the URL's host.
#[tokio::test]
async fn the_url_s_host_is_expected_and_the_platform_does_not_trust_everybody() {
    let ca = Authority::new("ours");
    let server = serving("host", &ca.issue(&["chat.example"])).await;
    let tls = Tls::new().ca(ca.pem().as_bytes()).unwrap();
    let why = rejected(&client(&server, tls.clone())).await;
    assert_eq!(why, "it is for another host");
    match within(Client::new(server.url()).connect()).await {
        Err(ConnectError::Tls {
            error: TlsError::Rejected(_) | TlsError::NoRoots,
            tried,
        }) => assert_eq!(tried.host(), server.address.to_string()),
        other => panic!("{other:?}"),
    }
    let server = serving("address", &ca.issue(&["127.0.0.1"])).await;
    let mut ws = within(client(&server, tls).connect()).await.unwrap();
    says_hello(&mut ws).await;
}

#[tokio::test]
async fn a_server_may_want_a_client_s_certificate() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let files = Files::new("clients");
    let tls = files.tls(&ours.issue(&["chat.example"]));
    let tls = tls.require_client_certificates(files.put("ca.pem", &ours.pem()));
    let server = Running::echo(tls.unwrap()).await;
    let plain = || trusting(&ours, "chat.example");
    let with = |own: &Certificate| {
        let tls = plain().certificate(own.chain.as_bytes(), own.key.as_bytes());
        client(&server, tls.unwrap())
    };
    let known = with(&ours.issue(&["li"]));
    says_hello(&mut within(known.connect()).await.unwrap()).await;
    for client in [client(&server, plain()), with(&other.issue(&["li"]))] {
        fails_in_the_handshake(&client).await;
    }
}

#[tokio::test]
async fn a_redirect_to_another_server_takes_no_certificate_along() {
    let ours = Authority::new("ours");
    let files = Files::new("redirect");
    let tls = files.tls(&ours.issue(&["127.0.0.1"]));
    let strict = tls.require_client_certificates(files.put("ca.pem", &ours.pem()));
    let strict = strict.unwrap();
    let far = Running::echo(strict.clone()).await;
    let end = far.url().replace("wss", "https");
    let near = Running::start(strict, |server| {
        server.get("/", move |_| {
            Response::text("")
                .with_status(StatusCode::FOUND)
                .header("location", end.clone())
        })
    });
    let near = near.await;
    let own = ours.issue(&["li"]);
    let tls = Tls::new().ca(ours.pem().as_bytes()).unwrap();
    let tls = tls.certificate(own.chain.as_bytes(), own.key.as_bytes());
    let tls = tls.unwrap();
    let at = |server: &Running| client(server, tls.clone()).follow_redirects();
    says_hello(&mut within(at(&far).connect()).await.unwrap()).await;
    fails_in_the_handshake(&at(&near)).await;
}

#[tokio::test]
async fn a_certificate_may_be_renewed_while_the_server_runs() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let files = Files::new("renewed");
    let tls = files.tls(&before.issue(&["chat.example"]));
    let server = Running::echo(tls.clone()).await;
    let at = |ca| client(&server, trusting(ca, "chat.example"));
    let mut open = within(at(&before).connect()).await.unwrap();
    // What cannot be read changes nothing.
    files.put("key.pem", "");
    assert!(matches!(tls.reload().unwrap_err(), TlsError::Key));
    within(at(&before).connect()).await.unwrap();
    files.tls(&after.issue(&["chat.example"]));
    tls.reload().unwrap();
    says_hello(&mut within(at(&after).connect()).await.unwrap()).await;
    rejected(&at(&before)).await;
    says_hello(&mut open).await;
}

#[tokio::test]
async fn messages_of_all_lengths_go_both_ways() {
    let ca = Authority::new("ours");
    let server = serving("lengths", &ca.issue(&["chat.example"])).await;
    let client = client(&server, trusting(&ca, "chat.example"));
    #[cfg(feature = "deflate")]
    let client = client.deflate(ws_tokio::Deflate::default());
    let mut ws = within(client.connect()).await.unwrap();
    for len in [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_536, 1_000_000] {
        let message: Vec<u8> = (0..len)
            .map(|at: u32| (at % 251).try_into().unwrap())
            .collect();
        within(ws.send(&message)).await.unwrap();
        let answer = within(ws.recv()).await.unwrap();
        assert!(answer == Some(Message::Binary(&message)), "{len}");
    }
    within(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    server.end().await;
}

/// Both directions are full at once: a task that kept the other out would be the end.
#[tokio::test]
async fn a_reader_that_waits_keeps_no_writer_out() {
    const MESSAGES: usize = 100;
    let ca = Authority::new("ours");
    let tls = Files::new("split").tls(&ca.issue(&["chat.example"]));
    async fn both_ways(ws: WebSocket<Transport>) -> WebSocket<Transport> {
        let (mut reader, writer) = ws.split();
        let sending = tokio::spawn(async move {
            for _ in 0..MESSAGES {
                writer.send(&[7; 100_000][..]).await.unwrap();
            }
            writer
        });
        for _ in 0..MESSAGES {
            let message = within(reader.recv()).await.unwrap().unwrap();
            assert_eq!(message.as_bytes().len(), 100_000);
        }
        let writer = within(sending).await.unwrap();
        reader.reunite(writer).unwrap()
    }
    let server = Running::start(tls, |server| {
        server.websocket("/", |ws, _| async {
            let mut ws = both_ways(ws).await;
            assert_eq!(ws.recv().await?, None);
            Ok::<_, Error>(())
        })
    });
    let server = server.await;
    let client = client(&server, trusting(&ca, "chat.example"));
    let ws = within(client.connect()).await.unwrap();
    let mut ws = within(both_ways(ws)).await;
    within(ws.close(CloseCode::NORMAL, "done")).await.unwrap();
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::NORMAL);
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_given_up_over_tls() {
    let ca = Authority::new("ours");
    let tls = Files::new("silent").tls(&ca.issue(&["chat.example"]));
    let server = Running::start(tls, |server| {
        // It reads nothing, so it answers no Ping.
        server.websocket("/", |ws, _| async {
            std::future::pending::<()>().await;
            drop(ws);
            Ok::<_, Error>(())
        })
    });
    let server = server.await;
    let short = Duration::from_millis(20);
    let mut timeouts = Timeouts::DEFAULT;
    (timeouts.ping_interval, timeouts.pong_timeout) = (Some(short), short);
    let client = client(&server, trusting(&ca, "chat.example")).timeouts(timeouts);
    let mut ws = within(client.connect()).await.unwrap();
    let error = within(ws.recv()).await.map(drop).unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_from_a_server_that_is_gone() {
    let ca = Authority::new("ours");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let client = Client::new(&url).tls(trusting(&ca, "chat.example"));
    let strange = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let ((), ()) = within(async { tokio::join!(strange, fails_in_the_handshake(&client)) }).await;
    let gone = async { drop(listener.accept().await.unwrap()) };
    let ((), error) = within(async { tokio::join!(gone, client.connect()) }).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Io { .. }), "{error:?}");
    // The handshake is within the one deadline.
    let hasty = client.handshake_timeout(Duration::from_millis(20));
    let error = within(hasty.connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
    // And a plain client learns nothing from a server that speaks it.
    let server = serving("plain", &ca.issue(&["chat.example"])).await;
    let error = within(ws_tokio::connect(server.url().replace("wss", "ws"))).await;
    let error = error.unwrap_err();
    let is_broken = matches!(error, ConnectError::Handshake(_) | ConnectError::Io { .. });
    assert!(is_broken, "{error:?}");
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_keep_a_server_from_ending() {
    let ca = Authority::new("ours");
    let server = serving("mute", &ca.issue(&["chat.example"])).await;
    let mut mute = TcpStream::connect(server.address).await.unwrap();
    // Its task has begun once somebody else is served.
    let client = client(&server, trusting(&ca, "chat.example"));
    says_hello(&mut within(client.connect()).await.unwrap()).await;
    server.end().await;
    let _ = within(mute.read(&mut [0])).await;
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_is_told_so_over_tls() {
    let ca = Authority::new("ours");
    let tls = Files::new("full").tls(&ca.issue(&["chat.example"]));
    let server = Running::start(tls, |server| server.max_connections(1).websocket("/", echo));
    let server = server.await;
    let client = client(&server, trusting(&ca, "chat.example"));
    let mut first = within(client.connect()).await.unwrap();
    match within(client.connect()).await.unwrap_err() {
        ConnectError::Refused(answer) => assert_eq!(answer.status(), 503),
        error => panic!("{error:?}"),
    }
    says_hello(&mut first).await;
}

#[tokio::test]
async fn a_page_in_the_clear_may_not_open_a_websocket_over_tls() {
    let ca = Authority::new("ours");
    let server = serving("origin", &ca.issue(&["127.0.0.1"])).await;
    let tls = Tls::new().ca(ca.pem().as_bytes()).unwrap();
    let client = |scheme: &str| {
        let origin = format!("{scheme}://{}", server.address);
        client(&server, tls.clone()).origin(origin)
    };
    says_hello(&mut within(client("https").connect()).await.unwrap()).await;
    match within(client("http").connect()).await.unwrap_err() {
        ConnectError::Refused(answer) => assert_eq!(answer.status(), 403),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn both_adapters_are_each_other_s_peers() {
    let ca = Authority::new("ours");
    let certificate = ca.issue(&["127.0.0.1"]);
    let tls = || Tls::new().ca(ca.pem().as_bytes()).unwrap();
    let long = vec![7; 300_000];
    // Their client, our server.
    let server = serving("ours", &certificate).await;
    let theirs = ws_std::Client::new(server.url()).tls(tls());
    let message = long.clone();
    let talk = spawn_blocking(move || {
        let mut ws = theirs.connect().unwrap();
        ws.send(&message).unwrap();
        assert!(ws.recv().unwrap() == Some(Message::Binary(&message)));
        ws.close(CloseCode::NORMAL, "").unwrap();
        ws.peer_close()
    });
    let close = within(talk).await.unwrap();
    assert_eq!(close, Some((CloseCode::NORMAL, String::new())));
    server.end().await;
    // Our client, their server.
    let files = Files::new("theirs");
    let server = ws_std::Server::bind("127.0.0.1:0").unwrap();
    let server = server.tls(files.tls(&certificate));
    let server = server.websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)));
    let (address, handle) = (server.local_addr(), server.handle());
    let running = spawn_blocking(|| server.run());
    let client = Client::new(format!("wss://{address}/")).tls(tls());
    let mut ws = within(client.connect()).await.unwrap();
    assert!(ws.get_ref().unwrap().is_secure());
    within(ws.send(&long)).await.unwrap();
    let answer = within(ws.recv()).await.unwrap();
    assert!(answer == Some(Message::Binary(&long)));
    within(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::NORMAL);
    handle.shutdown();
    within(running).await.unwrap().unwrap();
}

/// A server of hyper's over TLS that has agreed on these versions of HTTP, and tells which one each
/// request came over.
#[cfg(all(feature = "http2", feature = "hyper"))]
async fn hyper_server(
    tls: ServerTls,
    versions: &[&str],
    has_websockets: bool,
) -> (
    SocketAddr,
    tokio::sync::mpsc::UnboundedReceiver<http::Version>,
) {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use hyper_util::server::conn::auto::Builder;

    let mut config = (*tls.config()).clone();
    config.alpn_protocols = versions
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
        tell.send(request.version()).unwrap();
        let (answer, upgrade) = ws_tokio::upgrade::<hyper::body::Incoming>(&mut request).unwrap();
        let described = Request::new(http::Request::new(()), address);
        tokio::spawn(async move { echo(upgrade.open().await?, described).await });
        async { Ok::<_, std::convert::Infallible>(answer.map(|()| String::new())) }
    });
    tokio::spawn(async move {
        let mut http = Builder::new(TokioExecutor::new());
        if has_websockets {
            http.http2().enable_connect_protocol();
        }
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let stream = TokioIo::new(stream);
            let (http, service) = (http.clone(), service.clone());
            tokio::spawn(async move {
                let _ = http.serve_connection_with_upgrades(stream, service).await;
            });
        }
    });
    (address, told)
}

#[cfg(all(feature = "http2", feature = "hyper"))]
#[tokio::test]
async fn http_2_is_spoken_where_it_is_wanted_and_there_are_websockets() {
    use http::Version;

    let ca = Authority::new("ours");
    let certificate = ca.issue(&["127.0.0.1"]);
    // (what the server speaks, whether it announces WebSockets over HTTP/2, whether we want that)
    for (versions, has_websockets, wanted, spoken) in [
        (&["h2", "http/1.1"][..], true, true, Version::HTTP_2),
        (&["h2", "http/1.1"], true, false, Version::HTTP_11),
        (&["h2", "http/1.1"], false, true, Version::HTTP_11),
        (&["http/1.1"], true, true, Version::HTTP_11),
        // One that knows nothing of ALPN.
        (&[], true, true, Version::HTTP_11),
    ] {
        let tls = Files::new("http2").tls(&certificate);
        let (address, mut told) = hyper_server(tls, versions, has_websockets).await;
        let tls = Tls::new().ca(ca.pem().as_bytes()).unwrap();
        let client = Client::new(format!("wss://{address}/")).tls(tls);
        let client = match wanted {
            true => client.http2(),
            false => client,
        };
        let mut ws = within(client.connect()).await.unwrap();
        assert_eq!(within(told.recv()).await, Some(spoken), "{versions:?}");
        let transport = ws.get_ref().unwrap();
        assert_eq!(transport.peer_addr().unwrap(), address);
        assert_eq!(transport.tcp().is_none(), spoken == Version::HTTP_2);
        assert!(transport.is_secure());
        says_hello(&mut ws).await;
        within(ws.close(CloseCode::NORMAL, "")).await.unwrap();
        assert_eq!(ws.peer_close().unwrap().0, CloseCode::NORMAL);
    }
    // Who is not let in learns that from TLS.
    let tls = Files::new("http2-strict").tls(&Authority::new("other").issue(&["127.0.0.1"]));
    let (address, _) = hyper_server(tls, &["h2"], true).await;
    let tls = Tls::new().ca(ca.pem().as_bytes()).unwrap();
    let client = Client::new(format!("wss://{address}/")).tls(tls).http2();
    assert_eq!(
        rejected(&client).await,
        "nobody who is trusted has issued it"
    );
}
