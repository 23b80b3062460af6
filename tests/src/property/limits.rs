//! Which limits the inputs of a target reach: one that none reaches is not fuzzed.

use ws_proto::handshake::{HeadError, Key, Offer, Request, RequestError, ResponseError, Scan};
use ws_proto::{ProtocolError, Role};

use super::frames::broken;
use super::head;
use super::input::cuts;
use super::{inflate, session_ops};

/// The limits that the inputs of each target are to reach.
pub const LIMITS: [(&str, &[&str]); 6] = [
    ("frames_server", &["max_message", "max_fragments"]),
    ("frames_client", &["max_message", "max_fragments"]),
    ("handshake_request", HEAD),
    ("handshake_response", HEAD),
    ("inflate", &["max_message"]),
    ("session_ops", &["max_message", "max_unsent"]),
];

const HEAD: &[&str] = &["max_head", "first line", "max_head_line", "max_headers"];

/// The limit that this input of a target passes.
#[must_use]
pub fn limit(target: &str, input: &[u8]) -> Option<&'static str> {
    let limits = head::limits();
    let (_, text) = cuts(input);
    match target {
        "frames_server" => of_frames(broken(Role::Server, input)?),
        "frames_client" => of_frames(broken(Role::Client, input)?),
        "handshake_request" => match Request::parse_prefix(&mut Scan::new(), text, &limits) {
            Err(RequestError::Head(error)) => of_a_head(error),
            _ => None,
        },
        "handshake_response" => {
            let offer = Offer::new("server.example.com", "/chat").expect("a good offer");
            let key = Key::new(*b"the sample nonce");
            match offer.verify(&key, &mut Scan::new(), text, &limits) {
                Err(ResponseError::Head(error)) => of_a_head(error),
                _ => None,
            }
        }
        "inflate" => of_frames(inflate::failure(input)?),
        "session_ops" => session_ops::limit(input),
        _ => None,
    }
}

const fn of_frames(error: ProtocolError) -> Option<&'static str> {
    match error {
        ProtocolError::MessageTooBig { .. } => Some("max_message"),
        ProtocolError::TooManyFragments { .. } => Some("max_fragments"),
        _ => None,
    }
}

const fn of_a_head(error: HeadError) -> Option<&'static str> {
    match error {
        HeadError::HeadTooLong { .. } => Some("max_head"),
        HeadError::FirstLineTooLong { .. } => Some("first line"),
        HeadError::LineTooLong { .. } => Some("max_head_line"),
        HeadError::TooManyHeaders { .. } => Some("max_headers"),
        _ => None,
    }
}
