//! The client's opening handshake, once there is a connection: a request, and the server's answer.

use std::io;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use ws_http::{BodyReader, Response, header_map};
use ws_proto::{ConnectStep, Connecting, Session};

use crate::deadline::Deadline;
use crate::error::ConnectError;
use crate::socket::About;
use crate::stream::Stream;
use crate::tap::{Tap, Tapped};
use crate::trip::Failed;

/// The time to wait for a refusal's body.
const BODY: Duration = Duration::from_secs(2);

/// Sends the request and reads the answer: returns the session, and what the server says about it.
pub(crate) fn shake_hands(
    connecting: &mut Connecting,
    stream: &Stream,
    deadline: Deadline<'_>,
    tap: Option<&Tap>,
) -> Result<(Session, About), Failed> {
    let tapped = |what: Tapped<'_>| {
        if let Some(tap) = tap {
            tap.call(what);
        }
    };
    stream.prepare()?;
    tapped(Tapped::HeadSent(connecting.unsent()));
    deadline.write(stream, connecting.unsent())?;
    connecting.sent(connecting.unsent().len());
    loop {
        let (status, headers) = match connecting.step() {
            Ok(ConnectStep::Open(session, response)) => {
                let about = About {
                    subprotocol: response.protocol().map(Into::into),
                    headers: header_map(response.headers()),
                };
                let (head, rest) = connecting.received();
                tapped(Tapped::HeadReceived(head));
                tapped(Tapped::Received(rest));
                return Ok((session, about));
            }
            Ok(ConnectStep::Refused(response)) => {
                (response.status(), header_map(response.headers()))
            }
            Ok(ConnectStep::NeedData | ConnectStep::Over) => {
                if read(connecting, stream, deadline)? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                continue;
            }
            Err(error) => {
                tapped(Tapped::HeadReceived(connecting.received().0));
                return Err(ConnectError::from(error).into());
            }
        };
        tapped(Tapped::HeadReceived(connecting.received().0));
        // Three digits that are not a status are a fault of the server, or of a proxy in front of
        // it.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        let deadline = deadline.at_most(BODY);
        let body = body(connecting, stream, (status, &headers), deadline);
        let response = answered(status, headers, body);
        return Err(ConnectError::Refused(Box::new(response)).into());
    }
}

/// What a server answered.
fn answered(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.into()
}

/// Reads as much of a refusal's body as the server gives. Whatever ends it early, the refusal is
/// what there is to say. One whose length is not known lasts until the server closes, which it need
/// not.
fn body(
    connecting: &mut Connecting,
    stream: &Stream,
    (status, headers): (StatusCode, &HeaderMap),
    deadline: Deadline<'_>,
) -> Vec<u8> {
    let Ok(mut body) = BodyReader::new(status, headers) else {
        return Vec::new();
    };
    while body.follow(connecting) {
        let Ok(1..) = read(connecting, stream, deadline) else {
            break;
        };
    }
    body.into_bytes()
}

/// Makes one read of the answer; 0 at the end of the stream.
fn read(connecting: &mut Connecting, stream: &Stream, deadline: Deadline<'_>) -> io::Result<usize> {
    let len = deadline.read(stream, connecting.spare_mut()?)?;
    connecting.filled(len);
    Ok(len)
}
