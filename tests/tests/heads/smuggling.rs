//! A request that is hidden in an upgrade, or behind one that is refused, is never parsed: every
//! row of `tests/handshake/bodies.txt` and `refusals.txt`, to our server and through nginx.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::common::{Running, run, server};
use crate::exchange::{received, refusal, send};
use crate::nginx::Nginx;
use ws_proto::Limits;
use ws_proto::handshake::{self, Scan};
use ws_std::{Error, Request, Response, StatusCode, WebSocket};
use ws_testkit::heads::{Row, rows};

/// What hides: its length is in the table.
const SMUGGLED: &[u8; 49] = b"GET /admin HTTP/1.1\r\nHost: server.example.com\r\n\r\n";

fn disguises() -> Vec<Row> {
    rows("request.txt", "bodies.txt")
}

fn refusals() -> Vec<Row> {
    rows("request.txt", "refusals.txt")
}

/// Every row with the smuggled request behind it.
fn attack(row: &Row) -> Vec<u8> {
    [&row.head[..], &row.behind, SMUGGLED].concat()
}

/// A server with a page that nobody is to reach, which remembers who asked for what.
struct Victim {
    server: Running,
    requests: Arc<Mutex<Vec<(SocketAddr, String)>>>,
}

impl Victim {
    fn start() -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let socket = |mut ws: WebSocket, _: &Request| ws.for_each(|_, _| Ok::<_, Error>(()));
        let site = server()
            .hook(move |request| {
                let asked = (request.peer_addr(), request.path().to_owned());
                seen.lock().expect("no panic").push(asked);
                match request.path() {
                    "/login" => {
                        Some(Response::text("who are you?\n").with_status(StatusCode::UNAUTHORIZED))
                    }
                    "/moved" => Some(Response::text("over there\n").with_status(StatusCode::FOUND)),
                    "/panics" => panic!("as the table wants"),
                    _ => None,
                }
            })
            .choose_subprotocol(|request| (request.path() == "/unoffered").then(|| "x".into()))
            .get("/admin", |_| Response::text("the secret\n"))
            .get("/page", |_| Response::text("a page\n"))
            .websocket("/chat", socket)
            .websocket("/unoffered", socket);
        Self {
            server: run(site),
            requests,
        }
    }

    /// Ends the server: who asked for what, once nobody can ask any more.
    fn asked(self) -> Vec<(SocketAddr, String)> {
        drop(self.server);
        let mut requests = self.requests.lock().expect("no panic");
        std::mem::take(&mut *requests)
    }
}

/// Nobody reached the page, and no connection brought two requests.
fn assert_nothing_was_smuggled(asked: &[(SocketAddr, String)]) {
    assert!(asked.iter().all(|(_, path)| path != "/admin"), "{asked:?}");
    let peers: BTreeSet<_> = asked.iter().map(|(peer, _)| peer).collect();
    assert_eq!(peers.len(), asked.len(), "{asked:?}");
}

fn is_refused_by_the_server(rows: &[Row]) {
    let victim = Victim::start();
    for row in rows {
        let place = &row.place;
        let received = received(send(victim.server.addr, &attack(row), place), place);
        let (status, head, body) = refusal(&received, place);
        assert_eq!(status.to_string(), row.verdict[0], "{place}\n{head}");
        // What the core refuses it refuses for the reason that is given.
        if row.verdict[1].starts_with(char::is_uppercase) && row.verdict[1] != "Origin" {
            let input = attack(row);
            let request =
                handshake::Request::parse_prefix(&mut Scan::new(), &input, &Limits::DEFAULT);
            let accepted = request.and_then(|found| found.expect(place).0.accept().map(drop));
            let error = accepted.expect_err(place);
            let shown = format!("{error:?}");
            let fact = shown.strip_prefix("Head(").unwrap_or(&shown);
            let fact = fact.split([')', ' ']).next();
            assert_eq!(fact, Some(&*row.verdict[1]), "{place}");
            assert_eq!(body, format!("{error}\n"), "{place}");
        }
    }
    assert_nothing_was_smuggled(&victim.asked());
}

#[test]
fn an_upgrade_with_a_body_is_refused_and_closed() {
    is_refused_by_the_server(&disguises());
}

#[test]
fn what_follows_a_refused_upgrade_is_never_parsed() {
    is_refused_by_the_server(&refusals());
}

/// Each row through both kinds of nginx, all at once, for some wait for more.
fn is_refused_through_nginx(rows: &[Row]) {
    // A row that nginx puts right is no refusal any more; what it hides has to stay hidden.
    let repaired = |row: &Row| row.verdict.get(2).is_some_and(|word| word == "repaired");
    assert!(!rows.iter().all(repaired), "nothing to refuse");

    let victim = Victim::start();
    let nginx = Nginx::before(victim.server.addr);
    let fronts = [nginx.closing, nginx.keeping];
    let sent: Vec<_> = rows
        .iter()
        .flat_map(|row| fronts.map(|front| (row, front, send(front, &attack(row), &row.place))))
        .collect();
    for (row, front, stream) in sent {
        let place = &row.place;
        let received = received(stream, place);
        let text = String::from_utf8_lossy(&received);
        let answers = text
            .lines()
            .filter_map(|line| line.strip_prefix("HTTP/1.1 "));
        let statuses: Vec<_> = answers.filter(|line| !line.starts_with("100")).collect();
        let switched = text.contains("HTTP/1.1 101");
        assert!(repaired(row) || !switched, "{place}\n{text}");
        if front == nginx.closing {
            assert_eq!(statuses.len(), 1, "{place}\n{text}");
        }
        assert!(!text.contains("the secret"), "{place}\n{text}");
    }
    assert_nothing_was_smuggled(&victim.asked());
}

#[test]
#[ignore = "needs the nginx of tests/peers/install.sh"]
fn an_upgrade_with_a_body_is_refused_through_nginx() {
    is_refused_through_nginx(&disguises());
}

#[test]
#[ignore = "needs the nginx of tests/peers/install.sh"]
fn what_follows_a_refused_upgrade_is_never_parsed_through_nginx() {
    is_refused_through_nginx(&refusals());
}

/// The control: nginx passes on what is in order, and keeps `/admin` to itself.
#[test]
#[ignore = "needs the nginx of tests/peers/install.sh"]
fn nginx_passes_on_what_is_in_order() {
    let victim = Victim::start();
    let nginx = Nginx::before(victim.server.addr);
    let url = format!("ws://{}/chat", nginx.closing);
    let mut ws = ws_std::connect(url).expect("nginx passes it on");
    ws.close(ws_std::CloseCode::NORMAL, "").expect("it closes");
    for front in [nginx.closing, nginx.keeping] {
        let place = "the smuggled request";
        let received = received(send(front, SMUGGLED, place), place);
        assert!(received.starts_with(b"HTTP/1.1 403 "));
    }
    let asked: Vec<_> = victim.asked().into_iter().map(|(_, path)| path).collect();
    assert_eq!(asked, ["/chat"]);
}

/// The control: alone, the request is answered, by the page that nobody is to reach.
#[test]
fn the_smuggled_request_is_a_good_one() {
    let victim = Victim::start();
    let place = "the smuggled request";
    let received = received(send(victim.server.addr, SMUGGLED, place), place);
    assert_eq!(refusal(&received, place).2, "the secret\n");
    assert_eq!(victim.asked().len(), 1);
}
