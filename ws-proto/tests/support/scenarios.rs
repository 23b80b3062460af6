//! What two ends of a connection do to each other, written down for tests that let it happen under
//! ever other circumstances.

use ws_proto::{Kind, Limits, Part};

use crate::support::End;
use ws_testkit::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, head};

/// One act, of the application, the peer, or the transport.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A connection of this end's kind is made, and dropped.
    Make,
    /// The peer's bytes come in reads of at most so many.
    Read(Vec<u8>, usize),
    /// They come into a buffer that is lent for each read; messages are taken as owned ones.
    Lent(Vec<u8>, usize),
    /// They came with the head of the handshake.
    Push(Vec<u8>),
    Eof,
    Send(Vec<u8>),
    SendText(String),
    /// Without a copy, or what is as good as that.
    SendLent(Vec<u8>),
    /// A message that is prepared by then, but not compressed.
    SendPrepared(Vec<u8>),
    SendPart(Vec<u8>, Part),
    Prepare(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(&'static str),
    /// The transport takes so many bytes.
    Write(usize),
    /// A thread that writes takes what there is.
    TakeUnsent,
    /// Time passes, in seconds since the start.
    Wait(u64),
    Release,
    /// Somebody else goes on with the stream.
    IntoParts,
}

/// What happens to one end.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) end: End,
    #[cfg_attr(
        not(feature = "deflate"),
        expect(dead_code, reason = "nothing is compressed")
    )]
    pub(crate) compressed: bool,
    pub(crate) limits: Limits,
    pub(crate) acts: Vec<Act>,
    /// How many of its allocations cannot fail softly: see [`hard`](Self::hard).
    pub(crate) hard: usize,
}

impl Scenario {
    fn new(name: &'static str, end: End, acts: Vec<Act>) -> Self {
        Self {
            name,
            end,
            compressed: false,
            limits: Limits::default(),
            acts,
            hard: 0,
        }
    }

    /// So many of its allocations end the program, or the thread, if they fail. Why, stands where
    /// this is called.
    const fn hard(mut self, hard: usize) -> Self {
        self.hard = hard;
        self
    }

    fn limited(mut self, limit: impl FnOnce(&mut Limits)) -> Self {
        limit(&mut self.limits);
        self
    }
}

/// All of them, for both ends.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for end in End::BOTH {
        all.extend(receiving(end));
        all.extend(broken(end));
        all.extend(sending(end));
        all.extend(together(end));
        all.extend(made(end));
        #[cfg(feature = "deflate")]
        all.extend(compressed::all(end));
    }
    all
}

fn receiving(end: End) -> Vec<Scenario> {
    use Act::{Eof, Lent, Push, Read, Release};
    let whole = |opcode, payload: &[u8]| end.peer_frame(opcode, payload);
    let part = |opcode, payload: &[u8]| end.peer_part(opcode, payload);
    let small = [whole(TEXT, "你好".as_bytes()), whole(BINARY, &[1; 300])].concat();
    let large = whole(BINARY, &[2; 200_000]);
    let text = whole(TEXT, &[b'a'; 100_000]);
    let fragments = [
        part(TEXT, &[b'a'; 3000]),
        whole(PING, b"between"),
        part(CONTINUATION, b""),
        part(CONTINUATION, &[b'b'; 9000]),
        whole(PONG, b""),
        whole(CONTINUATION, &[b'c'; 3000]),
    ]
    .concat();
    let closed = [small.clone(), whole(CLOSE, &close_payload(1000, "bye"))].concat();
    let new = |name, acts| Scenario::new(name, end, acts);
    vec![
        new("messages in one read", vec![Read(small.clone(), 1 << 20)]),
        new("messages byte by byte", vec![Read(small.clone(), 1)]),
        new("messages, lent", vec![Lent(small.clone(), 1000)]),
        new("messages, pushed", vec![Push(small.clone())]),
        new(
            "pushed in pieces",
            vec![Push(small[..20].into()), Push(small[20..].into())],
        ),
        new("many messages", vec![Read(small.repeat(300), 1 << 20)]),
        new("many messages, pushed", vec![Push(small.repeat(300))]),
        new("a large message", vec![Read(large.clone(), 1 << 20)]),
        new("a large message in reads", vec![Read(large.clone(), 1460)]),
        new("a large message, lent", vec![Lent(large.clone(), 4096)]),
        new("a large message, pushed", vec![Push(large)]),
        new("a large text", vec![Read(text.clone(), 5000)]),
        new("a large text, lent", vec![Lent(text, 5000)]),
        new("fragments", vec![Read(fragments.clone(), 1 << 20)]),
        new("fragments in reads", vec![Read(fragments.clone(), 100)]),
        new("fragments, lent", vec![Lent(fragments, 700)]),
        new(
            "messages after silence",
            vec![
                Read(small.clone(), 100),
                Release,
                Read(small.clone(), 100),
                Release,
            ],
        ),
        new("closed by the peer", vec![Read(closed, 50), Eof]),
        new("the stream ends", vec![Read(small[..20].into(), 50), Eof]),
    ]
}

