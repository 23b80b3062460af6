//! The line that is being typed, and the history of lines.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::keys::Key;
use crate::text::Escaped;

/// The prompt before the line.
pub(super) const PROMPT: &str = "> ";

/// The number of lines that the history keeps.
pub(super) const HISTORY: usize = 1000;

/// The most characters that are looked at to find where one ends that is made of several.
const CLUSTER: usize = 64;

/// A line with a cursor in it, and a history.
#[derive(Debug, Default)]
pub(super) struct Editor {
    before: Vec<char>,
    /// The characters after the cursor, the last one first.
    behind: Vec<char>,
    history: Vec<String>,
    /// The line of the history that is shown. After the last one comes the new line.
    at: usize,
    /// The new line, while one of the history is shown.
    draft: String,
    search: Option<Search>,
}

/// A search in the history that goes on.
#[derive(Debug)]
struct Search {
    query: String,
    /// Where the line was before.
    from: usize,
}

/// The request of a key to the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Paint,
    ClearScreen,
    Line(String),
    /// The line was given up; in the history it still is.
    Dropped(String),
    Interrupt,
    EndOfInput,
    Suspend,
}

impl Editor {
    /// One with the lines of former times, the oldest first.
    pub(super) fn with_history(history: Vec<String>) -> Self {
        Self {
            at: history.len(),
            history,
            ..Self::default()
        }
    }

    /// Does what a key says.
    pub(super) fn press(&mut self, key: Key) -> Asked {
        if let Some(search) = self.search.take() {
            match self.press_in(search, key) {
                None => return Asked::Paint,
                // What is no part of the search ends it, and is pressed on the line that was found.
                Some(key) => return self.press(key),
            }
        }
        match key {
            Key::Char(c) => self.before.push(c),
            Key::Paste(text) => self.before.extend(text.chars()),
            Key::Enter => return Asked::Line(self.enter()),
            Key::Backspace => drop(self.take_left()),
            Key::Delete => self.delete(),
            Key::Left => {
                let taken = self.take_left();
                self.behind.extend(taken.into_iter().rev());
            }
            Key::Right => {
                let taken = self.take_right();
                self.before.extend(taken);
            }
            Key::WordLeft => {
                let word = self.take_word();
                self.behind.extend(word.into_iter().rev());
            }
            Key::WordRight => self.skip_word(),
            Key::Home => self.behind.extend(self.before.drain(..).rev()),
            Key::End => self.before.extend(self.behind.drain(..).rev()),
            Key::Up => self.show(self.at.saturating_sub(1)),
            Key::Down => self.show((self.at + 1).min(self.history.len())),
            Key::KillToStart => self.before.clear(),
            Key::KillToEnd => self.behind.clear(),
            Key::KillWord => drop(self.take_word()),
            Key::Search => {
                self.search = Some(Search {
                    query: String::new(),
                    from: self.at,
                });
            }
            Key::ClearScreen => return Asked::ClearScreen,
            // As in shells: it drops the line, if there is one.
            Key::Interrupt if !self.before.is_empty() || !self.behind.is_empty() => {
                return Asked::Dropped(self.enter());
            }
            Key::Interrupt => return Asked::Interrupt,
            // As everywhere: the end on an empty line, else the key for deleting.
            Key::EndOfInput if self.before.is_empty() && self.behind.is_empty() => {
                return Asked::EndOfInput;
            }
            Key::EndOfInput => self.delete(),
            Key::Suspend => return Asked::Suspend,
        }
        Asked::Paint
    }

    /// The row with the line in it, on a terminal with this many columns. Of a line that is too
    /// long, the part with the cursor is shown.
    pub(super) fn paint(&self, columns: usize) -> String {
        let prompt = match &self.search {
            None => PROMPT.to_owned(),
            Some(search) => format!("(search: {}) ", Escaped(&search.query)),
        };
        let prompt_width = prompt.width();
        let room = columns.saturating_sub(prompt_width + 1).max(1);
        let before: String = self.before.iter().collect();
        let mut left = 0;
        let mut from = before.len();
        for cluster in before.graphemes(true).rev() {
            if left + width(cluster) > room {
                break;
            }
            from -= cluster.len();
            left += width(cluster);
        }
        let mut row = format!("\r\x1b[K{prompt}");
        let mut used = 0;
        let behind: String = self.behind.iter().rev().collect();
        for cluster in before[from..].graphemes(true).chain(behind.graphemes(true)) {
            used += width(cluster);
            if used > room {
                break;
            }
            row += &Escaped(cluster).to_string();
        }
        row + &format!("\r\x1b[{}C", prompt_width + left)
    }

