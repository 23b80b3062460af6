//! Requests and their answers: pages, refusals, and who may open a WebSocket.

use crate::common::{
    PATIENCE, Raw, Running, UPGRADE, answer, ask, get, run, server, site, upgrade,
};
use std::io;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;
use ws_std::http::Method;
use ws_std::{
    Basic, Client, ConnectError, Credentials, Hosts, Limits, Origins, Request, Response, Server,
    StatusCode, Trusted,
};

#[test]
fn pages() {
    let server = run(site());
    let (status, head, body) = ask(server.addr, get("/"));
    assert_eq!(status, 200);
    assert_eq!(body, b"<h1>hello world</h1>");
    for line in [
        "http/1.1 200 ok\r\n",
        "\r\nconnection: close\r\n",
        "\r\ncontent-length: 20\r\n",
        "\r\ncontent-type: text/html; charset=utf-8\r\n",
        "\r\ncache-control: no-store\r\n",
        "\r\ndate: ",
    ] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
    let (_, _, body) = ask(server.addr, get("/?name=%E4%BD%A0%E5%A5%BD"));
    assert_eq!(body, "<h1>hello 你好</h1>".as_bytes());

    // RFC 9110 section 9.3.2: the same head, and no body.
    let (status, head, body) = ask(server.addr, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((status, &body[..]), (200, &b""[..]));
    assert!(head.contains("\r\ncontent-length: 20\r\n"), "{head}");

    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b");
        let (status, head, _) = ask(server.addr, request);
        assert_eq!(status, 405, "{method}");
        assert!(head.contains("\r\nallow: get, head\r\n"), "{head}");
    }
    assert_eq!(ask(server.addr, get("/nowhere")).0, 404);
    assert_eq!(ask(server.addr, get("//")).0, 404);
    assert_eq!(ask(server.addr, get("/%2F")).0, 404);
    assert_eq!(ask(server.addr, upgrade("/nowhere", "")).0, 404);
    // Absolute form, as to a proxy.
    assert_eq!(ask(server.addr, get("http://h/")).0, 200);
    // What follows a request is not read as another one.
    let (_, _, body) = ask(server.addr, get("/") + &get("/"));
    assert_eq!(body, b"<h1>hello world</h1>");
}

#[test]
fn a_page_and_a_socket_may_share_a_path() {
    let server = run(site());
    assert_eq!(ask(server.addr, get("/both")).2, b"the page");
    let mut ws = ws_std::connect(server.url("/both")).unwrap();
    assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some("the socket"));
    // Who wants an upgrade and does it wrong is told so, and gets no page.
    let request = Raw::request("/both", "Upgrade: websocket\r\nConnection: Upgrade\r\n");
    assert_eq!(ask(server.addr, request).0, 426);
}

