//! The chat page of `ws serve`, in a browser that is driven with our own client.
//!
//! Leaves pictures in `target/screenshots`, to be looked at.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::devtools::{Browser, Tab};
use crate::process::{Process, repository};
use crate::screens::Screen;
use serde_json::{Value, json};

const WIDE: Screen = Screen {
    name: "wide",
    width: 1280,
    height: 800,
};
const NARROW: Screen = Screen {
    name: "narrow",
    width: 360,
    height: 740,
};

const OPEN: &str = "document.querySelector('#state')?.dataset.state === 'open'";

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn two_people_chat() {
    let (mut server, address) = serve("127.0.0.1:0");
    let mut browser = Browser::start();

    let door = browser.open(&format!("http://{address}/"));
    pictures(&mut browser, &door, "door");
    browser.close(&door);

    let room = format!("http://{address}/?room=%E8%8C%B6%E9%A6%86&name=");
    let ada = browser.open(&format!("{room}Ada"));
    browser.wait_for(&ada, OPEN);
    let ming = browser.open(&format!("{room}%E5%B0%8F%E6%98%8E"));
    for tab in [&ada, &ming] {
        browser.show(tab, WIDE, "light");
        browser.wait_for(tab, OPEN);
        let members = json!(["Ada", "小明"]);
        browser.wait_for(tab, &format!("{MEMBERS} === {}", quoted(&members)));
        let title = browser.evaluate(tab, "document.querySelector('#title').textContent");
        assert_eq!(title, "#茶馆");
    }
    assert_eq!(
        notices(&mut browser, &ada),
        json!(["You joined", "小明 joined"])
    );
    assert_eq!(notices(&mut browser, &ming), json!(["You joined"]));

    let mut said = Vec::new();
    for (tab, name, text) in [
        (&ada, "Ada", "Hello, is anyone there?"),
        (&ming, "小明", "你好！万物并育而不相害。"),
        (&ada, "Ada", "👋🏽 Nice to meet you 👩‍🚀"),
        (&ming, "小明", "<b>not markup</b> & \"quotes\" \\ 'more'"),
        (&ming, "小明", "שלום — مرحبا"),
        (&ada, "Ada", &"A long line goes on and on. ".repeat(20)),
    ] {
        said.push(json!([name, text]));
        say(&mut browser, tab, text);
        for tab in [&ada, &ming] {
            browser.wait_for(tab, &format!("{LINES} === {}", quoted(&json!(said))));
        }
    }

    for size in ["16", "65536"] {
        measure(&mut browser, &ada, size);
    }
    pictures(&mut browser, &ada, "chat");
    browser.show(&ada, NARROW, "light");
    browser.evaluate(&ada, "document.querySelector('#panel-open').click()");
    pictures_on(&mut browser, &ada, NARROW, "panel");
    browser.evaluate(&ada, "document.querySelector('#panel-close').click()");

    // The server goes, and comes back where it was.
    assert_eq!(browser.complaints(), [""; 0]);
    server.signal("TERM");
    let (status, output) = server.finish();
    assert!(status.success(), "{status}: {output}");
    for tab in [&ada, &ming] {
        browser.wait_for(tab, &format!("!({OPEN})"));
    }
    pictures(&mut browser, &ada, "gone");
    (server, _) = serve(&address);
    for tab in [&ada, &ming] {
        browser.wait_for(tab, OPEN);
    }
    let complaints = browser.complaints().len();
    for tab in [&ada, &ming] {
        // In the order in which they came back.
        browser.wait_for(tab, "document.querySelectorAll('#members li').length === 2");
    }
    said.push(json!(["小明", "我回来了"]));
    say(&mut browser, &ming, "我回来了");
    for tab in [&ada, &ming] {
        browser.wait_for(tab, &format!("{LINES} === {}", quoted(&json!(said))));
    }
    pictures(&mut browser, &ada, "back");

    browser.close(&ming);
    browser.wait_for(&ada, &format!("{MEMBERS} === {}", quoted(&json!(["Ada"]))));
    let last = notices(&mut browser, &ada);
    assert_eq!(
        last.as_array().and_then(|all| all.last()),
        Some(&json!("小明 left"))
    );

    let (meanwhile, after) = browser.complaints().split_at(complaints);
    let refused = |complaint: &String| complaint.contains("WebSocket connection to");
    assert!(meanwhile.iter().all(refused), "{meanwhile:#?}");
    assert_eq!(after, [""; 0]);
    server.signal("TERM");
    assert!(server.finish().0.success());
}

/// The names of the members, as JSON.
const MEMBERS: &str =
    "JSON.stringify([...document.querySelectorAll('#members li')].map((li) => li.dataset.name))";

/// Who said what, as JSON.
const LINES: &str = "JSON.stringify([...document.querySelectorAll('#log li[data-type=line]')]\
    .map((li) => [li.dataset.name, li.querySelector('.text').textContent]))";

fn notices(browser: &mut Browser, tab: &Tab) -> Value {
    let notices = "[...document.querySelectorAll('#log li:not([data-type=line]) .text')]\
        .map((text) => text.textContent)";
    browser.evaluate(tab, notices)
}

fn say(browser: &mut Browser, tab: &Tab, text: &str) {
    browser.evaluate(tab, "document.querySelector('#line').focus()");
    browser.type_line(tab, text);
    browser.wait_for(tab, "document.querySelector('#line').value === ''");
}

/// The echo box: twenty round trips, each checked by the page.
fn measure(browser: &mut Browser, tab: &Tab, size: &str) {
    let run = format!(
        "document.querySelector('[name=size][value=\"{size}\"]').click(),
         document.querySelector('#echo-run').click()"
    );
    browser.evaluate(tab, &run);
    let state = "document.querySelector('#echo-result').dataset.state";
    browser.wait_for(tab, &format!("{state} !== 'running'"));
    assert_eq!(browser.evaluate(tab, state), "done", "{size} bytes");
    let probes = browser.evaluate(tab, "document.querySelectorAll('#echo-result li').length");
    assert_eq!(probes, 20);
}

fn pictures(browser: &mut Browser, tab: &Tab, name: &str) {
    for screen in [NARROW, WIDE] {
        pictures_on(browser, tab, screen, name);
    }
}

fn pictures_on(browser: &mut Browser, tab: &Tab, screen: Screen, name: &str) {
    let directory = repository().join("target/screenshots");
    fs::create_dir_all(&directory).expect("a directory for pictures");
    for scheme in ["dark", "light"] {
        browser.show(tab, screen, scheme);
        let file = format!("{name}-{}-{scheme}.png", screen.name);
        browser.screenshot(tab, &directory.join(file));
    }
}

/// JSON as a string of JavaScript.
fn quoted(value: &Value) -> String {
    Value::from(value.to_string()).to_string()
}

/// Starts `ws serve`, and returns the address it listens at.
fn serve(listen: &str) -> (Process, String) {
    let mut server = Process::start(Command::new(ws()).args(["serve", "--listen", listen]));
    let url = server.line("listening on http://");
    let address = url.trim_end_matches('/').to_owned();
    (server, address)
}

/// The command `ws`, built if it is not. Cargo says where it is: no test binary knows.
fn ws() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--package",
            "ws-command",
            "--message-format=json",
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo runs");
    let messages = String::from_utf8_lossy(&build.stdout);
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&build.stderr)))
}
