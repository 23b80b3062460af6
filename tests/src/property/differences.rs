//! In what ours and tungstenite 0.30 differ when they are given the same frames.

use ws_proto::{ProtocolError, Role};

use super::differential::{Both, Last};
use ws_testkit::Frame;
use ws_testkit::Got;

/// A way to differ.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// What it is about.
    pub name: &'static str,
    /// What the RFC says about it.
    pub rule: &'static str,
    /// What ours does.
    pub ours: &'static str,
    /// What the other does.
    pub theirs: &'static str,
    /// Whether it explains what each made of a stream.
    pub shows: fn(&Both<'_>) -> bool,
}

/// All that are known. The corpus has an input for each.
pub const DIFFERENCES: [Difference; 5] = [
    Difference {
        name: "a violation in a frame that does not end",
        rule: "the connection is to be failed (§7.1.7), at no certain moment",
        ours: "fails as soon as the bytes that are there show that the frame cannot be in order",
        theirs: "fails when the frame is complete, and reports the end of the stream if it never is",
        shows: |both| {
            let same = both.ours.got == both.theirs.got && both.theirs.last == Last::Ended;
            // Without that frame both say the same.
            both.ours.is_refused() && same && both.agree_on_whole_frames()
        },
    },
    Difference {
        name: "a length in more bytes than it needs",
        rule: "\"in all cases, the minimal number of bytes MUST be used to encode the length\" (§5.2)",
        ours: "fails the connection",
        theirs: "takes the frame",
        shows: |both| {
            // A control frame that says its length in 16 bits is too long for one, too.
            let named = matches!(
                both.ours.last,
                Last::Refused(Some(
                    ProtocolError::NonMinimalLength | ProtocolError::ControlTooLong
                ))
            );
            let prefix = both.theirs.got.starts_with(&both.ours.got);
            named && prefix && has_a_long_length(both.stream)
        },
    },
    Difference {
        name: "a code that may not be in a Close",
        rule: "1005, 1006 and 1015 \"MUST NOT be set as a status code in a Close control frame\"; \
               others are not defined (§7.4.1, §7.4.2)",
        ours: "fails the connection with 1002",
        theirs: "is closed, and gives code 1002 and a reason of its own for the peer's",
        shows: |both| {
            let named = matches!(
                both.ours.last,
                Last::Refused(Some(ProtocolError::InvalidCloseCode(_)))
            );
            let [before @ .., close] = both.theirs.got.as_slice() else {
                return false;
            };
            named && before == both.ours.got && is_close_of(1002, close)
        },
    },
    Difference {
        name: "1014 in a Close",
        rule: "it is in the registry that §11.7 made: Bad Gateway",
        ours: "takes it",
        theirs: "takes it for a code that is not defined, and gives 1002",
        shows: |both| {
            let both = (both.ours.got.as_slice(), both.theirs.got.as_slice());
            let ([before_ours @ .., ours], [before_theirs @ .., theirs]) = both else {
                return false;
            };
            let same = before_ours == before_theirs;
            same && is_close_of(1014, ours) && is_close_of(1002, theirs)
        },
    },
    Difference {
        name: "bytes behind a Close, to a client",
        rule: "\"after receiving a control frame indicating the connection should be closed, a \
               peer discards any further data received\" (§1.4)",
        ours: "discards them",
        theirs: "reports them as an error when they are a frame",
        shows: |both| {
            let same = both.role == Role::Client && both.ours.got == both.theirs.got;
            same && both.ours.last == Last::Closed && both.theirs.is_refused()
        },
    },
];

/// Whether some frame has a length in more bytes than it needs.
fn has_a_long_length(mut stream: &[u8]) -> bool {
    while let Some((frame, len)) = Frame::decode(stream) {
        if frame.encode() != stream[..len] {
            return true;
        }
        stream = &stream[len..];
    }
    false
}

fn is_close_of(code: u16, got: &Got) -> bool {
    matches!(got, Got::Close(Some((of, _))) if *of == code)
}
