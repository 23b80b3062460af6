//! Colours at the prompt: what came is told from what was typed.

use std::fmt::Display;

/// When there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum When {
    /// At the prompt, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// A message that was received.
    Received,
    /// A line about the connection.
    Notice,
}

impl When {
    /// Whether there are, on a terminal, as <https://no-color.org> has it.
    pub(super) fn is_now(self, no_color: Option<&std::ffi::OsStr>) -> bool {
        match self {
            Self::Auto => no_color.is_none_or(std::ffi::OsStr::is_empty),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

impl Ink {
    /// A line in its colour. What it says is escaped already: it ends no colour.
    pub(super) fn paint(self, is_coloured: bool, line: impl Display) -> String {
        let code = match self {
            Self::Received => 36,
            Self::Notice => 2,
        };
        match is_coloured {
            true => format!("\x1b[{code}m{line}\x1b[m"),
            false => line.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_is_heeded_unless_colours_are_asked_for() {
        let set = |value: &'static str| Some(std::ffi::OsStr::new(value));
        for (when, no_color, is_now) in [
            (When::Auto, None, true),
            (When::Auto, set(""), true),
            (When::Auto, set("1"), false),
            (When::Always, set("1"), true),
            (When::Never, None, false),
        ] {
            assert_eq!(when.is_now(no_color), is_now, "{when:?} {no_color:?}");
        }
    }
}
