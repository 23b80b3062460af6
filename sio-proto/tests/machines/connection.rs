//! Connections: the table of what servers and clients make of packets, strange ones included.

use std::time::Duration;

use serde_json::value::RawValue;
use sio_proto::engine::SendError;
use sio_proto::{
    AckId, Args, Connection, EmitError, Encoded, Event, Instant, Limits, Message, Recovery, Sink,
    Token, Violation,
};

use crate::table::{hex, hold, text, unhex};

/// What was sent, as it is shown.
#[derive(Default)]
struct Sent {
    packets: Vec<String>,
    is_full: bool,
}

impl Sink for Sent {
    fn put(&mut self, packet: &[Message<'_>]) -> Result<(), SendError> {
        if self.is_full {
            return Err(SendError::Full { limit: 0 });
        }
        let text = packet[0].as_text().expect("a text first");
        let more = packet[1..]
            .iter()
            .map(|message| format!(" + {:?}", message.as_bytes()));
        self.packets
            .push(format!("sent {text}{}", more.collect::<String>()));
        Ok(())
    }
}

struct Played {
    connection: Connection,
    now: Instant,
    ack: Option<AckId>,
    shown: Vec<String>,
    /// What was known of a namespace when it was left.
    known: Option<Recovery>,
}

fn arguments(args: &Args<'_>) -> String {
    let each = (0..args.len()).map(|at| args.json_at(at).expect("one"));
    let each: Vec<_> = each.collect();
    let attachments = args.attachments().iter();
    let attachments = attachments.map(|bytes| format!(" + {}", hex(bytes)));
    format!("[{}]{}", each.join(","), attachments.collect::<String>())
}

impl Played {
    fn new(role: &str) -> Self {
        let (limits, now) = (Limits::default(), Instant::default());
        let connection = match role {
            "server" => Connection::server(&limits, now),
            "client" => Connection::client(&limits),
            _ => panic!("no such role: {role}"),
        };
        Self {
            connection,
            now,
            ack: None,
            shown: Vec::new(),
            known: None,
        }
    }

    /// Shows an event, and keeps the right to answer it.
    fn show(event: Event<'_>, ack_of_last: &mut Option<AckId>) -> String {
        match event {
            Event::Connect {
                namespace,
                query,
                auth,
            } => {
                let (query, auth) = (query.unwrap_or("-"), auth.unwrap_or("-"));
                format!("connect {namespace} {query} {auth}")
            }
            Event::Connected {
                namespace,
                sid,
                pid,
            } => format!(
                "connected {namespace} {sid} {}",
                pid.as_deref().unwrap_or("-")
            ),
            Event::Refused { namespace, why } => format!("refused {namespace} {why}"),
            Event::Event {
                namespace,
                name,
                args,
                ack,
            } => {
                let asks = if ack.is_some() { " asks" } else { "" };
                if ack.is_some() {
                    *ack_of_last = ack;
                }
                format!("event {namespace} {name} {}{asks}", arguments(&args))
            }
            Event::Acked {
                namespace,
                token,
                args,
            } => format!("acked {namespace} {} {}", token.0, arguments(&args)),
            Event::Left { namespace } => format!("left {namespace}"),
        }
    }

    fn act(&mut self, step: &str) {
        if let Some(does) = step.strip_prefix('!') {
            self.application(does);
        } else {
            let bytes;
            let message = match step.strip_prefix("hex ") {
                Some(digits) => {
                    bytes = unhex(digits);
                    Message::Binary(&bytes)
                }
                None => Message::Text(step),
            };
            let joined = match self.connection.receive(message, self.now) {
                Ok(Some(event)) => {
                    let joined = matches!(event, Event::Connected { .. });
                    self.shown.push(Self::show(event, &mut self.ack));
                    joined
                }
                Ok(None) => false,
                Err(violation) => {
                    self.shown.push(violation.to_string());
                    false
                }
            };
            while joined && let Some(event) = self.connection.early() {
                self.shown.push(Self::show(event, &mut self.ack));
            }
        }
        while let Some(lost) = self.connection.unanswered() {
            self.shown
                .push(format!("unanswered {} {:?}", lost.token.0, lost.why));
        }
    }

