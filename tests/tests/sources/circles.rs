//! No circle between files: none uses, by itself or through others, a file that uses it. So a file
//! can be understood with those below it, and a crate is read from the bottom up.

use crate::uses;
use std::fs;
use std::path::Path;

use crate::uses::{Uses, circles, folders, without_parents};

fn of_crate(name: &str) -> Uses {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(name)
        .join("src");
    uses::uses(|file| fs::read_to_string(sources.join(file)).ok())
}

/// The uses of a crate of two files and its root.
fn of_text(root: &str, a: &str, b: &str) -> Uses {
    uses::uses(|file| {
        let source = match file {
            "lib.rs" => root,
            "a.rs" => a,
            "b/mod.rs" => "mod c; pub use c::B;",
            "b/c.rs" => b,
            _ => return None,
        };
        Some(source.to_owned())
    })
}

#[test]
fn the_core_has_none() {
    let uses = of_crate("ws-proto");
    let circles = [circles(&uses), circles(&folders(&uses))].concat();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
    // The graph is that of the crate: some uses of every kind that is in it.
    let ways = [
        ("session.rs", "incoming.rs"),
        ("incoming.rs", "receiver.rs"),
        ("incoming/steps.rs", "incoming.rs"),
        ("accepting.rs", "handshake/request.rs"),
        ("handshake/request.rs", "handshake/fields.rs"),
        ("handshake/request.rs", "handshake/mod.rs"),
        ("handshake/fields.rs", "handshake/headers.rs"),
    ];
    for (from, to) in ways {
        assert!(uses[from].contains(to), "{from} -> {to}: {:?}", uses[from]);
    }
}

#[test]
fn ws_http_has_none() {
    let uses = of_crate("ws-http");
    let circles = [circles(&uses), circles(&folders(&uses))].concat();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
    let ways = [
        ("site.rs", "routes.rs"),
        ("routes.rs", "refusal.rs"),
        ("refusal.rs", "response.rs"),
        ("tunnel.rs", "tunnel/socks.rs"),
        ("tunnel/connect.rs", "tunnel/error.rs"),
        ("tunnel/connect.rs", "auth.rs"),
    ];
    for (from, to) in ways {
        assert!(uses[from].contains(to), "{from} -> {to}: {:?}", uses[from]);
    }
}

#[test]
fn sio_proto_has_none() {
    let uses = of_crate("sio-proto");
    let circles = [circles(&uses), circles(&folders(&uses))].concat();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
    let ways = [
        ("connection.rs", "assembly.rs"),
        ("connection.rs", "engine/session.rs"),
        ("connection/receive.rs", "connection/namespaces.rs"),
        ("engine/session/requests.rs", "engine/session.rs"),
    ];
    for (from, to) in ways {
        assert!(uses[from].contains(to), "{from} -> {to}: {:?}", uses[from]);
    }
    // The other way round, Engine.IO would not stand alone.
    let below = |file: &String| file.starts_with("engine/");
    for (file, used) in uses.iter().filter(|(file, _)| below(file)) {
        assert!(used.iter().all(below), "{file}: {used:?}");
    }
}

/// In the adapters a file and the parts in the folder of its name may know each other: the parts
/// implement methods of what the file defines (`Shared`, a server's `Core`, a loop that is
/// `Running`), and the file calls them. Parts that know each other by themselves, and other files,
/// make circles as in the core.
#[test]
fn the_adapters_have_them_only_between_a_whole_and_its_parts() {
    for name in ["ws-std", "ws-loop"] {
        let uses = of_crate(name);
        let circles = [circles(&without_parents(&uses)), circles(&folders(&uses))].concat();
        assert!(circles.is_empty(), "{name}\n{}", circles.join("\n"));
    }
    let uses = of_crate("ws-std");
    let ways = [
        ("client.rs", "socket.rs"),
        ("shared.rs", "shared/wire.rs"),
        ("shared/wire.rs", "shared.rs"),
        ("server/serve.rs", "server/mod.rs"),
    ];
    for (from, to) in ways {
        assert!(uses[from].contains(to), "{from} -> {to}: {:?}", uses[from]);
    }
}

#[test]
fn a_circle_is_seen_on_every_kind_of_path() {
    let root = "mod a; mod b; pub use {a::A, b::B};";
    let circle = ["a.rs -> b/c.rs -> a.rs"];
    let b = "use crate::a::A;";
    for a in [
        "use crate::b::B;",
        "use super::{b::{self as other, B as _}};",
        "use crate::B;",
        "use crate::b; fn f() { b::B::new() }",
        "fn f() -> super::b::B { 'x' }",
        "mod inner { use super::super::b::B; }",
        "const A: &str = \"{\\\"\"; type C<'a> = crate::b::B<'a>;",
        "const A: &str = r#\"\"{\"#; const B: char = '{'; use crate::b::B;",
    ] {
        assert_eq!(circles(&of_text(root, a, b)), circle, "{a}");
    }
}

#[test]
fn what_is_no_use_makes_no_circle() {
    let root = "mod a; mod b; pub use {a::A, b::B};";
    let b = "use crate::a::A;";
    for a in [
        "use std::b::B;",
        "use crate::b;",
        "// use crate::b::B;",
        "/// [`B`](crate::b::B)\nstruct A;",
        "const A: &str = \"crate::b::B\";",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(test)] use crate::b::B;",
        "pub(in crate::b) struct A;",
        "struct A; mod inner { use super::A; fn f(a: A::C) {} }",
        "use b; fn f() { b::B() }",
    ] {
        assert_eq!(circles(&of_text(root, a, b)), [""; 0], "{a}");
    }
}

#[test]
fn a_root_that_uses_what_it_passes_on_is_in_the_circle() {
    let b = "use crate::Root;";
    let root = "mod a; mod b; pub use b::B; struct Root;";
    assert_eq!(circles(&of_text(root, "", b)), [""; 0]);
    let root = "mod a; mod b; pub use b::B; struct Root(B);";
    assert_eq!(
        circles(&of_text(root, "", b)),
        ["b/c.rs -> lib.rs -> b/c.rs"]
    );
}

#[test]
fn a_part_may_know_its_whole_and_nobody_else_in_a_circle() {
    let of = |uses: &[(&str, &str)]| {
        let mut graph = Uses::new();
        for (from, to) in uses {
            graph.entry((*to).into()).or_default();
            let used = graph.entry((*from).into()).or_default();
            used.insert((*to).into());
        }
        [circles(&without_parents(&graph)), circles(&folders(&graph))].concat()
    };
    let none: [&str; 0] = [];
    assert_eq!(of(&[("a.rs", "a/b.rs"), ("a/b.rs", "a.rs")]), none);
    assert_eq!(of(&[("a/mod.rs", "a/b.rs"), ("a/b.rs", "a/mod.rs")]), none);
    assert_eq!(
        of(&[("a/b.rs", "a/c.rs"), ("a/c.rs", "a/b.rs")]),
        ["a/b.rs -> a/c.rs -> a/b.rs"]
    );
    assert_eq!(of(&[("a/b.rs", "c.rs"), ("c.rs", "a.rs")]), ["a -> c -> a"]);
}
