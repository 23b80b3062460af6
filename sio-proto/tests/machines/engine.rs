//! Engine.IO: the tables of its packets, requests and sessions.

use std::time::Duration;

use sio_proto::engine::{
    Asked, Binary, Carrier, Config, Content, Data, Method, Packet, Payload, Session, Sid, Transmit,
    Transport,
};
use sio_proto::{Instant, Message};

use crate::table::{bytes, hex, hold, text, unhex};

fn data(data: &Data<'_>) -> String {
    match data {
        Data::Text(text) => (*text).into(),
        Data::Binary(bytes) => hex(bytes),
    }
}

fn shown(packet: &Packet<'_>) -> String {
    let words = match packet {
        Packet::Open(data) => ["open", data].map(String::from),
        Packet::Close => ["close", ""].map(String::from),
        Packet::Ping(data) => ["ping", data].map(String::from),
        Packet::Pong(data) => ["pong", data].map(String::from),
        Packet::Message(Data::Text(text)) => ["message", text].map(String::from),
        Packet::Message(Data::Binary(bytes)) => ["bytes".into(), hex(bytes)],
        Packet::Upgrade => ["upgrade", ""].map(String::from),
        Packet::Noop => ["noop", ""].map(String::from),
    };
    words.join(" ").trim_end_matches(' ').into()
}

#[test]
fn packets_are_read_and_written() {
    hold("packets.txt", |case| {
        let came = text(case.given);
        match Packet::decode(Message::Text(&came)) {
            Ok(packet) => {
                let mut again = String::new();
                packet.encode_text(&mut again);
                let tilde = if again == came { "" } else { "~" };
                format!("{tilde}{}", shown(&packet))
            }
            Err(error) => error.to_string(),
        }
    });
}

#[test]
fn payloads_are_read_packet_by_packet() {
    hold("payloads.txt", |case| {
        let body = bytes(case.given);
        let shown: Vec<_> = match Payload::decode(&body, 40) {
            Ok(packets) => packets
                .map(|packet| packet.map_or_else(|error| error.to_string(), |ok| shown(&ok)))
                .collect(),
            Err(error) => vec![error.to_string()],
        };
        shown.join("; ")
    });
}

#[test]
fn requests_ask_for_something_or_are_refused() {
    let sid = Sid::new([7; 15]);
    hold("requests.txt", |case| {
        let (method, query) = case.given.split_once(' ').expect("a method and a query");
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "WS" => Method::WebSocket,
            _ => Method::Other,
        };
        let query = text(query).replace("sid=S", &format!("sid={}", sid.as_str()));
        match Asked::parse(method, &query) {
            Ok(Asked::Open { by, binary }) => {
                let by = match by {
                    Transport::Polling => "polling",
                    Transport::WebSocket => "websocket",
                };
                match binary {
                    Binary::Bare => format!("open {by}"),
                    Binary::Base64 => format!("open {by} base64"),
                }
            }
            Ok(Asked::Get(of)) if of == sid => "get".into(),
            Ok(Asked::Post(of)) if of == sid => "post".into(),
            Ok(Asked::WebSocket(of)) if of == sid => "websocket".into(),
            Ok(other) => panic!("{other:?} of another session: {case}"),
            Err(refusal) => format!("{} {}", refusal.status(), refusal.body()),
        }
    });
}

/// A session, and what came of what happened to it.
struct Played {
    session: Session,
    now: Instant,
    shown: Vec<String>,
    ended: bool,
}

impl Played {
    fn open(by: &str) -> Self {
        let (by, binary) = match by {
            "poll" => (Transport::Polling, Binary::Bare),
            "poll base64" => (Transport::Polling, Binary::Base64),
            "ws" => (Transport::WebSocket, Binary::Bare),
            "ws base64" => (Transport::WebSocket, Binary::Base64),
            _ => panic!("no way to open a session: {by}"),
        };
        let (now, config) = (Instant::default(), Config::default());
        let sid = Sid::new([0; 15]);
        let mut session = Session::open(&sid, by, binary, Carrier(1), &config, now);
        match session.poll_transmit() {
            Some(Transmit::Answer { to, body }) => {
                assert!(to == Carrier(1) && body.starts_with("0{") && body.contains("websocket"));
            }
            Some(Transmit::Frame { on, message }) => {
                let text = message.as_text().unwrap();
                assert!(on == Carrier(1) && text.starts_with("0{") && !text.contains("websocket"));
            }
            other => panic!("{other:?}"),
        }
        Self {
            session,
            now,
            shown: Vec::new(),
            ended: false,
        }
    }