#[test]
fn what_is_wrong_with_a_handshake_is_said() {
    let server = run(site());
    let long = "x".repeat(17_000);
    let many = "a: b\r\n".repeat(129);
    let much = format!("{}: {}\r\n", "a", "b".repeat(16_000)).repeat(3);
    let without = |name: &str| -> String {
        let lines = UPGRADE.split_inclusive("\r\n");
        lines.filter(|line| !line.starts_with(name)).collect()
    };
    let with = |name: &str, line: &str| without(name) + line + "\r\n";
    let socket = |headers: &str| Raw::request("/socket", headers);
    let cases = [
        (get("/socket"), 426, "upgrade: websocket"),
        (socket(&without("Upgrade")), 426, ""),
        (
            socket(&with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8")),
            426,
            "sec-websocket-version: 13",
        ),
        (socket(&without("Connection")), 400, ""),
        (socket(&without("Sec-WebSocket-Key")), 400, ""),
        (
            socket(&with("Sec-WebSocket-Key", "Sec-WebSocket-Key: short")),
            400,
            "",
        ),
        (upgrade("/socket", "Content-Length: 1\r\n"), 400, ""),
        (
            upgrade("/socket", "Transfer-Encoding: chunked\r\n"),
            400,
            "",
        ),
        (upgrade("/socket", "Host: again\r\n"), 400, ""),
        (upgrade("/socket", "a : b\r\n"), 400, ""),
        (upgrade("/socket", " folded\r\n"), 400, ""),
        (upgrade("/socket", "").replace("\r\n", "\n"), 400, ""),
        (
            upgrade("/socket", "").replace("GET", "POST"),
            405,
            "allow: get",
        ),
        (
            upgrade("/socket", "").replace("HTTP/1.1", "HTTP/1.0"),
            505,
            "",
        ),
        (
            upgrade("/socket", "").replace("HTTP/1.1", "HTTP/2.0"),
            505,
            "",
        ),
        (upgrade(&format!("/{long}"), ""), 414, ""),
        (upgrade("/socket", &format!("a: {long}\r\n")), 431, ""),
        (upgrade("/socket", &many), 431, ""),
        (upgrade("/socket", &much), 431, ""),
        ("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n".into(), 400, ""), // TLS
        ("hello\r\n\r\n".into(), 400, ""),
        (upgrade("socket", ""), 400, ""),
        (upgrade("/socket#x", ""), 400, ""),
    ];
    for (request, status, line) in cases {
        let (got, head, body) = ask(server.addr, &request);
        assert_eq!(got, status, "{request}\n{head}");
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
        assert!(head.contains(line), "{head}");
        assert!(!body.is_empty(), "{request}");
    }
}

#[test]
fn every_answer_but_101_closes() {
    let server = run(site().hook(|request| {
        (request.path() == "/hook").then(|| {
            // What an application sets is not what travels.
            Response::text("").header("connection", "keep-alive")
        })
    }));
    for request in [
        get("/"),
        get("/nowhere"),
        get("/hook"),
        get("/panics"),
        get("/socket"),
        upgrade("/socket", "Origin: http://evil.example\r\n"),
    ] {
        let (_, head, _) = ask(server.addr, &request);
        let closes = head.matches("connection: close\r\n").count();
        assert_eq!(closes, 1, "{request}\n{head}");
        assert!(!head.contains("keep-alive"), "{head}");
    }
    let mut raw = Raw::connect(server.addr);
    raw.write(upgrade("/socket", ""));
    assert!(!raw.head().to_ascii_lowercase().contains("close"));
}

#[test]
fn a_head_that_drips_past_the_deadline_is_408() {
    // No limit ends it before its time does.
    let mut limits = Limits::default();
    (limits.max_head, limits.max_head_line) = (usize::MAX, usize::MAX);
    let patience = Duration::from_millis(50);
    let server = run(site().limits(limits).handshake_timeout(patience));
    let mut raw = Raw::connect(server.addr);
    raw.write("GET / HTTP/1.1\r\nHost: h\r\na: ");
    // It drips on until the answer is there.
    let mut drip = raw.stream.try_clone().unwrap();
    let dripping = thread::spawn(move || {
        use std::io::Write;
        while drip.write_all(b"b").is_ok() {
            thread::yield_now();
        }
    });
    let (status, head, _) = answer(&mut raw);
    assert_eq!(status, 408, "{head}");
    drop(raw);
    dripping.join().unwrap();

    // Nothing at all, and half a line.
    for start in ["", "GET / HT"] {
        let mut raw = Raw::connect(server.addr);
        raw.write(start);
        let (status, head, _) = answer(&mut raw);
        assert_eq!(status, 408, "{start:?}");
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    }
    // A client that leaves in the middle costs nothing.
    let mut raw = Raw::connect(server.addr);
    raw.write("GET /");
    raw.half_close();
    raw.ends();
}

#[test]
fn a_hook_may_answer_anything() {
    let server = run(site().hook(|request| match request.path() {
        "/old" => Some(
            Response::text("")
                .with_status(StatusCode::MOVED_PERMANENTLY)
                .header("location", "/"),
        ),
        "/panic" => panic!("as the test wants"),
        _ if request.header("authorization") != Some("Basic eDp5") => Some(
            Response::text("who are you?")
                .with_status(StatusCode::UNAUTHORIZED)
                .header("www-authenticate", "Basic"),
        ),
        _ => None,
    }));
    let authorized = "Authorization: Basic eDp5\r\n";
    let (status, head, _) = ask(server.addr, get("/old"));
    assert_eq!(status, 301);
    assert!(head.contains("\r\nlocation: /\r\n"));
    let (status, head, body) = ask(server.addr, upgrade("/socket", ""));
    assert_eq!((status, &body[..]), (401, &b"who are you?"[..]));
    assert!(head.contains("\r\nwww-authenticate: basic\r\n"));
    assert_eq!(ask(server.addr, get("/panic")).0, 500);
    assert_eq!(ask(server.addr, Raw::request("/", authorized)).0, 200);
    assert_eq!(ask(server.addr, Raw::request("/x", authorized)).0, 404);

    let refused = ws_std::connect(server.url("/socket")).unwrap_err();
    let ConnectError::Refused(answer) = refused else {
        panic!("{refused}");
    };
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["www-authenticate"], "Basic");
    assert_eq!(answer.body(), b"who are you?");
    let client = Client::new(server.url("/socket")).header("Authorization", "Basic eDp5");
    client.connect().unwrap();
}

