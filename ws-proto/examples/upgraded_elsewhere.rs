//! A connection that another HTTP library upgrades: hyper, axum, a gateway. It has the parts of the request already, and
//! writes the parts of the answer itself; here nothing is parsed twice and no head is printed.
//!
//! `handle` stands for a handler of that library. With its feature `http` the crate speaks the types of the `http` crate
//! as well: `Request::from_http`, `Accept::to_http`.

use ws_proto::handshake::{Bootstrap, FieldValue, HttpVersion, Request, RequestError};
use ws_proto::{Config, Session, Step};

/// A request as an HTTP library has it.
struct Parts {
    method: &'static str,
    target: &'static str,
    headers: Vec<(&'static str, &'static [u8])>,
}

/// The answer that it writes.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// A handler: the answer, and the session for what comes after it if the connection was upgraded.
fn handle(parts: &Parts) -> (Answer, Option<Session>) {
    match accept(parts) {
        Ok(answer) => (answer, Some(Session::server(&Config::default()))),
        Err(error) => {
            let refusal = error.refusal(Bootstrap::Http1);
            let answer = Answer {
                status: refusal.status(),
                headers: owned(refusal.fields()),
                body: refusal.body().to_string(),
            };
            (answer, None)
        }
    }
}

/// Judges the request as its bytes would be judged.
fn accept(parts: &Parts) -> Result<Answer, RequestError> {
    let headers = parts.headers.as_slice();
    let request = Request::from_parts(parts.method, parts.target, HttpVersion::Http11, headers)?;
    request.same_origin()?;
    let accept = request.accept()?;
    Ok(Answer {
        status: accept.status(),
        headers: owned(accept.fields()),
        body: String::new(),
    })
}

/// The fields of an answer, as the library wants them.
fn owned<'a>(fields: impl Iterator<Item = (&'a str, FieldValue<'a>)>) -> Vec<(String, String)> {
    fields
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .collect()
}

fn main() {
    // A handshake. What comes after it goes to the session, wherever the library reads it from.
    let mut parts = Parts {
        method: "GET",
        target: "/chat",
        headers: vec![
            ("host", b"server.example.com"),
            ("upgrade", b"websocket"),
            ("connection", b"Upgrade"),
            ("sec-websocket-version", b"13"),
            ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ],
    };
    let (answer, session) = handle(&parts);
    show(&answer);
    assert_eq!(answer.status, 101);
    let mut session = session.expect("an upgraded connection");
    session.push(b"\x81\x85\0\0\0\0Hello");
    match session.step() {
        Ok(Step::Message(message)) => println!("{}", message.as_text().unwrap_or("(bytes)")),
        other => panic!("{other:?}"),
    }

    // A page of another site may not connect.
    parts.headers.push(("origin", b"https://elsewhere.example"));
    let (answer, session) = handle(&parts);
    show(&answer);
    assert_eq!((answer.status, session.is_none()), (403, true));
}

fn show(answer: &Answer) {
    println!("{}", answer.status);
    for (name, value) in &answer.headers {
        println!("{name}: {value}");
    }
    println!("{}", answer.body);
}

#[test]
fn it_upgrades() {
    main();
}
