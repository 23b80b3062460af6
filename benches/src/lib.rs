//! Comparisons of ways to do the same, and what they do it with.
//!
//! On a shared machine a time means little and a ratio within one run a lot. So each way of a
//! [`Row`] takes turns with the first, and what counts is the median of the ratios of neighbours.

pub mod bare;
pub mod feed;
pub mod floor;
pub mod limits;
mod machine;
pub mod messages;
pub mod ours;
pub mod peers;
mod rows;
mod table;

pub use rows::{Bench, Row, Way};
