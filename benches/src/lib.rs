//! A comparison of ways to do the same, and the messages they do it with.
//!
//! On a shared machine a time means little and a ratio within one run a lot. So the ways take
//! turns, a few milliseconds each, and what is printed is the median of the ratios of neighbours.

pub mod bare;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One way to do it.
pub struct Way<'w> {
    name: &'static str,
    work: Box<dyn FnMut() + 'w>,
}

impl<'w> Way<'w> {
    /// `work` does it once.
    pub fn new(name: &'static str, work: impl FnMut() + 'w) -> Self {
        let work = Box::new(work);
        Self { name, work }
    }

    fn time(&mut self, times: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..times {
            (self.work)();
        }
        start.elapsed()
    }

    /// So often that it takes about a turn.
    fn times_in(&mut self, turn: Duration) -> u32 {
        let mut times = 1;
        while self.time(times) < turn && times < 1 << 30 {
            times *= 2;
        }
        times
    }
}

impl std::fmt::Debug for Way<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Way").field(&self.name).finish()
    }
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    rounds: usize,
    turn: Duration,
}

impl Effort {
    /// As the command line says: `cargo bench` measures, `cargo test --benches` only tries.
    #[must_use]
    pub fn from_args() -> Self {
        if std::env::args().any(|arg| arg == "--bench") {
            let turn = Duration::from_millis(1);
            Self { rounds: 121, turn }
        } else {
            let turn = Duration::ZERO;
            Self { rounds: 1, turn }
        }
    }

    /// Prints a line for each way: its time, and its ratio to the first with the quartiles of
    /// that. Returns the ratios.
    pub fn compare(self, title: &str, ways: &mut [Way<'_>]) -> Vec<f64> {
        let times: Vec<u32> = ways
            .iter_mut()
            .map(|way| way.times_in(self.turn).max(1))
            .collect();
        let mut rounds = vec![Vec::with_capacity(self.rounds); ways.len()];
        for round in 0..self.rounds {
            // Who begins changes, so that nobody always follows the same.
            for turn in 0..ways.len() {
                let at = (round + turn) % ways.len();
                let took = ways[at].time(times[at]);
                rounds[at].push(took.as_secs_f64() * 1e9 / f64::from(times[at]));
            }
        }
        let mut medians = Vec::new();
        for (way, took) in ways.iter().zip(&rounds) {
            let ratios = took.iter().zip(&rounds[0]).map(|(own, first)| own / first);
            let [low, ratio, high] = quartiles(ratios.collect());
            let [_, ns, _] = quartiles(took.clone());
            println!(
                "{title:40} {:10} {ns:9.0} ns   {ratio:5.3} ({low:5.3} to {high:5.3})",
                way.name
            );
            medians.push(ratio);
        }
        medians
    }
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// Some messages of one length, one after the other, for ever.
#[derive(Clone, Debug)]
pub struct Cycle<T> {
    items: Vec<T>,
    at: usize,
}

impl<T> Cycle<T> {
    /// The items in turn.
    pub fn new(items: impl IntoIterator<Item = T>) -> Self {
        let items = items.into_iter().collect();
        Self { items, at: 0 }
    }

    /// The one whose turn it is: the first to begin with.
    pub fn turn(&mut self) -> &T {
        let at = self.at;
        self.at = (at + 1) % self.items.len();
        black_box(&self.items[at])
    }
}

/// As many different messages of `len` bytes as make more than two windows: one that was sent
/// before is out of reach when its turn comes again.
#[must_use]
pub fn messages(len: usize) -> Vec<String> {
    let count = (1 << 17) / len;
    let mut seed = 1;
    (0..count.max(3)).map(|_| json(len, &mut seed)).collect()
}

/// JSON of exactly `len` bytes as an application may send: records with the same keys, and in
/// them numbers, words and some letters beyond ASCII. The same for the same seed.
fn json(len: usize, seed: &mut u32) -> String {
    const STATES: [&str; 4] = ["open", "filled", "cancelled", "partly"];
    const PLACES: [&str; 4] = ["Zürich", "London", "Malmö", "東京"];
    /// More than the longest record and the end.
    const RECORD: usize = 128;
    let mut random = |bound: u32| {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 8) % bound
    };
    let mut text = String::from("[");
    while text.len() + RECORD < len {
        let (id, amount) = (random(10_000_000), random(5_000));
        let (price, cents) = (random(10_000), random(100));
        let state = STATES[random(4) as usize];
        let place = PLACES[random(4) as usize];
        text += &format!(
            "{{\"id\":{id},\"state\":\"{state}\",\"place\":\"{place}\",\
             \"price\":{price}.{cents:02},\"amount\":{amount}}},"
        );
    }
    text.push('"');
    while text.len() + 2 < len {
        text.push(char::from_digit(random(36), 36).unwrap_or('0'));
    }
    text + "\"]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_length_and_differ() {
        for len in [1 << 10, 64 << 10] {
            let messages = messages(len);
            assert!(messages.iter().all(|message| message.len() == len));
            assert!(messages.len() * len > 2 << 15);
            let mut distinct = messages.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), messages.len());
        }
    }

    #[test]
    fn quartiles_are_of_the_sorted() {
        assert_eq!(quartiles(vec![5.0, 1.0, 4.0, 2.0, 3.0]), [2.0, 3.0, 4.0]);
        assert_eq!(quartiles(vec![7.0]), [7.0; 3]);
    }

    #[test]
    fn each_way_is_compared_with_the_first() {
        let effort = Effort {
            rounds: 1,
            turn: Duration::ZERO,
        };
        let done = std::cell::Cell::new(0);
        let mut ways = [
            Way::new("nothing", || {}),
            Way::new("count", || done.set(done.get() + 1)),
        ];
        let ratios = effort.compare("test", &mut ways);
        assert_eq!((ratios.len(), ratios[0]), (2, 1.0));
        assert!(done.get() > 0);
    }
}
