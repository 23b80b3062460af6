//! *Cancel*: an operation that is dropped between two steps loses nothing. Whatever was begun, the
//! session goes on as if it had not been: every byte and every event is the same.

#![cfg(feature = "alloc")]

use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use crate::play::{Begun, Meanwhile, Play, Style, Told, conversations};
use crate::support::End;
use crate::support::session::seen_control;
use ws_proto::{
    Buffers, Kind, Limits, MessageBuf, Part, Prepared, ProtocolError, Ready, SendError, Session,
    Shutdown, State,
};
use ws_testkit::{
    BINARY, CLOSE, CONTINUATION, Frame, Got, PING, PONG, TEXT, close_payload, frames,
};

#[test]
fn cancel_what_was_begun_between_two_steps_changes_no_byte_and_no_event() {
    for_each_begun(|begun, run| {
        if begun.looks() {
            return;
        }
        let (told, expected) = run();
        assert!(told == expected, "{:?}\n{:?}", told.stands, expected.stands);
    });
}

/// To look for what there is to write settles it: a Close counts as sent then, and a Ping may be
/// answered that a later one would have overtaken. Nothing else differs, but the places of Pings
/// and Pongs between messages.
#[test]
fn cancel_a_write_between_two_steps_loses_no_frame_and_no_event() {
    for_each_begun(|begun, run| {
        if !begun.looks() {
            return;
        }
        let (told, expected) = run();
        let stands = |told: &Told| -> Vec<_> {
            let stands = told.stands.iter();
            let all = stands.map(|stand| (stand.shutdown, stand.wants_write, stand.deadline));
            all.collect()
        };
        assert_eq!(stands(&told), stands(&expected));
        assert!(told.seen == expected.seen);
        assert_eq!(
            (told.error, &told.refused),
            (expected.error, &expected.refused)
        );
        let [messages, pings, pongs] = apart(&told.wrote);
        let [the_messages, the_pings, the_pongs] = apart(&expected.wrote);
        assert!(messages == the_messages);
        assert_eq!(pings, the_pings);
        let mut pongs = pongs.iter();
        assert!(
            the_pongs
                .iter()
                .all(|pong| pongs.any(|other| other == pong))
        );
    });
}

/// What comes of a conversation in which something is begun, and of the same without that.
type Run<'r> = &'r dyn Fn() -> (Told, Told);

fn for_each_begun(check: impl Fn(Begun, Run<'_>)) {
    for scenario in conversations() {
        for style in [Style::Step, Style::Ready, Style::Take] {
            for begun in Begun::EACH {
                let run = || {
                    let what = (scenario.name, scenario.end, style, begun);
                    println!("{what:?}");
                    let told = Play::run(&scenario, style, &Meanwhile::Begun(begun));
                    (told, Play::run(&scenario, style, &Meanwhile::Nothing))
                };
                check(begun, &run);
            }
        }
    }
}

/// Messages and the Close, Pings, and Pongs, without their keys: one more frame, and those after
/// it have others, and another place among the frames of the other kinds.
fn apart(bytes: &[u8]) -> [Vec<Frame>; 3] {
    let mut apart = [const { Vec::new() }; 3];
    for frame in frames(bytes) {
        let kind = match frame.opcode() {
            PING => 1,
            PONG => 2,
            _ => 0,
        };
        apart[kind].push(Frame {
            mask: None,
            ..frame
        });
    }
    apart
}

/// A connection in the hands of futures, as an adapter for an async runtime would have it. Nothing
/// is between two awaits but calls of the session.
struct Adapter {
    session: Session,
    wire: Wire,
    writing: Writing,
    /// What was taken out of the session to be written.
    taken: Buffers,
    heard: Vec<Got>,
}

/// How it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Unsent,
    Slices,
    /// The bytes are taken out first.
    Swapped,
}

/// A transport that is never ready when it is asked for the first time.
struct Wire {
    to_read: Vec<u8>,
    wrote: Vec<u8>,
    was_asked: bool,
}

/// The most that one read or write moves.
const PORTION: usize = 61;

