//! A histogram as rows of text: how many latencies lie in which range.

use std::fmt;

use super::format::{grouped, time};

/// Rows whose ranges follow each other without a gap, each as much wider than the one before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    columns: usize,
}

/// A row: what lies above the row before and is at most `up_to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    up_to: u64,
    count: u64,
}

impl Rows {
    /// Lays out values with their counts, in any order, for so many columns.
    pub(crate) fn new(values: &[(u64, u64)], columns: usize) -> Self {
        let all = || values.iter().map(|&(value, _)| value);
        let (Some(least), Some(most)) = (all().min(), all().max()) else {
            return Self {
                rows: Vec::new(),
                columns,
            };
        };
        let mut rows: Vec<_> = bounds(least, most)
            .into_iter()
            .map(|up_to| Row { up_to, count: 0 })
            .collect();
        for &(value, count) in values {
            let at = rows.partition_point(|row| row.up_to < value);
            if let Some(row) = rows.get_mut(at) {
                row.count += count;
            }
        }
        Self { rows, columns }
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.rows.iter().map(|row| row.count).sum();
        let most = self.rows.iter().map(|row| row.count).max().unwrap_or(0);
        let digits = grouped(most).len();
        // "up to 1.25 ms  ", two spaces, the count, and "  12.3 %".
        let taken = 6 + 7 + 2 + 2 + digits + 9;
        let room = self.columns.saturating_sub(taken).max(1);
        for row in &self.rows {
            let bar = bar(row.count, most, room);
            let pad = room - bar.chars().count();
            writeln!(
                f,
                "up to {:>7}  {bar}{:pad$}  {:>digits$}  {:>5} %",
                time(row.up_to),
                "",
                grouped(row.count),
                share(row.count, all),
            )?;
        }
        Ok(())
    }
}

/// The upper bounds of the rows that hold values from `least` to `most`: preferred numbers, as
/// close to each other as they may without being too many.
fn bounds(least: u64, most: u64) -> Vec<u64> {
    let mut bounds = Vec::new();
    for step in STEPS {
        bounds = numbers(step)
            .skip_while(|&bound| bound < least)
            .take_while({
                // The first that is not below the greatest is the last.
                let mut is_covered = false;
                move |&bound| !std::mem::replace(&mut is_covered, bound >= most)
            })
            .collect();
        if bounds.len() <= ROWS {
            break;
        }
    }
    bounds
}

/// Each `step`-th of the preferred numbers, from 1 up to the last below 2^64.
fn numbers(step: usize) -> impl Iterator<Item = u64> {
    (0..18).flat_map(move |power| {
        PREFERRED
            .into_iter()
            .step_by(step)
            .map(move |number| number * 10_u64.pow(power) / 100)
    })
}

/// The most rows there may be.
const ROWS: usize = 15;

/// The series R40 of preferred numbers (ISO 3), times 100: 40 in a decade, each some 6 % above
/// the one before.
const PREFERRED: [u64; 40] = [
    100, 106, 112, 118, 125, 132, 140, 150, 160, 170, 180, 190, 200, 212, 224, 236, 250, 265, 280,
    300, 315, 335, 355, 375, 400, 425, 450, 475, 500, 530, 560, 600, 630, 670, 710, 750, 800, 850,
    900, 950,
];

/// The strides through them that make a series: R40, R20, R10, R5, and 4, 2 or 1 in a decade.
const STEPS: [usize; 7] = [1, 2, 4, 8, 10, 20, 40];

/// A bar as long as `count` is part of `most`, in eighths of a column; what is there is seen.
fn bar(count: u64, most: u64, room: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if count == 0 {
        return String::new();
    }
    let eighths = u128::from(count) * room as u128 * 8 / u128::from(most.max(1));
    let eighths = usize::try_from(eighths).unwrap_or(0).max(1);
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

/// A part of all in percent, with two digits after the point where it is small.
fn share(count: u64, all: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    let percent = count as f64 * 100.0 / all.max(1) as f64;
    match percent {
        0.0 => "0".into(),
        ..0.01 => "<0.01".into(),
        ..10.0 => format!("{percent:.2}"),
        _ => format!("{percent:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_seen_if_and_only_if_something_is_there() {
        assert_eq!(bar(0, 10, 8), "");
        assert_eq!(bar(0, 0, 8), "");
        assert_eq!(bar(1, 1000, 8), "▏");
        assert_eq!(bar(5, 10, 8), "█".repeat(4));
        assert_eq!(bar(10, 10, 8), "█".repeat(8));
    }

    #[test]
    fn rows_are_few_and_hold_everything() {
        for (least, most) in [(0, 0), (1, 1), (999, 1000), (1000, 1001), (40_000, 60_000)]
            .into_iter()
            .chain([
                (31_000, 1_200_000),
                (5, 9_000_000_000),
                (1, 3_600_000_000_000),
            ])
        {
            let bounds = bounds(least, most);
            assert!(
                (1..=ROWS).contains(&bounds.len()),
                "{least} to {most}: {bounds:?}"
            );
            assert!(bounds.is_sorted(), "{bounds:?}");
            assert!(*bounds.last().unwrap() >= most, "{bounds:?}");
            let rows = Rows::new(&[(least, 3), (most, 4)], 80);
            assert_eq!(rows.rows.iter().map(|row| row.count).sum::<u64>(), 7);
            assert!(rows.rows[0].count > 0 && rows.rows.last().unwrap().count > 0);
        }
        // A decade, and three: fine rows for narrow ranges.
        assert_eq!(bounds(100_000, 1_000_000).len(), 11);
        assert!(bounds(40_000, 60_000).len() > 7);
    }

    #[test]
    fn rows_fit_the_columns() {
        let values = [
            (1_000, 1),
            (1_250, 60_000),
            (1_500, 120_000),
            (2_000, 1_200),
        ];
        for columns in [1, 40, 80, 120] {
            let shown = Rows::new(&values, columns).to_string();
            let widths: Vec<_> = shown.lines().map(|line| line.chars().count()).collect();
            assert!(widths.iter().all(|width| *width == widths[0]), "{shown}");
            assert!(columns < 40 || widths[0] == columns, "{shown}");
        }
        let shown = Rows::new(&[(1_000, 1), (1_060, 2)], 40).to_string();
        let expected = "\
            up to    1 µs  ██████         1   33.3 %\n\
            up to 1.06 µs  ████████████▏  2   66.7 %\n";
        assert_eq!(shown.lines().count(), expected.lines().count(), "{shown}");
    }

    #[test]
    fn no_values_no_rows() {
        assert_eq!(Rows::new(&[], 80).to_string(), "");
    }
}
