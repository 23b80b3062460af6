//! The bare core, with the buffers that its user owns.

use core::mem;

use ws_proto::{
    Chunk, Connection, Event, Instant, Kind, Liveness, Message, Part, ProtocolError, Role,
    SendError, Shutdown, State, Timeouts, Transmit, Verdict,
};

use crate::engine::{Engine, Got, Setup, as_close, as_message, control_event, record_failure};
use crate::script::Action;

/// The bare core.
#[derive(Debug)]
pub struct Core {
    connection: Connection,
    liveness: Liveness,
    /// How many bytes are presented more with each call.
    piece: usize,
    echo: bool,
    unread: Vec<u8>,
    /// The fragments so far.
    message: Option<(Kind, Vec<u8>)>,
    /// Answers to Pings, written at once as long as they are few and no message waits.
    answers: Vec<u8>,
    /// Messages that were framed, for behind the control frames.
    framed: Vec<u8>,
    failed: Option<ProtocolError>,
}

impl Core {
    /// A core that is shown `piece` bytes more with each call.
    #[must_use]
    pub fn new(setup: &Setup, piece: usize) -> Self {
        let connection = match setup.role {
            Role::Server => Connection::server(&setup.limits),
            Role::Client => Connection::client(&setup.limits, Setup::seed()),
        };
        Self {
            liveness: Liveness::new(&setup.timeouts),
            piece,
            echo: setup.echo,
            ..Self::over(connection)
        }
    }

    /// A core with this connection, of which nobody looks at the clock.
    #[must_use]
    pub fn over(connection: Connection) -> Self {
        Self {
            connection,
            liveness: Liveness::new(&Timeouts::DEFAULT),
            piece: usize::MAX,
            echo: false,
            unread: Vec::new(),
            message: None,
            answers: Vec::new(),
            framed: Vec::new(),
            failed: None,
        }
    }

    /// The connection.
    pub const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Presents what is unread until it is not enough for anything, and checks at every call what
    /// holds of every call: progress, *starved*, *held*, *tail*, and silence after an error.
    fn drain(&mut self, got: &mut Vec<Got>) {
        let mut unread = mem::take(&mut self.unread);
        let mut start = 0;
        // Each call consumes, gives an event without consuming, or is the last.
        let mut calls = 2 * unread.len() + 2;
        loop {
            calls = calls.checked_sub(1).expect("an endless loop");
            let presented = unread[start..].as_ptr_range();
            let received = match self.connection.receive(&mut unread[start..]) {
                Ok(received) => received,
                Err(error) => {
                    record_failure(&mut self.failed, error, got);
                    // The error is final, whatever is presented.
                    assert_eq!(self.connection.receive(&mut []), Err(error));
                    break;
                }
            };
            assert!(self.failed.is_none(), "an event after an error");
            start += received.consumed;
            let Some(event) = received.event else {
                break;
            };
            assert!(received.consumed > 0, "an event out of nothing");
            let payload = payload_of(&event);
            let end = presented.start.wrapping_add(received.consumed);
            let is_tail = payload.is_empty() || payload.as_ptr_range().end == end;
            assert!(is_tail && end <= presented.end, "not the tail: {event:?}");
            let whole;
            let message = match event {
                Event::Message(message) => {
                    assert!(self.message.is_none(), "a message within a message");
                    message
                }
                Event::Chunk(Chunk {
                    kind,
                    payload,
                    part,
                }) => {
                    let begun = self.message.get_or_insert_with(|| (kind, Vec::new()));
                    assert_eq!(begun.0, kind);
                    begun.1.extend(payload);
                    if part == Part::More {
                        continue;
                    }
                    (_, whole) = self.message.take().expect("it was begun");
                    as_message(kind, &whole)
                }
                control => {
                    got.extend(control_event(&control));
                    if matches!(control, Event::Ping(_)) {
                        self.answer();
                    }
                    continue;
                }
            };
            got.push(message.into());
            if self.echo {
                // Refused only behind a Close.
                let _ = frame_message(&mut self.connection, message, &mut self.framed);
            }
        }
        unread.drain(..start);
        assert!(
            unread.len() < 140 || self.failed.is_some(),
            "{} bytes held back",
            unread.len()
        );
        self.unread = unread;
    }