#[test]
fn whose_pages_may_connect() {
    let at = |origins: Option<Origins>, origin: &str| {
        let site = site();
        let server = run(match origins {
            Some(origins) => site.origins(origins),
            None => site,
        });
        let origin = origin.replace("SELF", &server.addr.to_string());
        let host = format!("Host: {}\r\n", server.addr);
        let mut raw = Raw::connect(server.addr);
        raw.write(upgrade("/socket", &origin).replace("Host: h\r\n", &host));
        let head = raw.head();
        head.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    // The default: of the same host.
    assert_eq!(at(None, ""), 101);
    assert_eq!(at(None, "Origin: http://SELF\r\n"), 101);
    assert_eq!(
        at(None, "Origin: http://127.0.0.1\r\n"),
        403,
        "another port"
    );
    assert_eq!(at(None, "Origin: http://evil.example\r\n"), 403);
    assert_eq!(at(None, "Origin: http://SELF.evil.example\r\n"), 403);
    assert_eq!(at(None, "Origin: null\r\n"), 403);
    assert_eq!(
        at(None, "Origin: http://SELF\r\nOrigin: http://SELF\r\n"),
        403
    );
    let list = || Some(Origins::list(["https://good.example", "app://a"]).unwrap());
    assert_eq!(at(list(), ""), 101);
    assert_eq!(at(list(), "Origin: https://good.example\r\n"), 101);
    assert_eq!(at(list(), "Origin: https://good.example:443\r\n"), 101);
    assert_eq!(at(list(), "Origin: app://a\r\n"), 101);
    assert_eq!(at(list(), "Origin: http://good.example\r\n"), 403);
    assert_eq!(
        at(list(), "Origin: http://SELF\r\n"),
        403,
        "the list is all"
    );
    assert_eq!(
        at(Some(Origins::any()), "Origin: http://evil.example\r\n"),
        101
    );
    assert_eq!(at(Some(Origins::any()), "Origin: null\r\n"), 101);
}

#[test]
fn a_subprotocol_that_was_not_offered_is_not_sent() {
    let server = run(site().choose_subprotocol(|request| match request.query() {
        Some("panic") => panic!("as the test wants"),
        query => query.map(Into::into),
    }));
    let offer = "Sec-WebSocket-Protocol: a, b\r\n";
    assert_eq!(ask(server.addr, upgrade("/socket?c", offer)).0, 500);
    assert_eq!(ask(server.addr, upgrade("/socket?a", "")).0, 500);
    assert_eq!(ask(server.addr, upgrade("/socket?panic", offer)).0, 500);
    let mut raw = Raw::connect(server.addr);
    raw.write(upgrade("/socket?b", offer));
    assert!(raw.head().contains("\r\nSec-WebSocket-Protocol: b\r\n"));
    let mut raw = Raw::connect(server.addr);
    raw.write(upgrade("/socket", offer));
    assert!(!raw.head().contains("Sec-WebSocket-Protocol"));
}

#[test]
fn a_handshake_timeout_too_long_to_add_is_never() {
    let server = run(site().handshake_timeout(Duration::MAX));
    let client = Client::new(server.url("/socket")).handshake_timeout(Duration::MAX);
    let mut ws = client.connect().unwrap();
    assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some("the socket"));
    assert_eq!(ask(server.addr, get("/")).0, 200);
}

