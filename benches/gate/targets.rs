//! The promises, which must hold whatever is committed.

use crate::figures::Figures;

/// The most instructions for a message.
const AT_MOST: [(&str, f64); 6] = [
    ("bare/handshake/server", 18_000.0),
    ("bare/receive/server-binary-16", 95.0),
    ("bare/receive/client-binary-16", 55.0),
    ("bare/receive/server-binary-125", 230.0),
    ("bare/receive/client-binary-125", 65.0),
    ("bare/send/server-16", 66.0),
];

/// A browser's request and its answer cost at most so many times what `httparse` takes for the
/// request alone.
const HTTPARSE: f64 = 6.0;

/// `Session` costs at most so many times what the bare core costs for the same message.
const SESSION: f64 = 1.2;

/// Or so many instructions more: it looks where its buffer is, and whether a message is in pieces.
const OWN: f64 = 16.0;

/// Of these, as many times. With a frame for each read, a session also asks where to read to, and
/// whether there is more.
/// The two calls of a caller that returns the message ask three times for each. A handshake that is driven has buffers,
/// and ends in a session, which is made in it.
const TIMES: [(&str, f64); 4] = [
    ("session/handshake/server", 1.25),
    ("session/receive/server-binary-16-one-per-read", 1.25),
    ("session/receive/server-binary-16-ready-then-message", 1.8),
    ("session/send/server-16", 1.5),
];

/// To send, or so many instructions more: it looks whether there is room in the queue, and the queue
/// grows.
const QUEUE: f64 = 128.0;

/// The most by which the cost may grow when the length doubles.
const TWICE: f64 = 2.3;

/// The promises that do not hold.
pub(crate) fn missed(figures: &Figures) -> Vec<String> {
    let mut missed = Vec::new();
    for (name, most) in AT_MOST {
        let Some(cost) = figures.get(name) else {
            continue;
        };
        if cost.instructions > most {
            missed.push(format!("{name}: {:.1}, at most {most}", cost.instructions));
        }
    }
    let handshakes = ["bare/handshake/server", "httparse/handshake/server"];
    if let [Some(ours), Some(httparse)] = handshakes.map(|name| figures.get(name)) {
        let times = ours.instructions / httparse.instructions;
        if times > HTTPARSE {
            missed.push(format!("{}: {times:.2} times httparse", handshakes[0]));
        }
    }
    for (name, cost) in figures.iter() {
        // A Ping is boxed while it waits to be answered; a handshake is, as long as it takes.
        let is_free = ["scaling", "ping", "session/handshake"]
            .iter()
            .all(|part| !name.contains(part));
        if is_free && cost.allocations > 0.0 {
            missed.push(format!("{name}: {} allocations", cost.allocations));
        }
        if let Some(bare) = bare_of(name).and_then(|name| figures.get(&name)) {
            let times = cost.instructions / bare.instructions;
            let more = cost.instructions - bare.instructions;
            let most = TIMES.iter().find(|(case, _)| *case == name);
            let more_is_fine =
                most.is_none() && more <= if name.contains("/send/") { QUEUE } else { OWN };
            let most = most.map_or(SESSION, |(_, most)| *most);
            if times > most && !more_is_fine {
                missed.push(format!("{name}: {times:.2} times the bare core"));
            }
        }
    }
    missed.extend(bent(figures));
    missed
}

/// The case that does the same without a session. For Pings there is no such case: the bare core hands the
/// Pong out, and a session puts it in order with what waits to be written.
fn bare_of(session: &str) -> Option<String> {
    let what = session.strip_prefix("session/")?;
    let what = &*what.replace("-ready-then-message", "-one-per-read");
    (!what.starts_with("ping/")).then(|| format!("bare/{what}"))
}

/// Where something long costs more for each byte than something shorter.
fn bent(figures: &Figures) -> Vec<String> {
    let scaling = figures
        .iter()
        .filter_map(|(name, cost)| Some((name.strip_prefix("scaling/")?.split_once('/')?, cost)));
    let all: Vec<_> = scaling.collect();
    let mut bent = Vec::new();
    for &((what, long), cost) in &all {
        for &(_, shorter) in all
            .iter()
            .filter(|((other, len), _)| *other == what && bytes(len) < bytes(long))
        {
            // Doubled, it may cost so many times as much; and so for each byte, however long.
            let times = cost.instructions / shorter.instructions;
            if times > TWICE / 2.0 {
                bent.push(format!(
                    "{what}/{long}: {times:.3} times as much for each byte"
                ));
            }
        }
    }
    bent
}

