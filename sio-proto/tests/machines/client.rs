//! Engine.IO: the table of a client's session.

use std::time::Duration;

use sio_proto::engine::{Action, Client, ClientConfig, Data, SendError, Transport};
use sio_proto::{Instant, Message};

use crate::table::{bytes, hex, hold, text, unhex};

struct Played {
    client: Client,
    now: Instant,
    shown: Vec<String>,
    ended: bool,
}

fn shown(message: Message<'_>) -> String {
    match message {
        Message::Text(text) => text.into(),
        Message::Binary(bytes) => hex(bytes),
    }
}

/// The open packets that the table has names for.
fn named(written: &str) -> String {
    let open = |upgrades: &str| {
        format!(
            r#"0{{"sid":"S","upgrades":[{upgrades}],"pingInterval":25000,"pingTimeout":20000,"maxPayload":20}}"#
        )
    };
    written
        .replace("OPEN", &open(r#""websocket""#))
        .replace("ONLY", &open(""))
}

impl Played {
    fn begin(by: &str) -> Self {
        let by = match by {
            "poll" => Transport::Polling,
            "ws" => Transport::WebSocket,
            _ => panic!("no way to begin: {by}"),
        };
        let now = Instant::default();
        let mut played = Self {
            client: Client::open(by, &ClientConfig::default(), now),
            now,
            shown: Vec::new(),
            ended: false,
        };
        played.act();
        played
    }

    fn happen(&mut self, step: &str) {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let (client, now) = (&mut self.client, self.now);
        let mut done = Ok(());
        match verb {
            "got" => {
                let body = bytes(&named(rest));
                if let Some(mut payload) = client.got(&body) {
                    while let Some(data) = client.step(&mut payload, now) {
                        self.shown
                            .push(format!("message {}", shown(data.as_message())));
                    }
                }
            }
            "posted" => client.posted(),
            "failed" => client.failed(),
            "opened" => client.opened(),
            "frame" => {
                let text = text(&named(rest));
                let data = client.receive(Message::Text(&text), now);
                self.message(data.as_ref());
            }
            "bytes" => {
                let bytes = unhex(rest);
                let data = client.receive(Message::Binary(&bytes), now);
                self.message(data.as_ref());
            }
            "gone" => client.gone(),
            "send" => done = client.send(text(rest).as_str()),
            "sendbytes" => done = client.send(unhex(rest).as_slice()),
            "close" => client.close(now),
            "wait" => {
                self.now = now.after(Duration::from_secs(rest.parse().expect("seconds")));
                // What is due earlier is done then: a timer comes in time.
                while let Some(due) = self.client.deadline().filter(|due| *due <= self.now) {
                    self.client.check(due);
                    self.act();
                }
            }
            _ => panic!("no such step: {step}"),
        }
        self.in_vain(done);
        self.act();
    }

    fn message(&mut self, data: Option<&Data<'_>>) {
        let shown = data.map(|data| format!("message {}", shown(data.as_message())));
        self.shown.extend(shown);
    }

    fn in_vain(&mut self, done: Result<(), SendError>) {
        let error = done.err().map(|error| format!("in vain: {error}"));
        self.shown.extend(error);
    }

    fn act(&mut self) {
        while let Some(action) = self.client.poll() {
            self.shown.push(match action {
                Action::Get { query } => {
                    assert!(query.starts_with("EIO=4&transport=polling"));
                    "GET".into()
                }
                Action::Post { query, body } => {
                    assert_eq!(query, "EIO=4&transport=polling&sid=S");
                    format!("POST {body}")
                }
                Action::Open { query } => {
                    assert!(query.starts_with("EIO=4&transport=websocket"));
                    "OPENS".into()
                }
                Action::Frame(message) => format!("sends {}", shown(message)),
                Action::HangUp => "hangs up".into(),
            });
        }
        if let (Some(reason), false) = (self.client.closed(), self.ended) {
            self.ended = true;
            self.shown.push(reason.to_string());
        }
    }
}

#[test]
fn clients_do_what_the_table_says() {
    hold("client.txt", |case| {
        let mut steps = case.given.split(" | ");
        let mut played = Played::begin(steps.next().expect("how it begins"));
        for step in steps {
            played.happen(step);
        }
        played.shown.join("; ")
    });
}

/// The id of a session is in every query after the first.
#[test]
fn requests_name_the_session() {
    let now = Instant::default();
    let mut client = Client::open(Transport::Polling, &ClientConfig::default(), now);
    let first = Action::Get {
        query: "EIO=4&transport=polling",
    };
    assert_eq!(client.poll(), Some(first));
    let open = named("OPEN");
    let mut payload = client.got(open.as_bytes()).expect("a body");
    assert_eq!(client.step(&mut payload, now), None);
    let upgrade = Action::Open {
        query: "EIO=4&transport=websocket&sid=S",
    };
    assert_eq!(client.poll(), Some(upgrade));
    let next = Action::Get {
        query: "EIO=4&transport=polling&sid=S",
    };
    assert_eq!(client.poll(), Some(next));
    assert!(!format!("{client:?} {next:?}").contains("sid"));
}

#[test]
fn an_answer_over_the_limit_ends_the_session() {
    let now = Instant::default();
    let mut config = ClientConfig::default();
    config.max_body = 100;
    let mut client = Client::open(Transport::Polling, &config, now);
    assert!(client.poll().is_some());
    assert!(client.got(&[b'4'; 101]).is_none());
    let reason = client.closed().expect("the end").to_string();
    assert_eq!(
        reason,
        "answer too long (ClientConfig::max_body is 100 bytes)"
    );
}

#[test]
fn a_post_has_no_more_packets_than_servers_in_python_take() {
    let now = Instant::default();
    let mut client = Client::open(Transport::Polling, &ClientConfig::default(), now);
    assert!(client.poll().is_some());
    let open = br#"0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    let mut payload = client.got(open).expect("a body");
    assert_eq!(client.step(&mut payload, now), None);
    for _ in 0..40 {
        client.send("a").expect("room");
    }
    let mut packets = Vec::new();
    while let Some(action) = client.poll() {
        if let Action::Post { body, .. } = action {
            packets.push(body.split('\u{1e}').count());
            client.posted();
        }
    }
    assert_eq!(packets, [16, 16, 8]);
}
