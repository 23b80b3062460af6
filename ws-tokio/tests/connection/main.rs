//! An open connection: what its methods do, in every order in which they can be called and dropped.

#[path = "../common/mod.rs"]
mod common;

mod alive;
mod allocations;
mod cancel;
mod traits;
mod transcripts;
