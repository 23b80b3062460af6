//! The lines on their way to the terminal, from several threads.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::sync::{Arc, Condvar, Mutex};

use super::lock;

/// The number of lines that may wait to be shown before the receiver waits too.
const WAITING: usize = 256;

/// The number of lines with which a trace has to wait for nobody: more are counted, and one line says
/// how many.
const TRACED: usize = 1024;

/// The lines that wait to be shown.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    queue: Arc<Queue>,
}

/// Whether more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    More,
    End,
}

#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    taken: Condvar,
    wake: PipeWriter,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<String>,
    /// Lines of the trace that were too many.
    missed: usize,
    is_over: bool,
}

impl Screen {
    pub(super) fn new() -> io::Result<(Self, PipeReader)> {
        let (woken, wake) = io::pipe()?;
        let queue = Queue {
            waiting: Mutex::default(),
            taken: Condvar::new(),
            wake,
        };
        let queue = Arc::new(queue);
        Ok((Self { queue }, woken))
    }

    /// Adds a line, and does not wait.
    pub(super) fn add(&self, line: String) {
        self.change(|waiting| waiting.lines.push_back(line));
    }

    /// Adds a line of the trace, unless too many wait: on a terminal that is stopped, nobody takes
    /// them.
    pub(super) fn trace(&self, line: String) {
        self.change(|waiting| match waiting.lines.len() < TRACED {
            true => waiting.lines.push_back(line),
            false => waiting.missed += 1,
        });
    }

    /// Adds a line, and waits while many are there, so that the server has to wait as well.
    pub(super) fn add_and_wait(&self, line: String) {
        self.add(line);
        let waiting = lock(&self.queue.waiting);
        let too_many = |waiting: &mut Waiting| waiting.lines.len() > WAITING && !waiting.is_over;
        drop(self.queue.taken.wait_while(waiting, too_many));
    }

    /// Notes that nothing more comes.
    pub(super) fn end(&self) {
        self.change(|waiting| waiting.is_over = true);
    }

    /// Notes that nothing more is shown.
    pub(super) fn give_up(&self) {
        self.end();
        self.queue.taken.notify_all();
    }

    pub(super) fn take(&self) -> (VecDeque<String>, Next) {
        let mut waiting = lock(&self.queue.waiting);
        self.queue.taken.notify_all();
        let next = if waiting.is_over {
            Next::End
        } else {
            Next::More
        };
        let missed = std::mem::take(&mut waiting.missed);
        if missed > 0 {
            let line = format!("{missed} lines of the trace were not shown");
            waiting.lines.push_back(line);
        }
        (std::mem::take(&mut waiting.lines), next)
    }

    /// Shows what waits where there is no prompt.
    pub(super) fn print_rest(&self) {
        for line in self.take().0 {
            let _ = writeln!(io::stdout(), "{line}");
        }
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = lock(&self.queue.waiting);
        let was_idle = waiting.lines.is_empty();
        change(&mut waiting);
        drop(waiting);
        // One byte wakes for all that is there by then; more could fill the pipe.
        if was_idle {
            let _ = (&self.queue.wake).write_all(&[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_nobody_takes_is_bounded_and_says_what_it_lost() {
        let (screen, _woken) = Screen::new().unwrap();
        for number in 0..TRACED + 500 {
            screen.trace(format!("> {number}"));
        }
        // What is no trace is always shown.
        screen.add("a message".into());
        let (lines, _) = screen.take();
        assert_eq!(lines.len(), TRACED + 2);
        assert_eq!(lines[TRACED], "a message");
        assert_eq!(lines[TRACED + 1], "500 lines of the trace were not shown");
        screen.trace("> on".into());
        assert_eq!(screen.take().0, ["> on"]);
    }
}
