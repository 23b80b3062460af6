//! The variants of an enum, read from its source, so that a new one without a test is noticed.

use std::collections::BTreeSet;

/// The names of the variants of the public enum `name`, as rustfmt lays it out.
///
/// # Panics
///
/// If `source` has no such enum.
#[must_use]
pub fn variants<'s>(source: &'s str, name: &str) -> BTreeSet<&'s str> {
    let (_, body) = source
        .split_once(&format!("pub enum {name} {{\n"))
        .expect("the enum is there");
    let (body, _) = body.split_once("\n}").expect("its end is there");
    body.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|char: char| char.is_ascii_uppercase()))
        .map(name_of)
        .collect()
}

/// The name of a variant, from its declaration or from what `Debug` prints of it.
#[must_use]
pub fn name_of(variant: &str) -> &str {
    let end = variant.find(|char: char| !char.is_alphanumeric());
    &variant[..end.unwrap_or(variant.len())]
}