fn bytes(size: &str) -> u64 {
    let (digits, unit) = size.split_at(size.len() - 1);
    let digits: u64 = digits.parse().expect("a size");
    match unit {
        "k" => digits << 10,
        "m" => digits << 20,
        _ => unreachable!("sizes have a unit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::valgrind::Cost;

    fn figures(costs: &[(&str, f64, f64)]) -> Figures {
        let mut figures = Figures::default();
        for &(name, instructions, allocations) in costs {
            let cost = Cost {
                instructions,
                allocations,
            };
            figures.insert(name, cost);
        }
        figures
    }

    #[test]
    fn each_promise_can_be_missed() {
        type Costs<'c> = &'c [(&'c str, f64, f64)];
        const ONE: [&str; 2] = [
            "bare/receive/server-binary-16-one-per-read",
            "session/receive/server-binary-16-one-per-read",
        ];
        const TWO: &str = "session/receive/server-binary-16-ready-then-message";
        const HANDSHAKE: [&str; 2] = ["bare/handshake/server", "httparse/handshake/server"];
        let told: [(Costs<'_>, usize); 22] = [
            (&[(HANDSHAKE[0], 18_001.0, 0.0)], 1),
            (
                &[(HANDSHAKE[0], 18_000.0, 0.0), (HANDSHAKE[1], 3_000.0, 0.0)],
                0,
            ),
            (
                &[(HANDSHAKE[0], 18_000.0, 0.0), (HANDSHAKE[1], 2_999.0, 0.0)],
                1,
            ),
            (&[("bare/send/server-16", 66.0, 0.0)], 0),
            (&[("bare/send/server-16", 66.1, 0.0)], 1),
            (&[("bare/send/server-1k", 9e9, 0.0)], 0),
            (&[("bare/send/server-1k", 1.0, 0.02)], 1),
            (&[("bare/ping/answered-16", 1.0, 1.0)], 0),
            (&[("session/handshake/server", 1.0, 5.0)], 0),
            (&[("bare/handshake/server", 1.0, 0.1)], 1),
            (&[(ONE[0], 20.0, 0.0), (TWO, 36.0, 0.0)], 0),
            (&[(ONE[0], 20.0, 0.0), (TWO, 36.1, 0.0)], 1),
            (
                &[("bare/receive/x", 10., 0.), ("session/receive/x", 26.0, 0.)],
                0,
            ),
            (
                &[("bare/receive/x", 10., 0.), ("session/receive/x", 26.1, 0.)],
                1,
            ),
            (
                &[
                    ("bare/receive/x", 1e3, 0.),
                    ("session/receive/x", 1.2e3, 0.),
                ],
                0,
            ),
            (
                &[
                    ("bare/receive/x", 1e3, 0.),
                    ("session/receive/x", 1.201e3, 0.),
                ],
                1,
            ),
            (&[(ONE[0], 20.0, 0.0), (ONE[1], 25.0, 0.0)], 0),
            (&[(ONE[0], 20.0, 0.0), (ONE[1], 25.1, 0.0)], 1),
            (
                &[("bare/send/x", 10., 0.), ("session/send/x", 138.0, 0.)],
                0,
            ),
            (
                &[("bare/send/x", 10., 0.), ("session/send/x", 138.1, 0.)],
                1,
            ),
            (
                &[("scaling/x/8k", 1.0, 0.5), ("scaling/x/1m", 1.15, 0.5)],
                0,
            ),
            (
                &[("scaling/x/8k", 1.0, 0.5), ("scaling/x/1m", 1.16, 0.5)],
                1,
            ),
        ];
        for (costs, expected) in told {
            let missed = missed(&figures(costs));
            assert_eq!(missed.len(), expected, "{costs:?}: {missed:?}");
        }
    }
}
