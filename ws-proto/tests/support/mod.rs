//! What the tests share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

#[cfg(feature = "alloc")]
pub(crate) mod session;

use ws_proto::{Connection, Limits, Role};
use ws_testkit::{Conversation, Core, KEY, Outcome, converse, frame, pieces};

/// Which end of the connection is under test; it decides who masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Server,
    Client,
}

impl End {
    pub(crate) const BOTH: [Self; 2] = [Self::Server, Self::Client];

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }

    pub(crate) fn connection(self, limits: &Limits) -> Connection {
        match self {
            Self::Server => Connection::server(limits),
            Self::Client => Connection::client(limits, [7; 32]),
        }
    }

    pub(crate) const fn role(self) -> Role {
        match self {
            Self::Server => Role::Server,
            Self::Client => Role::Client,
        }
    }

    /// A connection that is given bytes piece by piece.
    pub(crate) fn conversation(self, limits: &Limits) -> Conversation<Core> {
        Conversation::new(Core::over(self.connection(limits)))
    }

    /// What comes of `wire`, in pieces that end at `cuts` and at its end.
    pub(crate) fn hears(self, limits: &Limits, wire: &[u8], cuts: &[usize]) -> Outcome {
        let mut core = Core::over(self.connection(limits));
        converse(&mut core, self.role(), pieces(wire, cuts))
    }

    /// The key that this end's peer masks with.
    pub(crate) const fn peer_key(self) -> Option<[u8; 4]> {
        match self {
            Self::Server => Some(KEY),
            Self::Client => None,
        }
    }

    /// A final frame from this end's peer.
    pub(crate) fn peer_frame(self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        frame(0x80 | opcode, self.peer_key(), payload)
    }

    /// A frame from this end's peer that is not final.
    pub(crate) fn peer_part(self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        frame(opcode, self.peer_key(), payload)
    }
}
