//! The payload of a Close: RFC 6455 §5.5.1 and §7.4.

use ws_proto::{
    Close, CloseCode, Connection, Event, Limits, ProtocolError, Role, SendError, Shutdown, State,
};

use ws_testkit::Frame;
use ws_testkit::Setup;

/// The codes that may travel (§7.4.1 and the registry of §11.7), but for the ranges of §7.4.2.
const DEFINED: [u16; 12] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
];

/// A Close says what a naive reading says, in its payload and in a frame to either role, whole or
/// cut; the answer echoes its code, or tells what was wrong. What can be read can be written.
///
/// The input is the payload.
///
/// # Panics
///
/// If not.
pub fn close(input: &[u8]) {
    // A character has at most four bytes: where the last ones are cut, anything may become of it.
    for len in input.len().saturating_sub(4)..=input.len() {
        let payload = &input[..len];
        assert_eq!(Close::decode(payload).map(said), naive(payload));
    }
    // A client's keys take longer to make than all the rest: one role is enough for an input.
    let role = [Role::Server, Role::Client][input.len() % 2];
    receives(role, input);
    if let [high, low, text @ ..] = input {
        let code = u16::from_be_bytes([*high, *low]);
        if let Some(code) = CloseCode::new(code) {
            assert!(may_travel(code.get()));
            says(role, code, &String::from_utf8_lossy(text));
        } else {
            assert!(!may_travel(code));
        }
    }
}

type Said<'a> = Option<(u16, &'a str)>;

fn said(close: Option<Close<'_>>) -> Said<'_> {
    close.map(|close| (close.code().get(), close.reason()))
}

fn may_travel(code: u16) -> bool {
    DEFINED.contains(&code) || (3000..5000).contains(&code)
}

fn naive(payload: &[u8]) -> Result<Said<'_>, ProtocolError> {
    if payload.is_empty() {
        return Ok(None);
    }
    if payload.len() == 1 {
        return Err(ProtocolError::CloseTooShort);
    }
    let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
    if !may_travel(code) {
        return Err(ProtocolError::InvalidCloseCode(code));
    }
    match str::from_utf8(&payload[2..]) {
        Ok(reason) => Ok(Some((code, reason))),
        Err(_) => Err(ProtocolError::InvalidUtf8),
    }
}

/// The payload in a frame, of which the last byte comes by itself.
fn receives(role: Role, payload: &[u8]) {
    let mask = (role == Role::Server).then_some(ws_testkit::KEY);
    let mut frame = Frame {
        first: Frame::FIN | 8,
        mask,
        payload: payload.into(),
    }
    .encode();
    let mut connection = connection(role);
    let expected = if payload.len() > 125 {
        Err(ProtocolError::ControlTooLong)
    } else {
        let last = frame.len() - 1;
        let received = connection.receive(&mut frame[..last]);
        let received = received.expect("what is wrong shows at the end");
        assert_eq!((received.consumed, received.event), (0, None));
        naive(payload)
    };
    let received = connection.receive(&mut frame).map(|received| {
        let Some(Event::Close(close)) = received.event else {
            panic!("{:?}", received.event);
        };
        assert_eq!(received.consumed, 2 + payload.len() + 4 * mask.iter().len());
        said(close)
    });
    assert_eq!(received, expected);

    // "the endpoint typically echos the status code it received" (§5.5.1)
    let told = match expected {
        Ok(None) => Vec::new(),
        Ok(Some((code, _))) => code.to_be_bytes().into(),
        Err(error) => {
            let code = error.close_code().expect("the peer is there").get();
            [&code.to_be_bytes(), error.reason().as_bytes()].concat()
        }
    };
    assert_eq!(naive(&told).map(|_| ()), Ok(()));
    let answer = written(&mut connection, role);
    assert_eq!(answer.payload, told);
    let (state, shutdown) = match (expected, role) {
        (Err(error), _) => (State::Failed(error), Shutdown::Write),
        (Ok(_), Role::Server) => (State::Closed, Shutdown::Write),
        (Ok(_), Role::Client) => (State::Closed, Shutdown::AwaitPeer),
    };
    assert_eq!(
        (connection.state(), connection.shutdown()),
        (state, shutdown)
    );
    assert_eq!(connection.close(None), Err(SendError::Closed));
    assert_eq!(connection.ping(&[]), Err(SendError::Closed));
}

/// A code and a reason that are sent arrive, or are refused for the length alone.
fn says(role: Role, code: CloseCode, reason: &str) {
    let close = match Close::new(code, reason) {
        Ok(close) => close,
        Err(error) => {
            assert_eq!(error, SendError::ReasonTooLong);
            assert!(reason.len() > 123);
            return;
        }
    };
    assert!(reason.len() <= 123);
    let shown = close.to_string();
    assert!(shown.starts_with(&code.to_string()));
    assert!(!shown.contains(char::is_control), "{shown:?}");
    let mut ours = connection(role);
    ours.close(Some(close)).expect("it is open");
    assert_eq!(ours.close(Some(close)), Err(SendError::Closed));
    let frame = written(&mut ours, role);
    assert_eq!(naive(&frame.payload), Ok(Some((code.get(), reason))));
    let stands = (ours.state(), ours.shutdown());
    assert_eq!(stands, (State::Closing, Shutdown::NotYet));
}

fn connection(role: Role) -> Connection {
    match role {
        Role::Server => Connection::server(&Limits::DEFAULT),
        Role::Client => Connection::client(&Limits::DEFAULT, Setup::seed()),
    }
}

/// The one Close that there is to be written.
fn written(connection: &mut Connection, role: Role) -> Frame {
    let close = connection.poll_transmit().expect("a Close");
    assert!(connection.poll_transmit().is_none());
    let (frame, len) = Frame::decode(close.as_ref()).expect("a whole frame");
    assert_eq!((len, frame.first), (close.as_ref().len(), Frame::FIN | 8));
    assert_eq!(frame.mask.is_some(), role == Role::Client);
    frame
}
