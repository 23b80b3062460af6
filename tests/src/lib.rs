//! What the tests that span crates have in common, and the fuzz targets with them; what the tests of
//! each crate have in common too is in `ws_testkit`. Nothing here is published.
//!
//! - A [`property`] holds for any bytes: the fuzz targets look for some for which it does not.
//! - Its [`seeds`] are what a fuzz target begins with, and what the tests replay.
//! - What is [`written`] is read back by a parser of another make.

pub mod property;
pub mod readback;
pub mod seeds;
pub mod written;

/// What the README files show compiles.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../README.md")]
    struct Project;

    #[doc = include_str!("../../ws-proto/README.md")]
    struct Proto;

    #[doc = include_str!("../../ws-http/README.md")]
    struct Http;

    #[doc = include_str!("../../sio-proto/README.md")]
    struct Sio;

    #[doc = include_str!("../../ws-std/README.md")]
    struct Std;
}
