//! The command `ws`, as a process.

mod common;

mod bench;
mod chat;
mod connect;
mod places;
mod reach;
mod record;
mod serve;
mod terminal;
