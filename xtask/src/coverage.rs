//! Reads what `tests/coverage.sh` has measured of ws-proto, as lcov writes it: lines and branches that a test reaches,
//! file by file, without the tests at the end of each file.
//!
//! What lcov says of a line is `DA:line,hits`, of a branch `BRDA:line,block,branch,hits`, where `-` is a line that was not
//! reached.

use std::fs;
use std::io;

use crate::Outcome;

/// The least that has to be reached, in per cent.
const LINES: f64 = 98.0;
const BRANCHES: f64 = 95.0;

/// What is known of one file.
#[derive(Debug, Default, PartialEq)]
struct Covered {
    name: String,
    lines: Part,
    branches: Part,
}

/// How many there are, and those that no test reaches, by line.
#[derive(Debug, Default, PartialEq)]
struct Part {
    all: usize,
    missed: Vec<usize>,
}

/// Reads lcov from the standard input.
pub(crate) fn report() -> Outcome {
    let lcov = io::read_to_string(io::stdin()).map_err(|error| error.to_string())?;
    let files = read(&lcov, |path| {
        fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
    })?;
    let (mut lines, mut branches) = ([0, 0], [0, 0]);
    for file in &files {
        file.print();
        for (sum, part) in [(&mut lines, &file.lines), (&mut branches, &file.branches)] {
            sum[0] += part.reached();
            sum[1] += part.all;
        }
    }
    let percent = |[reached, all]: [usize; 2]| 100.0 * reached as f64 / all.max(1) as f64;
    let (of_lines, of_branches) = (percent(lines), percent(branches));
    println!(
        "in all: {of_lines:.2} % of {} lines, {of_branches:.2} % of {} branches",
        lines[1], branches[1]
    );
    Ok(of_lines >= LINES && of_branches >= BRANCHES)
}

fn read(
    lcov: &str,
    source: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<Covered>, String> {
    let (mut files, mut tests) = (Vec::<Covered>::new(), usize::MAX);
    for line in lcov.lines() {
        let Some((kind, rest)) = line.split_once(':') else {
            continue;
        };
        if kind == "SF" {
            let name = rest.split("/ws-proto/").last().unwrap_or(rest);
            files.push(Covered {
                name: name.into(),
                ..Covered::default()
            });
            tests = where_tests_begin(&source(rest)?);
            continue;
        }
        let fields: Vec<_> = rest.split(',').collect();
        let (Some(file), Some(number)) = (files.last_mut(), fields[0].parse().ok()) else {
            continue;
        };
        let (part, hits) = match (kind, &fields[..]) {
            ("DA", [_, hits, ..]) => (&mut file.lines, hits),
            ("BRDA", [_, _, _, hits]) => (&mut file.branches, hits),
            _ => continue,
        };
        if number < tests {
            part.all += 1;
            if hits.parse().unwrap_or(0) == 0 {
                part.missed.push(number);
            }
        }
    }
    Ok(files)
}

/// The number of the line at which the tests at the end of a file begin.
fn where_tests_begin(source: &str) -> usize {
    let begins =
        |line: &str| line.starts_with("#[cfg(test)") || line.starts_with("#[cfg(all(test,");
    let last = (1..)
        .zip(source.lines())
        .filter(|(_, line)| begins(line))
        .last();
    last.map_or(usize::MAX, |(number, _)| number)
}

impl Covered {
    fn print(&self) {
        let Self {
            name,
            lines,
            branches,
        } = self;
        print!(
            "{name:<32} lines {:4}/{:<4} branches {:4}/{:<4}",
            lines.reached(),
            lines.all,
            branches.reached(),
            branches.all
        );
        for (what, part) in [
            ("lines not reached", lines),
            ("branches not taken", branches),
        ] {
            if !part.missed.is_empty() {
                let missed: Vec<_> = part.missed.iter().map(ToString::to_string).collect();
                print!("  {what}: {}", missed.join(" "));
            }
        }
        println!();
    }
}

impl Part {
    const fn reached(&self) -> usize {
        self.all - self.missed.len()
    }
}

#[test]
fn tests_at_the_end_of_a_file_do_not_count() {
    let source = "fn a() {}\nfn b() {}\n#[cfg(test)]\nmod tests {\n}\n";
    let lcov = "TN:\nSF:/x/ws-proto/src/a.rs\nDA:1,5\nDA:2,0\nDA:4,1\nBRDA:1,0,0,-\nBRDA:1,0,1,3\nend_of_record\n";
    let read = read(lcov, |_| Ok(source.into()));
    let expected = Covered {
        name: "src/a.rs".into(),
        lines: Part {
            all: 2,
            missed: vec![2],
        },
        branches: Part {
            all: 2,
            missed: vec![1],
        },
    };
    assert_eq!(read, Ok(vec![expected]));
}
