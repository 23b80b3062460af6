//! Lines on standard error that nobody waits for: a pipe that is full, or a terminal that is stopped,
//! stops no connection.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::utc::Utc;

/// Lines on the way to one that writes them. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: SyncSender<Line>,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Line {
    Text(String),
    /// All before it was written.
    Done(SyncSender<()>),
}

/// The most lines that are on the way; more are counted, and one line says how many.
const WAITING: usize = 1024;

/// How long a program that ends waits for its last lines.
const LAST: Duration = Duration::from_millis(500);

impl Lines {
    /// Those of the program, to standard error. If that is closed, nobody wants to read them.
    pub(crate) fn standard() -> &'static Self {
        static STANDARD: OnceLock<Lines> = OnceLock::new();
        STANDARD.get_or_init(|| Self::to(io::stderr()))
    }

    fn to(out: impl Write + Send + 'static) -> Self {
        let (lines, waiting) = mpsc::sync_channel(WAITING);
        let shared = Arc::new(Shared {
            lines,
            dropped: AtomicU64::new(0),
        });
        let (this, writer) = (Self(shared.clone()), Arc::downgrade(&shared));
        let count = move || writer.upgrade().map_or(0, |shared| shared.take_dropped());
        // Without a thread the lines are counted and dropped.
        let _ = thread::Builder::new()
            .name("ws-log".into())
            .spawn(move || write(out, &waiting, count));
        this
    }

    /// Writes a line, with the time, unless too many wait.
    pub(crate) fn say(&self, line: fmt::Arguments<'_>) {
        self.add(format!("{} {line}", Utc::now()));
    }

    /// Writes a line as it is, unless too many wait.
    pub(crate) fn add(&self, line: String) {
        if self.0.lines.try_send(Line::Text(line)).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for what is on the way, but for nobody who does not read it.
    pub(crate) fn end(&self) {
        let (done, is_done) = mpsc::sync_channel(1);
        if self.0.lines.try_send(Line::Done(done)).is_ok() {
            let _ = is_done.recv_timeout(LAST);
        }
    }
}

impl Shared {
    fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

fn write(mut out: impl Write, lines: &Receiver<Line>, dropped: impl Fn() -> u64) {
    for line in lines {
        match line {
            Line::Text(text) => drop(writeln!(out, "{text}")),
            Line::Done(done) => drop(done.send(())),
        }
        let count = dropped();
        if count > 0 {
            let _ = writeln!(out, "{} {count} lines were not written", Utc::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Waits before each line until it may be written.
    struct Gate(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.contains(&b'\n') {
                let _ = self.0.recv();
            }
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_does_not_read_stops_nobody_and_hears_what_it_missed() {
        let (open, gate) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let lines = Lines::to(Gate(gate, written.clone()));
        let many = WAITING + 500;
        for number in 0..many {
            lines.say(format_args!("line {number}"));
        }
        // Whoever ends does not wait for it either.
        lines.end();
        drop(open);
        let (done, is_done) = mpsc::sync_channel(1);
        lines.0.lines.send(Line::Done(done)).unwrap();
        is_done.recv().unwrap();
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let of = |line: &str| text.lines().filter(|own| own.contains(line)).count();
        let missed: usize = text
            .lines()
            .filter_map(|line| line.strip_suffix(" lines were not written"))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
            .sum();
        assert!(missed >= 499, "{missed}");
        assert_eq!(of(" line ") + missed, many);
        assert!(text.contains(" line 0\n"));
    }

    #[test]
    fn what_was_said_last_is_written_before_the_end() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (open, gate) = mpsc::channel();
        drop(open);
        let lines = Lines::to(Gate(gate, written.clone()));
        lines.say(format_args!("the last"));
        lines.end();
        let text = written.lock().unwrap().clone();
        assert!(String::from_utf8(text).unwrap().ends_with(" the last\n"));
    }
}
