//! Conversations in which the application sends in every way there is, and the answers that are no
//! upgrade.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use ws_proto::{Config, Session};
use ws_std::{
    Clock, CloseCode, Error, Group, Hosts, Kind, Next, Part, Reader, Response, Server, WebSocket,
    Writer,
};
use ws_testkit::faults::Plan;
use ws_testkit::{Frame, KEY, Partner, Pipe, Says, close_payload, frame};

use super::common::{PATIENCE, get, pattern, upgrade};
use super::faulty::{Faulty, Ours};
use super::{End, HOUR, Held, Talk, Told, unhurried};

/// The end of our part of a conversation, and its halves, for questions to them.
type Ended = (Reader, Writer, Result<(), Error>);

/// Our part of a conversation.
type Speak = fn(WebSocket, &mut Told) -> Ended;

/// A conversation.
struct Sending {
    name: &'static str,
    ours: Side,
    /// What the peer says after having heard so many frames more.
    peer: Vec<(usize, Vec<u8>)>,
}

enum Side {
    /// After the opening handshake, as the server.
    Open(Speak),
    /// A server that answers with a page.
    Page,
}

pub(crate) fn all() -> Vec<Box<dyn Talk>> {
    let close = |reason| peer(0x88, &close_payload(1000, reason));
    let ours: [(_, Speak, _); 5] = [
        (
            "in all ways",
            farewell,
            vec![
                (5, [peer(0x8A, b"marco"), peer(0x81, b"polo")].concat()),
                // It crossed our Close.
                (1, [peer(0x82, &pattern(10_000)), close("bye")].concat()),
            ],
        ),
        (
            "questions",
            questions,
            vec![
                (1, peer(0x81, b"yes")),
                (1, peer(0x82, &pattern(70_000))),
                (1, peer(0x81, b"no")),
                (1, peer(0x81, b"")),
                (1, close("")),
            ],
        ),
        (
            "two threads",
            two_threads,
            vec![
                (0, peer(0x82, &pattern(20_000))),
                (0, peer(0x81, b"over there")),
                (5, close("done")),
            ],
        ),
        (
            "a group",
            group,
            vec![(4, [peer(0x81, b"heard"), close("")].concat())],
        ),
        ("dropped", dropped, vec![]),
    ];
    let ours = ours.map(|(name, ours, peer)| Sending {
        name,
        ours: Side::Open(ours),
        peer,
    });
    let pages = [
        ("a page", get("/page")),
        ("no page", upgrade("/none", "")),
        ("no upgrade", get("/")),
    ];
    let pages = pages.map(|(name, request)| Sending {
        name,
        ours: Side::Page,
        peer: vec![(0, request.into())],
    });
    let all = ours.into_iter().chain(pages);
    all.map(|talk| Box::new(talk) as Box<dyn Talk>).collect()
}

fn peer(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, Some(KEY), payload)
}

/// A peer that waits for frames.
struct Hears {
    unread: Vec<u8>,
    heard: usize,
    parts: VecDeque<(usize, Vec<u8>)>,
}

impl Partner for Hears {
    fn hear(&mut self, written: &[u8], says: &mut Says) {
        self.unread.extend(written);
        while let Some((_, len)) = Frame::decode(&self.unread) {
            self.unread.drain(..len);
            self.heard += 1;
        }
        while let Some((frames, bytes)) = self.parts.front()
            && *frames <= self.heard
        {
            self.heard -= frames;
            says.bytes.extend(bytes);
            self.parts.pop_front();
        }
    }
}

impl Talk for Sending {
    fn name(&self) -> String {
        self.name.into()
    }