impl Wire {
    fn poll<T>(&mut self, ready: impl FnOnce(&mut Self) -> T) -> Poll<T> {
        self.was_asked = !self.was_asked;
        match self.was_asked {
            true => Poll::Pending,
            false => Poll::Ready(ready(self)),
        }
    }

    async fn read(&mut self, buffer: &mut [u8]) -> usize {
        poll_fn(|_| {
            // What a read leaves in a buffer before it ends counts for nothing.
            buffer.fill(0xEE);
            self.poll(|wire| {
                let len = PORTION.min(buffer.len()).min(wire.to_read.len());
                for (to, from) in buffer.iter_mut().zip(wire.to_read.drain(..len)) {
                    *to = from;
                }
                len
            })
        })
        .await
    }

    async fn write(&mut self, pieces: &[&[u8]]) -> usize {
        poll_fn(|_| {
            self.poll(|wire| {
                let mut bytes = pieces.concat();
                bytes.truncate(PORTION);
                wire.wrote.extend(&bytes);
                bytes.len()
            })
        })
        .await
    }
}

impl Adapter {
    /// Waits for the next message.
    async fn recv(&mut self) -> Result<Option<MessageBuf>, ProtocolError> {
        loop {
            match self.session.ready()? {
                Ready::Message => return self.session.take_message(),
                Ready::Control => {
                    let event = self.session.control()?;
                    self.heard.extend(event.map(seen_control));
                }
                Ready::Closed => return Ok(None),
                Ready::NeedData => {
                    self.flush().await;
                    let len = self.wire.read(self.session.spare_mut()?).await;
                    self.session.filled(len);
                    if len == 0 {
                        self.session.eof()?;
                    }
                }
            }
        }
    }

    /// Waits until a message can be queued.
    async fn room(&mut self) {
        while !self.session.has_room() {
            self.write().await;
        }
    }

    /// Waits until everything is written.
    async fn flush(&mut self) {
        while self.session.wants_write() || self.taken.unsent_len() > 0 {
            self.write().await;
        }
    }

    async fn write(&mut self) {
        match self.writing {
            Writing::Unsent => {
                let len = self.wire.write(&[self.session.unsent()]).await;
                self.session.sent(len);
            }
            Writing::Slices => {
                let mut pieces = [&[][..]; 3];
                let count = self.session.unsent_slices(&mut pieces);
                let len = self.wire.write(&pieces[..count]).await;
                self.session.sent(len);
            }
            Writing::Swapped => {
                if self.taken.unsent_len() == 0 {
                    self.session.halves().1.swap(&mut self.taken);
                }
                let mut pieces = [&[][..]; 3];
                let count = self.taken.unsent_slices(&mut pieces);
                let len = self.wire.write(&pieces[..count]).await;
                self.taken.sent(len);
                let left = self.taken.unsent_len();
                self.session.halves().1.on_written(left);
            }
        }
    }
}

/// What comes of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Lifetime {
    heard: Vec<Got>,
    wrote: Vec<u8>,
    refused: Vec<SendError>,
    error: Option<ProtocolError>,
    state: State,
    shutdown: Shutdown,
}

/// A program that uses the adapter, and drops its futures.
struct Program<D> {
    adapter: Adapter,
    /// Which of the awaits end by a drop.
    drops: D,
    /// Between a drop and the next try.
    meanwhile: fn(&mut Session),
    awaits: usize,
    refused: Vec<SendError>,
}

impl<D: Fn(usize) -> bool> Program<D> {
    /// Runs an operation to its end, however often it is dropped on the way.
    fn run<T>(&mut self, operation: impl AsyncFn(&mut Adapter) -> T) -> T {
        loop {
            if let Some(done) = self.try_once(&operation) {
                return done;
            }
            (self.meanwhile)(&mut self.adapter.session);
        }
    }

