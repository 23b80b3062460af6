//! What the tests that span crates have in common. Nothing here is published.
//!
//! - A [`Script`] is a conversation of one endpoint, read from the tables of `transcripts/`.
//! - An [`Engine`] is something that can hold it: the bare core, a session, fed whole or in
//!   pieces. [`run`] compares the two, line by line.
//! - A [`Pair`] is a client and a server in a box, with a clock and a wire that can be cut;
//!   [`orders`] are what can happen to them.
//! - A [`Frame`] is the naive codec that the expected bytes are written with.
//! - A [`Case`](hostile::Case) is a hostile peer, read from the tables of `hostile/`, for endpoints of any make.
//!
//! - What is [`written`] is read back by a parser of another make.
//! - A [`property`] holds for any bytes: the fuzz targets look for some for which it does not.

mod converse;
mod engine;
mod frame;
pub mod hostile;
mod notation;
pub mod orders;
mod pair;
pub mod property;
pub mod readback;
mod run;
mod script;
mod table;
mod variants;
pub mod written;

pub use converse::{Outcome, assert_same_however_cut, converse};
pub use engine::{Core, Driven, Engine, Got, Inlet, Setup};
pub use frame::Frame;
pub use notation::{Words, payload};
pub use pair::{End, Pair, Peer, Side, Wire};
pub use run::{Mismatch, run};
pub use script::{Action, Expected, Line, Script, Step};
pub use variants::{name_of, variants};

/// What the README files show compiles.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../README.md")]
    struct Project;

    #[doc = include_str!("../../ws-proto/README.md")]
    struct Proto;

    #[doc = include_str!("../../ws-std/README.md")]
    struct Std;
}
