//! Writes the inputs that a fuzz target begins with: `seeds TARGET FOLDER`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [target, folder] = &args[..] else {
        eprintln!("usage: seeds TARGET FOLDER");
        return ExitCode::from(2);
    };
    let folder = Path::new(folder);
    fs::create_dir_all(folder).expect("a folder");
    for (name, bytes) in ws_tests::seeds::seeds(target) {
        fs::write(folder.join(name), bytes).expect("room");
    }
    ExitCode::SUCCESS
}
