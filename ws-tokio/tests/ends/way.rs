//! Where a client connects to, what it asks for there, and what it says when that fails.

use std::error::Error as _;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use ws_http::{Credentials, Proxy};
use ws_tokio::{Client, ConnectError, Stage, ws_http};

/// Reads a request from a client, and refuses it.
async fn refuse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let (mut head, mut room) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        let len = stream.read(&mut room).await.unwrap();
        assert!(len > 0, "the client has asked for nothing");
        head.extend(&room[..len]);
    }
    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    String::from_utf8(head).unwrap()
}

/// What a client asks for of a server at `listener`.
async fn asked(client: Client, listener: &TcpListener) -> String {
    let serving = async { refuse(listener.accept().await.unwrap().0).await };
    let (head, error) = tokio::join!(serving, client.connect());
    assert!(matches!(error, Err(ConnectError::Refused(_))), "{error:?}");
    head
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn over_a_stream_of_ones_own_the_url_says_who_asks() {
    let (ours, theirs) = tokio::io::duplex(4096);
    let client = Client::new("ws://li:s3cret@chat.example/");
    let (head, error) = tokio::join!(refuse(theirs), client.connect_over(ours));
    assert!(matches!(error, Err(ConnectError::Refused(_))), "{error:?}");
    assert!(
        head.contains("\r\nAuthorization: Basic bGk6czNjcmV0\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_client_says_who_asks_and_connects_where_it_is_told() {
    let (listener, port) = listener().await;
    let url = "li:s3cret@chat.example/rooms?name=Li Lei";
    let client = Client::new(url).connect_to("127.0.0.1", port);
    let head = asked(client.clone(), &listener).await;
    assert!(
        head.starts_with("GET /rooms?name=Li%20Lei HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nHost: chat.example\r\n"), "{head}");
    assert!(
        head.contains("\r\nAuthorization: Basic bGk6czNjcmV0\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nUser-Agent: ws-tokio/"), "{head}");
    let other = Credentials::new("other", "one").unwrap();
    let client = client
        .credentials(other)
        .host("other.example")
        .no_user_agent();
    let head = asked(client.clone(), &listener).await;
    assert!(head.contains("\r\nHost: other.example\r\n"), "{head}");
    assert!(
        head.contains("\r\nAuthorization: Basic b3RoZXI6b25l\r\n"),
        "{head}"
    );
    assert!(!head.contains("User-Agent"), "{head}");
    let client = client
        .header("authorization", "Bearer token")
        .user_agent("me");
    let head = asked(client, &listener).await;
    assert!(
        head.contains("\r\nauthorization: Bearer token\r\n"),
        "{head}"
    );
    assert!(!head.contains("Basic"), "{head}");
    assert!(head.contains("\r\nUser-Agent: me\r\n"), "{head}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_connects_to_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("ws-tokio-way-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let client = Client::new("ws://chat.example/").connect_to_unix(&path);
    let serving = async { refuse(listener.accept().await.unwrap().0).await };
    let (head, error) = tokio::join!(serving, client.connect());
    assert!(matches!(error, Err(ConnectError::Refused(_))), "{error:?}");
    assert!(head.contains("\r\nHost: chat.example\r\n"), "{head}");
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    let error = client.connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Connect { .. }), "{error:?}");
    let said = format!("cannot connect to chat.example:80 at {}", path.display());
    assert_eq!(error.to_string(), said);
}

#[tokio::test]
async fn errors_say_what_was_tried_and_why_it_failed() {
    let (listener, port) = listener().await;
    let server = format!("127.0.0.1:{port}");
    let patience = Duration::from_millis(50);
    let hasty = Client::new(&*server).handshake_timeout(patience);
    let error = hasty.connect().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("timed out after 0.05 s, waiting for an answer from {server}")
    );
    let ConnectError::Timeout { stage, tried, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!((stage, tried.host()), (Stage::Answer, &*server));

    let (proxy, proxy_port) = self::listener().await;
    let through = Proxy::parse(&format!("http://me:s3cret@127.0.0.1:{proxy_port}")).unwrap();
    let client = Client::new("ws://chat.example/").proxy(through);
    let refusing = async { refuse(proxy.accept().await.unwrap().0).await };
    let (_, error) = tokio::join!(refusing, client.connect());
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot connect to chat.example:80 through http://127.0.0.1:{proxy_port}")
    );
    assert!(
        error.source().unwrap().to_string().contains("404"),
        "{error:?}"
    );

    let gone = async {
        // The hasty one comes first.
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
        }
    };
    let client = Client::new(&*server);
    let ((), error) = tokio::join!(gone, client.connect());
    assert_eq!(
        error.unwrap_err().to_string(),
        format!("lost the connection to {server} during the handshake")
    );
    drop(listener);
    let error = client.connect().await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot connect to {server}"));
    assert!(error.source().is_some());
    let error = client
        .header("X-Odd", "a\r\nb")
        .connect()
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "header \"X-Odd\" cannot be sent");
}