#[test]
fn a_query_that_is_not_ascii_arrives_as_it_was_meant() {
    let said = |request: &Request| request.param("name").map(std::borrow::Cow::into_owned);
    let server = run(server().websocket("/echo", move |mut ws, request| {
        ws.send(&*said(request).unwrap_or_default())
    }));
    for name in ["张三", "<é>", "{\"a\":[1]}", "100%25", "a%20b"] {
        let mut ws = ws_std::connect(server.url(&format!("/echo?name={name}"))).unwrap();
        let meant = name.replace("%25", "%").replace("%20", " ");
        assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some(&*meant));
    }
}

#[test]
fn a_name_that_was_bound_to_this_machine_is_none_of_its_own() {
    // As it is without a word about hosts.
    let open = || {
        Server::bind("127.0.0.1:0")
            .unwrap()
            .get("/", |_| Response::text("the page"))
            .websocket("/socket", |mut ws, _| ws.send("the socket"))
    };
    let asked = |server: &Running, host: &str, target: &str| {
        let port = server.addr.port();
        let own = format!("Host: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n");
        let page = Raw::request(target, "").replace("Host: h\r\n", &own);
        let socket = upgrade("/socket", "").replace("Host: h\r\n", &own);
        [page, socket].map(|request| {
            let mut raw = Raw::connect(server.addr);
            raw.write(request);
            let head = raw.head();
            head.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
        })
    };
    let server = run(open());
    assert_eq!(asked(&server, "127.0.0.1", "/"), [200, 101]);
    assert_eq!(asked(&server, "localhost", "/"), [200, 101]);
    assert_eq!(asked(&server, "evil.example", "/"), [421, 421]);
    assert_eq!(asked(&server, "evil.example", "/nowhere"), [421, 421]);
    assert_eq!(asked(&server, "localhost", "http://evil.example/")[0], 400);
    // No hook sees what is meant for others.
    let server = run(open().hook(|_| panic!("as nobody wants")));
    assert_eq!(asked(&server, "evil.example", "/"), [421, 421]);
    let server = run(open().hosts(Hosts::named(["chat.example"]).unwrap()));
    assert_eq!(asked(&server, "chat.example", "/"), [200, 101]);
    assert_eq!(asked(&server, "evil.example", "/"), [421, 421]);
    // Who listens at all addresses may be used by any name, but not from this machine.
    for all in ["0.0.0.0:0", "[::]:0"] {
        // There may be no version 6 here.
        let Ok(public) = Server::bind(all) else {
            continue;
        };
        let address = ([127, 0, 0, 1], public.local_addr().port()).into();
        let _server = run(public.get("/", |_| Response::text("hi")));
        assert_eq!(ask(address, get("/")).0, 421, "{all}");
        let local = get("/").replace("Host: h", "Host: localhost");
        assert_eq!(ask(address, local).0, 200, "{all}");
    }
}