    fn application(&mut self, does: &str) {
        let mut words = does.splitn(5, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (verb, name) = (word(), word());
        let (mut out, now) = (Sent::default(), self.now);
        let connection = &mut self.connection;
        let raw = |json: &str| RawValue::from_string(json.into()).expect("JSON");
        let done = match verb {
            "accept" => {
                let (sid, pid) = (word(), word());
                let pid = (!pid.is_empty()).then_some(pid);
                connection.accept(name, sid, pid, &mut out)
            }
            "refuse" => {
                let (message, data) = (word(), word());
                let data = (!data.is_empty()).then(|| raw(data));
                connection.refuse(name, message, data.as_deref(), &mut out, now)
            }
            "connect" | "back" => {
                let auth = word();
                let auth = (!auth.is_empty()).then(|| raw(auth));
                let recovery = self.known.take().filter(|_| verb == "back");
                connection.connect(name, auth.as_deref(), recovery.as_ref(), &mut out)
            }
            "emit" => connection.emit(name, &Encoded::event(word()).unwrap(), &mut out),
            "ask" => {
                let event = Encoded::event(word()).unwrap();
                let token = Token(word().parse().expect("a token"));
                let wait = Duration::from_secs(word().parse().expect("seconds"));
                connection.ask(name, &event, token, now.after(wait), &mut out)
            }
            "answer" => match self.ack.take() {
                Some(ack) => {
                    let answer = Encoded::ack().arg(&raw(word())).unwrap();
                    connection.answer(name, ack, &answer, &mut out)
                }
                None => {
                    self.shown.push("no right".into());
                    Ok(())
                }
            },
            "leave" => connection.leave(name, &mut out, now),
            "close" => {
                connection.close();
                Ok(())
            }
            "wait" => {
                self.now = now.after(Duration::from_secs(name.parse().expect("seconds")));
                // What is due earlier is done then: a timer comes in time.
                while let Some(due) = connection.deadline().filter(|due| *due <= self.now) {
                    if let Err(violation) = connection.check(due) {
                        self.shown.push(violation.to_string());
                        break;
                    }
                }
                Ok(())
            }
            _ => panic!("no such step: {does}"),
        };
        self.shown.append(&mut out.packets);
        if let Err(error) = done {
            self.shown.push(format!("in vain: {error}"));
        }
    }
}

#[test]
fn connections_do_what_the_table_says() {
    hold("connections.txt", |case| {
        let mut steps = case.given.split(" | ");
        let mut played = Played::new(steps.next().expect("a role"));
        for step in steps {
            played.act(&text(step));
            if let Some(recovery) = played.connection.recovery("/") {
                played.known = Some(recovery.clone());
            }
        }
        played.shown.join("; ")
    });
}

/// A session that is full takes nothing, and nothing changes.
#[test]
fn what_could_not_be_sent_was_not_done() {
    let now = Instant::default();
    let mut out = Sent::default();
    let mut server = Connection::server(&Limits::default(), now);
    assert!(matches!(
        server.receive(Message::Text("0"), now),
        Ok(Some(Event::Connect { .. }))
    ));
    out.is_full = true;
    let full = EmitError::Session(SendError::Full { limit: 0 });
    assert_eq!(server.accept("/", "S", None, &mut out), Err(full));
    assert!(!server.is_joined("/"));
    out.is_full = false;
    server.accept("/", "S", None, &mut out).unwrap();

    out.is_full = true;
    let event = Encoded::event("q").unwrap();
    let token = Token(1);
    assert_eq!(server.ask("/", &event, token, now, &mut out), Err(full));
    assert_eq!(server.leave("/", &mut out, now), Err(full));
    assert!(server.is_joined("/"));
    server.check(now).unwrap();
    assert_eq!(server.unanswered(), None, "it was not asked");

    let mut client = Connection::client(&Limits::default());
    assert_eq!(client.connect("/", None, None, &mut out), Err(full));
    out.is_full = false;
    client.connect("/", None, None, &mut out).unwrap();
}

#[test]
fn every_quantity_has_its_limit_and_the_limit_its_name() {
    let mut limits = Limits::default();
    limits.max_namespaces = 3;
    limits.max_connecting = 2;
    limits.max_acks = 2;
    limits.max_packet = 1000;
    let now = Instant::default();
    let mut out = Sent::default();

    let mut server = Connection::server(&limits, now);
    let asks = |server: &mut Connection, name: &str| {
        let text = format!("0{name},");
        server.receive(Message::Text(&text), now).map(|_| ())
    };
    asks(&mut server, "/a").unwrap();
    asks(&mut server, "/b").unwrap();
    let many = Violation::TooManyConnecting { limit: 2 };
    assert_eq!(asks(&mut server, "/c"), Err(many));
    server.accept("/a", "A", None, &mut out).unwrap();
    server.accept("/b", "B", None, &mut out).unwrap();
    asks(&mut server, "/c").unwrap();
    let many = Violation::TooManyNamespaces { limit: 3 };
    assert_eq!(asks(&mut server, "/d"), Err(many));
    // One that was left makes room.
    server.leave("/b", &mut out, now).unwrap();
    asks(&mut server, "/d").unwrap();

    let event = Encoded::event("q").unwrap();
    for token in [Token(0), Token(1)] {
        server.ask("/a", &event, token, now, &mut out).unwrap();
    }
    let many = Err(EmitError::TooManyAcks { limit: 2 });
    assert_eq!(server.ask("/a", &event, Token(2), now, &mut out), many);

    let mut client = Connection::client(&limits);
    client.connect("/", None, None, &mut out).unwrap();
    let mut received =
        (0..1000).map(|_| client.receive(Message::Text(r#"2["a"]"#), now).map(|_| ()));
    let much = received.find_map(Result::err).expect("an end");
    assert_eq!(much, Violation::TooMuchEarly { limit: 1000 });
}

#[test]
fn no_secret_is_shown_for_debugging() {
    let now = Instant::default();
    let mut out = Sent::default();
    let mut client = Connection::client(&Limits::default());
    client.connect("/", None, None, &mut out).unwrap();
    let message = Message::Text(r#"0{"sid":"secret","pid":"secret"}"#);
    let event = client.receive(message, now).unwrap();
    assert!(!format!("{event:?}").contains("secret"));
    let recovery = client.recovery("/").unwrap();
    assert!(!format!("{recovery:?} {client:?}").contains("secret"));
}
