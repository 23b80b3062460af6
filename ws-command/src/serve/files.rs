//! `--static`: the files of a folder, and nothing from outside it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use ws_std::{Request, Response, StatusCode};

/// The longest file that is served: each lies in memory while it is sent.
const LONGEST: u64 = 64 << 20;

/// The folder whose files are served.
#[derive(Clone, Debug)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    /// # Errors
    ///
    /// There is no such folder.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        match root.is_dir() {
            true => Ok(Self { root }),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The file that a request is for; of a folder its `index.html`.
    pub(super) fn answer(&self, request: &Request) -> Response {
        let asked = request.path_param("path").unwrap_or_default();
        match self.read(&asked) {
            Ok((kind, content)) => Response::of(kind, content)
                .header("x-content-type-options", "nosniff")
                .header("cache-control", "no-cache"),
            Err(status) => {
                let why = status.canonical_reason().unwrap_or_default().to_lowercase();
                Response::text(format!("{why}\n")).with_status(status)
            }
        }
    }

    fn read(&self, asked: &str) -> Result<(&'static str, Vec<u8>), StatusCode> {
        let nowhere = |_| StatusCode::NOT_FOUND;
        let mut path = self.root.clone();
        for part in Path::new(asked).components() {
            match part {
                // A file that begins with a dot is not for everybody: .git, .env.
                Component::Normal(name) if !is_hidden(name) => path.push(name),
                _ => return Err(StatusCode::NOT_FOUND),
            }
        }
        if path.is_dir() {
            path.push("index.html");
        }
        // Where links lead is looked at, too.
        let path = path.canonicalize().map_err(nowhere)?;
        let inside = path
            .strip_prefix(&self.root)
            .map_err(|_| StatusCode::NOT_FOUND)?;
        if !path.is_file() || inside.iter().any(is_hidden) {
            return Err(StatusCode::NOT_FOUND);
        }
        let mut content = Vec::new();
        let file = File::open(&path).map_err(nowhere)?;
        let read = file.take(LONGEST + 1).read_to_end(&mut content);
        match read {
            Ok(len) if len as u64 > LONGEST => Err(StatusCode::INSUFFICIENT_STORAGE),
            Ok(_) => Ok((kind(&path), content)),
            Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    // On Windows a backslash or a colon would lead elsewhere.
    let name = name.as_encoded_bytes();
    name.starts_with(b".") || name.iter().any(|byte| b"\\:\0".contains(byte))
}

/// The type of a file, by its name.
fn kind(path: &Path) -> &'static str {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn nothing_from_outside_the_folder_is_served() {
        let top = std::env::temp_dir().join(format!("ws-static-{}", std::process::id()));
        let root = top.join("root");
        fs::create_dir_all(root.join("sub/.git")).unwrap();
        for (path, text) in [
            ("root/index.html", "home"),
            ("root/sub/a.css", "style"),
            ("root/.env", "secret"),
            ("root/sub/.git/config", "secret"),
            ("secret", "secret"),
        ] {
            fs::write(top.join(path), text).unwrap();
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(top.join("secret"), root.join("link")).unwrap();
            std::os::unix::fs::symlink(root.join(".env"), root.join("env")).unwrap();
        }
        let files = Files::of(&root).unwrap();
        assert_eq!(
            files.read("").unwrap(),
            ("text/html; charset=utf-8", b"home".into())
        );
        assert_eq!(
            files.read("sub/a.css").unwrap(),
            ("text/css; charset=utf-8", b"style".into())
        );
        for path in [
            "sub",
            "nothing",
            "../secret",
            "sub/../../secret",
            "/etc/passwd",
            ".env",
            "sub/.git/config",
            "link",
            "env",
            "a\0b",
            "..\\secret",
        ] {
            assert_eq!(files.read(path), Err(StatusCode::NOT_FOUND), "{path}");
        }
        assert!(Files::of(&root.join("index.html")).is_err());
        fs::remove_dir_all(top).unwrap();
    }
}