/// What is no WebSocket, or too much of it.
fn broken(end: End) -> Vec<Scenario> {
    use Act::Read;
    let bytes = |bytes: &[u8]| {
        vec![
            Read(end.peer_frame(TEXT, b"so far"), 9),
            Read(bytes.into(), 3),
        ]
    };
    let too_big = head(0x80 | BINARY, end.peer_key(), (1 << 20) + 1);
    let nothing = end.peer_part(CONTINUATION, b"").repeat(5);
    let fragments = [end.peer_part(BINARY, b"a"), nothing].concat();
    vec![
        Scenario::new("a reserved bit", end, bytes(&[0xFF])),
        Scenario::new("no text", end, bytes(&end.peer_frame(TEXT, b"\xC0\x80"))),
        Scenario::new("too big", end, bytes(&too_big)),
        Scenario::new("too many fragments", end, bytes(&fragments))
            .limited(|limits| limits.max_fragments = 3),
    ]
}

fn sending(end: End) -> Vec<Scenario> {
    use Act::{Close, Ping, Pong, Release, Send, SendLent, SendPart, SendPrepared, SendText};
    use Act::{TakeUnsent, Wait, Write};
    let new = |name, acts| Scenario::new(name, end, acts);
    let text = || SendText("你好".repeat(50));
    vec![
        new("a message is sent", vec![text(), Write(9), Write(1000)]),
        new("messages are sent", vec![text(); 20]),
        new("a large message is sent", vec![Send(vec![3; 200_000])]),
        new(
            "messages behind half of one",
            vec![
                Send(vec![1; 3000]),
                Write(2000),
                Send(vec![2; 9000]),
                Write(4000),
                Send(vec![3; 30_000]),
            ],
        ),
        new("a message is lent", vec![SendLent(vec![4; 5000]), text()]),
        new(
            "prepared ones are sent",
            vec![SendPrepared(vec![4; 5000]), SendPrepared(vec![4; 5])],
        ),
        new(
            "fragments are sent",
            vec![
                SendPart(vec![b'a'; 2000], Part::More),
                Ping(b"between".into()),
                SendPart(vec![], Part::More),
                Write(100),
                SendPart(vec![b'b'; 9000], Part::Last),
                text(),
            ],
        ),
        new(
            "control frames are sent",
            vec![
                text(),
                Ping(b"1".into()),
                Write(1),
                Pong(b"2".into()),
                Ping([7; 125].into()),
                Write(1000),
                Ping(b"3".into()),
                TakeUnsent,
            ],
        ),
        new("closed", vec![text(), Close("bye"), Write(3), Write(1000)]),
        new("closed at once", vec![Close(""), TakeUnsent]),
        new(
            "another thread writes",
            vec![text(), TakeUnsent, text(), Write(7), text(), TakeUnsent],
        ),
        new(
            "silence between messages",
            vec![text(), Write(1000), Release, text(), Write(1000), Release],
        ),
        new(
            "nobody answers",
            vec![Wait(20), Write(1000), Wait(40), Write(1000)],
        ),
    ]
}

