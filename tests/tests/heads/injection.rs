//! Any string through everything in the core that builds a head, a Close or a line of a log: one
//! line that another parser reads back as it was meant, or a refusal. 10^5 strings each;
//! `PROPTEST_CASES` asks for more.

use crate::strings::{Tally, any_string, holds_for};
use ws_tests::written::{self, Tell};

/// Puts strings of every kind in what `writes` them; each place takes and refuses so many.
fn every_string_in(writes: fn(&str, Tell<'_>), least: usize) {
    let tally = Tally::default();
    holds_for(1, any_string(), |text| {
        writes(text, &mut |place, taken| {
            tally.count(place, taken);
        });
    });
    tally.assert_both_at_least(least);
}

#[test]
fn a_request_is_of_the_lines_that_were_meant_or_refused() {
    every_string_in(written::in_a_request, 100);
}

#[test]
fn an_answer_is_of_the_lines_that_were_meant_or_refused() {
    every_string_in(written::in_an_answer, 100);
}

#[test]
fn a_refusal_repeats_nothing_of_the_request() {
    every_string_in(written::in_what_is_refused, 100);
}

#[test]
fn a_reason_arrives_as_it_is_and_shows_as_one_line_or_is_refused() {
    // Some are too long.
    let repeated = |text: &str, tell: Tell<'_>| {
        written::in_a_close(&text.repeat(1 + text.len() % 9), tell);
    };
    every_string_in(repeated, 10);
}

#[test]
fn an_origin_is_what_was_written_or_none() {
    every_string_in(written::in_an_origin, 100);
}
