//! What `tests/autobahn.sh` needs besides the testsuite: a port that is free, and the comparison of a
//! report with `tests/autobahn-expected.txt`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::ExitCode;

use serde_json::Value;

const USAGE: &str = "\
usage: autobahn_report port
       autobahn_report compare ROLE CASES EXPECTED REPORT    CASES: 6.* or 1.*,2.*,9.1.1";

/// The verdicts on each case: behaviour, and behaviour at the close.
type Verdicts = BTreeMap<Case, [String; 2]>;

/// The number of a case, to be sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Case(Vec<u32>, String);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["port"] => port().map(|port| (port.to_string(), true)),
        ["compare", role, cases, expected, report] => compare(role, cases, expected, report),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok((text, is_good)) => {
            println!("{text}");
            if is_good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// A port that nobody listens at.
fn port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}

/// What is different, and how many cases came out how; whether nothing is.
fn compare(
    role: &str,
    cases: &str,
    expected: &str,
    report: &str,
) -> Result<(String, bool), String> {
    let read = |path| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let mut expected = listed(&read(expected)?)?;
    expected.retain(|case, _| is_wanted(&case.1, cases));
    // A run that ended early has left none.
    let report = read(report).unwrap_or_else(|_| "{}".into());
    let got = reported(&report)?.ok_or_else(|| {
        format!("autobahn {role}: no case was run, see target/autobahn/{role}-wstest.log")
    })?;
    let (mut text, different) = differences(&expected, &got);
    let mut counts = BTreeMap::new();
    for [behavior, close] in got.values() {
        // A case is as good as the worse of its two verdicts.
        let worse = if behavior == "OK" { close } else { behavior };
        *counts.entry(worse).or_insert(0_usize) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let counts = counts
        .iter()
        .map(|(verdict, count)| format!("{count} {verdict}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let len = got.len();
    text += &format!("autobahn {role}: {len} cases: {counts}, {different} different");
    Ok((text, different == 0))
}

/// The lines `case behavior behaviorClose`.
fn listed(text: &str) -> Result<Verdicts, String> {
    let line = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [case, behavior, close] => Ok((Case::parse(case)?, [behavior.into(), close.into()])),
        _ => Err(format!("not `case behavior behaviorClose`: {line}")),
    };
    text.lines().map(line).collect()
}

/// The verdicts of a report, which is of one agent; `None` if it is of none.
fn reported(text: &str) -> Result<Option<Verdicts>, String> {
    let agents: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut agents = agents.into_values();
    let (Some(cases), None) = (agents.next(), agents.next()) else {
        return Ok(None);
    };
    let verdict = |result: &Value, key: &str| {
        let verdict = result.get(key).and_then(Value::as_str);
        verdict.map(|verdict| verdict.replace(' ', "-"))
    };
    let of = |(case, result): (String, Value)| {
        let verdicts = [
            verdict(&result, "behavior"),
            verdict(&result, "behaviorClose"),
        ];
        let [Some(behavior), Some(close)] = verdicts else {
            return Err(format!("{case} has no verdict"));
        };
        Ok((Case::parse(&case)?, [behavior, close]))
    };
    cases
        .into_iter()
        .map(of)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// What was expected and what came, of each case in which the two differ; and how many do.
fn differences(expected: &Verdicts, got: &Verdicts) -> (String, usize) {
    let (mut text, mut different) = (String::new(), 0);
    let mut cases: Vec<_> = expected.keys().chain(got.keys()).collect();
    cases.sort();
    cases.dedup();
    for case in cases {
        let sides = [("-", expected.get(case)), ("+", got.get(case))];
        if sides[0].1 == sides[1].1 {
            continue;
        }
        different += 1;
        for (sign, verdicts) in sides {
            if let Some([behavior, close]) = verdicts {
                text += &format!("{sign} {} {behavior} {close}\n", case.1);
            }
        }
    }
    (text, different)
}

/// Whether patterns name a case, as the testsuite reads them: the beginning where there is a star, else
/// the whole.
fn is_wanted(case: &str, patterns: &str) -> bool {
    let mut patterns = patterns.split(',');
    patterns.any(|pattern| match pattern.split_once('*') {
        Some((beginning, _)) => case.starts_with(beginning),
        None => case == pattern,
    })
}

impl Case {
    fn parse(name: &str) -> Result<Self, String> {
        let numbers = name.split('.').map(|number| {
            let number = number.parse();
            number.map_err(|_| format!("{name} is no case"))
        });
        Ok(Self(numbers.collect::<Result<_, _>>()?, name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_compared_case_by_case() {
        let expected = listed("1.1.1 OK OK\n1.1.10 OK OK\n1.1.2 OK OK\n").expect("it is right");
        let report = r#"{"server": {
            "1.1.1": {"behavior": "OK", "behaviorClose": "OK"},
            "1.1.2": {"behavior": "NON-STRICT", "behaviorClose": "OK"},
            "2.1": {"behavior": "OK", "behaviorClose": "WRONG CODE"}}}"#;
        let got = reported(report).expect("it is right").expect("one agent");
        let (text, different) = differences(&expected, &got);
        assert_eq!(different, 3);
        assert_eq!(
            text,
            "- 1.1.2 OK OK\n+ 1.1.2 NON-STRICT OK\n- 1.1.10 OK OK\n+ 2.1 OK WRONG-CODE\n"
        );
        assert_eq!(reported("{}"), Ok(None));
    }

    #[test]
    fn a_pattern_is_a_case_or_the_beginning_of_some() {
        assert!(is_wanted("6.4.1", "1.*,6.4.*") && is_wanted("9.1.1", "9.1.1"));
        assert!(!is_wanted("6.5.1", "1.*,6.4.*") && !is_wanted("9.1.10", "9.1.1"));
    }
}