    fn try_once<T>(&mut self, operation: &impl AsyncFn(&mut Adapter) -> T) -> Option<T> {
        let mut future = pin!(operation(&mut self.adapter));
        loop {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
                return Some(done);
            }
            let at = self.awaits;
            self.awaits += 1;
            if (self.drops)(at) {
                return None;
            }
        }
    }

    /// Queues something, when there is room.
    fn queue(&mut self, queue: impl FnOnce(&mut Session) -> Result<(), SendError>) {
        self.run(Adapter::room);
        self.refused.extend(queue(&mut self.adapter.session).err());
    }

    /// Echoes until the peer closes, and says something of its own.
    fn live(mut self) -> (Lifetime, usize) {
        self.queue(|session| session.send_prepared(&Prepared::new(&[5; 5000])));
        self.queue(|session| session.send_part(Kind::Text, b"in ", Part::More));
        self.queue(|session| session.ping(b"between"));
        self.queue(|session| session.send_part(Kind::Text, b"pieces", Part::Last));
        let error = loop {
            match self.run(Adapter::recv) {
                Ok(Some(message)) => {
                    self.queue(|session| session.send(&message));
                    self.adapter.heard.push(message.as_message().into());
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        self.run(Adapter::flush);
        let outcome = Lifetime {
            heard: self.adapter.heard,
            wrote: self.adapter.wire.wrote,
            refused: self.refused,
            error,
            state: self.adapter.session.state(),
            shutdown: self.adapter.session.shutdown(),
        };
        (outcome, self.awaits)
    }
}

/// What the peer says: with pieces of a message around its Ping, and at its end a Close, or nothing.
fn said(end: End, closes: bool) -> Vec<u8> {
    let mut said = [
        end.peer_frame(TEXT, "你好".as_bytes()),
        end.peer_part(TEXT, &[b'a'; 200]),
        end.peer_frame(PING, b"are you there"),
        end.peer_frame(CONTINUATION, &[b'b'; 300]),
        end.peer_frame(PONG, b"between"),
        end.peer_frame(BINARY, &[7; 3000]),
        end.peer_frame(TEXT, b""),
    ]
    .concat();
    if closes {
        said.extend(end.peer_frame(CLOSE, &close_payload(1001, "bye")));
    } else {
        said.extend(&end.peer_frame(BINARY, &[7; 300])[..200]);
    }
    said
}

fn live(
    (end, closes): (End, bool),
    writing: Writing,
    drops: impl Fn(usize) -> bool,
    meanwhile: fn(&mut Session),
) -> (Lifetime, usize) {
    let mut limits = Limits::default();
    // So that there is not always room.
    limits.max_unsent = 300;
    let adapter = Adapter {
        session: end.session(&limits),
        wire: Wire {
            to_read: said(end, closes),
            wrote: Vec::new(),
            was_asked: false,
        },
        writing,
        taken: Buffers::default(),
        heard: Vec::new(),
    };
    let program = Program {
        adapter,
        drops,
        meanwhile,
        awaits: 0,
        refused: Vec::new(),
    };
    program.live()
}

/// What a program may do between a drop and the next try.
const MEANWHILE: [fn(&mut Session); 4] = [
    |_| {},
    |session| Begun::All.begin(session),
    Session::release,
    |session| {
        session.attach(Buffers::new(1024));
        Begun::All.begin(session);
        drop(session.detach());
    },
];

#[test]
fn cancel_a_future_at_any_of_its_awaits_loses_nothing() {
    for (end, closes) in [
        (End::Server, true),
        (End::Server, false),
        (End::Client, true),
        (End::Client, false),
    ] {
        for writing in [Writing::Unsent, Writing::Slices, Writing::Swapped] {
            let talk = (end, closes);
            let (expected, awaits) = live(talk, writing, |_| false, |_| {});
            assert_eq!(
                expected.heard.len(),
                6 + usize::from(closes),
                "{expected:?}"
            );
            assert_eq!(expected.refused, []);
            let what = format!("{talk:?}, {writing:?}");
            for (at, meanwhile) in MEANWHILE.into_iter().enumerate() {
                let what = format!("{what}, meanwhile {at}");
                let (all, tries) = live(talk, writing, |_| true, meanwhile);
                assert_eq!(all, expected, "{what}, at each");
                assert!(tries >= awaits);
                let step = if cfg!(miri) { 50 } else { 1 };
                for drop in (0..awaits).step_by(step) {
                    let (one, _) = live(talk, writing, |at| at == drop, meanwhile);
                    assert_eq!(one, expected, "{what}, at {drop} of {awaits}");
                }
            }
        }
    }
}
