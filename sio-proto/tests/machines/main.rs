//! The machines, whole: what the tables say, and two of them with a network between.

mod client;
mod connection;
mod engine;
mod pair;
mod reference;
mod socket;
mod table;
