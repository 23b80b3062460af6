//! The command `ws`, as a process.

mod common;

mod bench;
mod chat;
mod connect;
mod figures;
mod serve;
mod terminal;