    /// Goes on with a search. Returns the key, if it ends the search.
    fn press_in(&mut self, mut search: Search, key: Key) -> Option<Key> {
        match key {
            Key::Char(c) => {
                search.query.push(c);
                self.find(&search.query, self.at + 1);
            }
            Key::Paste(text) => {
                search.query += &text;
                self.find(&search.query, self.at + 1);
            }
            Key::Backspace => {
                search.query.pop();
                self.find(&search.query, search.from + 1);
            }
            Key::Search => self.find(&search.query, self.at),
            Key::Interrupt => {
                self.show(search.from);
                return None;
            }
            key => return Some(key),
        }
        self.search = Some(search);
        None
    }

    /// Shows the newest line before this one that has the text in it, if one has.
    fn find(&mut self, text: &str, before: usize) {
        let older = &self.history[..before.min(self.history.len())];
        if let Some(at) = older.iter().rposition(|line| line.contains(text)) {
            self.show(at);
        }
    }

    fn enter(&mut self) -> String {
        let line = self.line();
        self.before.clear();
        self.behind.clear();
        self.draft.clear();
        if !line.is_empty() && self.history.last() != Some(&line) {
            if self.history.len() == HISTORY {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        self.at = self.history.len();
        line
    }

    fn line(&self) -> String {
        self.before.iter().chain(self.behind.iter().rev()).collect()
    }

    /// Shows a line of the history, or the new one.
    fn show(&mut self, at: usize) {
        if at == self.at {
            return;
        }
        if self.at == self.history.len() {
            self.draft = self.line();
        }
        self.at = at;
        let line = self.history.get(at).unwrap_or(&self.draft);
        self.before = line.chars().collect();
        self.behind.clear();
    }

    fn delete(&mut self) {
        self.take_right();
    }

    /// Takes what a reader sees as the character before the cursor.
    fn take_left(&mut self) -> Vec<char> {
        let from = self.before.len().saturating_sub(CLUSTER);
        let text: String = self.before[from..].iter().collect();
        let last = text.graphemes(true).next_back().unwrap_or_default();
        let len = last.chars().count();
        self.before.split_off(self.before.len() - len)
    }

    /// Takes what a reader sees as the character after the cursor.
    fn take_right(&mut self) -> Vec<char> {
        let text: String = self.behind.iter().rev().take(CLUSTER).collect();
        let first = text.graphemes(true).next().unwrap_or_default();
        let len = first.chars().count();
        let mut taken = self.behind.split_off(self.behind.len() - len);
        taken.reverse();
        taken
    }

    /// Takes the word before the cursor, and the spaces after it.
    fn take_word(&mut self) -> Vec<char> {
        let end = self.before.iter().rposition(|c| !c.is_whitespace());
        let start = self.before[..end.unwrap_or(0)]
            .iter()
            .rposition(|c| c.is_whitespace());
        self.before.split_off(start.map_or(0, |start| start + 1))
    }

    /// Moves to the end of the next word.
    fn skip_word(&mut self) {
        for is_passed in [char::is_whitespace, |c: char| !c.is_whitespace()] {
            while let Some(c) = self.behind.pop_if(|c| is_passed(*c)) {
                self.before.push(c);
            }
        }
    }
}

/// The number of columns that a character takes, which may be made of several; escaped if it is
/// shown so.
fn width(cluster: &str) -> usize {
    if cluster.chars().any(crate::text::is_control) {
        let of = |c: char| match crate::text::is_control(c) {
            true => c.escape_default().count(),
            false => c.width().unwrap_or(0),
        };
        return cluster.chars().map(of).sum();
    }
    cluster.width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::keys::Keys;

    /// Types at the editor, and returns the line with `|` for the cursor.
    fn typed(editor: &mut Editor, keys: &str) -> String {
        let mut decoder = Keys::default();
        for byte in keys.bytes() {
            if let Some(key) = decoder.push(byte) {
                editor.press(key);
            }
        }
        let text = |chars: &mut dyn Iterator<Item = &char>| chars.collect::<String>();
        let behind = text(&mut editor.behind.iter().rev());
        format!("{}|{behind}", text(&mut editor.before.iter()))
    }

    #[test]
    fn editing() {
        let cases = [
            ("hello", "hello|"),
            ("helo\x1b[Dl", "hell|o"),
            ("hello\x02\x02\x7f", "he|lo"),
            ("hello\x01\x1b[3~\x04", "|llo"),
            ("ab\x01\x06c\x05d", "acbd|"),
            ("one two  three\x17", "one two  |"),
            ("one two  \x17", "one |"),
            ("one\x17", "|"),
            ("one two\x1bb\x1bb", "|one two"),
            ("one two\x01\x1bf", "one| two"),
            ("one two\x1bb\x0b", "one |"),
            ("one two\x1bb\x15", "|two"),
            ("e\u{301}x\x02\x02", "|e\u{301}x"),
            ("xe\u{301}\x7f", "x|"),
            ("e\u{301}x\x01\x04", "|x"),
            // A family, a flag and a hand with a colour are one character each.
            ("👨‍👩‍👧x\x02\x02", "|👨‍👩‍👧x"),
            ("x👨‍👩‍👧\x7f", "x|"),
            ("🇩🇪🇫🇷\x7f", "🇩🇪|"),
            ("👋🏽x\x01\x04", "|x"),
            ("👋🏽🇩🇪\x01\x06", "👋🏽|🇩🇪"),
            ("\x7f\x17\x02\x06\x1bb\x1bf\x0b\x15", "|"),
        ];
        for (keys, line) in cases {
            assert_eq!(typed(&mut Editor::default(), keys), line, "{keys:?}");
        }
    }

    #[test]
    fn history() {
        let mut editor = Editor::default();
        typed(&mut editor, "one\r\rtwo\rtwo\r");
        assert_eq!(editor.history, ["one", "two"]);
        let (up, down) = ("\x1b[A", "\x1b[B");
        assert_eq!(typed(&mut editor, "dra"), "dra|");
        assert_eq!(typed(&mut editor, up), "two|");
        assert_eq!(typed(&mut editor, up), "one|");
        assert_eq!(typed(&mut editor, up), "one|");
        assert_eq!(typed(&mut editor, down), "two|");
        assert_eq!(typed(&mut editor, down), "dra|");
        assert_eq!(typed(&mut editor, down), "dra|");
        // One that is changed and sent is a line of its own.
        assert_eq!(typed(&mut editor, &[up, up, "!\r", up].concat()), "one!|");
        assert_eq!(editor.history, ["one", "two", "one!"]);
    }

    #[test]
    fn a_search_in_the_history() {
        let lines = ["ping one", "pong two", "ping three"].map(String::from);
        let mut editor = Editor::with_history(lines.into());
        assert_eq!(typed(&mut editor, "draft"), "draft|");
        assert_eq!(typed(&mut editor, "\x12p"), "ping three|");
        assert_eq!(typed(&mut editor, "on"), "pong two|");
        assert!(editor.paint(80).contains("(search: pon) pong two"));
        // From the start again: what is deleted may have passed over lines.
        assert_eq!(typed(&mut editor, "\x7f\x7fi"), "ping three|");
        assert_eq!(typed(&mut editor, "\x12"), "ping one|");
        assert_eq!(typed(&mut editor, "\x12"), "ping one|");
        // Ctrl-C goes back to what was typed.
        assert_eq!(typed(&mut editor, "\x03"), "draft|");
        assert_eq!(typed(&mut editor, "\x12two\x01"), "|pong two");
        assert_eq!(typed(&mut editor, "\x12one\r"), "|");
        assert_eq!(editor.history.last().unwrap(), "ping one");
    }

    #[test]
    fn what_is_asked() {
        let mut editor = Editor::default();
        assert_eq!(editor.press(Key::EndOfInput), Asked::EndOfInput);
        editor.press(Key::Paste("a\nb".into()));
        assert_eq!(editor.press(Key::EndOfInput), Asked::Paint);
        let dropped = Asked::Dropped("a\nb".into());
        assert_eq!(editor.press(Key::Interrupt), dropped);
        assert_eq!(editor.press(Key::Interrupt), Asked::Interrupt);
        assert_eq!(editor.press(Key::Up), Asked::Paint);
        assert_eq!(editor.press(Key::Enter), Asked::Line("a\nb".into()));
        assert_eq!(editor.press(Key::Enter), Asked::Line(String::new()));
    }

    #[test]
    fn painting() {
        let row = |keys: &str, columns| {
            let mut editor = Editor::default();
            typed(&mut editor, keys);
            let row = editor.paint(columns);
            row.strip_prefix("\r\x1b[K").unwrap().to_owned()
        };
        assert_eq!(row("", 80), "> \r\x1b[2C");
        assert_eq!(row("abc\x02", 80), "> abc\r\x1b[4C");
        assert_eq!(row("你好", 80), "> 你好\r\x1b[6C");
        assert_eq!(row("👨‍👩‍👧👋🏽", 80), "> 👨‍👩‍👧👋🏽\r\x1b[6C");
        assert_eq!(row("\x1b[200~a\x1bb\x1b[201~", 80), "> a\\u{1b}b\r\x1b[10C");
        // Eleven columns: the prompt, eight for the line, one for the cursor.
        assert_eq!(row("12345678", 11), "> 12345678\r\x1b[10C");
        assert_eq!(row("123456789", 11), "> 23456789\r\x1b[10C");
        assert_eq!(row("123456789\x01", 11), "> 12345678\r\x1b[2C");
        assert_eq!(row("1234567你", 11), "> 234567你\r\x1b[10C");
        assert_eq!(row("abc", 0), "> c\r\x1b[3C");
    }
}
