//! A browser, driven over the DevTools protocol: JSON over a WebSocket of ours.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, process};

use serde_json::{Value, json};
use ws_std::{Client, Message, Next, WebSocket};

use crate::process::Process;

/// How long a page may take to become what is waited for. A reconnecting one waits seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium without a window.
#[derive(Debug)]
pub(crate) struct Browser {
    ws: WebSocket,
    last_id: u64,
    complaints: Vec<String>,
    // In the order in which they are dropped: the profile is in use before.
    _process: Process,
    _profile: Profile,
}

/// A tab, by the session that is attached to it.
#[derive(Debug)]
pub(crate) struct Tab(String);

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = Profile::new();
        let mut process = Process::start(
            Command::new("chromium")
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    // Two tabs are looked at: neither is to be slowed down for not being in front.
                    "--disable-background-timer-throttling",
                    "--disable-backgrounding-occluded-windows",
                    "--disable-renderer-backgrounding",
                    "--lang=en-US",
                    "--remote-debugging-port=0",
                ])
                .arg(format!("--user-data-dir={}", profile.0.display())),
        );
        let url = process.line("DevTools listening on ");
        let ws = Client::new(url)
            .max_message(64 << 20)
            .connect()
            .expect("the browser takes connections");
        Self {
            ws,
            last_id: 0,
            complaints: Vec::new(),
            _process: process,
            _profile: profile,
        }
    }

    /// Opens a tab, in a window of its own.
    pub(crate) fn open(&mut self, url: &str) -> Tab {
        let page = json!({ "url": "about:blank", "newWindow": true });
        let target = self.call(None, "Target.createTarget", page);
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", attach);
        let tab = Tab(attached["sessionId"].as_str().expect("a session").into());
        for domain in ["Page", "Runtime", "Log"] {
            self.call(Some(&tab), &format!("{domain}.enable"), json!({}));
        }
        let focused = json!({ "enabled": true });
        self.call(Some(&tab), "Emulation.setFocusEmulationEnabled", focused);
        self.call(Some(&tab), "Page.navigate", json!({ "url": url }));
        tab
    }

    pub(crate) fn close(&mut self, tab: &Tab) {
        self.call(Some(tab), "Page.close", json!({}));
    }

    /// The value of an expression, waited for if it is a promise.
    pub(crate) fn evaluate(&mut self, tab: &Tab, expression: &str) -> Value {
        let params = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let mut result = self.call(Some(tab), "Runtime.evaluate", params);
        let exception = &result["exceptionDetails"]["exception"]["description"];
        assert!(exception.is_null(), "{expression}: {exception}");
        result["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&mut self, tab: &Tab, condition: &str) {
        let millis = PATIENCE.as_millis();
        let look = format!(
            "new Promise((resolve) => {{
                const end = performance.now() + {millis};
                (function look() {{
                    if ({condition}) resolve(null);
                    else if (performance.now() > end) resolve(document.body.innerText);
                    else setTimeout(look, 20);
                }})();
            }})"
        );
        let page = self.evaluate(tab, &look);
        assert!(page.is_null(), "not true: {condition}. The page:\n{page:#}");
    }

    /// What the pages complained of on their consoles, so far.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Calls a method of the protocol, and returns its result.
    pub(crate) fn call(&mut self, tab: Option<&Tab>, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut command = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(Tab(session)) = tab {
            command["sessionId"] = json!(session);
        }
        self.ws
            .send(command.to_string().as_str())
            .expect("the browser is there");
        loop {
            let mut message = self.message(method);
            if message["id"] == self.last_id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            self.complaints.extend(complaint(&message));
        }
    }

    fn message(&mut self, waiting_for: &str) -> Value {
        // A page has its own patience.
        match self.ws.recv_timeout(2 * PATIENCE) {
            Ok(Next::Message(Message::Text(text))) => {
                serde_json::from_str(text).expect("the browser speaks JSON")
            }
            other => panic!("{waiting_for}: {other:?}"),
        }
    }
}

/// What an event says that nobody wants to hear.
fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    let what = match event["method"].as_str()? {
        "Runtime.exceptionThrown" => &params["exceptionDetails"],
        "Runtime.consoleAPICalled" if params["type"] == "error" => &params["args"],
        "Log.entryAdded" if params["entry"]["level"] == "error" => &params["entry"]["text"],
        _ => return None,
    };
    Some(what.to_string())
}

/// A directory for the browser's files.
#[derive(Debug)]
struct Profile(PathBuf);

impl Profile {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("ws-tests-browser-{}", process::id()));
        // What a process of that number has left, if it was killed: the browser refuses to share it.
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
