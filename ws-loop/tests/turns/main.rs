//! What connections on a loop do, and what becomes of them.

#[path = "../../../ws-std/tests/common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod compression;
mod life;
mod messages;
mod others;
