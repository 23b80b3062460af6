//! Conversations: of two peers in a box, and of one with our adapters, in every circumstance.

mod adversary;
#[path = "../../../ws-std/tests/common/mod.rs"]
mod common;
mod recordings;
#[path = "../../../ws-loop/tests/support/mod.rs"]
mod support;
mod utf8;
mod written;

mod corpus;
mod cuts;
mod hostile;
mod pair;
mod pair_orders;
mod transcripts_loop;
mod transcripts_std;
mod utf8_slice;
