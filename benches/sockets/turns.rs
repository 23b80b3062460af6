//! Servers take turns, so that what else the machine does hits all of them.

use std::io;

use crate::Plan;

/// Measures all servers in turns and prints a line for each: the median of what was measured,
/// and the median of the first server's ratio to it within a round, with the least and the
/// greatest of them.
pub(crate) fn compare(
    plan: &Plan,
    row: &str,
    unit: &str,
    mut measure: impl FnMut(&str) -> io::Result<f64>,
) -> io::Result<()> {
    let mut rounds = vec![Vec::with_capacity(plan.rounds); plan.servers.len()];
    for round in 0..plan.rounds {
        // The first one changes, so that none always follows the same.
        for turn in 0..plan.servers.len() {
            let at = (round + turn) % plan.servers.len();
            rounds[at].push(measure(&plan.servers[at])?);
        }
    }
    for (server, measured) in plan.servers.iter().zip(&rounds) {
        let ratios = rounds[0].iter().zip(measured).map(|(own, its)| own / its);
        let [low, ratio, high] = spread(ratios.collect());
        let [_, median, _] = spread(measured.clone());
        let first = &plan.servers[0];
        println!(
            "{row:14} {server:17} {median:9.0} {unit}   {first} to it {ratio:6.3} ({low:5.3} to {high:5.3})"
        );
    }
    Ok(())
}

/// The least, the median and the greatest.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [0, last / 2, last].map(|at| values[at])
}
