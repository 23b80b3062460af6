//! What a tab is shown on, what is typed into it, and pictures of it.

use std::fs;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;

use crate::devtools::{Browser, Tab};

/// What a tab is shown on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Browser {
    /// Types into what has the focus, and presses Enter.
    pub(crate) fn type_line(&mut self, tab: &Tab, text: &str) {
        self.call(Some(tab), "Input.insertText", json!({ "text": text }));
        for event in ["keyDown", "keyUp"] {
            let enter = json!({
                "type": event,
                "key": "Enter",
                "code": "Enter",
                "windowsVirtualKeyCode": 13,
                "text": if event == "keyDown" { "\r" } else { "" },
            });
            self.call(Some(tab), "Input.dispatchKeyEvent", enter);
        }
    }

    /// Shows the tab on a screen, in a colour scheme: `light` or `dark`.
    pub(crate) fn show(&mut self, tab: &Tab, screen: Screen, scheme: &str) {
        let Screen { width, height, .. } = screen;
        let metrics = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": width < 600,
        });
        self.call(Some(tab), "Emulation.setDeviceMetricsOverride", metrics);
        let media = json!({
            "features": [{ "name": "prefers-color-scheme", "value": scheme }]
        });
        self.call(Some(tab), "Emulation.setEmulatedMedia", media);
        self.wait_for(tab, &format!("innerWidth === {width}"));
    }

    /// Leaves a picture of the tab.
    pub(crate) fn screenshot(&mut self, tab: &Tab, path: &Path) {
        // Nothing moves any more, and what is now has been painted.
        let still = "document.getAnimations().every((a) => a.playState !== 'running')";
        self.wait_for(tab, still);
        let painted = "new Promise((done) => \
            requestAnimationFrame(() => requestAnimationFrame(() => done(true))))";
        self.evaluate(tab, painted);
        let shot = self.call(
            Some(tab),
            "Page.captureScreenshot",
            json!({ "format": "png" }),
        );
        let data = shot["data"].as_str().expect("a picture");
        let png = BASE64_STANDARD.decode(data).expect("base64");
        fs::write(path, png).expect("the picture is written");
    }
}
