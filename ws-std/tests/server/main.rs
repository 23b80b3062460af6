//! The server: what it answers, whom it serves, and what it survives.

#[path = "../common/mod.rs"]
mod common;

mod attacked;
mod http;
mod life;
mod rooms;