#[test]
fn every_refusal_is_told_to_the_log() {
    let (told, log) = mpsc::channel();
    let told = Mutex::new(told);
    let site = site()
        .get("/post", |_| Response::text(""))
        .hosts(Hosts::named(["h"]).unwrap())
        .on_refusal(move |peer, refusal| {
            assert!(peer.ip().is_loopback());
            let line = format!("{} {refusal}", refusal.status().as_u16());
            told.lock().unwrap().send(line).unwrap();
        });
    let server = run(site);
    let long = format!("/{}", "x".repeat(17_000));
    let cases = [
        (get("/nowhere"), "404 nothing is here"),
        (get("/post").replace("GET", "POST"), "405 only GET, HEAD"),
        (get("/panics"), "500 something went wrong here"),
        (
            get("/").replace("Host: h", "Host: evil.example"),
            "421 host evil.example is not one of this server's",
        ),
        (
            upgrade("/socket", "Origin: http://a\r\n"),
            "403 origin http://a is not of host h",
        ),
        (
            upgrade("/socket", "Host: b\r\n"),
            "400 more than one Host header",
        ),
        (
            get("/socket"),
            "426 missing or wrong Upgrade header: the handshake requires websocket",
        ),
        (
            get(&long),
            "414 the first line is too long (Limits::max_head_line is 16384 bytes)",
        ),
        ("hello\r\n\r\n".into(), "400 the request line is malformed"),
    ];
    for (request, line) in cases {
        let (status, _, body) = ask(server.addr, &request);
        assert_eq!(log.recv_timeout(PATIENCE).unwrap(), line);
        let answer = format!("{status} {}", String::from_utf8(body).unwrap());
        assert_eq!(answer, format!("{line}\n"));
    }
    // What is served is no refusal, and a log that panics hurts nobody.
    assert_eq!(ask(server.addr, get("/")).0, 200);
    assert!(log.try_recv().is_err());
    drop(log);
    assert_eq!(ask(server.addr, get("/nowhere")).0, 404);
}

#[test]
fn what_a_hook_found_out_the_handler_knows() {
    #[derive(Clone)]
    struct User(String);

    let basic = Basic::new([Credentials::new("li", "s3cret").unwrap()]);
    let server = run(server()
        .hook(move |request| match basic.check(request) {
            Ok(user) => {
                let user = User(user.into());
                request.extensions_mut().insert(user);
                None
            }
            Err(refusal) => Some(refusal.into()),
        })
        .get("/", |request| {
            let User(name) = request.extensions().get().unwrap();
            Response::text(name.clone())
        })
        .websocket("/socket", |mut ws, request| {
            let User(name) = request.extensions().get().unwrap();
            ws.send(&**name)
        }));
    let li = Credentials::new("li", "s3cret").unwrap().basic();
    let li = li.to_str().unwrap();
    let client = Client::new(server.url("/socket")).header("Authorization", li);
    let mut ws = client.connect().unwrap();
    assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some("li"));
    let line = format!("Authorization: {li}\r\n");
    assert_eq!(ask(server.addr, Raw::request("/", &line)).2, b"li");
    let (status, head, _) = ask(server.addr, get("/"));
    assert_eq!(status, 401);
    assert!(
        head.contains("\r\nwww-authenticate: basic realm="),
        "{head}"
    );
}

#[test]
fn paths_have_parameters_and_methods() {
    let server = run(server()
        .get("/rooms/{room}", |request| {
            Response::text(request.path_param("room").unwrap_or_default().into_owned())
        })
        .page(Method::POST, "/rooms/{room}", |_| Response::text("made"))
        .websocket("/rooms/{room}", |mut ws, request| {
            ws.send(&*request.path_param("room").unwrap_or_default())
        }));
    assert_eq!(ask(server.addr, get("/rooms/a%20b")).2, b"a b");
    assert_eq!(
        ask(server.addr, get("/rooms/7").replace("GET", "POST")).2,
        b"made"
    );
    let (status, head, _) = ask(server.addr, get("/rooms/7").replace("GET", "PUT"));
    assert_eq!(status, 405);
    assert!(head.contains("\r\nallow: get, head, post\r\n"), "{head}");
    let mut ws = ws_std::connect(server.url("/rooms/张")).unwrap();
    assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some("张"));
}

#[test]
fn a_path_that_is_misspelt_or_taken_is_said_when_the_server_begins() {
    let page = |_: &Request| Response::text("");
    for (server, says) in [
        (server().get("rooms", page), "`rooms` is not a path"),
        (server().get("/{", page), "`/{` is not a path"),
        (
            server().get("/", page).get("/", page),
            "`/` has GET already",
        ),
        (
            server().get("/{a}", page).get("/{b}", page),
            "`/{b}` and `/{a}` match the same requests",
        ),
    ] {
        let error = server.run().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(says), "{error}");
    }
}

