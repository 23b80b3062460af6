//! The measuring: criterion takes the samples, and beside each stands one of the first way.

use std::fmt;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, SamplingMode, measurement::WallTime};

use crate::table::{Aim, Figure, Table};

/// One way to do it.
pub struct Way<'w> {
    name: &'static str,
    /// How many messages one call is for.
    messages: usize,
    work: Box<dyn FnMut() + 'w>,
}

impl<'w> Way<'w> {
    /// `work` does it once.
    pub fn new(name: &'static str, work: impl FnMut() + 'w) -> Self {
        Self::batch(name, 1, work)
    }

    /// `work` does it for so many messages; what is reported is the time for one.
    pub fn batch(name: &'static str, messages: usize, work: impl FnMut() + 'w) -> Self {
        Self {
            name,
            messages,
            work: Box::new(work),
        }
    }

    /// The nanoseconds for a message, when it is called so often.
    fn time(&mut self, calls: u64) -> f64 {
        let start = Instant::now();
        for _ in 0..calls {
            (self.work)();
        }
        start.elapsed().as_secs_f64() * 1e9 / (calls as f64 * self.messages as f64)
    }

    /// How many calls take about so many nanoseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest integer"
    )]
    fn calls_in(&mut self, nanos: f64) -> u64 {
        let call = self.time(1) * self.messages as f64;
        (nanos / call.max(1.0)).clamp(1.0, 1e9) as u64
    }

    /// How many calls are for at least so many messages.
    fn calls(&self, messages: u64) -> u64 {
        messages.div_ceil(self.messages as u64).max(1)
    }
}

impl fmt::Debug for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Way").field(&self.name).finish()
    }
}

/// Ways to do the same, and what is aimed at. All are compared with the first.
#[derive(Debug)]
pub struct Row<'w> {
    name: String,
    ways: Vec<Way<'w>>,
    aims: Vec<Aim>,
}

impl<'w> Row<'w> {
    /// `name` begins with that of its table, and a slash.
    pub fn new(name: impl Into<String>, ways: impl IntoIterator<Item = Way<'w>>) -> Self {
        Self {
            name: name.into(),
            ways: ways.into_iter().collect(),
            aims: Vec::new(),
        }
    }

    /// One more way.
    pub fn push(&mut self, way: Way<'w>) {
        self.ways.push(way);
    }

    /// More ways.
    pub fn extend(&mut self, ways: impl IntoIterator<Item = Way<'w>>) {
        self.ways.extend(ways);
    }

    /// `way` is to take at most `most` times as long as `other`.
    #[must_use]
    pub fn aim(mut self, way: &'static str, most: f64, other: &'static str) -> Self {
        self.aims.push(Aim { way, most, other });
        self
    }
}

/// A run of a benchmark.
pub struct Bench {
    criterion: Criterion,
    table: Table,
}

impl Bench {
    /// As the command line says: `cargo bench` measures, `cargo test --benches` only tries. The
    /// name is that of its record.
    #[must_use]
    pub fn from_args(name: &'static str) -> Self {
        let criterion = Criterion::default()
            .without_plots()
            .sample_size(SAMPLES)
            .warm_up_time(Duration::from_millis(40))
            .measurement_time(Duration::from_millis(300))
            .nresamples(2_000)
            .configure_from_args();
        Self {
            criterion,
            table: Table::new(name),
        }
    }

    /// Measures a row: of its ways those that the command line chooses.
    pub fn measure(&mut self, mut row: Row<'_>) {
        let mut group = self.criterion.benchmark_group(&row.name);
        group.sampling_mode(SamplingMode::Flat);
        let mut figures = Vec::new();
        let (first, others) = row.ways.split_first_mut().expect("a way");
        let mut firsts = sample(&mut group, first.name, |messages| {
            let took = first.time(first.calls(messages));
            [took, took]
        });
        for way in others {
            let mut turn = 0_u32;
            let pairs = sample(&mut group, way.name, |messages| {
                turn += 1;
                pair(way, first, messages, turn)
            });
            firsts.extend(pairs.iter().map(|&[_, first]| [first, first]));
            figures.extend(Figure::new(way.name, &pairs));
        }
        // Of the first there are many more samples: all of its turns count.
        figures.splice(..0, Figure::new(first.name, &firsts));
        group.finish();
        self.table.push(row.name, figures, row.aims);
    }

    /// Ends the run: prints the ratios, and keeps them if that is asked for.
    pub fn finish(self) {
        self.criterion.final_summary();
        if std::env::args().any(|arg| arg == "--bench") {
            self.table.publish();
        }
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bench").field(&self.table).finish()
    }
}

/// How many samples are taken of a way.
const SAMPLES: usize = 100;

/// Makes criterion measure one way by what `pair` says of it first; returns what it said for the
/// samples that count. None, if the command line does not choose it.
fn sample(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut pair: impl FnMut(u64) -> [f64; 2],
) -> Vec<[f64; 2]> {
    let mut pairs = Vec::new();
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|messages| {
            let took = pair(messages);
            pairs.push(took);
            Duration::from_secs_f64(took[0] * messages as f64 / 1e9)
        });
    });
    // Those before were to warm up.
    pairs.split_off(pairs.len().saturating_sub(SAMPLES))
}

/// A turn of a way and one of the first, which takes about as long. The first one changes, so that
/// nobody always follows the same.
fn pair(way: &mut Way<'_>, first: &mut Way<'_>, messages: u64, turn: u32) -> [f64; 2] {
    let calls = way.calls(messages);
    if turn.is_multiple_of(2) {
        let own = way.time(calls);
        let calls = first.calls_in(own * messages as f64);
        [own, first.time(calls)]
    } else {
        // How long this will be is guessed from one call.
        let own = way.time(1);
        let other_calls = first.calls_in(own * messages as f64);
        let other = first.time(other_calls);
        [way.time(calls), other]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_pair_is_a_turn_of_each() {
        let done = [Cell::new(0), Cell::new(0)];
        let count = |cell: &Cell<u64>| cell.set(cell.get() + 1);
        let mut first = Way::batch("first", 4, || count(&done[0]));
        let mut way = Way::batch("way", 2, || count(&done[1]));
        for turn in 0..2 {
            done.iter().for_each(|done| done.set(0));
            let _ = pair(&mut way, &mut first, 10, turn);
            assert!(done[0].get() > 0);
            assert!(done[1].get() == 5 + u64::from(turn), "{turn} {done:?}");
        }
    }

    #[test]
    fn so_many_calls_as_messages_need() {
        let way = Way::batch("way", 10, || {});
        assert_eq!(
            [0, 1, 10, 11].map(|messages| way.calls(messages)),
            [1, 1, 1, 2]
        );
    }
}
