//! The conversations in which something goes wrong.

use std::thread;

#[cfg(feature = "deflate")]
use ws_proto::Deflate;
use ws_proto::{CloseCode, Kind, Message, MessageBuf, Part};

use super::common::{PATIENCE, get, pattern, upgrade};
use super::parts;
use super::peer::Act;
use super::{Side, Talk, Told};
use crate::error::Error;
use crate::group::Group;
use crate::reader::{Next, Reader};
use crate::server::Server;
use crate::socket::WebSocket;
use crate::writer::Writer;
use crate::{Hosts, Response};
use Act::{Hear, Say};

/// The end of our part of a conversation, and its halves, for questions to them.
pub(crate) type Ended = (Reader, Writer, Result<(), Error>);

/// All conversations.
pub(crate) fn all() -> Vec<Talk> {
    use Side::{Accepted, Client, Dialled, Server};
    let served = parts::served;
    let page = |request: String| vec![Say(request.into())];
    vec![
        Talk::new("a server echoes", Server, echo, parts::visitor()),
        Talk::new("a server closes", Server, farewell, parts::listener()),
        Talk::new("a client asks", Client, questions, parts::oracle()),
        Talk::new("a client is left", Client, echo, parts::leaver()),
        Talk::new("a batch", Accepted, corked, parts::batch()),
        Talk::new("a batch served", Server, corked, served(parts::batch())),
        Talk::new("a long talk", Server, corked, served(parts::round_trips())),
        Talk::new("two threads", Accepted, two_threads, parts::other_two()),
        Talk::new("two", Server, two_threads, served(parts::other_two())),
        Talk::new("a group", Accepted, group, parts::member()),
        Talk::new("a dropped client", Dialled, dropped, vec![Hear(2)]),
        #[cfg(feature = "deflate")]
        Talk::new("compression", Server, echo, parts::compressing()),
        #[cfg(feature = "deflate")]
        Talk::new("a client inflates", Client, questions, parts::inflating()),
        Talk::new("a violation", Server, echo, parts::violation())
            .failing("Protocol(ReservedOpcode)"),
        Talk::new("a large message", Server, echo, parts::too_large())
            .failing("Protocol(MessageTooBig { limit: 1048576 })"),
        Talk::new("a silent end", Client, questions, parts::vanishing())
            .failing("Protocol(UnexpectedEof)"),
        Talk::new("a page", Server, echo, page(get("/page"))),
        Talk::new("no page", Server, echo, page(upgrade("/none", ""))),
        Talk::new("no upgrade", Server, echo, page(get("/"))),
        Talk::new("a refusal", Client, echo, parts::refusal()),
    ]
}

/// The other pages of the conversations' server.
pub(crate) fn server() -> Server {
    let server = Server::bind("127.0.0.1:0").unwrap().hosts(Hosts::any());
    let server = server.get("/page", |_| Response::html("hello".repeat(1000)));
    #[cfg(feature = "deflate")]
    let server = server.deflate(Deflate::default());
    server
}

fn echo(ws: WebSocket, told: &mut Told) -> Ended {
    let (mut reader, writer) = ws.split();
    let mut echo = || {
        while let Some(message) = reader.recv_owned()? {
            told.message(&message);
            writer.send(&message)?;
            told.sent += 1;
        }
        told.closed(reader.peer_close());
        Ok(())
    };
    let result = echo();
    (reader, writer, result)
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
        told.closed(ws.peer_close());
        Ok(())
    };
    let result = speak();
    let (reader, writer) = ws.split();
    (reader, writer, result)
}

/// A client that gets an answer to each question, and closes.
fn questions(mut ws: WebSocket, told: &mut Told) -> Ended {
    let mut ask = || {
        let questions = [
            vec![b'?'; 3],
            pattern(2000),
            pattern(40_000),
            pattern(400_000),
        ];
        for question in &questions {
            ws.send(question)?;
            told.sent += 1;
            match ws.recv_timeout(PATIENCE)? {
                Next::Message(message) => told.message(&message.into()),
                next => told.seen.push(format!("{next:?}")),
            }
        }
        ws.close(CloseCode::NORMAL, "")?;
        told.closed(ws.peer_close());
        Ok(())
    };
    let result = ask();
    let (reader, writer) = ws.split();
    (reader, writer, result)
}

fn corked(ws: WebSocket, told: &mut Told) -> Ended {
    let (mut reader, writer) = ws.split();
    let result = reader.for_each(|message, tx| {
        told.message(&message.into());
        tx.send(message)
    });
    if result.is_ok() {
        told.closed(reader.peer_close());
    }
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
        let (sent, said) = sending.join().unwrap();
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

impl Told {
    /// A message, told apart from all the others of a conversation.
    pub(crate) fn message(&mut self, message: &MessageBuf) {
        let bytes = Message::from(message).as_bytes();
        let summands = bytes
            .iter()
            .zip(1..)
            .map(|(byte, at)| u64::from(*byte) * at);
        let sum: u64 = summands.sum();
        self.seen.push(format!("{} bytes, {sum:x}", bytes.len()));
    }

    pub(crate) fn closed(&mut self, close: Option<(CloseCode, String)>) {
        self.seen.push(format!("closed: {close:?}"));
    }
}
