//! The command `ws`, as a process.

mod common;

mod bench;
mod chat;
mod connect;
mod serve;
mod terminal;
