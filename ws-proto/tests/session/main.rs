//! Whole sessions: what they take in, hand out and send, on a clock that the tests set; and every
//! conversation of `tests/transcripts`.

#[allow(dead_code, reason = "only what is compressed comes from there")]
#[cfg(feature = "alloc")]
#[path = "../support/life.rs"]
mod life;
#[cfg(feature = "alloc")]
#[path = "../support/play.rs"]
mod play;
#[allow(dead_code, reason = "what is prepared is sent elsewhere")]
#[cfg(feature = "alloc")]
#[path = "../support/scenarios.rs"]
mod scenarios;
#[path = "../support/mod.rs"]
mod support;

mod cancel;
mod drafting;
mod edges;
mod lingering;
mod liveness;
mod parts;
mod reading;
mod receiving;
mod sending;
mod transcripts;
mod watched;