    fn act(&mut self, step: &str) {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let (number, content) = rest.split_once(' ').unwrap_or((rest, ""));
        let carrier = || Carrier(number.parse().expect("the number of a carrier"));
        let now = self.now;
        match verb {
            "get" => self.session.get(carrier(), now),
            "post" => {
                self.session.post(carrier(), None, Content::Text, now);
                self.body(carrier(), &bytes(content));
            }
            "head" => {
                let len = content.parse().expect("a length");
                (self.session).post(carrier(), Some(len), Content::Text, now);
            }
            "octets" => (self.session).post(carrier(), None, Content::OctetStream, now),
            "body" => self.body(carrier(), &bytes(content)),
            "socket" => {
                if let Err(refusal) = self.session.websocket(carrier(), now) {
                    let code = refusal.code().expect("a code");
                    self.shown.push(format!("refused {code}"));
                }
            }
            "frame" => self.frame(carrier(), Message::Text(&text(content))),
            "bytes" => self.frame(carrier(), Message::Binary(&unhex(content))),
            "gone" => self.session.gone(carrier(), now),
            "send" => self.session.send(text(rest).as_str()).expect("room"),
            "sendbytes" => self.session.send(unhex(rest).as_slice()).expect("room"),
            "close" => self.session.close(now),
            "wait" => {
                self.now = now.after(Duration::from_secs(rest.parse().expect("seconds")));
                // What is due earlier is done then: a timer comes in time.
                while let Some(due) = self.session.deadline().filter(|due| *due <= self.now) {
                    self.session.check(due);
                    self.transmit();
                }
            }
            _ => panic!("no such step: {step}"),
        }
        self.transmit();
    }

    fn body(&mut self, request: Carrier, body: &[u8]) {
        let Some(mut payload) = self.session.body(request, body, self.now) else {
            return;
        };
        while let Some(message) = self.session.step(&mut payload, self.now) {
            self.shown.push(format!("got {}", data(&message)));
        }
    }

    fn frame(&mut self, socket: Carrier, frame: Message<'_>) {
        if let Some(message) = self.session.receive(socket, frame, self.now) {
            self.shown.push(format!("got {}", data(&message)));
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            self.shown.push(match transmit {
                Transmit::Answer { to, body } => format!("to {} {body}", to.0),
                Transmit::Refuse { to, why } => {
                    let code = why
                        .code()
                        .map_or_else(String::new, |code| format!(" {code}"));
                    format!("no {} {}{code}", to.0, why.status())
                }
                Transmit::Frame { on, message } => format!("on {} {}", on.0, data(&message.into())),
                Transmit::HangUp { on, .. } => format!("up {}", on.0),
            });
        }
        if let (Some(reason), false) = (self.session.closed(), self.ended) {
            self.ended = true;
            self.shown.push(reason.to_string());
        }
    }

    /// Lets a session end that waits for a GET to end with.
    fn finish(mut self) -> Vec<String> {
        if !self.ended && self.session.send("").is_err() {
            self.act("wait 20");
            let reason = self.shown.pop().expect("it ended");
            self.shown.push(format!("{reason} when due"));
        }
        self.shown
    }
}

#[test]
fn sessions_do_what_the_table_says() {
    hold("session.txt", |case| {
        let mut steps = case.given.split(" / ");
        let mut played = Played::open(steps.next().expect("how it opens"));
        for step in steps {
            played.act(step);
        }
        played.finish().join("; ")
    });
}

/// The longest text that waits is one more than the limit allows to wait.
#[test]
fn what_waits_is_bounded_and_the_bound_named() {
    let mut config = Config::default();
    config.max_unsent = 10;
    let sid = Sid::new([0; 15]);
    let now = Instant::default();
    let (by, binary) = (Transport::Polling, Binary::Bare);
    let mut session = Session::open(&sid, by, binary, Carrier(1), &config, now);
    session.send("12345678").unwrap();
    session.send("a long one").unwrap();
    let full = session.send("one more").unwrap_err();
    assert_eq!(
        full.to_string(),
        "send queue is full (Config::max_unsent is 10 bytes)"
    );
    assert_eq!(session.unsent(), 9 + 11);
    // All or none.
    session.get(Carrier(2), now);
    while session.poll_transmit().is_some() {}
    let torn = [Message::Text("good"), Message::Text("\u{1e}")];
    session.send_all(&torn).unwrap_err();
    assert_eq!(session.unsent(), 0);
}
