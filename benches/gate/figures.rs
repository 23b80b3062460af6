//! The committed figures, and what is held against them.

use std::collections::BTreeMap;
use std::fmt;

use crate::valgrind::Cost;

/// Cost for each case, as a file of lines: name, instructions, allocations.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, Cost>);

/// Why a figure does not pass.
#[derive(Debug, PartialEq)]
pub(crate) enum Fault {
    /// Nothing is committed for this case.
    New,
    /// Committed, and no such case is there.
    Gone,
    /// Not what is committed, by so many times.
    Instructions(f64),
    /// Not what is committed: so many.
    Allocations(f64),
}

impl Figures {
    /// How far a figure may be from what is committed, to either side: who makes something
    /// cheaper has to say so, or the next one could make it dearer again unseen.
    const TOLERANCE: f64 = 0.02;

    /// The last digit that is written down: an allocation in a million bytes is no more exact.
    const LAST_DIGIT: f64 = 0.000_001;

    /// Reads what [`Display`](fmt::Display) wrote. Lines that begin with `#` are remarks.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let figure = |line: &str| {
            let mut fields = line.split_whitespace();
            let name = fields.next()?.to_owned();
            let instructions = fields.next()?.parse().ok()?;
            let allocations = fields.next()?.parse().ok()?;
            let cost = Cost {
                instructions,
                allocations,
            };
            fields.next().is_none().then_some((name, cost))
        };
        lines.map(figure).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn insert(&mut self, name: &str, cost: Cost) {
        self.0.insert(name.to_owned(), cost);
    }

    pub(crate) fn get(&self, name: &str) -> Option<Cost> {
        self.0.get(name).copied()
    }

    /// Puts the figures that were measured in the place of those that were committed.
    pub(crate) fn replace(&mut self, measured: Self) {
        self.0.extend(measured.0);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Cost)> {
        self.0.iter().map(|(name, cost)| (name.as_str(), *cost))
    }

    /// The fault of the figures of one case.
    pub(crate) fn judge(&self, name: &str, measured: Cost) -> Option<Fault> {
        let Some(committed) = self.get(name) else {
            return Some(Fault::New);
        };
        let within = |measured: f64, committed: f64| {
            (measured - committed).abs() <= committed * Self::TOLERANCE + Self::LAST_DIGIT
        };
        if !within(measured.allocations, committed.allocations) {
            return Some(Fault::Allocations(committed.allocations));
        }
        if !within(measured.instructions, committed.instructions) {
            let times = measured.instructions / committed.instructions;
            return Some(Fault::Instructions(times));
        }
        None
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, cost) in self.iter() {
            writeln!(f, "{name:44} {cost}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:14.3} {:12.6}", self.instructions, self.allocations)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => write!(f, "no figure is committed"),
            Self::Gone => write!(f, "a figure is committed, and no such case is there"),
            Self::Instructions(times) => write!(f, "{times:.3} times what is committed"),
            Self::Allocations(committed) => write!(f, "committed are {committed} allocations"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn cost(instructions: f64, allocations: f64) -> Cost {
        Cost {
            instructions,
            allocations,
        }
    }

    #[test]
    fn figures_are_read_as_they_were_written() {
        let mut figures = Figures::default();
        figures.insert("bare/x", cost(104.5, 0.0));
        figures.insert("session/x", cost(1e6, 0.5));
        let text = format!("# a remark\n\n{figures}");
        let read = Figures::parse(&text).expect("figures");
        assert_eq!(read.to_string(), figures.to_string());
        for broken in ["x", "x 1", "x 1 y", "x 1 2 3"] {
            assert!(Figures::parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn two_percent_to_either_side_pass() {
        let mut figures = Figures::default();
        figures.insert("x", cost(100.0, 0.0));
        for passes in [98.0, 100.0, 102.0] {
            assert_eq!(figures.judge("x", cost(passes, 0.0)), None);
        }
        for fails in [97.9, 102.1] {
            let fault = figures.judge("x", cost(fails, 0.0));
            assert_eq!(fault, Some(Fault::Instructions(fails / 100.0)));
        }
        let allocates = figures.judge("x", cost(100.0, 0.01));
        assert_eq!(allocates, Some(Fault::Allocations(0.0)));
        assert_eq!(figures.judge("y", cost(1.0, 0.0)), Some(Fault::New));
    }
}
