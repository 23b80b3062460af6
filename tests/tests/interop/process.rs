//! Programs that a test starts: what they print is read line by line, and they end with the test.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take to say something that is waited for, or to end. Nothing takes a
/// tenth of it on an idle machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// A program, with all the processes it starts.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Process {
    /// Starts a program; what it prints on either output can be waited for.
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; see tests/peers/install.sh"));
        let (sender, lines) = mpsc::channel();
        read_lines(child.stdout.take().expect("piped"), sender.clone());
        read_lines(child.stderr.take().expect("piped"), sender);
        Self {
            name,
            child,
            lines,
            said: String::new(),
        }
    }

    /// Waits for a line that begins with `prefix`; returns the rest of it.
    pub(crate) fn line(&mut self, prefix: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        while let Some(line) = self.next(deadline) {
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.into();
            }
        }
        let (name, said) = (&self.name, &self.said);
        panic!("{name} ended without a line {prefix:?}. It said:\n{said}")
    }

    /// Waits for the program to end; returns how it did, and everything it printed.
    pub(crate) fn finish(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + DEADLINE;
        while self.next(deadline).is_some() {}
        // Its outputs are closed: the status is there, or about to be.
        let status = self.child.wait().expect("it was started here");
        (status, std::mem::take(&mut self.said))
    }

    /// Sends a signal to all its processes.
    pub(crate) fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill")
            .args(["-s", name, "--", &group])
            .stderr(Stdio::null())
            .status();
    }

    fn next(&mut self, deadline: Instant) -> Option<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.said += &line;
                self.said.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let (name, said) = (&self.name, &self.said);
                panic!("{name} is silent. It said:\n{said}")
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The whole group, for a browser is many processes; before its leader is waited for,
        // because until then nobody else can have got its number.
        self.signal("KILL");
        let _ = self.child.wait();
        // Its outputs are closed when the last of them is gone: nobody writes files any more.
        let deadline = Instant::now() + DEADLINE;
        while let left = deadline.saturating_duration_since(Instant::now())
            && self.lines.recv_timeout(left).is_ok()
        {}
    }
}

/// The directory of the repository.
pub(crate) fn repository() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the crate is in one").into()
}

fn read_lines(output: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        // Whoever prints something that is not UTF-8 is read on, or it would wait for us forever.
        while output.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
            let text = String::from_utf8_lossy(&line);
            let _ = to.send(text.trim_end().into());
            line.clear();
        }
    });
}
