//! Heads of HTTP that both ends read and write: who may connect, what is refused, and that no string
//! gets out of its place.

#[path = "../../../ws-std/tests/common/mod.rs"]
mod common;
mod exchange;
#[cfg(unix)]
mod nginx;
mod strings;

mod injection;
mod injection_sockets;
mod origins;
mod parts;
mod requests;
mod responses;
mod smuggling;
