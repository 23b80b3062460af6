//! Any string through everything in ws-std that builds a head: what travels over a socket has the
//! lines that were meant, or the string was refused. 10^5 strings each; `PROPTEST_CASES` asks for
//! more.

use crate::common;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, Raw, run, server};
use crate::strings::{Tally, any_string, holds_for};
use proptest::collection::vec;
use ws_proto::handshake::Request;
use ws_std::http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, UPGRADE};
use ws_std::http::{HeaderName, HeaderValue};
use ws_std::{Client, ConnectError, Response};
use ws_testkit::decoded;
use ws_tests::readback::{Lines, assert_one_line, client_lines, line, read_request, read_response};
use ws_tests::written::Asking;

/// How many of the strings that are taken in a place are sent over a socket.
const SENT: usize = 500;

/// Refuses all clients; what they asked for.
fn refuser() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let address = listener.local_addr().expect("it is bound");
    let (heads, received) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut raw = Raw::over(stream.expect("a client"), false);
            let _ = heads.send(raw.head());
            raw.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (address, received)
}

#[test]
fn a_client_sends_the_lines_that_were_meant_or_refuses_before_it_connects() {
    let (address, received) = refuser();
    let tally = Tally::default();
    holds_for(1, any_string(), |text| {
        for asking in Asking::with(address, text) {
            let (place, taken) = (asking.place, asking.is_taken());
            if tally.count(place, taken) > SENT || !taken {
                continue;
            }
            let refused = asking.client.handshake_timeout(PATIENCE).connect();
            assert!(matches!(refused, Err(ConnectError::Refused(_))), "{place}");
            let head = received.recv().expect("it came");
            let request = Request::parse(head.as_bytes()).expect("a request");
            assert!(request.accept().is_ok(), "{place}");
            let (method, asked, lines) = read_request(head.as_bytes());
            assert_eq!(method, "GET", "{place}");
            assert_eq!(decoded(&asked), decoded(&asking.target), "{place}");
            let (host, key) = (address.to_string(), &lines[3].1);
            let own = asking.own.as_ref();
            let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(lines, client_lines(&host, key, own), "{place}");
        }
    });
    tally.assert_both_at_least(10);
}

/// Nothing is looked up for a URL that has a control character within it. A space is encoded.
#[test]
fn a_url_is_one_word() {
    let tally = Tally::default();
    holds_for(1, any_string(), |text| {
        let text = text.as_str();
        let good = !text.trim().contains(char::is_control);
        tally.count("URL", good);
        if good {
            return;
        }
        for start in ["", "ws://", "ws://127.0.0.1", "ws://127.0.0.1:1/"] {
            let client = Client::new(format!("{start}{text}")).handshake_timeout(Duration::ZERO);
            let error = client.connect().expect_err("no URL");
            assert!(matches!(error, ConnectError::Url(_)), "{start}: {error}");
            assert_one_line(&format!("{error} {error:?} {client:?}"));
        }
    });
    tally.assert_both_at_least(100);
}

/// Everything that a server answers.
fn asked(server: SocketAddr, request: &str) -> Vec<u8> {
    let mut raw = Raw::connect(server);
    raw.write(request);
    raw.rest()
}

/// How many strings go into one page, so that a socket serves for many.
const EACH: u32 = 16;

/// A page of these strings: in its body, and wherever the types of the http crate take them.
fn page(texts: &[String]) -> Response {
    let mut response = Response::html(texts.concat());
    let headers = response.headers_mut();
    for text in texts {
        if let Ok(name) = HeaderName::from_bytes(text.as_bytes()) {
            headers.append(name, HeaderValue::from_static("x"));
        }
        let values = [
            HeaderValue::from_str(text),
            HeaderValue::from_bytes(text.as_bytes()),
        ];
        for value in values.into_iter().flatten() {
            headers.append("x-value", value);
        }
    }
    response
}

/// The lines that a page has to have, but for the date.
fn page_lines(page: &Response) -> Lines {
    let length = page.body().len().to_string();
    let upgrade = page.headers().contains_key(UPGRADE);
    let ours = [
        Some(("connection", "close")),
        upgrade.then_some(("connection", "Upgrade")),
        Some(("content-length", &*length)),
    ];
    let ours = ours.into_iter().flatten();
    let ours = ours.map(|(name, value)| line(name, value));
    // How an answer travels is not the page's to say.
    let kept = [DATE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];
    let own = page
        .headers()
        .iter()
        .filter(|(name, _)| !kept.contains(name));
    let own = own.map(|(name, value)| {
        line(
            name.as_str(),
            str::from_utf8(value.as_bytes()).expect("it was text"),
        )
    });
    ours.chain(own).collect()
}

#[test]
fn a_page_has_the_lines_that_were_meant() {
    let texts = Arc::new(Mutex::new(Vec::new()));
    let given = Arc::clone(&texts);
    let server = run(server().get("/", move |_| page(&given.lock().expect("no panic"))));
    let tally = Tally::default();
    holds_for(EACH, vec(any_string(), EACH as usize), |strings| {
        *texts.lock().expect("no panic") = strings.clone();
        let meant = page(strings);
        for text in strings {
            tally.count("name", HeaderName::from_bytes(text.as_bytes()).is_ok());
            tally.count("value", HeaderValue::from_str(text).is_ok());
        }
        assert_one_line(&format!("{meant:?}"));
        let bytes = asked(server.addr, &common::get("/"));
        let (status, mut lines, body) = read_response(&bytes);
        assert_eq!((status, body), (200, meant.body()));
        for (name, _) in &mut lines {
            name.make_ascii_lowercase();
        }
        assert_eq!(lines.remove(0).0, "date");
        assert_eq!(lines, page_lines(&meant));
    });
    tally.assert_both_at_least(100);
}

#[test]
fn a_request_shows_as_one_line() {
    let server = run(server().hook(|request| Some(Response::text(format!("{request:?}")))));
    let tally = Tally::default();
    holds_for(EACH, vec(any_string(), EACH as usize), |strings| {
        let (query, values) = strings.split_first().expect("some");
        let mut head = format!("GET /?{query} HTTP/1.1\r\nHost: h\r\n");
        // With one of ASCII the request is refused, which is shown elsewhere.
        for value in values {
            head += &format!(
                "X: {}\r\n",
                value.replace(|c: char| c.is_ascii_control(), "")
            );
        }
        let bytes = asked(server.addr, &(head + "\r\n"));
        let (status, _, body) = read_response(&bytes);
        tally.count("request", status == 200);
        assert!([200, 400].contains(&status), "{status}");
        assert_one_line(str::from_utf8(body).expect("text").trim_end_matches('\n'));
    });
    tally.assert_both_at_least(100);
}
