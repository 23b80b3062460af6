//! The seeds of the fuzz targets, and what they once found, replayed: no fuzzer needed.

use std::fs;
use std::path::Path;

use ws_tests::property;

#[test]
fn properties_hold_for_the_corpus() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, holds_for) in property::ALL {
        let mut inputs = 0;
        for file in fs::read_dir(corpora.join(name)).expect("each target has a corpus") {
            let path = file.expect("a file").path();
            println!("{}", path.display());
            holds_for(&fs::read(&path).expect("bytes"));
            inputs += 1;
        }
        assert!(inputs >= 10, "{name} has {inputs}");
    }
}