    /// Does with Pongs what a session does.
    fn answer(&mut self) {
        if self.framed.is_empty() && self.answers.len() < 1024 {
            while let Some(control) = self.connection.poll_transmit() {
                self.answers.extend(control.as_ref());
            }
        }
    }
}

impl Engine for Core {
    fn receive(&mut self, bytes: &[u8], got: &mut Vec<Got>) {
        for piece in bytes.chunks(self.piece) {
            self.liveness.on_received();
            self.unread.extend(piece);
            self.drain(got);
        }
    }

    fn eof(&mut self, got: &mut Vec<Got>) {
        if let Err(error) = self.connection.receive_eof() {
            record_failure(&mut self.failed, error, got);
        }
        self.unread.clear();
        self.drain(got);
    }

    fn send(&mut self, action: &Action) -> Result<(), SendError> {
        match action {
            Action::Send(kind, payload) => {
                let message = as_message(*kind, payload);
                frame_message(&mut self.connection, message, &mut self.framed)
            }
            Action::SendPart(kind, payload, part) => {
                let len = payload.len().try_into().expect("a usize fits");
                let header = self.connection.begin(*kind, len, *part)?;
                self.framed.extend(header.encode().as_ref());
                let mut payload = payload.clone();
                if let Some(mask) = header.mask() {
                    let _ = mask.apply(&mut payload);
                }
                self.framed.extend(payload);
                Ok(())
            }
            Action::Ping(payload) => self.connection.ping(payload),
            Action::Pong(payload) => self.connection.pong(payload),
            Action::Close(close) => self.connection.close(as_close(close)?),
            other => unreachable!("no application does {other:?}"),
        }
    }

    fn check(&mut self, now: Instant) -> Verdict {
        self.liveness.check(now, &mut self.connection)
    }

    /// Pong and Ping, then messages, then the Close. Control frames that come while others wait
    /// are the next batch.
    fn transmit(&mut self) -> Vec<u8> {
        let mut bytes = mem::take(&mut self.answers);
        if !bytes.is_empty() {
            bytes.append(&mut self.framed);
        }
        let mut controls = Vec::new();
        while let Some(control) = self.connection.poll_transmit() {
            controls.push(control);
        }
        let is_close = |control: &&Transmit| control.opcode() == ws_proto::Opcode::Close;
        for control in controls.iter().filter(|control| !is_close(control)) {
            bytes.extend(control.as_ref());
        }
        bytes.append(&mut self.framed);
        for close in controls.iter().filter(is_close) {
            bytes.extend(close.as_ref());
        }
        if !bytes.is_empty() {
            self.liveness.on_written();
        }
        self.liveness.on_flushed();
        bytes
    }

    fn shutdown(&self) -> Shutdown {
        self.connection.shutdown()
    }

    fn state(&self) -> State {
        self.connection.state()
    }
}

/// The bytes of the event that lie in the input.
#[must_use]
pub fn payload_of<'b>(event: &Event<'b>) -> &'b [u8] {
    match event {
        Event::Message(message) => message.as_bytes(),
        Event::Chunk(chunk) | Event::Deflated(chunk) => chunk.payload,
        Event::Ping(payload) | Event::Pong(payload) => payload,
        Event::Close(close) => close.map_or(&[], |close| close.reason().as_bytes()),
    }
}

fn frame_message(
    connection: &mut Connection,
    message: Message<'_>,
    to: &mut Vec<u8>,
) -> Result<(), SendError> {
    let mut frame = vec![0; connection.frame_len(message.as_bytes().len())];
    let len = connection.send(message, &mut frame)?;
    assert_eq!(len, frame.len(), "frame_len tells beforehand");
    to.extend(frame);
    Ok(())
}
