//! The way of a client to its connections, one or one after the other.

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod app;
mod reconnect;
mod way;
