//! The result: a table of times and ratios, and whether what was aimed at is met.

use std::fmt::{self, Write as _};
use std::fs;

use crate::machine;

/// The measurements of one run.
#[derive(Debug)]
pub(crate) struct Table {
    name: &'static str,
    rows: Vec<Measured>,
}

#[derive(Debug)]
struct Measured {
    name: String,
    figures: Vec<Figure>,
    aims: Vec<Aim>,
}

/// The result of a way.
#[derive(Debug)]
pub(crate) struct Figure {
    way: &'static str,
    /// The median time for one message.
    nanos: f64,
    /// The quartiles of the ratio to the first way.
    ratio: [f64; 3],
}

/// How fast one way is to be, compared with another.
#[derive(Debug)]
pub(crate) struct Aim {
    pub(crate) way: &'static str,
    pub(crate) most: f64,
    pub(crate) other: &'static str,
}

impl Table {
    pub(crate) const fn new(name: &'static str) -> Self {
        let rows = Vec::new();
        Self { name, rows }
    }

    pub(crate) fn push(&mut self, name: String, figures: Vec<Figure>, aims: Vec<Aim>) {
        if !figures.is_empty() {
            self.rows.push(Measured {
                name,
                figures,
                aims,
            });
        }
    }

    /// Prints it; with `WS_BENCH_RECORD` in the environment also keeps it, with the machine.
    pub(crate) fn publish(&self) {
        if self.rows.is_empty() {
            return;
        }
        let text = self.to_string();
        println!("{text}");
        if std::env::var_os("WS_BENCH_RECORD").is_some() {
            // Cargo runs a benchmark in its package.
            let path = format!("records/{}-{}.txt", machine::date(), self.name);
            let record = format!("{}\n{text}\n{}", machine::facts(), self.details());
            fs::write(&path, record).expect("a writable record");
            println!("kept in {path}");
        }
    }

    /// Every figure, with the quartiles of its ratio.
    fn details(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            for figure in &row.figures {
                let [low, ratio, high] = figure.ratio;
                let _ = writeln!(
                    text,
                    "{:32} {:18} {:11.1} ns   {ratio:6.3} ({low:.3} to {high:.3})",
                    row.name, figure.way, figure.nanos
                );
            }
        }
        text
    }

    /// The rows by the first part of their names, in the order in which these came first.
    fn parts(&self) -> Vec<Vec<&Measured>> {
        let mut parts: Vec<Vec<&Measured>> = Vec::new();
        for row in &self.rows {
            let name = row.split_name().0;
            match parts.iter_mut().find(|part| part[0].split_name().0 == name) {
                Some(part) => part.push(row),
                None => parts.push(vec![row]),
            }
        }
        parts
    }
}

/// A table for each first part of the names, a line for each row, a column for each way: the
/// nanoseconds for a message, and the ratio to the first way.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rows in self.parts() {
            let mut ways: Vec<&str> = Vec::new();
            for figure in rows.iter().flat_map(|row| &row.figures) {
                if !ways.contains(&figure.way) {
                    ways.push(figure.way);
                }
            }
            write!(f, "\n{:24}", rows[0].split_name().0)?;
            for way in &ways {
                write!(f, "{way:>18}")?;
            }
            writeln!(f)?;
            for row in &rows {
                write!(f, "{:24}", row.split_name().1)?;
                for way in &ways {
                    match row.figure(way) {
                        Some(figure) => write!(f, "{figure}")?,
                        None => write!(f, "{:>18}", "-")?,
                    }
                }
                writeln!(f)?;
            }
        }
        writeln!(f)?;
        for row in &self.rows {
            for aim in &row.aims {
                if let Some(ratio) = row.ratio(aim.way, aim.other) {
                    let met = if ratio <= aim.most { "met" } else { "MISSED" };
                    writeln!(
                        f,
                        "{:32} {:18} {ratio:5.2} x {:20} at most {:4.2}: {met}",
                        row.name, aim.way, aim.other, aim.most
                    )?;
                }
            }
        }
        Ok(())
    }
}

impl Measured {
    /// The name of the table, and that of the row in it.
    fn split_name(&self) -> (&str, &str) {
        self.name.split_once('/').unwrap_or((&self.name, ""))
    }

    fn figure(&self, way: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.way == way)
    }

    /// How long one way takes, compared with another: both by their neighbours.
    fn ratio(&self, way: &str, other: &str) -> Option<f64> {
        Some(self.figure(way)?.ratio[1] / self.figure(other)?.ratio[1])
    }
}

impl Figure {
    /// From the nanoseconds of the way and of the first, in pairs. `None` without pairs.
    pub(crate) fn new(way: &'static str, pairs: &[[f64; 2]]) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let ratios = pairs.iter().map(|[own, first]| own / first).collect();
        let [_, nanos, _] = quartiles(pairs.iter().map(|[own, _]| *own).collect());
        Some(Self {
            way,
            nanos,
            ratio: quartiles(ratios),
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.nanos < 100.0 { 1 } else { 0 };
        write!(f, "{:11.digits$} {:6.2}", self.nanos, self.ratio[1])
    }
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_of_the_sorted() {
        assert_eq!(quartiles(vec![5.0, 1.0, 4.0, 2.0, 3.0]), [2.0, 3.0, 4.0]);
        assert_eq!(quartiles(vec![7.0]), [7.0; 3]);
    }

    #[test]
    fn an_aim_is_missed_by_the_ratio_of_two_ways() {
        let figure = |way, own| Figure::new(way, &[[own, 10.0]]);
        let figures = [figure("floor", 10.0), figure("a", 20.0), figure("b", 30.0)];
        let aim = |most| Aim {
            way: "b",
            most,
            other: "a",
        };
        let mut table = Table::new("test");
        let figures = figures.into_iter().flatten().collect();
        table.push("part/row".into(), figures, vec![aim(1.5), aim(1.4)]);
        table.push(
            "other/row".into(),
            vec![Figure::new("c", &[[1.0, 1.0]]).unwrap()],
            Vec::new(),
        );
        table.push("part/none".into(), Vec::new(), vec![aim(1.0)]);
        table.push(
            "part/row 2".into(),
            vec![Figure::new("b", &[[5.0, 1.0]]).unwrap()],
            Vec::new(),
        );
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let [head, row, second, other, _, met, missed] = lines[..] else {
            panic!("{text}");
        };
        assert!(head.starts_with("part ") && head.ends_with(" b"), "{head}");
        assert!(
            row.starts_with("row ") && row.ends_with("30.0   3.00"),
            "{row}"
        );
        assert!(
            second.starts_with("row 2 ") && second.ends_with("5.0   5.00"),
            "{second}"
        );
        assert!(other.starts_with("other "), "{other}");
        assert!(
            met.ends_with("1.50 x a                    at most 1.50: met"),
            "{met}"
        );
        assert!(missed.ends_with("at most 1.40: MISSED"), "{missed}");
    }
}
