//! The protocol: both halves, the two joined, and time.

#![no_std]
#![no_main]

use core::time::Duration;

use no_panic as _;
use ws_proto::{
    Close, Connection, Instant, Kind, Limits, Liveness, Message, Part, Receiver, Role, Sender,
    Shutdown, State, Timeouts, Verdict,
};

struct Given<'a> {
    input: &'a mut [u8],
    output: &'a mut [u8],
    payload: &'a [u8],
    message: Message<'a>,
    kind: Kind,
    len: u64,
    part: Part,
    close: Option<Close<'a>>,
    role: Role,
    seed: [u8; 32],
    limits: Limits,
    receiver: Receiver,
    sender: Sender,
    connection: Connection,
    timeouts: Timeouts,
    now: Instant,
    duration: Duration,
    liveness: Liveness,
    verdict: Verdict,
    counted: usize,
}

#[expect(unsafe_code, reason = "the entry of a program has a name")]
#[unsafe(no_mangle)]
extern "C" fn _start(given: &mut Given<'_>) {
    receive(given);
    send(given);
    both(given);
    watch(given);
}

fn receive(given: &mut Given<'_>) {
    let receiver = &mut given.receiver;
    given.counted += usize::from(receiver.holds_message(given.input));
    given.counted += usize::from(receiver.holds_control(given.input));
    given.counted += receiver
        .receive(given.input)
        .map_or(0, |received| received.consumed);
    given.counted += usize::from(receiver.receive_eof().is_ok());
    given.counted += usize::from(receiver.payload_remaining() > 0 || receiver.is_closed());
    given.counted += usize::from(receiver.is_ended() || receiver.failed().is_some());
    given.role = receiver.role();
    *receiver = Receiver::new(given.role, &given.limits).compressed();
    given.counted += receiver
        .receive(given.input)
        .map_or(0, |received| received.consumed);
}

fn send(given: &mut Given<'_>) {
    let sender = &mut given.sender;
    given.counted += sender.send(given.message, given.output).unwrap_or(0);
    if let Ok(header) = sender.begin(given.kind, given.len, given.part) {
        given.counted += header.encode().as_ref().len();
    }
    given.counted += usize::from(sender.ping(given.payload).is_ok());
    given.counted += usize::from(sender.pong(given.payload).is_ok());
    given.counted += usize::from(sender.close(given.close).is_ok());
    while let Some(control) = sender.poll_transmit() {
        given.counted += control.as_ref().len();
    }
    given.counted += sender.frame_len(given.counted);
    given.counted += usize::from(sender.wants_transmit() || sender.is_open() || sender.is_closed());
    *sender = Sender::client(given.seed);
    given.counted += sender.send(given.message, given.output).unwrap_or(0);
}

fn both(given: &mut Given<'_>) {
    let connection = &mut given.connection;
    if let Ok(received) = connection.receive(given.input) {
        given.counted += received.consumed;
    }
    given.counted += usize::from(connection.holds_message(given.input));
    given.counted += usize::from(connection.holds_control(given.input));
    given.counted += connection.send(given.message, given.output).unwrap_or(0);
    given.counted += usize::from(connection.begin(given.kind, given.len, given.part).is_ok());
    given.counted += usize::from(connection.ping(given.payload).is_ok());
    given.counted += usize::from(connection.pong(given.payload).is_ok());
    given.counted += usize::from(connection.close(given.close).is_ok());
    given.counted += usize::from(connection.receive_eof().is_ok());
    while let Some(control) = connection.poll_transmit() {
        given.counted += control.as_ref().len();
    }
    given.counted += usize::from(connection.shutdown() == Shutdown::Now);
    given.counted += usize::from(connection.state() == State::Open);
    given.counted += usize::from(connection.is_closed_by_peer() || connection.wants_transmit());
    given.counted += usize::from(connection.payload_remaining() > 0);
    given.counted += connection.frame_len(given.counted);
    given.role = connection.role();
    let new = match given.role {
        Role::Server => Connection::server(&given.limits),
        Role::Client => Connection::client(&given.limits, given.seed).compressed(),
    };
    (given.receiver, given.sender) = core::mem::replace(connection, new).split();
}

fn watch(given: &mut Given<'_>) {
    let liveness = &mut given.liveness;
    given.verdict = liveness.check(given.now, &mut given.connection);
    liveness.on_received();
    liveness.on_blocked();
    liveness.on_written();
    liveness.on_flushed();
    let later = given.now.after(given.duration);
    given.verdict = liveness.check(later, &mut given.connection);
    given.duration = given.now.saturating_duration_since(later);
    given.now = Instant::from_epoch(given.duration);
    given.duration = given.now.since_epoch();
    if let Some(deadline) = liveness.deadline(&given.connection) {
        given.now = deadline;
    }
    *liveness = Liveness::new(&given.timeouts);
}
