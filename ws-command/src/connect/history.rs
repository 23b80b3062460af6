//! The lines of former times, in a file that nobody else reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::editor::HISTORY;
use crate::text::{Quoted, unquoted};

/// Where lines are kept.
#[derive(Debug)]
pub(super) struct Saved {
    file: File,
}

impl Saved {
    /// Opens the file, and returns the lines in it, the oldest first. One that has grown too long
    /// is cut.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<String>)> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder)?;
        }
        let mut file = private().read(true).open(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<String> = text.lines().filter_map(unquoted).collect();
        if lines.len() > 2 * HISTORY {
            lines.drain(..lines.len() - HISTORY);
            let kept: String = lines.iter().map(|line| entry(line)).collect();
            // In one step: two that do so at once lose no more than a few lines.
            let new = path.with_extension("new");
            let _ = fs::remove_file(&new);
            private().open(&new)?.write_all(kept.as_bytes())?;
            fs::rename(&new, path)?;
            file = private().open(path)?;
        }
        lines.drain(..lines.len().saturating_sub(HISTORY));
        Ok((Self { file }, lines))
    }

    /// Adds a line, unless a space begins it, as in shells: for what is not to be kept.
    pub(super) fn add(&mut self, line: &str) {
        if !line.is_empty() && !line.starts_with(' ') {
            // One write, so that the lines of several prompts do not mix. A full disk is no reason
            // to stop talking.
            let _ = self.file.write_all(entry(line).as_bytes());
        }
    }
}

/// Where the history is, if nothing else is said: in `$XDG_STATE_HOME/ws`, or as that defaults.
pub(super) fn default_path(
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Option<PathBuf> {
    let set = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("ws/history"))
}

fn entry(line: &str) -> String {
    format!("{}\n", Quoted(line))
}

fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::fs::PermissionsExt as _;

    fn place(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ws-history-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder.join("state/history")
    }

    #[test]
    fn lines_are_there_the_next_time() {
        let path = place("next");
        let (mut saved, lines) = Saved::open(&path).unwrap();
        assert!(lines.is_empty());
        for line in ["one", "two\nlines\\", "", " private", "three "] {
            saved.add(line);
        }
        let (_, lines) = Saved::open(&path).unwrap();
        assert_eq!(lines, ["one", "two\nlines\\", "three "]);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let path = place("long");
        let (mut saved, _) = Saved::open(&path).unwrap();
        for number in 0..=2 * HISTORY {
            saved.add(&format!("line {number}"));
        }
        let (mut saved, lines) = Saved::open(&path).unwrap();
        assert_eq!(lines.len(), HISTORY);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), HISTORY);
        saved.add("the last");
        let (_, lines) = Saved::open(&path).unwrap();
        assert_eq!(lines.last().unwrap(), "the last");
    }

    #[test]
    fn where_it_is() {
        let of = |state: &'static str, home: &'static str| {
            default_path(|name| match name {
                "XDG_STATE_HOME" => Some(OsString::from(state)),
                "HOME" => Some(OsString::from(home)),
                _ => None,
            })
        };
        assert_eq!(of("/s", "/h"), Some("/s/ws/history".into()));
        assert_eq!(of("", "/h"), Some("/h/.local/state/ws/history".into()));
        assert_eq!(of("", ""), None);
    }
}
