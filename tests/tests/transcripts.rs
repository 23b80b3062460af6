//! Every conversation of `transcripts/`, held by the core and by the session, however the bytes
//! come in. The blocking adapter holds them in `transcripts_std.rs`.

use std::collections::BTreeSet;

use ws_tests::{
    Action, Core, Driven, Engine, Inlet, Script, Setup, Step, assert_same_however_cut, run,
    variants,
};

/// Holds all conversations, and tells of all that went another way at once.
fn hold_all<E: Engine>(new: impl Fn(&Setup) -> E) {
    let scripts = Script::all();
    assert!(!scripts.is_empty(), "nothing to hold");
    let mismatches: Vec<_> = scripts
        .iter()
        .filter_map(|script| run(script, &mut new(&script.setup)).err())
        .map(|mismatch| mismatch.to_string())
        .collect();
    assert!(
        mismatches.is_empty(),
        "{} of {}:\n{}",
        mismatches.len(),
        scripts.len(),
        mismatches.join("\n")
    );
}

#[test]
fn core_whole() {
    hold_all(|setup| Core::new(setup, usize::MAX));
}

#[test]
fn core_one_byte_at_a_time() {
    hold_all(|setup| Core::new(setup, 1));
}

#[test]
fn core_seven_bytes_at_a_time() {
    hold_all(|setup| Core::new(setup, 7));
}

#[test]
fn session() {
    hold_all(|setup| Driven::new(setup, Inlet::Spare));
}

#[test]
fn session_one_byte_at_a_time() {
    hold_all(|setup| Driven::new(setup, Inlet::Bytewise));
}

#[test]
fn session_with_a_lent_buffer_and_owned_messages() {
    hold_all(|setup| Driven::new(setup, Inlet::Lent));
}

#[test]
fn session_pushed() {
    hold_all(|setup| Driven::new(setup, Inlet::Pushed));
}

/// Everything that a peer says in a script, without what the application does meanwhile: cut in
/// two anywhere, the same comes of it by every way in.
#[test]
fn the_same_comes_of_it_cut_anywhere() {
    let mut cuts = 0;
    for script in Script::all() {
        let pieces = script.lines.iter().filter_map(|line| match &line.step {
            Step::Do(Action::In(bytes)) => Some(bytes.as_slice()),
            _ => None,
        });
        let stream = pieces.collect::<Vec<_>>().concat();
        if stream.len() <= 300 {
            for cut in 1..stream.len() {
                assert_same_however_cut(&script.setup, &stream, &[cut], &Inlet::ALL);
                cuts += 1;
            }
        }
    }
    assert_ne!(cuts, 0, "nothing was cut");
}

#[test]
fn every_protocol_error_occurs() {
    let source = include_str!("../../ws-proto/src/error.rs");
    let variants = variants(source, "ProtocolError");

    let scripts = Script::all();
    let occurring: BTreeSet<&str> = scripts.iter().flat_map(Script::errors).collect();
    let missing: Vec<_> = variants.difference(&occurring).collect();
    // Transcripts agree on no compression; `ws-proto/tests/deflate.rs` has the first. No bytes
    // bring the second about: it takes a machine whose memory is full.
    assert_eq!(missing, [&"InvalidDeflate", &"OutOfMemory"]);
    let unknown: Vec<_> = occurring.difference(&variants).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// The runner notices what it is there to notice: each of these scripts is wrong in one line.
#[test]
fn a_wrong_script_is_noticed_with_its_line() {
    let wrong = [
        ("got text \"Hullo\"", 3),
        ("", 2),
        ("got text \"Hello\"\nout 81", 4),
        ("got text \"Hello\"\ngot text \"Hello\"", 4),
        ("got text \"Hello\"\nsend ping \"x\"", 4),
        (
            "got text \"Hello\"\nsend ping \"x\"\nout frame ping \"y\"",
            5,
        ),
        ("got text \"Hello\"\nsend ping 126*00", 4),
        ("got text \"Hello\"\nstate Closed", 4),
        ("got text \"Hello\"\nshutdown now", 4),
        ("got text \"Hello\"\nwake 21s", 4),
        ("got text \"Hello\"\nwait 20s", 4),
        ("got text \"Hello\"\nwait 20s\nout frame ping\nwait 20s", 6),
        ("error MaskMissing", 3),
    ];
    for (rest, line) in wrong {
        let text = format!("case it server\nin frame text \"Hello\"\n{rest}");
        let scripts = Script::parse("wrong", &text).expect("it can be read");
        for script in scripts {
            let core = run(&script, &mut Core::new(&script.setup, usize::MAX));
            let mismatch = core.expect_err(rest);
            assert_eq!((mismatch.line, &*mismatch.file), (line, "wrong"), "{rest}");
            let session = run(&script, &mut Driven::new(&script.setup, Inlet::Spare));
            assert_eq!(session, Err(mismatch));
        }
    }
}

#[test]
fn a_script_that_means_nothing_is_refused_with_its_line() {
    for (text, at) in [
        ("case it server says", "x:1"),
        ("case it nobody", "x:1"),
        ("case it server\n\nshout", "x:3"),
        ("case it server\nin 8", "x:2"),
        ("case it server\neof now", "x:2"),
        ("case it server\nwait 20", "x:2"),
        ("case it server\nlimit max-luck 1", "x:2"),
        ("case it server\nsend letter", "x:2"),
        ("case it server\ngot text ff", "x:2"),
        ("case it server\nshutdown soon", "x:2"),
        ("case it server\ndead tired", "x:2"),
    ] {
        let what = Script::parse("x", text).expect_err(text);
        assert!(what.starts_with(at), "{what}");
    }
}
