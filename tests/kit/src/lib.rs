//! What the tests of all crates have in common. Nothing here is published.
//!
//! - A [`Frame`] is the naive codec that the expected bytes are written with, and what was sent is
//!   read with: the oracle.
//! - A [`Script`] is a conversation of one endpoint, read from the tables of `transcripts/`; a
//!   [`Case`](hostile::Case) is a hostile peer, read from those of `hostile/`. Both consist of
//!   [`Action`]s and of what has to come of them.
//! - An [`Endpoint`] can hold a script: an adapter at one end of a socket; or an [`Engine`], which is the
//!   bare core, and with the feature `session` a session, by each of its inlets. [`play`] and [`run`]
//!   compare the two, step by step.
//! - A [`Row`](heads::Row) is an HTTP head, and the verdict on it, read from the tables of `handshake/`.
//! - A circumstance is what it is held under: cut anywhere
//!   (`assert_same_however_cut`), without memory at each allocation (`assert_ends_softly`, with the
//!   allocator of [`counting`]), in any order (`orders`), with calls on the socket that fail
//!   ([`faults`]), for which a [`Pipe`] is a socket in memory.
//! - A `Pair` is a client and a server in a box, with a clock and a wire that can be cut.
//!
//! Who holds the conversations under which circumstance, and where:
//!
//! | | as they stand | cut at every place | a fault at each call | no memory at each allocation |
//! |---|---|---|---|---|
//! | the bare core | `ws-proto`: `session/transcripts` | the same; from the head on `conversations/cuts` | it makes no calls | it asks for none: `no_alloc`, `tests/no-alloc` |
//! | a session, by each inlet | the same | the same | it makes no calls | `ws-proto`: `out_of_memory` |
//! | ws-std | `conversations/transcripts_std` | `faults`: each read and write of one byte | `faults/transcripts`; hostile peers from the head on: `faults/hostile` | sessions ask for it; a shortage of the whole process: `ws-std`: `exhaustion` |
//! | ws-tokio | `ws-tokio`: `connection/transcripts` | as ws-std | `faults/transcripts_tokio` | as ws-std |
//! | ws-loop | `conversations/transcripts_loop` | the same, a byte at a time | its sockets are the system's: a shortage of descriptors in `ws-loop`: `exhaustion` | as ws-std |
//!
//! Every order of what can happen to two sessions is `conversations/pair_orders`. Hostile peers meet the
//! servers of ws-std and ws-loop and ws-std's client over sockets in `conversations/hostile`.

mod adversary;
mod connection;
mod converse;
pub mod counting;
#[cfg(feature = "session")]
mod cut;
mod engine;
pub mod faults;
mod frame;
pub mod heads;
pub mod hostile;
#[cfg(feature = "session")]
mod no_memory;
mod notation;
#[cfg(feature = "session")]
pub mod orders;
#[cfg(feature = "session")]
mod pair;
mod percent;
mod pipe;
mod random;
mod run;
mod script;
#[cfg(feature = "session")]
mod session;
mod settled;
mod table;
mod variants;

pub use connection::{Core, payload_of};
pub use converse::{Conversation, Outcome, converse, pieces};
#[cfg(feature = "session")]
pub use cut::{assert_same_cut_at_every_two_places, assert_same_however_cut};
pub use engine::{Engine, Got, Setup};
pub use frame::{
    BINARY, CLOSE, CONTINUATION, Frame, KEY, PING, PONG, TEXT, close_payload, frame, frames, head,
};
#[cfg(feature = "session")]
pub use no_memory::assert_ends_softly;
#[cfg(feature = "session")]
pub use pair::{End, Pair, Peer, Side, Wire};
pub use percent::decoded;
pub use pipe::{Partner, Pipe, Says};
pub use random::{Random, noise};
pub use run::{Endpoint, Mismatch, Shown, assert_all_held, assert_noticed, play, run};
pub use script::{Action, Expected, Line, Script, Step};
#[cfg(feature = "session")]
pub use session::{Driven, Inlet};
pub use variants::{name_of, variants};