fn together(end: End) -> Vec<Scenario> {
    use Act::{Close, Eof, Read, Send, Write};
    let ping = end.peer_frame(PING, &[9; 125]);
    let text = end.peer_frame(TEXT, b"Hello");
    let closing = [
        text.clone(),
        end.peer_frame(CLOSE, &close_payload(1001, "")),
    ]
    .concat();
    let new = |name, acts| Scenario::new(name, end, acts);
    vec![
        new("a ping", vec![Read(ping.clone(), 200), Write(1000)]),
        new("a flood of pings", vec![Read(ping.repeat(100), 1000)]),
        new(
            "pings, one after another",
            vec![Read(ping.clone(), 50), Write(9), Read(ping.clone(), 50)],
        ),
        new(
            "pings behind what nobody reads",
            vec![
                Send(vec![1; 500]),
                Read(ping.repeat(3), 500),
                Write(100),
                Read(ping.repeat(3), 70),
                Send(vec![2; 500]),
            ],
        ),
        new(
            "questions and answers",
            vec![
                Read(text.clone(), 100),
                Send(vec![1; 10]),
                Write(100),
                Read(text, 3),
                Send(vec![2; 2000]),
            ],
        ),
        new(
            "both close",
            vec![Close("bye"), Write(5), Read(closing.clone(), 7), Eof],
        ),
        new(
            "the peer closes within our message",
            vec![Send(vec![1; 200]), Write(9), Read(closing, 90)],
        ),
    ]
}

/// What an application makes of its own accord, of which it says the size. The types say no more
/// about a failure than `Vec` or `Box` do.
fn made(end: End) -> Vec<Scenario> {
    use Act::{IntoParts, Make, Prepare, Read};
    let cut = end.peer_frame(TEXT, b"Hello")[..1].to_vec();
    let new = |name, acts| Scenario::new(name, end, acts);
    vec![
        // A client's state of the masking keys is boxed: about 60 bytes. A server owns nothing.
        new("it is made", vec![Make]).hard(usize::from(end == End::Client)),
        // A copy of the message.
        new("one is prepared", vec![Prepare(vec![1; 5000])]).hard(1),
        // A copy of what is unread: fewer than 140 bytes where a step asked for more.
        new("it is taken apart", vec![Read(cut, 9), IntoParts]).hard(1),
    ]
}

#[cfg(feature = "deflate")]
mod compressed {
    use super::*;
    use crate::life::deflated;

    pub(super) fn all(end: End) -> Vec<Scenario> {
        use Act::{
            Lent, Make, Ping, Prepare, Read, Release, Send, SendPart, SendPrepared, SendText, Write,
        };
        let new = |name, acts| Scenario {
            compressed: true,
            ..Scenario::new(name, end, acts)
        };
        let text = "to be compressed, ".repeat(500);
        let wire = deflated(end, &[&text, "short", &text]);
        let bomb = deflated(end, &[&"0".repeat(2 << 20)]);
        let mut parts = Vec::new();
        for chunk in text.as_bytes().chunks(3000) {
            parts.push(SendPart(chunk.into(), Part::More));
        }
        parts.push(Ping(b"between".into()));
        parts.push(SendPart(b"the end".into(), Part::Last));
        vec![
            // The halves that compress and inflate are boxed when it is agreed on: 120 and 200
            // bytes; and the keys of a client, as above.
            new("it is made, compressed", vec![Make]).hard(2 + usize::from(end == End::Client)),
            new("one is prepared, compressed", vec![Prepare(vec![1; 5000])]).hard(1),
            // zlib knows no way of making a context but one that panics without memory. It is asked
            // for just before, and so its own demand fails only if others take it in between:
            // which is what happens here, once for each context.
            new("compressed, received", vec![Read(wire.clone(), 1 << 20)]).hard(1),
            new(
                "compressed, received in reads",
                vec![Read(wire.clone(), 50)],
            )
            .hard(1),
            new("compressed, lent", vec![Lent(wire.clone(), 50)]).hard(1),
            new("a bomb", vec![Read(bomb, 1 << 20)]).hard(1),
            new(
                "compressed, sent",
                vec![SendText(text.clone()), Write(100), SendText(text.clone())],
            )
            .hard(1),
            new(
                "compressed, prepared",
                vec![SendPrepared(vec![7; 9000]), SendPrepared(vec![7; 9000])],
            )
            // And what each is compressed to is shared, with a place to keep it in.
            .hard(5),
            new("compressed, in fragments", parts).hard(1),
            new(
                "compressed, after silence",
                vec![
                    Send(vec![1; 3000]),
                    Write(1 << 20),
                    Release,
                    Send(vec![1; 3000]),
                ],
            )
            .hard(2),
            new(
                "compressed, both ways",
                vec![Read(wire.clone(), 1000), SendText(text), Read(wire, 1000)],
            )
            .hard(2),
        ]
    }
}

/// What the fragments of a message are.
pub(crate) const KIND: Kind = Kind::Binary;