    fn hold(&self, plan: Plan) -> Held {
        let plan = Arc::new(plan);
        let pipe = Pipe::new(Hears {
            unread: Vec::new(),
            heard: 0,
            parts: self.peer.clone().into(),
        });
        let socket = Faulty {
            socket: Ours(pipe.clone()),
            plan: plan.clone(),
        };
        let mut told = Told::default();
        match self.ours {
            Side::Open(ours) => {
                let mut config = Config::default();
                config.timeouts = unhurried();
                let session = Session::server(&config);
                match WebSocket::over(socket, session, Clock::system()) {
                    Ok(ws) => {
                        let (reader, writer, result) = ours(ws, &mut told);
                        told.ended(&mut (reader, writer), result);
                    }
                    Err(error) => told.end = End::Failed(format!("Io({error:?})")),
                }
            }
            Side::Page => {
                let server = Server::bind("127.0.0.1:0").expect("loopback");
                let server = server
                    .hosts(Hosts::any())
                    .timeouts(unhurried())
                    .handshake_timeout(HOUR)
                    .get("/page", |_| Response::html("hello".repeat(1000)))
                    .websocket("/", |_, _| Ok::<_, Error>(()));
                server.serve_over(socket, server.local_addr());
            }
        }
        Held::new(told, &pipe, &plan)
    }

    fn last_word_waits(&self) -> bool {
        self.name != "dropped"
    }
}

/// Speaks first, in all the ways there are, and closes.
fn farewell(mut ws: WebSocket, told: &mut Told) -> Ended {
    let mut speak = || {
        ws.send("one")?;
        told.sent += 1;
        ws.send_part(Kind::Text, b"in ", Part::More)?;
        ws.send_part(Kind::Text, &[b'p'; 300], Part::More)?;
        ws.send_part(Kind::Text, b"ieces", Part::Last)?;
        told.sent += 3;
        ws.ping(b"marco")?;
        if let Some(message) = ws.recv_owned()? {
            told.message(&message);
        }
        ws.close(CloseCode::GOING_AWAY, "bye")?;
        told.seen.push(format!("closed: {:?}", ws.peer_close()));
        Ok(())
    };
    let result = speak();
    let (reader, writer) = ws.split();
    (reader, writer, result)
}

/// Gets an answer to each question, and closes. The last are written from where they lie.
fn questions(mut ws: WebSocket, told: &mut Told) -> Ended {
    let mut ask = || {
        for len in [3, 2000, 40_000, 400_000] {
            ws.send(&pattern(len))?;
            told.sent += 1;
            match ws.recv_timeout(PATIENCE)? {
                Next::Message(message) => told.message(&message.into()),
                next => told.seen.push(format!("{next:?}")),
            }
        }
        ws.close(CloseCode::NORMAL, "")?;
        told.seen.push(format!("closed: {:?}", ws.peer_close()));
        Ok(())
    };
    let result = ask();
    let (reader, writer) = ws.split();
    (reader, writer, result)
}

/// A thread sends while another receives.
fn two_threads(ws: WebSocket, told: &mut Told) -> Ended {
    let (mut reader, writer) = ws.split();
    let sender = writer.clone();
    let (sent, said) = thread::scope(|threads| {
        let sending = threads.spawn(move || {
            let mut sent = 0;
            for len in [3, 50_000, 126, 1] {
                if let Err(error) = sender.send(&pattern(len)) {
                    return (sent, Err(error));
                }
                sent += 1;
            }
            (sent, sender.close(CloseCode::NORMAL, "done"))
        });
        let heard = receive(&mut reader, told);
        let (sent, said) = sending.join().expect("it does not panic");
        (sent, heard.and(said))
    });
    told.sent = sent;
    (reader, writer, said)
}

/// Receives until the end.
fn receive(reader: &mut Reader, told: &mut Told) -> Result<(), Error> {
    while let Some(message) = reader.recv_owned()? {
        told.message(&message);
    }
    told.closed(reader.peer_close());
    Ok(())
}

/// Sends without waiting, as a member of a group.
fn group(ws: WebSocket, told: &mut Told) -> Ended {
    let group = Group::new();
    let (mut reader, writer) = ws.split();
    let member = group.join(writer.clone());
    group.send("first");
    group.send(&pattern(100_000));
    group.send("last");
    let mut result = writer.queue("from myself");
    if result.is_ok() {
        result = receive(&mut reader, told);
    }
    drop(member);
    (reader, writer, result)
}

/// Is dropped when it has sent one message.
fn dropped(mut ws: WebSocket, told: &mut Told) -> Ended {
    let result = ws.send("hello");
    told.sent += usize::from(result.is_ok());
    let (reader, writer) = ws.split();
    (reader, writer, result)
}
