//! The inputs that a fuzz target begins with: those that are made from the tables, and those that lie
//! in `fuzz/corpus` because nothing here makes them.

use std::fs;
use std::path::Path;

use ws_proto::Role;
use ws_testkit::heads::{Row, rows};
use ws_testkit::{Action, Script, Step};

/// The inputs of a target, by name.
///
/// # Panics
///
/// If there are none, or a file cannot be read.
#[must_use]
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds = match target {
        "frames_server" => frames(Role::Server),
        "frames_client" => frames(Role::Client),
        "handshake_request" => heads(&rows("request.txt", "requests")),
        "handshake_response" => heads(&rows("response.txt", "responses")),
        _ => Vec::new(),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    // The files of a target of which all inputs are made have no folder.
    if let Ok(files) = fs::read_dir(folder.join(target)) {
        seeds.extend(files.map(|file| {
            let path = file.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), fs::read(&path).expect("bytes"))
        }));
    }
    assert!(!seeds.is_empty(), "{target} has no inputs");
    seeds
}

/// The longest input that is made, in bytes: a mutation puts something before it.
const LONGEST: usize = 2000;

/// What peers of this role's endpoint say in the transcripts, each time with other limits and another
/// inlet, whole and cut.
fn frames(role: Role) -> Vec<(String, Vec<u8>)> {
    let scripts = Script::all().into_iter();
    let scripts = scripts
        .filter(|script| script.setup.role == role)
        .zip((0..=u8::MAX).cycle());
    let seeds = scripts.map(|(script, number)| {
        // The choice of limits and inlet, the number of cuts, and the cuts.
        let mut input = match number % 2 {
            0 => vec![number.wrapping_mul(37), 0],
            _ => vec![number.wrapping_mul(37), 3, 1, 2, 60],
        };
        for line in &script.lines {
            if let Step::Do(Action::In(bytes)) = &line.step {
                input.extend(bytes);
            }
        }
        (script.name, input)
    });
    seeds.filter(|(_, input)| input.len() <= LONGEST).collect()
}

/// Heads, whole and cut.
fn heads(rows: &[Row]) -> Vec<(String, Vec<u8>)> {
    let seeds = (0..).zip(rows).map(|(number, row)| {
        let cuts: &[u8] = if number % 2 == 0 { &[0] } else { &[2, 30, 200] };
        let name = format!("row-{number:03}");
        (name, [cuts, &row.head, &row.behind].concat())
    });
    seeds.filter(|(_, input)| input.len() <= LONGEST).collect()
}