#[test]
fn a_proxy_that_is_trusted_says_who_asks() {
    let tell = || {
        server().get("/", |request| {
            Response::text(request.peer_addr().to_string())
        })
    };
    let local = Trusted::proxy_protocol(["127.0.0.1"]).unwrap();
    let server = run(tell()
        .trust(local.clone())
        .websocket("/socket", |mut ws, _| {
            let peer = ws.peer_addr().to_string();
            ws.send(&*peer)
        }));
    let one = "PROXY TCP4 203.0.113.9 10.0.0.2 50000 443\r\n";
    let two = [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        &[203, 0, 113, 9, 10, 0, 0, 2, 0xc3, 0x50, 1, 0xbb][..],
    ];
    for header in [one.as_bytes(), &two.concat()] {
        let (_, _, body) = ask(server.addr, [header, get("/").as_bytes()].concat());
        assert_eq!(body, b"203.0.113.9:50000");
        // Byte by byte, and a request of its own.
        let mut raw = Raw::connect(server.addr);
        for byte in header {
            raw.write([*byte]);
        }
        raw.write(upgrade("/socket", ""));
        assert!(raw.head().starts_with("HTTP/1.1 101 "));
        assert_eq!(raw.next().1, b"203.0.113.9:50000");
    }
    // A health check asks for itself.
    let (_, _, body) = ask(server.addr, "PROXY UNKNOWN\r\n".to_owned() + &get("/"));
    assert!(body.starts_with(b"127.0.0.1:"));

    // Who does not say so is told nothing, and the log everything.
    let (told, log) = mpsc::channel();
    let told = Mutex::new(told);
    let server = run(tell().trust(local).on_refusal(move |_, refusal| {
        told.lock().unwrap().send(refusal.to_string()).unwrap();
    }));
    for (bytes, says) in [
        (
            get("/"),
            "the connection does not begin with a PROXY header",
        ),
        ("PROXY TCP4".into(), "the PROXY header is cut off"),
    ] {
        let mut raw = Raw::connect(server.addr);
        raw.write(bytes);
        raw.half_close();
        raw.ends();
        assert_eq!(log.recv_timeout(PATIENCE).unwrap(), says);
    }

    // Headers are believed of whom they are to be believed, and of nobody else.
    let forwarded = Raw::request("/", "X-Forwarded-For: 203.0.113.9\r\n");
    for (from, is_believed) in [("127.0.0.0/8", true), ("10.0.0.0/8", false)] {
        let (told, log) = mpsc::channel();
        let told = Mutex::new(told);
        let server = run(tell()
            .trust(Trusted::x_forwarded([from]).unwrap())
            .on_refusal(move |peer, _| told.lock().unwrap().send(peer.to_string()).unwrap())
            .websocket("/socket", |mut ws, _| {
                let peer = ws.peer_addr().to_string();
                ws.send(&*peer)
            }));
        let (_, _, body) = ask(server.addr, &forwarded);
        assert_eq!(body == b"203.0.113.9:0", is_believed);
        // The connection and the log say the same.
        let client = Client::new(server.url("/socket")).header("X-Forwarded-For", "203.0.113.9");
        let mut ws = client.connect().unwrap();
        let peer = ws.recv().unwrap().unwrap().as_text().map(str::to_owned);
        assert_eq!(peer.as_deref() == Some("203.0.113.9:0"), is_believed);
        let nowhere = Raw::request("/nowhere", "X-Forwarded-For: 203.0.113.9\r\n");
        assert_eq!(ask(server.addr, nowhere).0, 404);
        let peer = log.recv_timeout(PATIENCE).unwrap();
        assert_eq!(peer == "203.0.113.9:0", is_believed);
        // From others a PROXY header is no request.
        assert_eq!(ask(server.addr, one.to_owned() + &get("/")).0, 400);
    }
}
