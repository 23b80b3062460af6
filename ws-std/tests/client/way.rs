//! The way of a client to its connection: addresses, names, credentials, and what it says of
//! itself.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, Raw, run, server};
use ws_std::{Client, ConnectError, Credentials, Request, Response, StatusCode, WebSocket};

/// The head of the request that a client sends to a listener of ours.
fn request(client: impl FnOnce(String) -> Client) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(listener.local_addr().unwrap().to_string());
    let asking = thread::spawn(move || client.connect());
    let mut peer = Raw::over(listener.accept().unwrap().0, false);
    let head = peer.head();
    drop(peer);
    asking.join().unwrap().unwrap_err();
    head
}

#[test]
fn a_client_says_what_it_is_unless_it_is_told_otherwise() {
    let own = format!("\r\nUser-Agent: ws-std/{}\r\n", env!("CARGO_PKG_VERSION"));
    assert!(request(Client::new).contains(&own));
    for client in [
        |url| Client::new(url).user_agent("ticker/2"),
        |url| Client::new(url).header("user-agent", "ticker/2"),
    ] {
        let head = request(client).to_lowercase();
        assert_eq!(head.matches("user-agent").count(), 1, "{head}");
        assert!(head.contains("\r\nuser-agent: ticker/2\r\n"), "{head}");
    }
    let head = request(|url| Client::new(url).no_user_agent());
    assert!(!head.contains("User-Agent"), "{head}");
}

#[test]
fn a_url_s_user_and_password_are_sent_and_go_no_further() {
    let basic = |user, password| {
        let own = Credentials::new(user, password).unwrap().basic();
        format!("\r\nAuthorization: {}\r\n", own.to_str().unwrap())
    };
    let head = request(|at| Client::new(format!("ws://li:s3%20cret@{at}/")));
    assert!(head.contains(&basic("li", "s3 cret")), "{head}");
    // What the application sets goes before it.
    let other = Credentials::new("han", "x").unwrap();
    let head = request(|at| Client::new(format!("ws://li:s3cret@{at}/")).credentials(other));
    assert!(head.contains(&basic("han", "x")), "{head}");
    let head = request(|at| {
        Client::new(format!("ws://li:s3cret@{at}/")).header("authorization", "Bearer abc")
    });
    assert!(head.contains("\r\nauthorization: Bearer abc\r\n"), "{head}");
    assert!(!head.contains("Basic"), "{head}");

    // A redirect to the same origin takes them along, to another none of them.
    let heard = |mut ws: WebSocket, request: &Request| {
        let who = request.header("authorization").unwrap_or("nobody");
        ws.send(&*format!("{who} at {}", request.header("host").unwrap()))
    };
    let away = run(server().websocket("/end", |mut ws, request| {
        let who = request.header("authorization").unwrap_or("nobody");
        ws.send(&*format!("{who} away"))
    }));
    let end = format!("http://{}/end", away.addr);
    let first = run(server()
        .hook(move |request| {
            let to = match request.path() {
                "/away" => end.clone(),
                "/here" => "end".into(),
                _ => return None,
            };
            let answer = Response::text("").with_status(StatusCode::FOUND);
            Some(answer.header("location", to))
        })
        .websocket("/end", heard));
    let client = |path: &str| {
        Client::new(format!("ws://li:s3cret@h:1{path}"))
            .connect_to("127.0.0.1", first.addr.port())
            .host("other.example")
            .follow_redirects()
    };
    for (path, who) in [
        ("/here", "Basic bGk6czNjcmV0 at other.example".to_owned()),
        ("/away", "nobody away".into()),
    ] {
        let mut ws = client(path).connect().unwrap();
        assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some(&*who), "{path}");
    }
}

#[test]
fn the_address_to_dial_and_the_host_are_not_the_url_s_if_they_are_set() {
    let host = |mut ws: WebSocket, request: &Request| ws.send(request.header("host").unwrap());
    let server = run(server().websocket("/", host));
    let port = server.addr.port();
    let client = || Client::new("ws://nobody.invalid/").connect_to("127.0.0.1", port);
    for (client, host) in [
        (client(), "nobody.invalid"),
        (client().host("chat.example:8443"), "chat.example:8443"),
    ] {
        let mut ws = client.connect().unwrap();
        assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some(host));
    }
    let error = client().host("a b").connect().unwrap_err();
    assert!(matches!(error, ConnectError::Argument(_)), "{error}");
    let error = client().header("Host", "b").connect().unwrap_err();
    assert_eq!(error.to_string(), "header \"Host\" cannot be sent");
}

