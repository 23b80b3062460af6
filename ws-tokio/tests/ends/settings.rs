//! What a user of both adapters finds: the same names, and the same defaults.

use std::collections::BTreeSet;

/// The names of the settings in a builder's source: public methods that take it and return it.
fn settings(source: &str) -> BTreeSet<&str> {
    let signatures = source.split("\n    pub ").skip(1);
    let named = signatures.filter_map(|signature| {
        let signature = signature.trim_start_matches("const ").strip_prefix("fn ")?;
        let head = signature
            .split_once('{')
            .map_or(signature, |(head, _)| head);
        let is_setting = head.contains("self,") && head.contains("-> Self");
        is_setting.then(|| head.split(['(', '<']).next().expect("a name"))
    });
    named.collect()
}

#[test]
fn settings_have_the_same_names_in_both_adapters() {
    for (ours, theirs) in [
        (
            include_str!("../../src/client.rs"),
            include_str!("../../../ws-std/src/client.rs"),
        ),
        (
            include_str!("../../src/server/mod.rs"),
            include_str!("../../../ws-std/src/server/mod.rs"),
        ),
        (
            include_str!("../../src/reconnect.rs"),
            include_str!("../../../ws-std/src/reconnect.rs"),
        ),
    ] {
        let (ours, theirs) = (settings(ours), settings(theirs));
        let only_ours: Vec<_> = ours.difference(&theirs).collect();
        assert!(only_ours.is_empty(), "{only_ours:?} of {theirs:?}");
        let known = ["backoff", "handshake_timeout"];
        assert!(known.iter().any(|name| ours.contains(name)), "{ours:?}");
    }
}

/// What `Debug` shows of the configuration.
fn config(shown: &str) -> &str {
    let start = shown.find("config: ").expect("it shows the configuration");
    let end = shown[start..]
        .find(" } }")
        .map_or(shown.len(), |end| start + end);
    shown[start..end].trim_end_matches([',', ' ', '}'])
}

#[tokio::test]
async fn settings_have_the_same_defaults_in_both_adapters() {
    let url = "ws://localhost/";
    let clients = [
        format!("{:?}", ws_tokio::Client::new(url)),
        format!("{:?}", ws_std::Client::new(url)),
    ];
    let servers = [
        format!("{:?}", ws_tokio::Server::bind("127.0.0.1:0").await.unwrap()),
        format!("{:?}", ws_std::Server::bind("127.0.0.1:0").unwrap()),
    ];
    for [ours, theirs] in [clients, servers] {
        let limits = format!("{:?}", ws_tokio::Config::DEFAULT.limits);
        assert!(ours.contains(&limits), "{ours}");
        assert!(theirs.contains(config(&ours)), "{ours}\n{theirs}");
    }
}
