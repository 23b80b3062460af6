//! Every conversation of `tests/transcripts`, held by the core and by the session, however the bytes
//! come in; and *split*: however they are cut, the same comes of them. The blocking adapter holds
//! them in `tests/tests/conversations/transcripts_std.rs`.

use std::collections::BTreeSet;

use ws_proto::{Role, Shutdown, State};
#[cfg(feature = "alloc")]
use ws_testkit::{
    Action, Driven, Inlet, Step, assert_noticed, assert_same_cut_at_every_two_places,
    assert_same_however_cut,
};
use ws_testkit::{
    BINARY, CLOSE, CONTINUATION, Core, Engine, KEY, PING, Script, Setup, TEXT, assert_all_held,
    close_payload, frame, run, variants,
};

/// Holds all conversations, and tells of all that went another way at once.
fn hold_all<E: Engine>(scripts: &[Script], new: impl Fn(&Setup) -> E) {
    assert_all_held(scripts, |script| run(script, &mut new(&script.setup)));
}

#[test]
fn core_whole() {
    hold_all(&Script::uncompressed(), |setup| {
        Core::new(setup, usize::MAX)
    });
}

#[test]
fn core_one_byte_at_a_time() {
    hold_all(&Script::uncompressed(), |setup| Core::new(setup, 1));
}

#[test]
fn core_seven_bytes_at_a_time() {
    hold_all(&Script::uncompressed(), |setup| Core::new(setup, 7));
}

#[cfg(feature = "alloc")]
#[test]
fn session() {
    hold_all(&Script::all(), |setup| Driven::new(setup, Inlet::Spare));
}

#[cfg(feature = "alloc")]
#[test]
fn session_one_byte_at_a_time() {
    hold_all(&Script::all(), |setup| Driven::new(setup, Inlet::Bytewise));
}

#[cfg(feature = "alloc")]
#[test]
fn session_with_a_lent_buffer_and_owned_messages() {
    hold_all(&Script::all(), |setup| Driven::new(setup, Inlet::Lent));
}

#[cfg(feature = "alloc")]
#[test]
fn session_pushed() {
    hold_all(&Script::all(), |setup| Driven::new(setup, Inlet::Pushed));
}

#[cfg(feature = "alloc")]
#[test]
fn session_read_in_parts() {
    hold_all(&Script::all(), |setup| Driven::new(setup, Inlet::InParts));
}

/// Everything that a peer says in a script, without what the application does meanwhile: cut
/// anywhere, and if it is short at every two places, the same comes of it by every way in.
#[cfg(feature = "alloc")]
#[test]
fn split_the_same_comes_of_it_cut_anywhere() {
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
        if stream.len() <= 60 {
            assert_same_cut_at_every_two_places(&script.setup, &stream);
        }
    }
    assert_ne!(cuts, 0, "nothing was cut");
}

/// What a peer may say to a connection that has failed.
fn afterwards(role: Role) -> Vec<Vec<u8>> {
    let mask = (role == Role::Server).then_some(KEY);
    vec![
        frame(0x80 | TEXT, mask, b"after"),
        frame(BINARY, mask, b"after"),
        frame(0x80 | CONTINUATION, mask, b"after"),
        frame(0x80 | PING, mask, b"after"),
        frame(0x80 | CLOSE, mask, &close_payload(1000, "after")),
        vec![0xFF; 300],
        vec![],
    ]
}

/// The end of an engine that has held a script which ends in an error: nothing changes that.
fn assert_final(script: &Script, engine: &mut dyn Engine) {
    run(script, engine).unwrap_or_else(|mismatch| panic!("{mismatch}"));
    let (state, mut got) = (engine.state(), Vec::new());
    assert!(matches!(state, State::Failed(_)), "{}", script.name);
    for more in afterwards(script.setup.role) {
        engine.receive(&more, &mut got);
    }
    engine.eof(&mut got);
    assert_eq!(got, [], "{}", script.name);
    assert_eq!(engine.transmit(), [], "{}", script.name);
    assert_eq!(engine.state(), state, "{}", script.name);
    assert_eq!(engine.shutdown(), Shutdown::Now, "{}", script.name);
}

#[test]
fn last_word_nothing_follows_an_error() {
    let mut failing = Script::all();
    failing.retain(|script| script.errors().count() > 0);
    assert!(!failing.is_empty(), "nothing has failed");
    for script in &failing {
        #[cfg(feature = "alloc")]
        for inlet in Inlet::ALL {
            assert_final(script, &mut Driven::new(&script.setup, inlet));
        }
        if script.setup.deflate.is_some() {
            continue;
        }
        let mut core = Core::new(&script.setup, usize::MAX);
        assert_final(script, &mut core);
        for more in afterwards(script.setup.role) {
            assert!(!core.connection().holds_message(&more), "{}", script.name);
            assert!(!core.connection().holds_control(&more), "{}", script.name);
        }
        assert_final(script, &mut Core::new(&script.setup, 1));
    }
}

#[test]
fn every_protocol_error_occurs() {
    let source = include_str!("../../src/error.rs");
    let variants = variants(source, "ProtocolError");

    let scripts = Script::all();
    let occurring: BTreeSet<&str> = scripts.iter().flat_map(Script::errors).collect();
    let missing: Vec<_> = variants.difference(&occurring).collect();
    // No bytes bring the last about: it takes a machine whose memory is full.
    let expected: &[&str] = if cfg!(feature = "deflate") {
        &["OutOfMemory"]
    } else {
        &["InvalidDeflate", "OutOfMemory"]
    };
    assert_eq!(missing, expected.iter().collect::<Vec<_>>());
    let unknown: Vec<_> = occurring.difference(&variants).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// The runner notices what it is there to notice: each of these scripts is wrong in one line.
#[cfg(feature = "alloc")]
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
    assert_noticed(&wrong, |script| {
        let core = run(script, &mut Core::new(&script.setup, usize::MAX));
        let session = run(script, &mut Driven::new(&script.setup, Inlet::Spare));
        assert_eq!(session, core);
        core
    });
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