#[test]
fn a_url_is_what_people_write() {
    let heard = |mut ws: WebSocket, request: &Request| ws.send(&*request.param("name").unwrap());
    let server = run(server().websocket("/{*path}", heard));
    for name in ["Li Lei", "张三", "a\"b"] {
        // Without a scheme.
        let url = format!("{}/a b?name={name}", server.addr);
        let mut ws = ws_std::connect(url).unwrap();
        assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some(name));
    }
}

#[cfg(feature = "idn")]
#[test]
fn a_host_in_any_script_is_asked_for_by_the_name_that_is_looked_up() {
    let head = request(|at| {
        let (host, port) = at.split_once(':').unwrap();
        let client = Client::new("ws://münchen.example/?q=ü");
        client.connect_to(host, port.parse().unwrap())
    });
    assert!(head.starts_with("GET /?q=%C3%BC HTTP/1.1\r\n"), "{head}");
    let host = "\r\nHost: xn--mnchen-3ya.example\r\n";
    assert!(head.contains(host), "{head}");
}

#[test]
fn an_error_says_what_was_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new("ws://chat.example/").connect_to("127.0.0.1", address.port());
    let error = client.connect().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot connect to chat.example:80 ({address})")
    );
    let ConnectError::Connect { tried, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((tried.addresses(), tried.proxy()), (&[address][..], None));
    let error = ws_std::connect("ws://nobody.invalid:9/").unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to nobody.invalid:9");
    // The wait for an answer is part of the one deadline.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = Client::new("ws://chat.example/").connect_to("127.0.0.1", address.port());
    let client = client.handshake_timeout(Duration::from_millis(20));
    assert_eq!(
        client.connect().unwrap_err().to_string(),
        format!("timed out after 0.02 s, waiting for an answer from chat.example:80 ({address})")
    );
}

/// `localhost` is both loopback addresses on most machines, and a server listens at one of them.
#[test]
fn a_name_with_addresses_of_both_families_leads_to_the_server_at_either() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        // There may be no version 6 here.
        let Ok(listener) = TcpListener::bind(at) else {
            continue;
        };
        let port = listener.local_addr().unwrap().port();
        let client = Client::new(format!("ws://localhost:{port}/"));
        let asking = thread::spawn(move || client.handshake_timeout(PATIENCE).connect());
        match asking_at(&listener) {
            Some(_peer) => drop(asking.join().unwrap().unwrap()),
            // This machine's `localhost` has no such address.
            None => drop(asking.join().unwrap().unwrap_err()),
        }
    }
}

fn asking_at(listener: &TcpListener) -> Option<Raw> {
    let own = listener.local_addr().unwrap();
    let mut all = std::net::ToSocketAddrs::to_socket_addrs(&("localhost", own.port())).unwrap();
    all.any(|address| address == own)
        .then(|| Raw::accept(listener))
}

#[cfg(unix)]
#[test]
fn a_unix_socket_stands_in_for_the_host() {
    use std::os::unix::net::UnixListener;

    let path = std::env::temp_dir().join(format!("ws-std-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let host = |mut ws: WebSocket, request: &Request| ws.send(request.header("host").unwrap());
    let server = server().websocket("/", host);
    let client = Client::new("ws://chat.example/").connect_to_unix(&path);
    thread::scope(|threads| {
        threads.spawn(|| {
            let (socket, _) = listener.accept().unwrap();
            server.serve_over(socket, ([0, 0, 0, 0], 0).into());
        });
        let mut ws = client.connect().unwrap();
        assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some("chat.example"));
    });
    drop(listener);
    assert_eq!(
        client.connect().unwrap_err().to_string(),
        format!("cannot connect to chat.example:80 at {}", path.display())
    );
    std::fs::remove_file(path).unwrap();
}
